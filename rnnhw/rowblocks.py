"""How a layer's rows are cut into the blocks that the array computes at a time."""

from .bins import bin_lanes
from .cells import cell_of, previous
from .errors import RnnhwError


def block_size(layer, product):
    """Size of the circulant blocks that a product of ``layer`` multiplies, or None."""
    return layer.block_size(product)


def units(layer, product):
    """Units of each sum of a product."""
    return getattr(layer.layer, product.size)


def block_sizes(quantized):
    """Sizes of the circulant blocks in any layer, ascending."""
    return sorted({k for layer in quantized.layers for k in layer.block_sizes.values() if k})


def check_slices(quantized, slices):
    """Refuse a number of slices that does not divide every circulant block."""
    for k in block_sizes(quantized):
        if k % slices:
            raise RnnhwError(f"vector_lanes must divide circulant blocks of {k}, which {slices} "
                             "does not.")


def capacity(layer, product, lanes, slices, products=4):
    """Units that ``lanes`` lanes compute at once for each sum of a product; 0 if too few.

    Plain lanes compute a row each. Of circulant blocks, lanes in number of
    :func:`rnnhw.bins.bin_lanes` compute a block row.
    """
    k = block_size(layer, product)
    if k is None:
        return slices * (lanes // slices // len(product.sums))
    return k * (lanes // len(bin_lanes(k, products)) // len(product.sums))


def row_blocks(layer, lanes, slices, products=4):
    """``(product, group, units)`` of each row block of a layer, in the order they run.

    Each sum of a product takes as many of the ``lanes`` as the others; unit ``u`` belongs to slice
    ``u mod slices``. ``group`` and ``units`` are ranges ``(first, end)``: the products of a cell
    take turns group of units by group of units, of the size of the largest block; where a product
    sees what the cell itself makes of them, ``group`` is None and each runs for all its units.
    """
    cell = cell_of(layer)
    steps = [capacity(layer, product, lanes, slices, products) for product in cell.products]
    if any(name != "x" and not previous(name)
           for product in cell.products for name in product.operands):
        for product, step in zip(cell.products, steps):
            size = units(layer, product)
            yield from ((product, None, (unit, min(size, unit + step)))
                        for unit in range(0, size, step))
        return
    size = layer.layer.output_size
    # no circulant block lies in two groups
    align = max(block_size(layer, product) or 1 for product in cell.products)
    group = -(-max(steps) // align) * align
    for first in range(0, size, group):
        end = min(size, first + group)
        for product, step in zip(cell.products, steps):
            for unit in range(first, end, step):
                yield product, (first, end), (unit, min(end, unit + step))
