"""Spectra in the engine: what a core holds for the block-circulant matrices of one block size.

A *space* is a kind of operand: space 0 are the elements themselves, the others spectra of blocks of
k elements, which lanes multiply bin by bin (see :mod:`rnnhw.bins`).
"""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np

from .bins import bin_lanes, pair_cycles, pair_multipliers
from .fourier import transform_cycles
from .latencies import latencies
from .segments import growth

DRAIN_CYCLES = 6           # of a spectral drain beyond a plain one and the inverse transform


class SpectralDrain(NamedTuple):
    """How sums of a block row are narrowed: to a spectrum, and what that transforms back to."""

    shift: int
    width: int
    out_shift: int
    out_width: int


class Target(NamedTuple):
    """Where a vector row's results go as points of a spectrum: space, segment, first word in it."""

    space: int
    segment: int
    word: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Space:
    """Operands and drained sums of one block size.

    Parameters
    ----------
    k : block size
    width : bits of an element before its transform, its left shift included
    x_width : the same of an input element; 0 where the input is in another space
    weight_bits : bits of a component of the weights
    blocks, x_blocks : blocks of a step in operand memory, and of the input
    lengths, x_lengths : elements of each segment, and of the input where it is in this space
    drains : tuple of SpectralDrain
    biases : int64 (block rows, k), half an LSB of rounding added, less eta where lanes are fast
    pushed : words per slice that each of these block rows drains
    """

    k: int
    width: int
    x_width: int
    weight_bits: int
    blocks: int
    x_blocks: int
    lengths: tuple
    x_lengths: tuple
    drains: tuple
    biases: np.ndarray
    pushed: tuple

    @property
    def growth(self):
        """Bits that a component has more than a point."""
        return growth(self.k)


@dataclass(frozen=True)
class Engine:
    """What lanes and slices do with spectra: constants that program and schedule share.

    Parameters
    ----------
    slices, fast, deep : of the program
    products : real products of a complex bin, 3 or 4
    spaces : number of spaces, plain one not counted
    plain : whether the plain space is in use
    """

    slices: int
    fast: bool
    deep: bool
    products: int
    spaces: int
    plain: bool

    @property
    def prepared(self):
        """Cycles in which lanes choose between spaces, or add components."""
        return int(self.spaces + self.plain > 1 or (self.spaces > 0 and self.products == 3))

    @property
    def array(self):
        """Cycles from the decision to issue an operand to the final accumulator."""
        return latencies(self.fast, self.deep).array + self.prepared

    def lanes(self, k):
        """Lanes of a block row."""
        return len(bin_lanes(k, self.products))

    def words(self, k):
        """Words per slice of a block."""
        return k // self.slices

    def spacing(self, k, lengths, x=False):
        """Least cycles between second blocks of two pairs of one source, of segments of
        ``lengths``: those of two blocks, of which a segment's last may be cut short."""
        together = 1 if x else self.slices
        words = k // together
        short = [ceil(length % k / together) for length in lengths
                 if length % k and ceil(length / k) % 2 == 0]
        return words + min([words, *short])

    def pair_multipliers(self, k, lengths, x=False):
        """Multipliers for the xi of a source of spectra."""
        if not (self.fast and lengths):
            return 0
        return pair_multipliers(k, self.products, self.spacing(k, lengths, x))

    def operand_cycles(self, k, lengths, x=False):
        """Cycles from a block's last element to the decision that may read its spectrum.

        A fast lane's xi must be complete when the first block that it belongs to is drained.
        """
        cycles = 1 + transform_cycles(k)
        if self.fast:
            late = pair_cycles(k, self.products, self.spacing(k, lengths, x)) - self.array + 3
            cycles += max(0, late)
        return cycles

    def drain_extra(self, k):
        """Cycles that words of a spectral block are drained later than those of a plain one."""
        return DRAIN_CYCLES + transform_cycles(k)
