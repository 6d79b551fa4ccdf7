"""The integer FFT of real blocks: the specification of every bit of the engine's transforms.

A spectrum of k real numbers is kept as k components, ``re[0], re[k/2], re[1], im[1], re[2], im[2],
..., re[k/2-1], im[k/2-1]``; those of the two first bins that are left out are zero.
"""

from math import cos, pi, sin

import numpy as np

from .fixed import round_shift

TWIDDLE_BITS = 10          # fraction bits of the constants; 12 would gain less than 1 dB
TWIDDLE_CYCLES = 4         # of a twiddle product in the engine's networks


def twiddle(n, j):
    """``cos`` and ``sin`` of ``2 pi j / n``, as integers of 10 fraction bits."""
    angle = 2 * pi * j / n
    return round(cos(angle) * 2**TWIDDLE_BITS), round(sin(angle) * 2**TWIDDLE_BITS)


def transform_cycles(k):
    """Cycles of a transform in the engine, forward or inverse: one an addition, four a twiddle."""
    return k.bit_length() - 1 + TWIDDLE_CYCLES * max(0, k.bit_length() - 3)


def _turned(re, im, n, j, sign):
    """``(re + i im)(c + sign i s)``, one rounding half up a component."""
    c, s = twiddle(n, j)
    s *= sign
    return (round_shift(c * re - s * im, TWIDDLE_BITS),
            round_shift(c * im + s * re, TWIDDLE_BITS))


def _split(components):
    """Real and imaginary parts of the bins ``0..k/2``, with the bin first."""
    half = components.shape[-1] // 2
    re = [components[..., 0], *(components[..., 2 * b] for b in range(1, half)),
          components[..., 1]]
    zero = np.zeros_like(re[0])
    return re, [zero, *(components[..., 2 * b + 1] for b in range(1, half)), zero]


def _joined(re, im):
    """The components of bins ``0..k/2``."""
    pairs = [part for b in range(1, len(re) - 1) for part in (re[b], im[b])]
    return np.stack([re[0], re[-1], *pairs], axis=-1)


def rfft(x):
    """Spectrum of ``x``, radix 2, decimation in time, unscaled.

    With E and O the spectra of the even and odd points, ``T_j = round(O_j (c_j - i s_j))`` gives
    ``X_j = E_j + T_j`` and ``X_(n/2-j) = conj(E_j - T_j)`` for ``0 < j < n/4``; exactly
    ``X_0 = E_0 + O_0``, ``X_(n/2) = E_0 - O_0``, ``X_(n/4) = E_(n/4) - i O_(n/4)``.
    A component needs ``log2 k`` bits more than the points.

    Parameters
    ----------
    x : int64 (..., k), k a power of two from 2

    Returns
    -------
    int64 (..., k), the components

    Reference: Cooley and Tukey 1965; Sorensen et al. 1987 for the real form.
    """
    return _joined(*_rfft(np.asarray(x, np.int64)))


def _rfft(x):
    n = x.shape[-1]
    if n == 2:
        zero = np.zeros_like(x[..., 0])
        return [x[..., 0] + x[..., 1], x[..., 0] - x[..., 1]], [zero, zero]
    (er, ei), (our, oi) = _rfft(x[..., 0::2]), _rfft(x[..., 1::2])
    q = n // 4
    re, im = [None] * (n // 2 + 1), [None] * (n // 2 + 1)
    re[0], re[n // 2], re[q] = er[0] + our[0], er[0] - our[0], er[q]
    im[0] = im[n // 2] = np.zeros_like(re[0])
    im[q] = -our[q]
    for j in range(1, q):
        tr, ti = _turned(our[j], oi[j], n, j, -1)
        re[j], im[j] = er[j] + tr, ei[j] + ti
        re[n // 2 - j], im[n // 2 - j] = er[j] - tr, ti - ei[j]
    return re, im


def irfft(components):
    """``k`` times the points that have this spectrum: :func:`rfft` walked backwards.

    ``E_j = X_j + conj X_(n/2-j)`` and ``O_j = round((X_j - conj X_(n/2-j)) (c_j + i s_j))`` for
    ``0 < j < n/4``; exactly ``E_0 = X_0 + X_(n/2)``, ``O_0 = X_0 - X_(n/2)``,
    ``E_(n/4) = 2 re X_(n/4)``, ``O_(n/4) = -2 im X_(n/4)``. A point needs ``log2 k + 1`` bits more
    than the components.

    Parameters
    ----------
    components : int64 (..., k)

    Returns
    -------
    int64 (..., k)
    """
    return _irfft(*_split(np.asarray(components, np.int64)))


def _irfft(re, im):
    n = 2 * (len(re) - 1)
    if n == 2:
        return np.stack([re[0] + re[1], re[0] - re[1]], axis=-1)
    q = n // 4
    er, ei, our, oi = ([None] * (q + 1) for _ in range(4))
    er[0], our[0] = re[0] + re[n // 2], re[0] - re[n // 2]
    er[q], our[q] = 2 * re[q], -2 * im[q]
    ei[0] = ei[q] = oi[0] = oi[q] = np.zeros_like(re[0])
    for j in range(1, q):
        er[j], ei[j] = re[j] + re[n // 2 - j], im[j] - im[n // 2 - j]
        our[j], oi[j] = _turned(re[j] - re[n // 2 - j], im[j] + im[n // 2 - j], n, j, 1)
    points = np.stack([_irfft(er, ei), _irfft(our, oi)], axis=-1)
    return points.reshape(*points.shape[:-2], n)


def spectrum(points):
    """Float components of real ``points`` (..., k)."""
    found = np.fft.rfft(points, axis=-1)
    return _joined(list(np.moveaxis(found.real, -1, 0)), list(np.moveaxis(found.imag, -1, 0)))


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
    k = x.shape[-1]
    bound = 2 * int(np.abs(w).sum(axis=(1, 2), dtype=object).max(initial=0)) * int(
        np.abs(x).max(initial=0))
    if bound >= 1 << 62:
        raise OverflowError(f"spectral sums could reach {bound}")
    # sums of products below 2**53 are exact in float64, whose products are the fast ones
    kind = np.float64 if bound < 1 << 53 else np.int64
    x, w = x.astype(kind), w.astype(kind)

    def times(a, b):
        return np.einsum("sq,pq->sp", x[..., a], w[..., b], optimize=True)

    out = np.empty((len(x), len(w), k), np.int64)
    out[..., 0], out[..., 1] = times(0, 0), times(1, 1)
    for re in range(2, k, 2):
        im = re + 1
        out[..., re] = times(re, re) - times(im, im)
        out[..., im] = times(re, im) + times(im, re)
    return out
