"""The real products of spectral bins: their sums, plain and fast, against complex products."""

import numpy as np
import pytest

from rnnhw.bins import (
    PAIR_STEPS,
    PRODUCTS,
    bin_lanes,
    combined,
    factors,
    pair_factors,
    pair_multipliers,
    pair_steps,
    sums,
)

SIZES = (4, 8, 16, 32, 64)


def spectra(k, *shape, seed=0):
    """Integer components of random blocks, each of which is two real bins, then (re, im) pairs."""
    return np.random.default_rng(seed).integers(-5000, 5000, (*shape, k))


def multiplied(x, w):
    """Components of the products of two spectra, bin by bin."""
    z = (x[..., 2::2] + 1j * x[..., 3::2]) * (w[..., 2::2] + 1j * w[..., 3::2])
    found = x * w
    found[..., 2::2], found[..., 3::2] = z.real, z.imag
    return found


@pytest.mark.parametrize("products", PRODUCTS)
@pytest.mark.parametrize("k", SIZES)
def test_sums_of_lanes_are_complex_products(k, products):
    x, w = spectra(k, 9), spectra(k, 9, seed=1)
    found = sums(k, products, lambda lane: factors(x, lane.operand) * factors(w, lane.weight))
    np.testing.assert_array_equal(found, multiplied(x, w))


@pytest.mark.parametrize("products", PRODUCTS)
@pytest.mark.parametrize("k", SIZES)
def test_fast_products_less_xi_and_eta_are_the_plain_ones(k, products):
    x, w = spectra(k, 6, 2), spectra(k, 6, 2, seed=1)

    def fast(lane):
        (x0, x1), (w0, w1) = (np.moveaxis(factors(blocks, terms), -1, 0)
                              for blocks, terms in ((x, lane.operand), (w, lane.weight)))
        return (x0 + w1) * (x1 + w0)

    xi = sums(k, products, lambda lane: factors(x, lane.operand).prod(axis=-1))
    eta = sums(k, products, lambda lane: factors(w, lane.weight).prod(axis=-1))
    plain = multiplied(x, w).sum(axis=1)
    np.testing.assert_array_equal(sums(k, products, fast) - xi - eta, plain)
    assert np.any(xi) and np.any(eta)


@pytest.mark.parametrize("k", SIZES)
def test_three_products_save_a_quarter_of_the_lanes_of_complex_bins(k):
    assert len(bin_lanes(k, 4)) == 2 * k - 2
    assert len(bin_lanes(k, 3)) == 3 * k // 2 - 1
    for products, distinct in ((4, k), (3, 3 * k // 2 - 1)):
        assert len(pair_factors(k, products)) == distinct
        used = {lane for terms in combined(k, products) for lane, _ in terms}
        assert sorted(used) == list(range(len(bin_lanes(k, products))))


@pytest.mark.parametrize("products", PRODUCTS)
@pytest.mark.parametrize("k", SIZES)
def test_multipliers_of_pairs_are_the_fewest_that_keep_up(k, products):
    distinct = len(pair_factors(k, products))
    for spacing in (1, 2, 3, 5, 8, 31, 200):
        count, steps = (f(k, products, spacing) for f in (pair_multipliers, pair_steps))
        assert count * steps >= distinct and steps <= min(spacing, PAIR_STEPS)
        assert (count - 1) * min(spacing, PAIR_STEPS) < distinct
