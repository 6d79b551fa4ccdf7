"""The integer FFT of real blocks: the specification of every bit of the engine's transforms.

A spectrum of k real numbers is kept as k components, ``re[0], re[k/2], re[1], im[1], re[2], im[2],
..., re[k/2-1], im[k/2-1]``; those of the two first bins that are left out are zero.
"""

from functools import cache
from math import cos, pi, sin

import numpy as np

from .fixed import round_shift

TWIDDLE_BITS = 10          # fraction bits of the constants; 12 would gain less than 1 dB
EXACT_FLOAT = 1 << 53      # sums below it are exact in float64, whose products are the fast ones
EXACT_INT = 1 << 62
TWIDDLE_CYCLES = 4         # of a twiddle product in the engine's networks


def twiddle(n, j, bits=TWIDDLE_BITS):
    """``cos`` and ``sin`` of ``2 pi j / n``, as integers of ``bits`` fraction bits."""
    angle = 2 * pi * j / n
    return round(cos(angle) * 2**bits), round(sin(angle) * 2**bits)


def transform_cycles(k):
    """Cycles of a transform in the engine, forward or inverse: one an addition, four a twiddle."""
    return k.bit_length() - 1 + TWIDDLE_CYCLES * max(0, k.bit_length() - 3)


@cache
def _twiddles(n, bits, kind):
    """Of the bins ``0 < j < n/4``."""
    return np.array([twiddle(n, j, bits) for j in range(1, n // 4)], kind).T


def _turned(re, im, n, sign, bits):
    """``(re + i im)(c + sign i s)`` for the bins ``0 < j < n/4``, rounded half up once a component.
    """
    c, s = _twiddles(n, bits, re.dtype)
    s = sign * s
    return round_shift(c * re - s * im, bits), round_shift(c * im + s * re, bits)


def _split(components):
    """Real and imaginary parts of the bins ``0..k/2``."""
    re = np.concatenate([components[..., 0::2], components[..., 1:2]], axis=-1)
    im = np.zeros_like(re)
    im[..., 1:-1] = components[..., 3::2]
    return re, im


def _joined(re, im):
    """The components of bins ``0..k/2``."""
    found = np.empty_like(re, shape=(*re.shape[:-1], 2 * re.shape[-1] - 2))
    found[..., 0::2] = re[..., :-1]
    found[..., 1] = re[..., -1]
    found[..., 3::2] = im[..., 1:-1]
    return found


def _integers(values):
    """``values`` as int64, or as they are where they are Python's integers."""
    values = np.asarray(values)
    return values if values.dtype == object else values.astype(np.int64, copy=False)


def rfft(x, twiddle_bits=TWIDDLE_BITS):
    """Spectrum of ``x``, radix 2, decimation in time, unscaled.

    With E and O the spectra of the even and odd points, ``T_j = round(O_j (c_j - i s_j))`` gives
    ``X_j = E_j + T_j`` and ``X_(n/2-j) = conj(E_j - T_j)`` for ``0 < j < n/4``; exactly
    ``X_0 = E_0 + O_0``, ``X_(n/2) = E_0 - O_0``, ``X_(n/4) = E_(n/4) - i O_(n/4)``.
    A component needs ``log2 k`` bits more than the points.

    Parameters
    ----------
    x : int64 (..., k), or Python's integers as objects; k a power of two from 2
    twiddle_bits : fraction bits of the constants

    Returns
    -------
    int64 (..., k), the components

    Reference: Cooley and Tukey 1965; Sorensen et al. 1987 for the real form.
    """
    return _joined(*_rfft(_integers(x), twiddle_bits))


def _rfft(x, bits):
    n = x.shape[-1]
    if n == 2:
        re = np.stack([x[..., 0] + x[..., 1], x[..., 0] - x[..., 1]], axis=-1)
        return re, np.zeros_like(re)
    # even and odd points side by side, on the axis before the last
    re, im = _rfft(x.reshape(*x.shape[:-1], n // 2, 2).swapaxes(-1, -2), bits)
    er, our, ei, oi = (part[..., half, :] for part in (re, im) for half in (0, 1))
    q = n // 4
    re = np.empty_like(x, shape=(*x.shape[:-1], n // 2 + 1))
    im = np.zeros_like(re)
    re[..., 0], re[..., n // 2] = er[..., 0] + our[..., 0], er[..., 0] - our[..., 0]
    re[..., q], im[..., q] = er[..., q], -our[..., q]
    if q > 1:
        er, ei, our, oi = (part[..., 1:q] for part in (er, ei, our, oi))
        tr, ti = _turned(our, oi, n, -1, bits)
        re[..., 1:q], im[..., 1:q] = er + tr, ei + ti
        re[..., n // 2 - 1:q:-1], im[..., n // 2 - 1:q:-1] = er - tr, ti - ei
    return re, im


def irfft(components, twiddle_bits=TWIDDLE_BITS):
    """``k`` times the points that have this spectrum: :func:`rfft` walked backwards.

    ``E_j = X_j + conj X_(n/2-j)`` and ``O_j = round((X_j - conj X_(n/2-j)) (c_j + i s_j))`` for
    ``0 < j < n/4``; exactly ``E_0 = X_0 + X_(n/2)``, ``O_0 = X_0 - X_(n/2)``,
    ``E_(n/4) = 2 re X_(n/4)``, ``O_(n/4) = -2 im X_(n/4)``. A point needs ``log2 k + 1`` bits more
    than the components.

    Parameters
    ----------
    components : int64 (..., k), or Python's integers as objects
    twiddle_bits : fraction bits of the constants

    Returns
    -------
    int64 (..., k)
    """
    return _irfft(*_split(_integers(components)), twiddle_bits)


def _irfft(re, im, bits):
    n = 2 * (re.shape[-1] - 1)
    if n == 2:
        return np.stack([re[..., 0] + re[..., 1], re[..., 0] - re[..., 1]], axis=-1)
    q = n // 4
    half_re = np.empty_like(re, shape=(*re.shape[:-1], 2, q + 1))
    half_im = np.zeros_like(half_re)
    er, our, ei, oi = (half[..., k, :] for half in (half_re, half_im) for k in (0, 1))
    er[..., 0], our[..., 0] = re[..., 0] + re[..., n // 2], re[..., 0] - re[..., n // 2]
    er[..., q], our[..., q] = 2 * re[..., q], -2 * im[..., q]
    if q > 1:
        near, far = slice(1, q), slice(n // 2 - 1, q, -1)
        er[..., near], ei[..., near] = re[..., near] + re[..., far], im[..., near] - im[..., far]
        our[..., near], oi[..., near] = _turned(re[..., near] - re[..., far],
                                                im[..., near] + im[..., far], n, 1, bits)
    points = _irfft(half_re, half_im, bits).swapaxes(-1, -2)
    return points.reshape(*points.shape[:-2], n)


def spectrum(points):
    """Float components of real ``points`` (..., k)."""
    found = np.fft.rfft(points, axis=-1)
    return _joined(found.real, found.imag)


def padded_blocks(values, k):
    """``values`` (..., n) as blocks (..., ceil(n / k), k), padded with zeros."""
    values = np.asarray(values)
    whole = np.zeros((*values.shape[:-1], -(-values.shape[-1] // k) * k), values.dtype)
    whole[..., :values.shape[-1]] = values
    return whole.reshape(*values.shape[:-1], -1, k)


def reach(w):
    """Largest sum over a block row of what the components of ``w`` (..., q, k) can add to one.

    Times the largest operand component it bounds the sums of :func:`spectral_product`: a complex
    bin adds ``|re| + |im|`` times as much, a real one its magnitude.
    """
    size = np.abs(w)
    pairs = size[..., 0::2] + size[..., 1::2]
    pairs[..., 0] = np.maximum(size[..., 0], size[..., 1])
    return int(pairs.sum(axis=-2).max(initial=0))


def pairs(w):
    """Spectral blocks as matrices for pairs of components, (k/2, 2q, 2p) of ``w`` (p, q, k).

    Pair 0 holds the two real bins, the others ``re, im`` of one: ``x`` times the matrix is their
    product.
    """
    p, q, k = w.shape
    a, b = (np.moveaxis(w[..., part::2], (2, 1), (0, 1)) for part in (0, 1))
    found = np.zeros((k // 2, q, 2, p, 2), w.dtype)
    found[:, :, 0, :, 0] = a
    found[1:, :, 0, :, 1], found[1:, :, 1, :, 0] = b[1:], -b[1:]
    found[:, :, 1, :, 1] = a
    found[0, :, 1, :, 1] = b[0]
    return found.reshape(k // 2, 2 * q, 2 * p)


def pair_product(x, matrices):
    """``y[p] = sum_q x[q] * w[p, q]`` bin by bin, of ``x`` (steps, q, k) and ``pairs(w)``.

    In the type of ``matrices``, which must hold all sums; (steps, p, k).
    """
    steps, q, k = x.shape
    x = x.reshape(steps, q, k // 2, 2).transpose(2, 0, 1, 3).reshape(k // 2, steps, 2 * q)
    y = (x.astype(matrices.dtype) @ matrices).reshape(k // 2, steps, -1, 2)
    return y.transpose(1, 2, 0, 3).reshape(steps, -1, k)


def spectral_product(x, w):
    """Sums over blocks of bins times bins, exact: ``y[p] = sum_q x[q] * w[p, q]``.

    Bins 0 and k/2 are real, the others complex.

    Parameters
    ----------
    x : int64 (steps, q, k); w : int64 (p, q, k), components

    Returns
    -------
    int64 (steps, p, k); OverflowError where a sum could pass 62 bits
    """
    bound = reach(w) * int(np.abs(x).max(initial=0))
    if bound >= EXACT_INT:
        raise OverflowError(f"spectral sums could reach {bound}")
    matrices = pairs(w).astype(np.float64 if bound < EXACT_FLOAT else np.int64)
    return pair_product(x, matrices).astype(np.int64)
