"""The figures come from one netlist, and one that is not as asked is said to be so."""

import pytest

from benchmarks import clock, efficiency, equality
from rnnhw.errors import RnnhwError
from tests.configurations import CASES


def ignore(sentence):
    """Progress that nobody reads."""


@pytest.mark.slow
def test_one_netlist_gives_hash_cycles_and_losses():
    first, second = (efficiency.figures(ignore, ["tiny"], "bench-ice40up5k") for _ in range(2))
    row = first[0]
    assert first == second
    assert row["equal"] and len(row["netlist"]) == 64
    assert row["netlist"][:12] in efficiency.page(first)
    assert row["cycles"][6] - row["cycles"][5] == row["cycles_per_step"]
    assert row["latency_cycles"] == row["cycles"][1] - 3
    assert not efficiency.failed(first)
    assert efficiency.failed([row | {"equal": False}])


@pytest.mark.parametrize("cycles, meets", [(95.0, True), (96.0, False)])
def test_what_was_asked_decides(cycles, meets):
    row = {"network": "lstm-6-20", "cycles_per_step": cycles, "total_multipliers": 37}
    assert efficiency.meets(row) is meets
    assert efficiency.meets(row | {"network": "tiny"}) is None


def test_a_configuration_that_differs_is_named():
    rows = equality.runs(CASES[0], cocotb=False)
    assert not equality.failed(rows) and "1 of 1 configurations" in equality.page(rows)
    wrong = [rows[0] | {"equal": False}]
    assert equality.failed(wrong)
    assert f"Not equal: {CASES[0].name} in Amaranth" in equality.summary(wrong)


def test_a_pair_without_a_target_is_refused():
    with pytest.raises(RnnhwError, match=r"^tiny names no bench target; write it as tiny:bench-"):
        clock.figures(ignore, ["tiny"])
