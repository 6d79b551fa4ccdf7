"""The integer transforms: exact with wide words, their widths, and sums over blocks."""

import numpy as np
import pytest

from rnnhw import fourier
from rnnhw.circulant import BLOCK_SIZES, Circulant
from rnnhw.fixed import round_shift

from . import slow_spectral


@pytest.mark.parametrize("k", BLOCK_SIZES)
def test_with_wide_words_it_is_the_circulant_product(k):
    """24 guard bits, 40-bit constants, spectra of 32 fraction bits: rounded, every bit is right."""
    rng = np.random.default_rng(k)
    p, q, guard, frac = 3, 2, 24, 32
    blocks = rng.integers(-128, 128, (1, p, q, k))
    x = rng.integers(-128, 128, (5, q, k))
    x[0], x[1], x[2] = -128, 127, np.where(np.arange(k) % 2, 127, -128)
    exact = x.reshape(5, -1) @ Circulant(blocks, p * k, q * k).dense.astype(np.int64).T

    w = np.floor(np.ldexp(fourier.spectrum(blocks[0]), frac) + 0.5).astype(np.int64).astype(object)
    spectra = fourier.rfft(x.astype(object) << guard, 40)
    sums = fourier.pair_product(spectra, fourier.pairs(w))
    points = fourier.irfft(sums, 40)
    assert sums.dtype == points.dtype == object
    y = round_shift(points, guard + frac + k.bit_length() - 1)
    assert y.reshape(5, -1).tolist() == exact.tolist()


@pytest.mark.parametrize("k", BLOCK_SIZES)
def test_transforms_equal_the_slow_transcription(k):
    rng = np.random.default_rng(k)
    x = rng.integers(-2**17, 2**17, (20, k))
    spectra = fourier.rfft(x)
    points = fourier.irfft(x)
    for row, components, back in zip(x.tolist(), spectra, points.tolist(), strict=True):
        assert slow_spectral.bins_of(components) == slow_spectral.forward(row)
        assert slow_spectral.backward(slow_spectral.bins_of(row)) == back


@pytest.mark.parametrize("k", BLOCK_SIZES)
def test_spectra_are_those_of_floats(k):
    rng = np.random.default_rng(k)
    x = rng.integers(-2**20, 2**20, (20, k))
    exact = fourier.spectrum(x)
    # 10-bit constants are off by 2**-11, once a stage
    assert np.abs(fourier.rfft(x) - exact).max() < 2**-10 * k.bit_length() * np.abs(exact).max()
    assert np.abs(fourier.rfft(x.astype(object) << 20, 40) / 2**20 - exact).max() < 1e-3
    wide = np.floor(exact * 2**20 + 0.5).astype(np.int64).astype(object)
    back = fourier.irfft(wide, 40) / 2**20 / k
    assert np.abs(back - x).max() < 1e-3


def test_a_transform_of_four_is_exact():
    x = np.random.default_rng(0).integers(-128, 128, (50, 4))
    assert np.array_equal(fourier.rfft(x), fourier.spectrum(x).round())
    assert np.array_equal(fourier.irfft(fourier.rfft(x)), 4 * x)


@pytest.mark.parametrize("k", BLOCK_SIZES)
def test_a_component_has_log2_k_bits_more(k):
    """For the points that make each component largest and smallest."""
    rows = fourier.spectrum(np.eye(k)).T
    x = np.concatenate([np.where(rows > 0, high, low)
                        for high, low in ((127, -128), (-128, 127))])
    found = fourier.rfft(x << 3)
    most = 128 * 8 * k
    assert found.max() < most and found.min() >= -most
    assert fourier.rfft(np.full(k, -128) << 3)[0] == -most        # the last code is needed


@pytest.mark.parametrize("k", BLOCK_SIZES)
def test_a_point_has_log2_k_and_one_bits_more(k):
    rng = np.random.default_rng(k)
    rows = fourier.irfft(np.eye(k, dtype=np.int64) << 10).T
    x = np.concatenate([np.where(rows > 0, 127, -128), np.where(rows > 0, -128, 127),
                        rng.choice([-128, 127], (200, k))])
    found = fourier.irfft(x)
    assert found.max() < 256 * k and found.min() >= -256 * k
    assert (found.max() >= 128 * k) == (k > 4)  # the one is for bins turned by an eighth and less


@pytest.mark.parametrize("k", BLOCK_SIZES)
@pytest.mark.parametrize("scale", [1, 2**20])
def test_sums_over_blocks(k, scale):
    rng = np.random.default_rng(k)
    x = rng.integers(-2**16, 2**16, (3, 2, k)) * scale
    w = rng.integers(-2**11, 2**11, (4, 2, k))
    found = fourier.spectral_product(x, w)
    for t, p in np.ndindex(3, 4):
        blocks = [slow_spectral.bins_of(row) for row in x[t]]
        assert slow_spectral.bins_of(found[t, p]) == slow_spectral.spectral_row(w[p], blocks)
    assert np.abs(found).max() <= fourier.reach(w) * int(np.abs(x).max())


def test_the_reach_of_weights_is_reached():
    w = np.array([[[3, -7, 2, -5]], [[1, 1, 4, 4]]])
    assert fourier.reach(w) == 8
    assert fourier.spectral_product(np.array([[[1, 1, 1, 1]]]), w)[0, 1].tolist() == [1, 1, 0, 8]


def test_sums_beyond_62_bits_are_refused():
    with pytest.raises(OverflowError, match="^spectral sums could reach 9223372036854775808$"):
        fourier.spectral_product(np.full((1, 1, 4), 2**50), np.full((1, 1, 4), 2**12))


def test_values_are_padded_to_whole_blocks():
    assert fourier.padded_blocks([1, 2, 3, 4, 5], 4).tolist() == [[1, 2, 3, 4], [5, 0, 0, 0]]
