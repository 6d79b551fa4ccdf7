"""Piecewise-linear tanh, and sigmoid from the same table: ``sigmoid(x) = 1/2 + tanh(x/2)/2``.

The positive half is cut into equal segments ``2**-segment_bits`` wide, one line ``b*x + c`` each
(``c`` is the intercept at 0, not at the segment's start), and a constant behind the last. A
negative ``x`` is addressed by its one's complement and takes ``-c``, so nothing needs ``|x|``.
"""

import functools
from dataclasses import dataclass
from math import atanh, ceil, floor, sqrt, tanh

import numpy as np

from .errors import RnnhwError
from .fixed import round_shift

SLOPE_FRAC = 14
INTERCEPT_FRAC = 16
MAX_ENTRIES = 129
ONE = (1 << INTERCEPT_FRAC) - 1
_HALF_LSB = 2.0**-16       # of a result in 16/15


@dataclass(frozen=True)
class Table:
    """Lines of tanh's positive half, evaluated in integers.

    With ``k = 1`` for sigmoid, else 0, ``m = x`` or ``~x`` where ``x < 0``, both shifted to drop
    ``in_frac + k - segment_bits`` bits (left where that is negative, before the complement)::

        i   = min(m, entries - 1)
        sum = x*slopes[i] +- (intercepts[i] << (in_frac - 2 + k))       - where x < 0
        y   = saturate(round_shift(sum, in_frac + 14 + 2*k - out_frac) + half)

    ``half`` is 1/2 in the output format for sigmoid, else 0.

    Parameters
    ----------
    error : float
        Worst error of tanh into 16/15 over every input code, rounding included.
    segment_bits : int
        Segments are ``2**-segment_bits`` wide in tanh's argument.
    slopes : tuple of int, 0..2**14, at SLOPE_FRAC
    intercepts : tuple of int, 0..2**16-1, at INTERCEPT_FRAC
        The last entry is the constant segment, of slope 0.
    """

    error: float
    segment_bits: int
    slopes: tuple
    intercepts: tuple

    def raw(self, x, in_frac, out_frac, sigmoid=False):
        """Result before saturation: int64 of any shape, ``out_frac`` fraction bits.

        Raises
        ------
        ValueError
            If ``in_frac`` is below 2 or the result would need a shift to the left.
        """
        x = np.asarray(x, np.int64)
        k = int(sigmoid)
        shift = in_frac + SLOPE_FRAC + 2 * k - out_frac
        if in_frac < 2 or shift < 0:
            raise ValueError(f"a table takes in_frac >= 2 and out_frac <= in_frac + {SLOPE_FRAC}, "
                             f"not {in_frac} and {out_frac}")
        drop = in_frac + k - self.segment_bits
        sign = x >> 63
        m = (x ^ sign) >> drop if drop >= 0 else (x << -drop) ^ sign
        index = np.minimum(m, len(self.slopes) - 1)
        slopes, intercepts = self._arrays
        total = x * slopes[index] + (((intercepts[index] ^ sign) - sign) << (in_frac - 2 + k))
        return round_shift(total, shift) + ((1 << out_frac) >> 1 if sigmoid else 0)

    def tanh(self, x, in_frac, out_fmt):
        """Codes of tanh in ``out_fmt`` for codes ``x`` of ``in_frac`` fraction bits."""
        return out_fmt.saturate(self.raw(x, in_frac, out_fmt.frac_bits))

    def sigmoid(self, x, in_frac, out_fmt):
        """Codes of sigmoid in ``out_fmt`` for codes ``x`` of ``in_frac`` fraction bits."""
        return out_fmt.saturate(self.raw(x, in_frac, out_fmt.frac_bits, sigmoid=True))

    @functools.cached_property
    def _arrays(self):
        return np.array(self.slopes, np.int64), np.array(self.intercepts, np.int64)


def _line(a, b, limit):
    """``(slope, intercept)`` of the best quantised line on [a, b], or None if it errs over limit.

    tanh is concave, so ``tanh(x) - slope*x`` is largest where ``1 - tanh(x)**2 = slope`` and
    smallest at an end. The first segment keeps the intercept 0, so that tanh(0) is 0 and sigmoid(0)
    1/2; of its slopes, from the chord's up, the best is found by trial.
    """
    chord = (tanh(b) - tanh(a)) / (b - a) * 2**SLOPE_FRAC
    best = None
    for n in range(floor(chord), (1 << SLOPE_FRAC if a == 0 else ceil(chord)) + 1):
        slope = n / 2**SLOPE_FRAC
        peak = min(max(atanh(sqrt(max(0.0, 1 - slope))), a), b) if slope > 0 else b
        high = tanh(peak) - slope * peak
        low = min(tanh(a) - slope * a, tanh(b) - slope * b)
        middle = (high + low) / 2 * 2**INTERCEPT_FRAC
        for code in (0,) if a == 0 else (floor(middle), ceil(middle)):
            if not 0 <= code < 1 << INTERCEPT_FRAC:
                continue
            c = code / 2**INTERCEPT_FRAC
            err = max(high - c, c - low)
            if best is None or err < best[0]:
                best = err, n, code
    return best[1:] if best and best[0] <= limit else None


@functools.cache
def make_table(error):
    """Coarsest table whose tanh into 16/15 errs by at most ``error`` on every code of any input.

    The constant segment is ``1 - 2**-16``, so that gates saturate at the last code of 16/15.
    A line may err by ``error - 2**-16`` on its closed real interval; rounding to 16/15 adds up to
    ``2**-16``. Saturating +1.0 to ``1 - 2**-15`` never errs by more than ``2**-15``. Sigmoid errs
    by at most ``error/2 + 2**-16``. An output of ``f`` fraction bits, not 15, replaces ``2**-16``
    by ``2**-(f+1)``.

    Raises
    ------
    RnnhwError
        If ``error`` is outside 2**-12..2**-6.
    """
    if not 2.0**-12 <= error <= 2.0**-6:
        raise RnnhwError(f"A table's error must be within 2**-12..2**-6, not {error!r}.")
    limit = error - _HALF_LSB
    for segment_bits in range(16):
        width = 2.0**-segment_bits
        slopes, intercepts = [], []
        while len(slopes) < MAX_ENTRIES:
            a = len(slopes) * width
            if ONE / 2**INTERCEPT_FRAC - tanh(a) <= limit:
                return Table(error, segment_bits, (*slopes, 0), (*intercepts, ONE))
            line = _line(a, a + width, limit)
            if line is None:
                break
            slopes.append(line[0])
            intercepts.append(line[1])
    raise AssertionError("no table of 129 entries meets an error that was accepted")
