"""Random networks of every cell and function in Amaranth's simulator against the golden model."""

import pytest

from tests.rnnhw.variants import DRAWN

from .drawn import check


@pytest.mark.parametrize("family", DRAWN)
@pytest.mark.parametrize("seed", [1000, 1001])
def test_rtl_equals_golden(family, seed):
    check(seed, family)


@pytest.mark.parametrize("seed", [
    pytest.param(k, marks=pytest.mark.slow if k < 24 else pytest.mark.long) for k in range(100)])
def test_more_of_them(seed):
    check(seed, DRAWN[seed % len(DRAWN)])
