"""Every cell beside LSTM and GRU: float against formulas and PyTorch, integers against equations.
"""

import numpy as np
import pytest
import torch

import rnnhw
from examples.own_cell import MGU
from rnnhw import golden, reference
from rnnhw.config import Config
from rnnhw.model import Linear, Model
from rnnhw.quantize import quantize
from rnnhw.tools import find

from . import slow_cells
from .variants import NEW, kinds, layer

OWN = [*NEW, ("mgu", {}, MGU)]


def s(x):
    return 1 / (1 + np.exp(-x))


def lstm(a, x, h, c, coupled):
    """One step by the formulas of the survey and ONNX."""
    n, gates = len(c), ("igo" if coupled else "ifgo")
    pre = a["weight_ih"] @ x + a["bias_ih"] + a["weight_hh"] @ h + a["bias_hh"]
    pre = dict(zip(gates, np.split(pre, len(gates))))
    seeing = "io" if coupled else "ifo"

    def seen(gate, c):
        k = seeing.index(gate)
        if "peephole" in a:
            return a["peephole"][k * n:(k + 1) * n] * c
        return a["weight_ch"][k * n:(k + 1) * n] @ c if "weight_ch" in a else 0

    i = s(pre["i"] + seen("i", c))
    f = 1 - i if coupled else s(pre["f"] + seen("f", c))
    c = f * c + i * np.tanh(pre["g"])
    h = s(pre["o"] + seen("o", c)) * np.tanh(c)
    return (a["weight_hr"] @ h if "weight_hr" in a else h), c


def deep(a, options, x, before):
    """``e = F(W x + U h' + b)`` and what further layers make of it, all of them."""
    function = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}[options["activation"]]
    found = [function(a["weight_ih"] @ x + a["bias_ih"] + a["weight_hh"] @ before + a["bias_hh"])]
    for j in range(1, options["depth"] + 1):
        found.append(function(a[f"weight_d{j}"] @ found[-1] + a[f"bias_d{j}"]))
    return found


def h_lstm(a, options, x, h, c):
    """An LSTM whose gates are networks."""
    function = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}[options["activation"]]
    pre = a["weight_ih"] @ x + a["bias_ih"] + a["weight_hh"] @ h + a["bias_hh"]
    for j in range(1, options["depth"] + 1):
        blocks = zip(np.split(a[f"weight_d{j}"], 4), np.split(function(pre), 4))
        pre = np.concatenate([w @ e for w, e in blocks]) + a[f"bias_d{j}"]
    i, f, g, o = np.split(pre, 4)
    c = s(f) * c + s(i) * np.tanh(g)
    return s(o) * np.tanh(c), c


def formula(kind, options, a, x, h, c):
    if kind.startswith("lstm"):
        return lstm(a, x, h, c, options["input_forget"])
    if kind.startswith("rnn"):
        pre = a["weight_ih"] @ x + a["bias_ih"] + a["weight_hh"] @ h + a["bias_hh"]
        return (np.tanh(pre) if kind == "rnn_tanh" else np.maximum(pre, 0)), c
    if kind.startswith("deep_transition"):
        return deep(a, options, x, h)[-1], c
    if kind.startswith("deep_output"):
        # c stands for the state
        found = deep(a, options, x, c)
        return found[-1], found[0]
    if kind.startswith("h_lstm"):
        return h_lstm(a, options, x, h, c)
    n = len(c)
    if kind == "mgu":
        ih, hh, b = (np.split(a[key], 2) for key in ("weight_ih", "weight_hh", "bias_ih"))
        f = s(ih[0] @ x + hh[0] @ h + b[0])
        return (1 - f) * h + f * np.tanh(ih[1] @ x + hh[1] @ (f * h) + b[1]), c
    if kind.startswith("qrnn"):
        # x are the steps so far, the youngest last
        k = options["filter_width"]
        taps = [np.split(w, 3) for w in np.split(a["weight_ih"], k)]
        one, two, three = (sum(tap[g] @ row for tap, row in zip(taps, x[::-1])) for g in range(3))
        z, f, o = np.split(a["bias_ih"], 3)
        c = s(two + f) * c + (1 - s(two + f)) * np.tanh(one + z)
        return s(three + o) * np.tanh(c), c
    one, two, three = np.split(a["weight_ih"] @ x, 3)
    b, v = np.split(a["bias_ih"], 2), a["peephole"]
    f, r = s(two + v[:n] * c + b[0]), s(three + v[n:] * c + b[1])
    c = f * c + (1 - f) * one
    return r * c + (1 - r) * (a["weight_skip"] @ x), c


