"""The real products of a spectral block row: which lane multiplies what, and what their sums make.

Components are ordered as in :mod:`rnnhw.fourier`. All lanes of a block row work at once, one block
a cycle, each with an accumulator of its own; the sums are combined once, when they are drained.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

PRODUCTS = (4, 3)          # real products of a complex one
PAIR_STEPS = 16            # products that one multiplier of a pair's sums makes at most, in turn


class BinLane(NamedTuple):
    """A lane's factors, each a sum of ``(component, sign)`` of an operand or weight block."""

    operand: tuple
    weight: tuple


@cache
def bin_lanes(k, products):
    """The lanes of a block row: ``2k - 2`` with 4 products a complex bin, ``1.5k - 1`` with 3.

    For ``(a + ib)(c + id)`` they are ``ac, bd, ad, bc``, or ``(a + b)c, a(d - c), b(c + d)``
    (Gauss's three).
    """
    found = [BinLane(((c, 1),), ((c, 1),)) for c in (0, 1)]
    for re in range(2, k, 2):
        a, b = ((re, 1),), ((re + 1, 1),)
        if products == 4:
            found += [BinLane(a, a), BinLane(b, b), BinLane(a, b), BinLane(b, a)]
        else:
            found += [BinLane(a + b, a), BinLane(a, (*b, (re, -1))), BinLane(b, a + b)]
    return tuple(found)


@cache
def combined(k, products):
    """For each component, the ``(lane, sign)`` whose sums make it.

    ``re = ac - bd``, ``im = ad + bc``; with 3 products ``re = (a + b)c - b(c + d)``,
    ``im = (a + b)c + a(d - c)``.
    """
    found = [((0, 1),), ((1, 1),)]
    for first in range(2, len(bin_lanes(k, products)), products):
        if products == 4:
            found += [((first, 1), (first + 1, -1)), ((first + 2, 1), (first + 3, 1))]
        else:
            found += [((first, 1), (first + 2, -1)), ((first, 1), (first + 1, 1))]
    return tuple(found)


@cache
def pair_factors(k, products):
    """The distinct operand factors of the lanes: ``k`` with 4 products, ``1.5k - 1`` with 3."""
    return tuple(dict.fromkeys(lane.operand for lane in bin_lanes(k, products)))


def pair_multipliers(k, products, spacing):
    """Multipliers that make ``f(X0) f(X1)`` of every factor of a pair of operand blocks.

    Pairs come no closer than ``spacing`` cycles.
    """
    return -(-len(pair_factors(k, products)) // min(spacing, PAIR_STEPS))


def pair_steps(k, products, spacing):
    """Products that each of the multipliers makes in turn for a pair."""
    return -(-len(pair_factors(k, products)) // pair_multipliers(k, products, spacing))


def pair_cycles(k, products, spacing):
    """Cycles from a pair's second block until its sums can be read: the products and six more."""
    return pair_steps(k, products, spacing) + 6


def factors(blocks, terms):
    """A lane's factor of ``blocks`` (..., k): their components summed with the signs of ``terms``.
    """
    return sum(sign * blocks[..., component] for component, sign in terms)


def sums(k, products, of_lane):
    """Components (..., k) of the numbers that ``of_lane(lane)`` gives for each lane."""
    lanes = [of_lane(lane) for lane in bin_lanes(k, products)]
    return np.stack([sum(sign * lanes[i] for i, sign in terms)
                     for terms in combined(k, products)], axis=-1)
