"""How a layer's rows are cut into the blocks that the array computes at a time."""

from .cells import CELLS


def row_blocks(layer, words, slices):
    """``(product, group, units)`` of each row block of a layer, in the order they run.

    Of ``words`` lanes a slice each sum of a product takes as many as the others, one a unit; unit
    ``u`` belongs to slice ``u mod slices``. ``group`` and ``units`` are ranges ``(first, end)``:
    the products of a cell take turns group of units by group of units, of the size of the largest
    block, or all units where a product sees what the cell itself makes of them.
    """
    cell, size = CELLS[layer.kind], layer.output_size
    steps = [slices * (words // len(product.sums)) for product in cell.products]
    whole = any("q" in product.operands for product in cell.products)
    group = size if whole else max(steps)
    for first in range(0, size, group):
        end = min(size, first + group)
        for product, step in zip(cell.products, steps):
            for unit in range(first, end, step):
                yield product, (first, end), (unit, min(end, unit + step))