@pytest.mark.parametrize("entry", OWN, ids=kinds(OWN))
def test_float_equals_the_formula(entry):
    rng = np.random.default_rng(1)
    model = Model(layers=[layer(entry, rng, 3, 7, 4, scale=3)])
    first = model.layers[0]
    x = rng.standard_normal((9, 3)) * 2
    h, c, expected = np.zeros(first.output_size), np.zeros(7), []
    for t, row in enumerate(x):
        seen = x[:t + 1] if first.cell == "qrnn" else row
        h, c = formula(first.kind, first.options, first.arrays, seen, h, c)
        expected.append(h)
    assert np.abs(model.run(x) - expected).max() < 1e-13 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("entry", OWN, ids=kinds(OWN))
def test_golden_equals_the_equations(entry):
    rng = np.random.default_rng(len(entry[2].kind))
    for case in range(8):
        m, n, p, o = (int(v) for v in rng.integers(1, 6, 4))
        # where nothing bounds what gates or the next step multiply, large weights are refused
        free = entry[2].kind.startswith(("deep_transition_relu", "h_lstm_relu"))
        scale = (0.5, 1, 1)[case % 3] if free else (0.5, 2, 12)[case % 3]
        first = layer(entry, rng, m, n, min(p, n), scale)
        model = Model(layers=[first, layer(entry, rng, first.output_size, o, min(p, o), scale)])
        bits, states = ([int(b) for b in rng.integers(low, 19, 2)] for low in (2, 8))
        config = Config(weight_bits=bits[0], activation_bits=bits[1], state_bits=states[0],
                        cell_bits=states[1])
        q = quantize(model, config, rng.standard_normal((3, 6, m)) * (1 if free else 1 + 9 * case))
        # all codes, also beyond what calibration saw
        xi = rng.integers(q.input_format.min, q.input_format.max + 1, (7, m))
        assert golden.run(q, xi).tolist() == slow_cells.run(q, xi)


@pytest.mark.parametrize("entry", OWN, ids=kinds(OWN))
@pytest.mark.parametrize("k", [4, 8])
def test_spectral_golden_equals_the_equations(entry, k):
    rng = np.random.default_rng(k)
    first = layer(entry, rng, 8, 16, 8, 2, k)
    model = Model(layers=[first, layer(entry, rng, first.output_size, 8, 4 if k == 4 else 8, 2, k)])
    q = quantize(model, Config(), rng.standard_normal((2, 6, 8)))
    assert {size for layer in q.layers for size in layer.block_sizes.values()} == {k}
    xi = rng.integers(q.input_format.min, q.input_format.max + 1, (5, 8))
    assert golden.run(q, xi).tolist() == slow_cells.run(q, xi)


@pytest.mark.parametrize("sizes", [(8, 4, None, 4), (None, 4, 8, 8), (4, 4, 8, None),
                                   (4, None, 4, 4), (4, 8, 8, 4)])
@pytest.mark.parametrize("kind", ["lstm_full_projected", "lstm_coupled_diagonal_projected",
                                  "rnn_relu", "sru", "mgu"])
def test_matrices_of_several_block_sizes_are_summed_apart(kind, sizes):
    rng = np.random.default_rng(2)
    entry = next(entry for entry in OWN if entry[2].kind == kind)
    used = list(sizes[:len(entry[2].matrices)])
    model = Model(layers=[layer(entry, rng, 8, 16, 8, 6, list(used)),
                          layer(entry, rng, 8 if entry[2].projected else 16, 8, 8, 6, list(used))])
    q = quantize(model, Config(state_bits=12), rng.standard_normal((2, 6, 8)))
    xi = rng.integers(q.input_format.min, q.input_format.max + 1, (6, 8))
    assert golden.run(q, xi).tolist() == slow_cells.run(q, xi)


