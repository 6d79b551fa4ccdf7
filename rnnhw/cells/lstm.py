"""The LSTM and its variants: peepholes, projection, coupled input and forget gates, functions."""

from functools import cache

from .describe import Cell, Matrix, Op, Product, Vector
from .functions import Functions, used

PEEPHOLES = ("none", "diagonal", "full")
ACTIVATIONS = ("Sigmoid", "Tanh", "Tanh")


@cache
def lstm(peepholes="none", projection=False, coupled=False, activations=ACTIVATIONS, clip=None,
         clip_hidden=True):
    """``i f o = F(..)``, ``g = G(..)``, ``c = f*c' + i*g``, ``h = o*H(c)``.

    Parameters
    ----------
    peepholes : "none", "diagonal" (vectors; ``i f`` see c', ``o`` sees c) or "full" (matrices)
    projection : ``h = W_hr (o*H(c))``
    coupled : ``f = 1 - i``, so that ``c = i*(g - c') + c'``; there is no gate f
    activations : F, G, H, the sigmoid and twice tanh where left out
    clip : bounds the inputs of F, G and, with ``clip_hidden``, H

    Reference: Rezk et al. 2020, eq. 1-9 and fig. 3c; ONNX, operator LSTM (activations, clip,
    input_forget, P); PyTorch's nn.LSTM (proj_size).
    """
    gates, seeing = ("igo", "io") if coupled else ("ifgo", "ifo")
    h, m = "output_size", "m" if projection else "h"
    ih, hh, ch = "weight_ih", "weight_hh", "weight_ch"
    made = Functions(dict(zip("fgh", activations)), clip, "" if clip_hidden else "h")
    matrices = [Matrix(ih, gates, "input_size"), Matrix(hh, gates, h)]
    formats = {"pre": "table" if made.looked_up("f", "g") else "wide", "gate": "gate"}

    def gate(name, a=None):
        role = "g" if name == "g" else "f"
        return made(role, name, a or name, made.fmt(role), "" if a else "pre")

    def peep(name, c):
        """The sum of a gate taken from the drain, and its function behind its peephole."""
        return ([Op(f"x_{name}", name, fmt="pre")],
                [Op(f"s_{name}", c, f"p_{name}", f"x_{name}", fmt="s"), *gate(name, f"s_{name}")])

    if coupled:
        formats["d"] = "two" if made.unit("g") and made.share("f") else "wide"
        c = [Op("d", "g", "", "c'", subtract=True, fmt="d"), Op("c", "d", "i", "c'", fmt="c")]
    else:
        p = "gate" if made.unit("f", "g") else "p"
        formats |= {p: "gate" if p == "gate" else "wide"}
        c = [Op("p", "i", "g", fmt=p), Op("c", "c'", "f", "p", fmt="c")]
    late = []
    if peepholes == "full":
        matrices.append(Matrix(ch, seeing))
        products = [Product(seeing[:-1], ("x", "h", "c'"), (ih, hh, ch)),
                    Product("g", ("x", "h"), (ih, hh)), Product("o", ("x", "h", "c"), (ih, hh, ch))]
        early, late = [op for name in (*seeing[:-1], "g") for op in gate(name)], gate("o")
    else:
        products = [Product("igfo" if "f" in gates else gates, ("x", "h"), (ih, hh))]
        early = [gate(name) for name in products[0].sums]
    if peepholes == "diagonal":
        formats |= {"pre": "sum" if made.looked_up("g") else "wide",
                    "s": "table" if made.looked_up("f") else "wide"}
        early = [gate(name) if name == "g" else [op for ops in peep(name, "c'") for op in ops]
                 for name in products[0].sums]
        # o leaves the drain with the others, but waits for c
        early[-1], late = peep("o", "c")
    if peepholes != "full":
        early = [op for ops in early for op in ops]
    ops = [*early, *c, *late, *made("h", "t", "c", made.fmt("h")), Op(m, "o", "t", fmt=m)]
    formats |= {"c": "unit" if formats.get("d") == "two" else "tried",
                m: "unit" if made.unit("f", "h") else "wide"}
    if projection:
        matrices.append(Matrix("weight_hr", "h", rows=h))
        products.append(Product("h", ("m",), ("weight_hr",), "pre_h", biases=()))
        ops.append(Op("h", "h", fmt="h"))
        formats |= {"pre_h": "wide", "h": "wide"}
    peephole = [Vector("peephole", [f"p_{name}" for name in seeing])] * (peepholes == "diagonal")
    return Cell(
        kind="lstm" + "_coupled" * coupled + f"_{peepholes}" * (peepholes != "none")
        + "_projected" * projection + made.suffix(*ACTIVATIONS),
        matrices=matrices, products=products, ops=ops,
        formats=used(formats | made.formats, ops, products),
        biases=(Vector("bias_ih", gates), Vector("bias_hh", gates)),
        vectors=[*peephole, *made.vectors.values()], reach=made.reach)


def cells(input_forget, **options):
    """The cells of a layer's options, the plainest first."""
    return [lstm(peepholes, projection, input_forget, **options)
            for peepholes in PEEPHOLES for projection in (False, True)]
