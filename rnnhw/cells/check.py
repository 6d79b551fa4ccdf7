"""Whether a cell's description is one that the engine can run."""

from ..errors import RnnhwError
from .describe import FUNCTIONS, RULES, SIZES, plain


def check(cell):
    """Refuse a description that contradicts itself, with what does."""
    def wrong(text):
        raise RnnhwError(f"Cell {cell.kind!r} {text}")

    for part in (*cell.matrices, *cell.biases, *cell.vectors):
        for size in ((part.rows, part.columns) if hasattr(part, "rows") else (part.size,)):
            if size not in SIZES:
                wrong(f"gives {part.name} the size {size!r}; known are {', '.join(SIZES)}.")
    for name, rule in cell.formats:
        if rule not in RULES:
            wrong(f"has the rule {rule!r} for the format {name!r}; known are {', '.join(RULES)}.")
    for name, _ in cell.reach:
        if name not in cell.rules:
            wrong(f"gives {name!r} a reach, which is none of its formats.")
    _check_products(cell, wrong)
    _check_ops(cell, wrong)
    _check_kept(cell, wrong)


def _check_products(cell, wrong):
    names = [total for product in cell.products for total in product.sums]
    if len(set(names)) < len(names):
        wrong(f"sums {next(n for n in names if names.count(n) > 1)!r} twice; each sum needs a name "
              "of its own.")
    for product in cell.products:
        what = ", ".join(product.sums)
        if len(product.operands) != len(product.weights) or not product.operands:
            wrong(f"needs one matrix for each operand of {what}, not {len(product.weights)} for "
                  f"{len(product.operands)}.")
        if len(product.gate_names) != len(product.sums):
            wrong(f"needs one gate for each sum of {what}, not {len(product.gate_names)}.")
        if product.pre not in cell.rules:
            wrong(f"drains {what} in the format {product.pre!r}, which has no rule.")
        if len({cell.matrix[name].rows for name in product.weights}) > 1:
            wrong(f"sums products of different sizes in {what}.")
        for name in product.biases:
            if name not in [vector.name for vector in cell.biases]:
                wrong(f"adds {name!r} to {what}, which is none of its biases.")
    # sums over the same matrices have one scale; shifts that give it must not go in a circle
    scales, root = [], {}
    for product in cell.products:
        pairs = {(cell.shared(plain(name)), weight) for name, weight, _ in product.parts}
        joined = [scale for scale in scales if scale & pairs]
        scales = [scale for scale in scales if not scale & pairs] + [pairs.union(*joined)]
    for k, scale in enumerate(scales):
        for pair in sorted(scale):
            ends = [_end(root, pair[0]), _end(root, k)]
            if ends[0] == ends[1]:
                wrong("multiplies the same operands by different matrices in different sums; stack "
                      "the matrices, so that one scale fits them.")
            root[ends[0]] = ends[1]


def _end(root, node):
    """Where the links from ``node`` end."""
    while node in root:
        node = root[node]
    return node


def _check_ops(cell, wrong):
    written = {op.dst for op in cell.ops}
    seen, taken = set(cell.constants), []
    for op, product in zip(cell.ops, cell.drains):
        if op.fn not in FUNCTIONS:
            wrong(f"has the function {op.fn!r}; known are {', '.join(FUNCTIONS)}.")
        if op.is_table and (op.b or op.c):
            wrong(f"gives {op.fn} of {op.dst} more than one operand; only a is looked up.")
        if op.fmt not in cell.rules:
            wrong(f"keeps {op.dst} in the format {op.fmt!r}, which has no rule.")
        taken += [op.a] * (product is not None)
        for name in op.names[product is not None:]:
            if name.endswith("'") and plain(name) not in written:
                wrong(f"reads {name}, but no op writes {plain(name)}.")
            if not name.endswith("'") and name not in seen:
                drained = " from the drain, which only a may" if name in cell.product_of else ""
                wrong(f"reads {name} for {op.dst}{drained} before it is there.")
        if op.dst in seen:
            wrong(f"writes {op.dst} twice; each value needs a name of its own.")
        seen.add(op.dst)
    drained = {op.dst for op, product in zip(cell.ops, cell.drains) if product is not None}
    place = {op.dst: k for k, op in enumerate(cell.ops)}
    for name, readers in cell.readers.items():
        for reader in readers:
            if place[reader] > place[name] or name in drained and reader not in drained:
                wrong(f"reads {name}' for {reader} when {name} may be there in its place already; "
                      f"{reader} must come before {name}"
                      + (", and from the drain as well." if name in drained else "."))
    order = [total for product in cell.products for total in product.sums]
    if taken != order:
        wrong(f"takes {', '.join(taken) or 'nothing'} from the drain, but its products give "
              f"{', '.join(order)}, in this order.")
    for op, product in zip(cell.ops, cell.drains):
        sizes = [cell.size(name) for name in (op.dst, *op.names[product is not None:])]
        sizes += [product.size] if product else []
        if len(set(sizes)) > 1:
            wrong(f"makes {op.dst} of values of different sizes, {' and '.join(sorted(set(sizes)))}"
                  ".")


def _check_kept(cell, wrong):
    written = {op.dst: op.fmt for op in cell.ops}
    own = set(cell.operands) | set(cell.states)
    for name in (*cell.operands, *cell.states):
        if name not in written:
            wrong(f"has no op that writes {name}.")
        if written[name] != name or [op.fmt for op in cell.ops].count(name) > 1:
            wrong(f"keeps {name} in the format {written[name]!r}; what is kept or multiplied needs "
                  "a format of its own name.")
    for op in cell.ops:
        if op.fmt in own and op.fmt != op.dst:
            wrong(f"keeps {op.dst} in the format of {op.fmt}.")
    clash = set(cell.constants) & (set(cell.rules) | {op.dst for op in cell.ops})
    if clash:
        wrong(f"has both a constant and a value or format {min(clash)!r}.")
