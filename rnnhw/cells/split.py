"""Sums whose operands have different block sizes, each part drained for itself."""

from dataclasses import replace
from functools import cache

from .describe import Op, plain


def split(cell, sizes):
    """``cell`` with the products apart whose matrices have different block ``sizes`` (by name).

    A sum becomes ``{sum}_{operand}`` for all parts but the last, without the bias, and ``{sum}``,
    each drained in the sum's format; their sum ``{sum}_s``, saturated, is what the cell goes on
    with.
    """
    return _split(cell, tuple(sizes[matrix.name] for matrix in cell.matrices))


@cache
def _split(cell, sizes):
    sizes = dict(zip(cell.matrix, sizes))
    products, ops, parts = [], [], {}
    for product in cell.products:
        groups = {}
        for pair in zip(product.operands, product.weights):
            groups.setdefault(sizes[pair[1]], []).append(pair)
        *apart, last = [tuple(zip(*group)) for group in groups.values()]
        found = [replace(product, sums=tuple(f"{name}_{plain(operands[0])}"
                                             for name in product.sums),
                         operands=operands, weights=weights, biases=(), part=plain(operands[0]))
                 for operands, weights in apart]
        products += [*found, replace(product, operands=last[0], weights=last[1])]
        if found:
            parts |= dict.fromkeys(product.sums, found)
    copied = []
    for op, product in zip(cell.ops, cell.drains):
        if product is not None and op.a in parts:
            for part in parts[op.a]:
                if part not in copied:
                    ops += [Op(name, name, fmt=part.pre) for name in part.sums]
                    copied.append(part)
            total, name = op.a, f"{op.a}_s"
            for part in parts[op.a]:
                ops.append(Op(name, total, "", f"{op.a}_{part.part}", fmt=part.pre))
                total, name = name, f"{name}_s"
            op = replace(op, a=total)
        ops.append(op)
    return replace(cell, products=tuple(products), ops=tuple(ops))
