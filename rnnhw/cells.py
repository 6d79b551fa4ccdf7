"""What each cell computes, as data: its matrix products and its element-wise program.

The compiler turns a cell into row blocks and vector rows; a further cell is a further entry here.
"""

from dataclasses import dataclass


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
