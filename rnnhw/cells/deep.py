"""Cells with further layers inside: between one h and the next, behind h, or in an LSTM's gates."""

from functools import cache

from .describe import Cell, Matrix, Op, Product, Vector
from .lstm import lstm

IH, HH = "weight_ih", "weight_hh"
RULES = {"tanh": ("table", "unit"), "relu": ("wide", "wide")}    # of sums and of values


@cache
def deep(kind, depth=1, activation="tanh"):
    """``e = F(W_ih x + W_hh h' + b)``, then ``depth`` further layers ``F(W_d e + b_d)``.

    Parameters
    ----------
    kind : "deep_transition", whose last layer's h comes back as h', or "deep_output", where the
        state s = e itself does and h = F(W_d .. F(W_d1 s + b_d1)) only goes out
    depth : further layers
    activation : F, "tanh" or "relu"

    Reference: Pascanu et al. 2014, How to construct deep recurrent neural networks, section 3; Rezk
    et al. 2020, section 3.
    """
    back = kind == "deep_output"
    values = ["s" if back else "e0", *(f"e{j}" for j in range(1, depth)), "h"]
    out = "output_size" if back else "hidden_size"
    sizes = ["hidden_size"] * depth + [out]
    pre, rule = RULES[activation]
    first, further = values[:1], list(enumerate(values))[1:]
    return Cell(
        kind=f"{kind}_{activation}" + f"_{depth}" * (depth > 1),
        matrices=(Matrix(IH, first, "input_size"), Matrix(HH, first),
                  *(Matrix(f"weight_d{j}", [name], rows=sizes[j]) for j, name in further)),
        biases=(Vector("bias_ih", first), Vector("bias_hh", first),
                *(Vector(f"bias_d{j}", [name], sizes[j]) for j, name in further)),
        products=(Product(first, ("x", "s'" if back else "h"), (IH, HH)),
                  *(Product([name], (values[j - 1],), (f"weight_d{j}",), f"pre_d{j}")
                    for j, name in further)),
        ops=[Op(name, name, fn=activation, fmt=name) for name in values],
        formats={"pre": pre} | {f"pre_d{j}": pre for j, _ in further} | dict.fromkeys(values, rule))


@cache
def h_lstm(depth=1, activation="relu"):
    """An LSTM with networks as gates: ``i = s(W_d e_i + b_d)``, ``e_i = F(W_ih x + W_hh h' + b)``.

    Parameters
    ----------
    depth : layers inside each gate, of n units each
    activation : their F, "relu" or "tanh"

    Reference: Dai, Yin, Jha 2018, Grow and prune compact, fast, and accurate LSTMs, section 3;
    Rezk et al. 2020, section 3.
    """
    plain, gates = lstm(), "ifgo"
    pre, rule = RULES[activation]
    layers = [[f"{gate}{j}" for gate in gates] for j in range(depth)]
    fmts = {name: rule for layer in layers for name in layer}
    # each value whole before the next, as transforms of blocks on fast lanes need them
    products = [Product([name], ("x", "h"), (IH, HH), "pre_0") for name in layers[0]]
    for j in range(1, depth + 1):
        found = layers[j] if j < depth else gates
        products += [Product([name], (layers[j - 1][g],), (f"weight_d{j}",),
                             f"pre_{j}" if j < depth else "pre") for g, name in enumerate(found)]
    inner = [Op(name, name, fn=activation, fmt=name) for layer in layers for name in layer]
    return Cell(
        kind=f"h_lstm_{activation}" + f"_{depth}" * (depth > 1),
        matrices=(Matrix(IH, layers[0], "input_size"), Matrix(HH, layers[0]),
                  *(Matrix(f"weight_d{j}", found) for j, found in
                    enumerate([*layers[1:], gates], 1))),
        biases=(Vector("bias_ih", layers[0]), Vector("bias_hh", layers[0]),
                *(Vector(f"bias_d{j}", found) for j, found in enumerate([*layers[1:], gates], 1))),
        products=products, ops=[*inner, *sorted(plain.ops[:4], key=lambda op: gates.index(op.a)),
                                *plain.ops[4:]],
        formats={f"pre_{j}": pre for j in range(depth)} | dict(plain.formats) | fmts)