@pytest.mark.parametrize("entry", OWN, ids=kinds(OWN))
@pytest.mark.parametrize("bits, least", [(8, 25), (16, 57)])
def test_integers_are_near_the_float_model(entry, bits, least):
    rng = np.random.default_rng(bits)
    model = Model(layers=[layer(entry, rng, 12, 24, 10)])
    x = rng.standard_normal((4, 32, 12))
    q = quantize(model, Config(weight_bits=bits, activation_bits=bits), x)
    assert q.report["sqnr_db"]["output"] > least
    assert not q.report["warnings"]


@pytest.mark.parametrize("entry", OWN, ids=kinds(OWN))
def test_state_goes_on_and_lengths_hold(entry):
    rng = np.random.default_rng(3)
    first = layer(entry, rng, 3, 4, 2)
    model = Model(layers=[first, Linear(weight=rng.uniform(-1, 1, (2, first.output_size)))])
    q = quantize(model, Config())
    xi, lengths = rng.integers(-128, 128, (3, 8, 3)), np.array([8, 5, 3])
    whole, end = golden.run(q, xi, lengths, return_state=True)
    assert sorted(end) == sorted(f"0.{key}" for key in entry[2].states)
    first, state = golden.run(q, xi[:, :3], return_state=True)
    rest, last = golden.run(q, xi[:2, 3:], lengths[:2] - 3, return_state=True,
                            state={key: value[:2] for key, value in state.items()})
    assert (first == whole[:, :3]).all() and (rest == whole[:2, 3:]).all()
    assert all((end[key][:2] == last[key]).all() for key in end)


@pytest.mark.parametrize("make, family, options", [
    (lambda: torch.nn.RNN(3, 5, batch_first=True), "rnn", {}),
    (lambda: torch.nn.RNN(3, 5, batch_first=True, nonlinearity="relu"), "rnn",
     {"activation": "relu"}),
    (lambda: torch.nn.LSTM(3, 5, batch_first=True, proj_size=2), "lstm", {})],
    ids=["rnn", "relu", "proj"])
def test_float_equals_torch(make, family, options):
    from rnnhw.model import Recurrent

    torch.manual_seed(0)
    module = make().double()
    arrays = {name.removesuffix("_l0"): value.detach().numpy()
              for name, value in module.named_parameters()}
    model = Model(layers=[Recurrent(family, options=options, arrays=arrays)])
    x = np.random.default_rng(0).standard_normal((2, 7, 3)) * 3
    with torch.no_grad():
        expected = module(torch.as_tensor(x))[0].numpy()
    assert np.abs(model.run(x) - expected).max() < 1e-14
    assert model.output_size == expected.shape[2]


@pytest.mark.slow
def test_the_example_of_a_cell_of_ones_own_runs_through_simulation():
    from examples import own_cell

    x = np.random.default_rng(1).standard_normal((2, 6, 8))
    design = rnnhw.compile(own_cell.model(), Config(lanes=8), x)
    found = design.simulate(x, simulator="icarus" if find("iverilog") else "verilator")
    assert found.bit_exact and found.words_checked == 6


def test_an_sru_adds_x_as_it_is_where_sizes_agree():
    entry = next(entry for entry in NEW if entry[0] == "sru")
    rng = np.random.default_rng(0)
    drawn = layer(entry, rng, 4, 4, 4).arrays
    model = Model(layers=[type(layer(entry, rng, 4, 4, 4))(
        "sru", arrays={key: drawn[key] for key in drawn if key != "weight_skip"})])
    assert np.array_equal(model.layers[0].weight_skip, np.eye(4))
    got = reference.trace(model, rng.standard_normal((3, 4)))
    assert np.array_equal(got["0.pre_k"], got["x"])
