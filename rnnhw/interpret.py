"""A cell's description carried out step by step, over floats or integers."""

from .cells import plain, previous


def step(cell, numbers, x, before, copies):
    """One step of ``cell``: ``(sums, values, copies)`` by name.

    Parameters
    ----------
    numbers : what does the arithmetic
        ``sums(product, operands)`` gives its drained sums by name, ``apply(op, product, a, b, c)``
        an op's result, whose ``a`` comes from the drain where ``product`` is given (``b``, ``c``
        may be None), ``copy(name, value)`` what operand memory holds of a value, and ``constants``
        holds the vectors by name.
    x : the layer's operand of this step
    before, copies : values of the step before, and their copies in operand memory, by name
    """
    sums, values, fresh = {}, {}, {}

    def operand(name):
        return x if name == "x" else (copies if previous(name) else fresh)[plain(name)]

    def value(name):
        if name.endswith("'"):
            return before[plain(name)]
        return values[name] if name in values else numbers.constants[name]

    for op, product in zip(cell.ops, cell.drains):
        if product is not None and op.a not in sums:
            sums |= numbers.sums(product, {name: operand(name) for name in product.operands})
        a = value(op.a) if product is None else sums[op.a]
        b, c = (value(name) if name else None for name in (op.b, op.c))
        values[op.dst] = numbers.apply(op, product, a, b, c)
        if op.dst in cell.operands:
            fresh[op.dst] = numbers.copy(op.dst, values[op.dst])
    return sums, values, fresh


def tensors(cell):
    """``(format, sums, values)``: the names of what each format holds, copies of sums left out.

    Sums are in the order of their gates; gates' results are left out.
    """
    found = {fmt: ([], []) for fmt, rule in cell.formats if rule != "gate"}
    for total in cell.sums:
        found[cell.product_of[total].pre][0].append(total)
    for op, product in zip(cell.ops, cell.drains):
        if op.fmt in found and not is_copy(op, product):
            found[op.fmt][1].append(op.dst)
    return [(fmt, *names) for fmt, names in found.items()]


def is_copy(op, product):
    """Whether an op moves a drained sum as it is."""
    return product is not None and op.fmt == product.pre and op.fn == "mac" and len(op.names) == 1


def tables(cell, fmt):
    """The ops that look up values in the format ``fmt``."""
    return [op for op, product in zip(cell.ops, cell.drains)
            if op.is_table and fmt == (cell.format_of(op.a) if product is None else product.pre)]
