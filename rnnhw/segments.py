"""Operand segments: what multiplies them, as they are or as spectra, and which must align."""

from typing import NamedTuple

from .cells import plain, split
from .model import block_sizes

SPECTRUM_WORD_BITS = 17    # of an operand's spectrum


def segment_key(segment, k):
    """Name of ``segment`` read in blocks of ``k``, or as it is where that is None."""
    return segment if k is None else f"{segment}/{k}"


def split_key(key):
    """``(segment, k)`` of what :func:`segment_key` gives."""
    segment, _, k = key.partition("/")
    return segment, int(k) if k else None


def growth(k):
    """Bits by which a transform of ``k`` points grows; 0 where there is none."""
    return 0 if k is None else k.bit_length() - 1


class Group(NamedTuple):
    """Products of one basis whose scales hang together.

    Parameters
    ----------
    k : block size, None where dense
    segments : dict of segments by key, along the chain
    links : ``(key, key, weight, weight)`` of products that have one accumulator
    products : ``(key, weight, layer index)``, one for each matrix
    """

    k: int | None
    segments: dict
    links: list
    products: list


def read(model, i, before, operand):
    """The segment whose format and shift an operand of layer ``i`` has; ``before`` is its x."""
    if operand == "x":
        return before
    return f"{i}.{model.layers[i].description.shared(plain(operand))}"


def heads(model):
    """The segment that each layer reads as x."""
    return ["x", *(f"{i}.{layer.description.output}" for i, layer in enumerate(model.layers))]


def groups(model, chain, head):
    """The groups of a chain of layers, whose first reads ``head``."""
    found, before = [], head
    for i in chain:
        cell, sizes = model.layers[i].description, block_sizes(model.layers[i])
        for product in split(cell, sizes).products:
            k = product.block_size(sizes)
            parts = []
            for operand, weight, _ in product.parts:
                segment = read(model, i, before, operand)
                parts.append((segment_key(segment, k), segment, f"{i}.{weight}"))
            for key, segment, weight in parts:
                if not any(key in group.segments for group in found):
                    found.append(Group(k, {key: segment}, [], []))
                group = _of(found, key)
                if weight not in [name for _, name, _ in group.products]:
                    group.products.append((key, weight, i))
            for (a, _, one), (b, _, other) in zip(parts, parts[1:]):
                first, second = _of(found, a), _of(found, b)
                if first is not second:
                    found.remove(second)
                    first.segments.update(second.segments)
                    first.products.extend(second.products)
                    first.links.extend([(a, b, one, other), *second.links])
        before = f"{i}.{cell.output}"
    return found


def _of(groups, key):
    return next(group for group in groups if key in group.segments)


def spectrum_word_bits(config):
    """Most bits of an operand's spectrum: one less where lanes add two components and a weight."""
    sums = config.spectral_products == 3 and config.fast_inner_product is not False
    return SPECTRUM_WORD_BITS - sums


def widest(model, config, segment):
    """``(bits, k)``: the most that operands of ``segment`` may have, so that spectra fit.

    None where no block of it is transformed.
    """
    sizes = []
    for i, (layer, before) in enumerate(zip(model.layers, heads(model))):
        of = block_sizes(layer)
        sizes += [of[weight] for product in layer.description.products
                  for operand, weight, _ in product.parts
                  if of[weight] and read(model, i, before, operand) == segment]
    return (spectrum_word_bits(config) - growth(max(sizes)), max(sizes)) if sizes else None
