"""What each cell computes, as data: its matrix products and its element-wise program.

The compiler turns a cell into row blocks and vector rows; a further cell is a further entry here.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Product:
    """Rows that share one row block: drained sums, their gate's rows and the operands they see.

    Parameters
    ----------
    sums : names of the drained sums, in the order they are drained
    gates : for each sum, the index of its gate in the stacked weights
    operands : ``"x"`` (weight_ih) and/or ``"h"``, ``"q"`` (weight_hh), oldest first
    pre : name of the format the sums are drained in
    """

    sums: tuple
    gates: tuple
    operands: tuple
    pre: str

    size = "output_size"

    @property
    def weights(self):
        """Names of its matrices, of one for each operand."""
        return tuple("weight_ih" if name == "x" else "weight_hh" for name in self.operands)

    @property
    def apart(self):
        """Whether it is the x part of sums whose operands are multiplied apart."""
        return self.sums[0].endswith("_x")

    @property
    def weight(self):
        """Name of its matrix, or of the input's where it has both."""
        return "weight_ih" if "x" in self.operands else "weight_hh"

    @property
    def spectrum(self):
        """Name of the format that its accumulated spectra are drained in, where it has some."""
        return f"{self.pre}_x_spectrum" if self.apart else f"{self.pre}_spectrum"

    def block_size(self, ih, hh):
        """The block size of its matrices, of those of W_ih and W_hh; None where dense."""
        return ih if "x" in self.operands else hh


@dataclass(frozen=True)
class Op:
    """One element-wise instruction, ``dst = fn(a)`` or ``dst = a*b + c`` (``b``, ``c`` optional).

    A name with a prime is the value of the previous step; a name of a drained sum is taken from
    the drain. Put the youngest value at ``b`` or ``c``, which are read late. ``fmt`` names the
    format of the result. ``subtract`` makes it ``a*b - c``.
    """

    dst: str
    a: str
    b: str = ""
    c: str = ""
    fn: str = "mac"
    fmt: str = "gate"
    subtract: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell: its products in the order they run for a group of units, and its element-wise ops.

    ``output`` is the value that leaves the layer, ``operands`` the values copied to operand memory.
    """

    products: tuple
    ops: tuple
    output: str
    operands: tuple
    constants = ()

    def size(self, name):
        """Name of the layer's attribute that says how many units a value has."""
        return "output_size"


CELLS = {
    "lstm": Cell(
        products=(Product(("i", "g", "f", "o"), (0, 2, 1, 3), ("x", "h"), "pre"),),
        ops=(Op("i", "i", fn="sigmoid"),
             Op("g", "g", fn="tanh"),
             Op("f", "f", fn="sigmoid"),
             Op("o", "o", fn="sigmoid"),
             Op("p", "i", "g"),
             Op("c", "c'", "f", "p", fmt="c"),
             Op("t", "c", fn="tanh"),
             Op("h", "o", "t", fmt="h")),
        output="h", operands=("h",)),
    "gru": Cell(
        products=(Product(("nx",), (2,), ("x",), "pre_nx"),
                  Product(("r", "z"), (0, 1), ("x", "h"), "pre"),
                  Product(("nh",), (2,), ("h",), "pre_nh")),
        ops=(Op("nx", "nx", fmt="pre_nx"),
             Op("r", "r", fn="sigmoid"),
             Op("z", "z", fn="sigmoid"),
             Op("s", "nh", "r", "nx", fmt="s"),
             Op("n", "s", fn="tanh"),
             Op("d", "h'", "", "n", subtract=True, fmt="d"),
             Op("h", "z", "d", "n", fmt="h")),
        output="h", operands=("h",)),
    "gru_reset_before": Cell(
        products=(Product(("r",), (0,), ("x", "h"), "pre"),
                  Product(("z",), (1,), ("x", "h"), "pre"),
                  Product(("n",), (2,), ("x", "q"), "pre_n")),
        ops=(Op("r", "r", fn="sigmoid"),
             Op("q", "h'", "r", fmt="q"),
             Op("z", "z", fn="sigmoid"),
             Op("n", "n", fn="tanh"),
             Op("d", "h'", "", "n", subtract=True, fmt="d"),
             Op("h", "z", "d", "n", fmt="h")),
        output="h", operands=("h", "q")),
    "linear": Cell(
        products=(Product(("y",), (0,), ("x",), "pre"),),
        ops=(Op("y", "y", fn="activation", fmt="y"),),
        output="y", operands=("y",)),
}


def split(cell):
    """``cell`` with its x products apart from those of h or q, which have another block size.

    A sum over both becomes ``{sum}_x``, without the bias, and ``{sum}``, each drained in the sum's
    format; their sum ``{sum}_s``, saturated, is what the cell goes on with.
    """
    products, ops, whole = [], [], {}
    for product in cell.products:
        rest = tuple(name for name in product.operands if name != "x")
        if "x" in product.operands and rest:
            part = replace(product, sums=tuple(f"{name}_x" for name in product.sums),
                           operands=("x",))
            products.append(part)
            whole |= dict.fromkeys(product.sums, part)
        products.append(replace(product, operands=rest or product.operands))
    copied = []
    for op in cell.ops:
        # the first to name a sum takes it from the drain
        part = whole.pop(op.a, None)
        if part is not None:
            if part not in copied:
                ops += [Op(name, name, fmt=part.pre) for name in part.sums]
                copied.append(part)
            ops.append(Op(f"{op.a}_s", op.a, "", f"{op.a}_x", fmt=part.pre))
            op = replace(op, a=f"{op.a}_s")
        ops.append(op)
    return replace(cell, products=tuple(products), ops=tuple(ops))


SPLIT = {kind: split(cell) for kind, cell in CELLS.items()}


def cell_for(kind, ih, hh):
    """The cell of a layer whose W_ih and W_hh have these block sizes, None where dense."""
    return CELLS[kind] if kind == "linear" or ih == hh else SPLIT[kind]


def cell_of(qlayer):
    """The cell of a quantised layer, split where its matrices have different block sizes."""
    return cell_for(qlayer.layer.kind, qlayer.block_size_ih, qlayer.block_size_hh)
