"""Spectral products once more, on Python integers, with bins as pairs in lists."""

from math import cos, pi, sin


def half_up(value, shift):
    return (value + (2 ** (shift - 1) if shift else 0)) // 2**shift


def turn(z, n, j, sign):
    """``z * exp(sign * 2 pi i j / n)`` with 10-bit constants, each part rounded once."""
    c, s = round(1024 * cos(2 * pi * j / n)), sign * round(1024 * sin(2 * pi * j / n))
    return half_up(c * z[0] - s * z[1], 10), half_up(c * z[1] + s * z[0], 10)


def forward(x):
    """Bins 0..n/2 of real points."""
    n = len(x)
    if n == 2:
        return [(x[0] + x[1], 0), (x[0] - x[1], 0)]
    even, odd = forward(x[0::2]), forward(x[1::2])
    bins = [None] * (n // 2 + 1)
    bins[0] = (even[0][0] + odd[0][0], 0)
    bins[n // 2] = (even[0][0] - odd[0][0], 0)
    bins[n // 4] = (even[n // 4][0], -odd[n // 4][0])
    for j in range(1, n // 4):
        t = turn(odd[j], n, j, -1)
        bins[j] = (even[j][0] + t[0], even[j][1] + t[1])
        bins[n // 2 - j] = (even[j][0] - t[0], -(even[j][1] - t[1]))
    return bins


def backward(bins):
    """``n`` times the points of bins 0..n/2."""
    half = len(bins) - 1
    if half == 1:
        return [bins[0][0] + bins[1][0], bins[0][0] - bins[1][0]]
    even, odd = [None] * (half // 2 + 1), [None] * (half // 2 + 1)
    even[0] = (bins[0][0] + bins[half][0], 0)
    odd[0] = (bins[0][0] - bins[half][0], 0)
    even[half // 2] = (2 * bins[half // 2][0], 0)
    odd[half // 2] = (-2 * bins[half // 2][1], 0)
    for j in range(1, half // 2):
        (a, b), (c, d) = bins[j], bins[half - j]
        even[j] = (a + c, b - d)
        odd[j] = turn((a - c, b + d), 2 * half, j, 1)
    points = [0] * (2 * half)
    points[0::2], points[1::2] = backward(even), backward(odd)
    return points


def bins_of(components):
    """Bins 0..k/2 of the components ``re0 re(k/2) re1 im1 re2 im2 ...``."""
    c = [int(v) for v in components]
    return [(c[0], 0), *zip(c[2::2], c[3::2]), (c[1], 0)]


def spectral_row(matrix, blocks):
    """Bins of ``sum_q W_q X_q`` for one block row (q, k) of components."""
    total = [(0, 0)] * (matrix.shape[1] // 2 + 1)
    for w, x in zip(matrix, blocks, strict=True):
        total = [(r + a * c - b * d, i + a * d + b * c)
                 for (r, i), (a, b), (c, d) in zip(total, bins_of(w), x)]
    return total


def transformed(codes, shift, k):
    """Spectra of ``codes``, shifted and padded with zeros to blocks of ``k``."""
    codes = [v * 2**shift for v in codes] + [0] * (-len(codes) % k)
    return [forward(codes[b:b + k]) for b in range(0, len(codes), k)]
