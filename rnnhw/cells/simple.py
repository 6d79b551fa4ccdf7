"""Cells without gates on their state's products: fully connected, product of two, simple RNN, SRU
and QRNN."""

from functools import cache

from .describe import Cell, Matrix, Op, Product, Vector
from .functions import Functions, normal

ACTIVATIONS = ("none", "relu", "sigmoid", "tanh")


def linear(activation):
    """``y = act(W x + b)``."""
    table = activation in ("sigmoid", "tanh")
    return Cell(
        kind="linear", matrices=(Matrix("weight_ih", "y", "input_size", "output_size"),),
        products=(Product("y", ("x",), ("weight_ih",)),),
        ops=(Op("y", "y", fn="mac" if activation == "none" else activation, fmt="y"),),
        formats={"pre": "table", "y": "result"} if table else {"pre": "wide", "y": "same"},
        output="y", biases=(Vector("bias", "y", "output_size"),),
        costs=(0, 0, int(activation != "none"), 1))


@cache
def rnn(activation="tanh", clip=None):
    """``h = F(W_ih x + b_ih + W_hh h' + b_hh)``. Reference: PyTorch's nn.RNN; ONNX, operator RNN.

    Parameters
    ----------
    activation : F
    clip : bounds its input
    """
    made = Functions({"f": normal(activation, "rnn")}, clip)
    products = (Product("h", ("x", "h"), ("weight_ih", "weight_hh")),)
    ops = made("f", "h", "h", "h", "pre")
    formats = {"pre": "table" if made.looked_up("f") else "wide",
               "h": "unit" if made.unit("f") else "wide"}
    return Cell(
        kind=f"rnn{made.suffix()}", products=products, ops=ops, formats=formats | made.formats,
        matrices=(Matrix("weight_ih", "h", "input_size"), Matrix("weight_hh", "h")),
        biases=(Vector("bias_ih", "h"), Vector("bias_hh", "h")),
        vectors=made.vectors.values(), reach=made.reach)


# h = (A x) * (B x), element by element
MULTIPLY = Cell(
    kind="multiply",
    matrices=(Matrix("weight_ia", "a", "input_size"), Matrix("weight_ib", "b", "input_size")),
    products=(Product("a", ("x",), ("weight_ia",), "pre_a"),
              Product("b", ("x",), ("weight_ib",), "pre_b")),
    ops=(Op("x_a", "a", fmt="pre_a"), Op("h", "b", "x_a", fmt="h")),
    formats={"pre_a": "wide", "pre_b": "wide", "h": "wide"}, costs=(1, 0, 0, 0))

LINEAR = {activation: linear(activation) for activation in ACTIVATIONS}

# f = s(W_f x + v_f*c' + b_f); r = s(W_r x + v_r*c' + b_r); c = f*c' + (1-f)*(W_c x);
# h = r*c + (1-r)*x, x through W_skip where sizes differ (Rezk et al. 2020, eq. 18-21)
SRU = Cell(
    kind="sru",
    matrices=(Matrix("weight_ih", "cfr", "input_size"),
              Matrix("weight_skip", "k", "input_size", identity=True)),
    products=(Product(("u",), ("x",), ("weight_ih",), "pre_u", gate_names="c"),
              Product("fr", ("x",), ("weight_ih",)),
              Product("k", ("x",), ("weight_skip",), "pre_k")),
    ops=(Op("x_u", "u", fmt="pre_u"),
         Op("x_f", "f", fmt="pre"),
         Op("x_r", "r", fmt="pre"),
         Op("s_f", "c'", "v_f", "x_f", fmt="s"),
         Op("s_r", "c'", "v_r", "x_r", fmt="s"),
         Op("f", "s_f", fn="sigmoid"),
         Op("d", "c'", "", "x_u", subtract=True, fmt="d"),
         Op("c", "d", "f", "x_u", fmt="c"),
         Op("r", "s_r", fn="sigmoid"),
         Op("x_k", "k", fmt="pre_k"),
         Op("e", "c", "", "x_k", subtract=True, fmt="e"),
         Op("h", "e", "r", "x_k", fmt="h")),
    formats={"pre": "sum", "pre_u": "wide", "pre_k": "wide", "s": "table", "gate": "gate",
             "d": "wide", "e": "wide", "c": "wide", "h": "wide"},
    biases=(Vector("bias_ih", "fr"),), vectors=(Vector("peephole", ("v_f", "v_r")),),
    costs=(6, 8, 2, 2))


@cache
def qrnn(filter_width=1):
    """``z = tanh(..)``, ``f o = s(..)`` of ``W0 x(t) + W1 x(t-1) + .. + b``;
    ``c = f*c' + (1-f)*z``, ``h = o*tanh(c)``.

    The filter runs in its transposed form: what a step adds to those behind it waits as a state of
    each gate, ``z2 = W2 x``, ``z1 = W1 x + z2'``, ``W0 x + z1' + b``.

    Reference: Rezk et al. 2020, eq. 14-17 and 6.
    """
    k = filter_width
    gates = ["zfo", *([f"{gate}{j}" for gate in "zfo"] for j in range(1, k))]
    made = {"z": "tanh", "f": "sigmoid", "o": "sigmoid"}
    if k == 1:
        sums = [Op(gate, gate, fn=fn) for gate, fn in made.items()]
        formats = {"pre": "table", "gate": "gate"}
    else:
        sums = [Op(f"s_{gate}", gate, "", f"{gate}1'", fmt="s") for gate in made]
        formats = {"pre": "sum", "s": "table", "gate": "gate"}
    tables = [Op(gate, f"s_{gate}", fn=fn) for gate, fn in made.items() if k > 1]
    waiting = [Op(gate + str(j), f"{gate}{j}", "", f"{gate}{j + 1}'" if j < k - 1 else "",
                  fmt=f"{gate}{j}") for j in range(1, k) for gate in "zfo"]
    return Cell(
        kind="qrnn" + f"_{k}" * (k > 1),
        matrices=(Matrix("weight_ih", [gate for tap in gates for gate in tap], "input_size"),),
        products=[Product(tap, ("x",), ("weight_ih",), biases=("bias_ih",) if tap == "zfo" else ())
                  for tap in gates],
        ops=(*sums, *tables,
             Op("d", "c'", "", "z", subtract=True, fmt="d"),
             Op("c", "d", "f", "z", fmt="c"),
             Op("t", "c", fn="tanh"),
             Op("h", "o", "t", fmt="h"), *waiting),
        formats=formats | {op.fmt: "sum" for op in waiting} | {"d": "two", "c": "unit",
                                                               "h": "unit"},
        biases=(Vector("bias_ih", "zfo"),), costs=(3, 2, 3, 0))
