"""Piecewise-linear tables: equal segments, and segments that double in width octave by octave."""

from dataclasses import dataclass
from math import atanh, ceil, floor, sqrt, tanh
from typing import ClassVar

import numpy as np

from .activation_base import HALF_LSB, INTERCEPT_FRAC, SLOPE_FRAC, UNIT, Table

MAX_ENTRIES = 129
ONE = UNIT - 1


@dataclass(frozen=True)
class OctaveTable(Table):
    """Lines in ``2**mantissa_bits`` segments an octave, addressed by the leading one of ``m``.

    Below the first octave segments are as wide as in it. With ``M = mantissa_bits``::

        e = max(0, bits of m - (M + 1))
        i = min((e << M) + (m >> e), entries - 1)
    """

    mantissa_bits: int

    kind: ClassVar[str] = "octave"

    def entry(self, m, first):
        e = np.maximum(0, np.frexp(m.astype(np.float64))[1] - (self.mantissa_bits + 1))
        return np.minimum((e << self.mantissa_bits) + (m >> e), self.entries - 1)


def octave_start(entry, mantissa_bits):
    """The smallest ``m`` of an entry of an octave table."""
    e = max(0, (entry >> mantissa_bits) - 1)
    return (entry - (e << mantissa_bits)) << e


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


def _lines(start, limit, most):
    """``(slopes, intercepts)`` of the segments ``start(i)..start(i + 1)``, a constant one last.

    None where a segment has no line within ``limit`` or there would be over ``most`` entries.
    """
    slopes, intercepts = [], []
    while len(slopes) < most:
        a, b = start(len(slopes)), start(len(slopes) + 1)
        if ONE / UNIT - tanh(a) <= limit:
            return (*slopes, 0), (*intercepts, ONE)
        line = _line(a, b, limit)
        if line is None:
            return None
        slopes.append(line[0])
        intercepts.append(line[1])
    return None


def uniform(error):
    """The coarsest table of equal segments; the constant is ``1 - 2**-16``."""
    for segment_bits in range(16):
        found = _lines(lambda i, s=segment_bits: i / 2**s, error - HALF_LSB, MAX_ENTRIES)
        if found:
            return Table(error, segment_bits, *found)
    raise AssertionError("no table of 129 entries meets an error that was accepted")


def octave(error):
    """The octave table of fewest entries, of these the one of fewest ``mantissa_bits``."""
    best, least = None, MAX_ENTRIES + 1
    for mantissa in range(1, 7):
        for segment_bits in range(16):
            found = _lines(lambda i, s=segment_bits, n=mantissa: octave_start(i, n) / 2**s,
                           error - HALF_LSB, least - 1)
            if found:
                least = len(found[0])
                best = OctaveTable(error, segment_bits, *found, mantissa)
    if best is None:
        raise AssertionError("no octave table meets an error that was accepted")
    return best
