"""The GRU, with the reset after or before the product."""

from functools import cache

from .describe import Cell, Matrix, Op, Product, Vector
from .functions import Functions, used

IH, HH = "weight_ih", "weight_hh"
XH = ("x", "h"), (IH, HH)
GATES = ("r", "z", "n")
ACTIVATIONS = ("Sigmoid", "Tanh")


@cache
def gru(reset_after=True, activations=ACTIVATIONS, clip=None):
    """``r z = F(..)``, ``n = G(W x + r*(U h' + b))`` or ``G(W x + U (r*h') + b)``,
    ``h = (1-z)*n + z*h'``.

    Parameters
    ----------
    activations : F and G, sigmoid and tanh where left out
    clip : bounds the inputs of F and G

    Reference: Rezk et al. 2020, eq. 10-13; ONNX, operator GRU (linear_before_reset, activations,
    clip); PyTorch's nn.GRU.
    """
    made = Functions(dict(zip("fg", activations)), clip)
    f, g, mixed = made.fmt("f"), made.fmt("g"), made.unit("g") and made.share("f")
    table = {role: "table" if made.looked_up(role) else "wide" for role in "fg"}
    r, z = (made("f", name, name, f, "pre") for name in "rz")
    # h = (1-z)*n + z*h', as z*(h' - n) + n
    blend = [Op("d", "h'", "", "n", subtract=True, fmt="d"), Op("h", "z", "d", "n", fmt="h")]
    if reset_after:
        products = [
            Product(("nx",), ("x",), (IH,), "pre_nx", gate_names="n", biases=("bias_ih",)),
            Product(("r", "z"), *XH),
            Product(("nh",), ("h",), (HH,), "pre_nh", gate_names="n", biases=("bias_hh",))]
        ops = [Op("nx", "nx", fmt="pre_nx"), *r, *z, Op("s", "nh", "r", "nx", fmt="s"),
               *made("g", "n", "s", g), *blend]
        formats = {"pre": table["f"], "pre_nx": "sum", "pre_nh": "sum", "s": table["g"],
                   "gate": "gate"}
    else:
        products = [Product(("r",), *XH), Product(("z",), *XH),
                    Product(("n",), ("x", "q"), (IH, HH), "pre_n")]
        ops = [*r, Op("q", "h'", "r", fmt="q"), *z, *made("g", "n", "n", g, "pre_n"), *blend]
        formats = {"pre": table["f"], "pre_n": table["g"], "gate": "gate",
                   "q": "unit" if mixed else "wide"}
    formats |= {"d": "two", "h": "unit"} if mixed else {"d": "wide", "h": "wide"}
    return Cell(
        kind="gru" + "_reset_before" * (not reset_after) + made.suffix(*ACTIVATIONS),
        products=products, ops=ops, formats=used(formats | made.formats, ops, products),
        matrices=(Matrix(IH, GATES, "input_size"), Matrix(HH, GATES)),
        biases=(Vector("bias_ih", GATES), Vector("bias_hh", GATES)),
        vectors=made.vectors.values(), reach=made.reach,
        costs=(3, 2, 3, 0) if activations == ACTIVATIONS and clip is None else None)
