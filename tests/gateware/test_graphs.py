"""Networks that are no chain in Amaranth's simulator against the golden model and the schedule."""

import pytest

from tests.rnnhw.graphs import BEGUN, BOTH_WAYS, GRAPHS, NAME, equal_in_gateware


@pytest.mark.parametrize("fast, slices", [(False, 2), (True, 3)])
@pytest.mark.parametrize("make", GRAPHS + BEGUN, **NAME)
def test_graph(make, fast, slices):
    equal_in_gateware(make, fast, slices)


@pytest.mark.parametrize("fast, slices", [(False, 2), (True, 1)])
@pytest.mark.parametrize("make", BOTH_WAYS, **NAME)
def test_both_ways(make, fast, slices):
    equal_in_gateware(make, fast, slices)


@pytest.mark.parametrize("gap, stall", [(0.5, 0.0), (0.0, 0.6), (0.3, 0.3)])
@pytest.mark.parametrize("make", (*GRAPHS[1::3], *BOTH_WAYS[::2], BEGUN[0]), **NAME)
def test_gaps_and_stalls(make, gap, stall):
    equal_in_gateware(make, True, 2, gap, stall)
