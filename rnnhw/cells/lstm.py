"""The LSTM and its variants: peepholes, projection, coupled input and forget gates."""

from itertools import product as every

from .describe import Cell, Matrix, Op, Product, Vector

PEEPHOLES = ("none", "diagonal", "full")


def lstm(peepholes="none", projection=False, coupled=False):
    """``i f o = s(..)``, ``g = tanh(..)``, ``c = f*c' + i*g``, ``h = o*tanh(c)``.

    Parameters
    ----------
    peepholes : "none", "diagonal" (vectors; ``i f`` see c', ``o`` sees c) or "full" (matrices)
    projection : ``h = W_hr (o*tanh(c))``
    coupled : ``f = 1 - i``, so that ``c = i*(g - c') + c'``; there is no gate f

    Reference: Rezk et al. 2020, eq. 1-9 and fig. 3c; ONNX, operator LSTM (input_forget, P);
    PyTorch's nn.LSTM (proj_size).
    """
    gates, seeing = ("igo", "io") if coupled else ("ifgo", "ifo")
    h, m = "output_size", "m" if projection else "h"
    ih, hh, ch = "weight_ih", "weight_hh", "weight_ch"
    matrices = [Matrix(ih, gates, "input_size"), Matrix(hh, gates, h)]
    formats = {"pre": "table", "gate": "gate"}
    o, c = [Op("o", "o", fn="sigmoid")], [Op("p", "i", "g"), Op("c", "c'", "f", "p", fmt="c")]
    if coupled:
        formats["d"] = "two"
        c = [Op("d", "g", "", "c'", subtract=True, fmt="d"), Op("c", "d", "i", "c'", fmt="c")]
    if peepholes == "full":
        matrices.append(Matrix(ch, seeing))
        products = [Product(seeing[:-1], ("x", "h", "c'"), (ih, hh, ch)),
                    Product("g", ("x", "h"), (ih, hh)), Product("o", ("x", "h", "c"), (ih, hh, ch))]
        early, late = [Op(gate, gate, fn="sigmoid") for gate in seeing[:-1]], o
        early += [Op("g", "g", fn="tanh")]
    else:
        products = [Product("igfo" if "f" in gates else gates, ("x", "h"), (ih, hh))]
        early = [Op(gate, gate, fn="tanh" if gate == "g" else "sigmoid")
                 for gate in products[0].sums]
        late = []
    if peepholes == "diagonal":
        formats |= {"pre": "sum", "s": "table"}
        # o leaves the drain with the others, but waits for c
        early = [op for gate in products[0].sums for op in _peep(gate, "c'")][:-2]
        late = _peep("o", "c")[1:]
    ops = [*early, *c, *late, Op("t", "c", fn="tanh"), Op(m, "o", "t", fmt=m)]
    formats |= {"c": "unit" if coupled else "tried", m: "unit"}
    if projection:
        matrices.append(Matrix("weight_hr", "h", rows=h))
        products.append(Product("h", ("m",), ("weight_hr",), "pre_h", biases=()))
        ops.append(Op("h", "h", fmt="h"))
        formats |= {"pre_h": "wide", "h": "wide"}
    return Cell(
        kind="lstm" + "_coupled" * coupled + f"_{peepholes}" * (peepholes != "none")
        + "_projected" * projection,
        matrices=matrices, products=products, ops=ops, formats=formats,
        biases=(Vector("bias_ih", gates), Vector("bias_hh", gates)),
        vectors=[Vector("peephole", [f"p_{gate}" for gate in seeing])] * (peepholes == "diagonal"))


def _peep(gate, c):
    """The sum of a gate taken from the drain, its peephole and its function."""
    if gate == "g":
        return [Op("g", "g", fn="tanh")]
    return [Op(f"x_{gate}", gate, fmt="pre"), Op(f"s_{gate}", c, f"p_{gate}", f"x_{gate}", fmt="s"),
            Op(gate, f"s_{gate}", fn="sigmoid")]


CELLS = {(coupled, peepholes, projection): lstm(peepholes, projection, coupled)
         for coupled, peepholes, projection in every((False, True), PEEPHOLES, (False, True))}
