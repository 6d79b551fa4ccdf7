"""Operand segments: what multiplies them, as they are or as spectra, and which must align."""

from typing import NamedTuple

from .model import block_sizes

SPECTRUM_WORD_BITS = 17    # of an operand's spectrum


def segment_key(segment, k):
    """Name of ``segment`` read in blocks of ``k``, or as it is where that is None."""
    return segment if k is None else f"{segment}/{k}"


def growth(k):
    """Bits by which a transform of ``k`` points grows; 0 where there is none."""
    return 0 if k is None else k.bit_length() - 1


class Group(NamedTuple):
    """Products of one basis whose scales hang together.

    Parameters
    ----------
    k : block size, None where dense
    segments : dict of segments by key, along the chain
    links : ``(key, key, weight_ih, weight_hh)`` of layers that have one accumulator
    products : ``(key, weight, layer index)``, one for each accumulator
    """

    k: int | None
    segments: dict
    links: list
    products: list


def groups(model, chain, head):
    """The groups of a chain of layers, whose first reads ``head``."""
    found, before = [], head
    for i in chain:
        ih, hh = block_sizes(model.layers[i])
        key = segment_key(before, ih)
        group = next((g for g in found if key in g.segments), None)
        if group is None:
            group = Group(ih, {key: before}, [], [])
            found.append(group)
        group.products.append((key, f"{i}.weight_ih", i))
        if model.layers[i].kind == "linear":
            break
        before = f"{i}.h"
        own = segment_key(before, hh)
        if hh == ih:
            group.segments[own] = before
            group.links.append((key, own, f"{i}.weight_ih", f"{i}.weight_hh"))
        else:
            found.append(Group(hh, {own: before}, [], [(own, f"{i}.weight_hh", i)]))
    return found


def widest(model, segment):
    """``(bits, k)``: the most that operands of ``segment`` may have, so that spectra fit.

    None where no block of it is transformed.
    """
    sizes, before = [], "x"
    for i, layer in enumerate(model.layers):
        ih, hh = block_sizes(layer)
        sizes += [k for name, k in ((before, ih), (f"{i}.h", hh)) if name == segment and k]
        before = f"{i}.{'y' if layer.kind == 'linear' else 'h'}"
    return (SPECTRUM_WORD_BITS - growth(max(sizes)), max(sizes)) if sizes else None
