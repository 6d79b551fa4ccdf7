"""Tables of words without a multiplication: one word an address, and one word a range."""

from dataclasses import dataclass
from math import atanh, ceil, floor, log2, tanh
from typing import ClassVar

import numpy as np

from .activation_base import HALF_LSB, INTERCEPT_FRAC, UNIT, Table
from .errors import RnnhwError

MAX_RANGES = 1024


@dataclass(frozen=True)
class WordTable(Table):
    """One word for each ``2**-segment_bits`` of the argument; all slopes are 0.

    ``i = min(m, entries - 1)`` as for equal segments; the last word is 1.
    """

    kind: ClassVar[str] = "table"

    @property
    def spare_bits(self):
        """Bits at the low end that no intercept uses; they are not stored."""
        used = int(np.bitwise_or.reduce(self._arrays[1]))
        return (used & -used).bit_length() - 1

    @property
    def word_bits(self):
        """Bits of a stored word."""
        return max(self.intercepts).bit_length() - self.spare_bits

    @property
    def memory(self):
        return self.entries, self.word_bits


@dataclass(frozen=True)
class RangeTable(WordTable):
    """One word for each of the ranges that begin at ``starts``; all slopes are 0.

    ``i`` is the last entry whose start is at most ``m``. The first word is 0, the last 1.
    """

    starts: tuple

    kind: ClassVar[str] = "ralut"

    def entry(self, m, first):
        return np.searchsorted(self.starts, m, side="right") - 1

    @property
    def memory(self):
        return None

    @property
    def bits(self):
        return self.entries * (self.word_bits + self.starts[-1].bit_length())


def words(error):
    """The plain table of fewest entries, its words as short as the error allows."""
    limit = error - HALF_LSB
    for segment_bits in range(ceil(-log2(error)), 16):
        cells = ceil(atanh(1 - limit) * 2**segment_bits)
        edges = np.tanh(np.arange(cells + 1) / 2**segment_bits)
        low, high = edges[1:] - limit, edges[:-1] + limit
        for frac in range(1, INTERCEPT_FRAC + 1):
            nearest = np.floor((low + high) / 2 * 2**frac + 0.5) / 2**frac
            if (nearest >= low).all() and (nearest <= high).all():
                codes = (nearest * UNIT).astype(np.int64).tolist()
                return WordTable(error, segment_bits, (0,) * (cells + 1), (*codes, UNIT))
    raise AssertionError("no plain table meets an error that was accepted")


def _ranges(limit, grid, frac):
    """``(starts, codes)`` of longest ranges that begin on multiples of ``2**-grid``; None if none.

    Words have ``frac`` fraction bits. A range takes the largest word within ``limit`` of tanh at
    its start and ends where tanh gets ``limit`` past that.
    """
    last = ceil(atanh(1 - limit) * 2**grid)
    starts, codes, word = [0], [0], 0.0
    while word < 1:
        end = last
        if word + limit < 1:
            end = min(last, floor(atanh(word + limit) * 2**grid))
        if end <= starts[-1]:
            return None
        word = 1.0 if end == last else floor((tanh(end / 2**grid) + limit) * 2**frac) / 2**frac
        starts.append(end)
        codes.append(int(word * UNIT))
    return tuple(starts), tuple(codes)


def ranges(error):
    """The range table of fewest bits that describe its ranges.

    Raises
    ------
    RnnhwError
        If every one has more than 1024 ranges.
    """
    bits = ceil(-log2(error))
    found = []
    for grid in range(bits, bits + 5):
        for frac in range(bits, min(bits + 4, INTERCEPT_FRAC) + 1):
            pair = _ranges(error - HALF_LSB, grid, frac)
            if pair:
                starts, codes = pair
                found.append(RangeTable(error, grid, (0,) * len(codes), codes, starts))
    fit = [table for table in found if table.entries <= MAX_RANGES]
    if not fit:
        raise RnnhwError(f"activation_kind 'ralut' needs {min(t.entries for t in found)} ranges "
                         f"for an error of {error:.3g}, but {MAX_RANGES} are the most; an "
                         "activation_error of 2**-10 or more, or activation_kind 'pwl', would do.")
    return min(fit, key=lambda table: table.bits)
