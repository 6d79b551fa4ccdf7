"""The GRU, with the reset after or before the product."""

from .describe import Cell, Matrix, Op, Product, Vector

IH, HH = "weight_ih", "weight_hh"
XH = ("x", "h"), (IH, HH)
GATES = ("r", "z", "n")
ARRAYS = {"matrices": (Matrix(IH, GATES, "input_size"), Matrix(HH, GATES)),
          "biases": (Vector("bias_ih", GATES), Vector("bias_hh", GATES)),
          "costs": (3, 2, 3, 0)}
# h = (1-z)*n + z*h', as z*(h' - n) + n
BLEND = (Op("d", "h'", "", "n", subtract=True, fmt="d"), Op("h", "z", "d", "n", fmt="h"))

AFTER = Cell(
    kind="gru",
    products=(Product(("nx",), ("x",), (IH,), "pre_nx", gate_names="n", biases=("bias_ih",)),
              Product(("r", "z"), *XH),
              Product(("nh",), ("h",), (HH,), "pre_nh", gate_names="n", biases=("bias_hh",))),
    ops=(Op("nx", "nx", fmt="pre_nx"),
         Op("r", "r", fn="sigmoid"),
         Op("z", "z", fn="sigmoid"),
         Op("s", "nh", "r", "nx", fmt="s"),
         Op("n", "s", fn="tanh"),
         *BLEND),
    formats={"pre": "table", "pre_nx": "sum", "pre_nh": "sum", "s": "table", "gate": "gate",
             "d": "two", "h": "unit"},
    **ARRAYS)

BEFORE = Cell(
    kind="gru_reset_before",
    products=(Product(("r",), *XH), Product(("z",), *XH),
              Product(("n",), ("x", "q"), (IH, HH), "pre_n")),
    ops=(Op("r", "r", fn="sigmoid"),
         Op("q", "h'", "r", fmt="q"),
         Op("z", "z", fn="sigmoid"),
         Op("n", "n", fn="tanh"),
         *BLEND),
    formats={"pre": "table", "pre_n": "table", "gate": "gate", "q": "unit", "d": "two",
             "h": "unit"},
    **ARRAYS)
