"""What every activation table shares: an address picks slope and intercept, then ``b*x + c``."""

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .fixed import round_shift

SLOPE_FRAC = 14
INTERCEPT_FRAC = 16
HALF_LSB = 2.0**-16        # of a result in 16/15
UNIT = 1 << INTERCEPT_FRAC


@dataclass(frozen=True)
class Table:
    """tanh's positive half in entries of slope and intercept; sigmoid is ``1/2 + tanh(x/2)/2``.

    With ``k = 1`` for sigmoid, else 0, ``m = x`` or ``~x`` where ``x < 0``, both shifted to drop
    ``in_frac + k - segment_bits`` bits (left where that is negative, before the complement), and
    ``i`` the entry that the kind's :meth:`entry` gives for ``m``::

        sum = x*slopes[i] +- (intercepts[i] << (in_frac - 2 + k))       - where x < 0
        y   = saturate(round_shift(sum, in_frac + 14 + 2*k - out_frac) + half)

    ``half`` is 1/2 in the output format for sigmoid, else 0. The intercept is the one at x = 0. A
    negative ``x`` is addressed by its one's complement and takes ``-c``, so nothing needs ``|x|``.

    This class itself is ``pwl``: equal segments, ``i = min(m, entries - 1)``.

    Parameters
    ----------
    error : float
        Worst error of tanh into 16/15 over every input code, rounding included; of a hard table
        that of both functions, against their own definition.
    segment_bits : int
        A unit of ``m`` is ``2**-segment_bits`` in tanh's argument.
    slopes : tuple of int, 0..2**14, at SLOPE_FRAC
    intercepts : tuple of int, 0..2**16, at INTERCEPT_FRAC
        The last entry is the constant segment, of slope 0.
    """

    error: float
    segment_bits: int
    slopes: tuple
    intercepts: tuple

    kind: ClassVar[str] = "pwl"

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
        drop, first = self.address(in_frac, sigmoid)
        sign = x >> 63
        index = self.entry((x ^ sign) >> drop if drop >= 0 else (x << -drop) ^ sign, first)
        slopes, intercepts = self._arrays
        total = x * slopes[index] + (((intercepts[index] ^ sign) - sign) << (in_frac - 2 + k))
        return round_shift(total, shift) + ((1 << out_frac) >> 1 if sigmoid else 0)

    def tanh(self, x, in_frac, out_fmt):
        """Codes of tanh in ``out_fmt`` for codes ``x`` of ``in_frac`` fraction bits."""
        return out_fmt.saturate(self.raw(x, in_frac, out_fmt.frac_bits))

    def sigmoid(self, x, in_frac, out_fmt):
        """Codes of sigmoid in ``out_fmt`` for codes ``x`` of ``in_frac`` fraction bits."""
        return out_fmt.saturate(self.raw(x, in_frac, out_fmt.frac_bits, sigmoid=True))

    def address(self, in_frac, sigmoid=False):
        """``(drop, first)``: bits that ``m`` drops, and the first of the function's entries."""
        return in_frac + bool(sigmoid) - self.segment_bits, 0

    def entry(self, m, first):
        """Index of the entry of each ``m``, an int64 array of values from 0."""
        return np.minimum(m, self.entries - 1)

    @property
    def entries(self):
        """Entries, the constant one included."""
        return len(self.slopes)

    @property
    def memory(self):
        """``(depth, width)`` of the memory that holds the entries; None where none does."""
        return self.entries, SLOPE_FRAC + 1 + INTERCEPT_FRAC

    @property
    def bits(self):
        """Bits that describe the entries, in memory or in logic."""
        depth, width = self.memory
        return depth * width

    @property
    def distance(self):
        """Worst error into 16/15 against tanh and against sigmoid."""
        return {"tanh": self.error, "sigmoid": self.error / 2 + HALF_LSB}

    @functools.cached_property
    def _arrays(self):
        return np.array(self.slopes, np.int64), np.array(self.intercepts, np.int64)
