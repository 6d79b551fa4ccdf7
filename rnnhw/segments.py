"""Operand segments: what multiplies them, as they are or as spectra, and which must align."""

from typing import NamedTuple

from .cells import plain, split
from .errors import RnnhwError
from .model import INPUT, block_sizes

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
    segments : dict of segments by key, in the order of layers
    links : ``(key, key, weight, weight)`` of products that have one accumulator, a tree
    closing : further such links, which close rings
    products : ``(key, weight, layer index)``, one for each matrix
    """

    k: int | None
    segments: dict
    links: list
    products: list
    closing: list


class Part(NamedTuple):
    """A part of a product: an operand from one segment, times columns of a matrix.

    Parameters
    ----------
    operand : as the cell's product has it
    weight : name of the matrix
    gates : indices of the product's gates in it
    segment : the segment that the operand is read from
    shared : the segment whose format and shift the operand has
    start, stop : columns of the matrix
    """

    operand: str
    weight: str
    gates: tuple
    segment: str
    shared: str
    start: int
    stop: int


def segment_of(model, j):
    """The segment of what layer ``j``, or the input or a part of it, gives."""
    if j < INPUT:
        return f"x{-1 - j}"
    return "x" if j == INPUT else f"{j}.{model.layers[j].description.output}"


def parts(model, i, product):
    """The parts of a product of layer ``i``, one for each operand, of x one for each that it reads.
    """
    layer, found = model.layers[i], []
    for operand, weight, gates in product.parts:
        if operand == "x":
            found += [Part(operand, weight, gates, segment_of(model, j), segment_of(model, j),
                           start, stop) for j, start, stop in model.sources(i)]
            continue
        shared = layer.description.shared(plain(operand))
        size = layer.sizes[layer.description.size(plain(operand))]
        found.append(Part(operand, weight, gates, f"{i}.{plain(operand)}", f"{i}.{shared}", 0,
                          size))
    return found


def columns(weight, start, stop):
    """Columns of a matrix, or of spectra (gates, p, q, k) the blocks that hold them."""
    if weight.ndim == 2:
        return weight[:, start:stop]
    k = weight.shape[3]
    return weight[:, :, start // k:-(-stop // k)]


def components(model):
    """Layers in groups that read common segments, each behind those whose sums it needs drained.

    The shifts of a group's operands hang together; what a Linear layer gives has no format before
    its own group has all of its.

    Raises
    ------
    RnnhwError
        If a layer reads a Linear layer beside what that one reads.
    """
    n = len(model.layers)
    read = [{part.shared for product in layer.description.products
             for part in parts(model, i, product)} for i, layer in enumerate(model.layers)]
    group = list(range(n))
    for i in range(n):
        for j in range(i):
            if read[i] & read[j]:
                group = [group[j] if g == group[i] else g for g in group]
    linear = [{j for j in model.reads[i] if j != INPUT and model.layers[j].kind == "linear"}
              for i in range(n)]
    for i in range(n):
        for j in linear[i]:
            if group[i] == group[j]:
                raise RnnhwError(f"Layer {i} reads layer {j}, a linear one, beside what that one "
                                 "reads itself, which is not built yet in integers; Model.run "
                                 "computes it in floats.")
    found, left = [], list(dict.fromkeys(group))
    while left:
        for g in left:
            needs = {group[j] for i in range(n) if group[i] == g for j in linear[i]}
            if not needs & set(left):
                break
        else:
            raise RnnhwError(f"Linear layers of model {model.name!r} wait for one another's "
                             "formats, which is not built yet in integers; Model.run computes it "
                             "in floats.")
        left.remove(g)
        found.append([i for i in range(n) if group[i] == g])
    return found


def groups(model, layers):
    """The groups of products of some ``layers``."""
    found = []
    for i in layers:
        sizes = block_sizes(model.layers[i])
        for product in split(model.layers[i].description, sizes).products:
            k = product.block_size(sizes)
            keys = [(segment_key(part.shared, k), part.shared, f"{i}.{part.weight}")
                    for part in parts(model, i, product)]
            for key, segment, weight in keys:
                if not any(key in group.segments for group in found):
                    found.append(Group(k, {key: segment}, [], [], []))
                group = _of(found, key)
                if (key, weight, i) not in group.products:
                    group.products.append((key, weight, i))
            for (a, _, one), (b, _, other) in zip(keys, keys[1:]):
                first, second = _of(found, a), _of(found, b)
                link = a, b, one, other
                if first is second:
                    if link not in (*first.links, *first.closing):
                        first.closing.append(link)
                    continue
                found.remove(second)
                first.segments.update(second.segments)
                first.products.extend(second.products)
                first.links.extend([link, *second.links])
                first.closing.extend(second.closing)
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
    for i, layer in enumerate(model.layers):
        of = block_sizes(layer)
        sizes += [of[part.weight] for product in layer.description.products
                  for part in parts(model, i, product)
                  if of[part.weight] and part.shared == segment]
    return (spectrum_word_bits(config) - growth(max(sizes)), max(sizes)) if sizes else None
