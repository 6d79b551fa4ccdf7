"""ONNX's activation functions and clip in LSTM, GRU and RNN: float, integers, what is refused."""

import numpy as np
import pytest

from rnnhw import golden, npz
from rnnhw.cells import FAMILIES
from rnnhw.config import Config
from rnnhw.costs import cost
from rnnhw.drawn import layer as drawn_layer
from rnnhw.errors import RnnhwError
from rnnhw.model import Model, Recurrent
from rnnhw.quantize import quantize

from . import slow_cells
from .variants import FUNCTIONS, layer

CLIPS = (None, 0.7, 3.0)


def function(given):
    """As the text of ONNX defines it."""
    name, a, b = (*([given] if isinstance(given, str) else given), 0, 0)[:3]
    return {"Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Tanh": np.tanh,
            "Relu": lambda x: np.maximum(x, 0),
            "HardSigmoid": lambda x: np.maximum(0, np.minimum(1, a * x + b)),
            "Affine": lambda x: a * x + b, "LeakyRelu": lambda x: np.where(x >= 0, x, a * x),
            "ScaledTanh": lambda x: a * np.tanh(b * x)}[name]


def entry(family, k, rng):
    """Options and a cell of a family; every function, clip and flag comes up as k goes on."""
    of = [FUNCTIONS[(k + 3 * i) % len(FUNCTIONS)] for i in range(3)]
    options = {"rnn": {"activation": of[0]},
               "gru": {"activations": of[:2], "reset_after": k % 2 == 0},
               "lstm": {"activations": of, "input_forget": k % 2 == 1,
                        "clip_hidden": k % 4 < 2}}[family]
    options = FAMILIES[family].checked(options | {"clip": CLIPS[k % 3]}, "a layer")
    cells = FAMILIES[family].make(**options)
    return family, options, cells[int(rng.integers(len(cells)))]


def formula(first, row, h, c):
    """One step by the equations of ONNX, in the gate order of the layer."""
    a, options = first.arrays, first.options
    clip = options["clip"] or np.inf

    def clipped(function):
        return lambda x: function(np.clip(x, -clip, clip))

    x_part, h_part = a["weight_ih"] @ row + a["bias_ih"], a["bias_hh"]
    if first.cell == "rnn":
        name = options["activation"]
        of = function(name.capitalize() if isinstance(name, str) else name)
        return clipped(of)(x_part + a["weight_hh"] @ h + h_part), c
    f, g, *last = map(function, options["activations"])
    f, g = clipped(f), clipped(g)
    if first.cell == "gru":
        w = np.split(a["weight_hh"], 3)
        x_part, h_part = np.split(x_part, 3), np.split(h_part, 3)
        r, z = (f(x_part[k] + w[k] @ h + h_part[k]) for k in (0, 1))
        seen = (r * (w[2] @ h + h_part[2]) if options["reset_after"]
                else w[2] @ (r * h) + h_part[2])
        n = g(x_part[2] + seen)
        return (1 - z) * n + z * h, c
    order, seeing = ("igo", "io") if options["input_forget"] else ("ifgo", "ifo")
    pre = dict(zip(order, np.split(x_part + a["weight_hh"] @ h + h_part, len(order))))
    n = len(c)

    def peep(gate, c):
        part = slice(seeing.index(gate) * n, (seeing.index(gate) + 1) * n)
        if "peephole" in a:
            return a["peephole"][part] * c
        return a["weight_ch"][part] @ c if "weight_ch" in a else 0.0

    i = f(pre["i"] + peep("i", c))
    keep = 1 - i if options["input_forget"] else f(pre["f"] + peep("f", c))
    c = keep * c + i * g(pre["g"])
    h = clipped(last[0]) if options["clip_hidden"] else last[0]
    h = f(pre["o"] + peep("o", c)) * h(c)
    return (a["weight_hr"] @ h if "weight_hr" in a else h), c


@pytest.mark.parametrize("family", ["rnn", "gru", "lstm"])
def test_float_equals_the_formula(family):
    rng = np.random.default_rng(0)
    for k in range(66):
        first = layer(entry(family, k, rng), rng, 3, 7, 4, 1.5)
        x = rng.standard_normal((6, 3))
        h, c, expected = np.zeros(first.output_size), np.zeros(7), []
        for row in x:
            h, c = formula(first, row, h, c)
            expected.append(h)
        largest = max(1, np.abs(expected).max())
        assert np.abs(Model(layers=[first]).run(x) - expected).max() < 1e-12 * largest


@pytest.mark.parametrize("family", ["rnn", "gru", "lstm"])
def test_float_equals_onnxruntime(family):
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    order = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}[family]
    rng, n, m, steps = np.random.default_rng(1), 5, 3, 6
    for k in range(22):
        _, options, _ = entry(family, k, rng)
        # onnxruntime leaves the c that H takes as it is
        options |= {"clip_hidden": False, "input_forget": False} if family == "lstm" else {}
        first = layer((family, options, FAMILIES[family].make(**options)[0]), rng, m, n, n, 1.5)
        name = options.get("activation")
        functions = options.get("activations") or (
            name.capitalize() if isinstance(name, str) else name,)
        attributes = {
            "hidden_size": n, "activations": [f if isinstance(f, str) else f[0] for f in functions],
            "activation_alpha": [f[1] for f in functions if not isinstance(f, str)],
            "activation_beta": [f[2] for f in functions if len(f) == 3]}
        attributes |= {"clip": options["clip"]} if options["clip"] else {}
        if family == "gru":
            attributes["linear_before_reset"] = int(options["reset_after"])

        def stacked(values):
            return np.concatenate([np.split(values, len(order))[g] for g in order])

        arrays = {key: stacked(first.arrays[key]) for key in ("weight_ih", "weight_hh")}
        arrays["bias"] = np.concatenate([stacked(first.arrays[key])
                                         for key in ("bias_ih", "bias_hh")])
        x = rng.standard_normal((steps, 1, m)).astype(np.float32)
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node(family.upper(), ["x", *arrays], ["y"], **{
                key: value for key, value in attributes.items() if value != []})], "one",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x.shape)],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
            [onnx.numpy_helper.from_array(value[None].astype(np.float32), key)
             for key, value in arrays.items()])
        proto = onnx.helper.make_model(graph, ir_version=8,
                                       opset_imports=[onnx.helper.make_opsetid("", 14)])
        session = onnxruntime.InferenceSession(proto.SerializeToString())
        y = session.run(None, {"x": x})[0].reshape(steps, n)
        largest = max(1, np.abs(y).max())
        assert np.abs(Model(layers=[first]).run(x[:, 0]) - y).max() < 1e-5 * largest, options


@pytest.mark.parametrize("family", ["rnn", "gru", "lstm"])
def test_golden_equals_the_equations(family):
    rng = np.random.default_rng(2)
    for k in range(33):
        bits, states = ([int(b) for b in rng.integers(low, 19, 2)] for low in (2, 8))
        config = Config(weight_bits=bits[0], activation_bits=bits[1], state_bits=states[0],
                        cell_bits=states[1])
        model = Model(layers=[layer(entry(family, k, rng), rng, 3, 4, 2, 0.6)])
        q = quantize(model, config, rng.standard_normal((3, 6, 3)))
        # all codes, also beyond what calibration saw
        xi = rng.integers(q.input_format.min, q.input_format.max + 1, (7, 3))
        assert golden.run(q, xi).tolist() == slow_cells.run(q, xi)


@pytest.mark.parametrize("family, options", [
    ("rnn", {"activation": ("ScaledTanh", 0.5, 2.0), "clip": 0.7}),
    ("rnn", {"activation": ("LeakyRelu", 0.1)}),
    ("gru", {"activations": [("HardSigmoid", 0.2, 0.5), "Relu"]}),
    ("gru", {"activations": ["Sigmoid", ("Affine", 1.0, 0.0)], "reset_after": False, "clip": 3.0}),
    ("lstm", {"activations": [("HardSigmoid", 0.2, 0.5), "Tanh", "Tanh"], "clip": 0.7}),
    ("lstm", {"activations": [("HardSigmoid", 1 / 6, 0.5), "Relu", ("Affine", 1.0, 0.0)]}),
    ("lstm", {"input_forget": True, "clip": 0.7, "clip_hidden": False})])
@pytest.mark.parametrize("bits, least", [(8, 25), (16, 57)])
def test_integers_are_near_the_float_model(family, options, bits, least):
    rng = np.random.default_rng(bits)
    options = FAMILIES[family].checked(options, "a layer")
    cell = FAMILIES[family].make(**options)[0]
    model = Model(layers=[layer((family, options, cell), rng, 12, 24, 10, 0.7)])
    q = quantize(model, Config(weight_bits=bits, activation_bits=bits),
                 rng.standard_normal((4, 32, 12)))
    assert q.report["sqnr_db"]["output"] > least
    assert not q.report["warnings"]


def test_what_is_left_out_is_the_plain_cell():
    rng = np.random.default_rng(0)
    arrays = dict(layer(("lstm", {}, FAMILIES["lstm"].make(**FAMILIES["lstm"].options)[0]), rng,
                        2, 3, 3).arrays)
    plain = Recurrent("lstm", **arrays)
    for options in ({"activations": None, "clip": None},
                    {"activations": ["sigmoid", "TANH", "Tanh"]}):
        assert Recurrent("lstm", **arrays, **options).description is plain.description
    # tables alone: 4n sums' biases and the ops of the plain cell
    other = Recurrent("lstm", **arrays, activations=["HardSigmoid", "Tanh", "Tanh"], clip=2)
    assert other.options["activations"][0] == ("HardSigmoid", 0.2, 0.5)
    assert cost(other).weights == cost(plain).weights
    assert cost(other).operations > cost(plain).operations
    arrays = layer(("rnn", {}, FAMILIES["rnn"].make()[0]), rng, 2, 3, 3).arrays
    assert (Recurrent("rnn", **arrays, activations=["Relu"]).description
            is Recurrent("rnn", **arrays, activation="relu").description)


def test_files_keep_functions(tmp_path):
    rng = np.random.default_rng(4)
    layers = [layer(entry(family, 5, rng), rng, 4, 4, 4) for family in ("rnn", "gru", "lstm")]
    npz.save(Model(layers=layers), tmp_path / "a.npz")
    again = npz.load(tmp_path / "a.npz")
    assert [part.options for part in again.layers] == [part.options for part in layers]
    assert [part.description for part in again.layers] == [part.description for part in layers]
    table = {"kind": "gru", "input_size": 3, "hidden_size": 4, "clip": 2,
             "activations": ["Sigmoid", ["LeakyRelu", 0.1]]}
    drawn = drawn_layer(0, table, None, rng, 0)
    assert drawn.options == {"reset_after": True, "clip": 2.0,
                             "activations": ("Sigmoid", ("LeakyRelu", 0.1))}


ARRAYS = {"weight_ih": np.ones((4, 2)), "weight_hh": np.ones((4, 1))}


@pytest.mark.parametrize("cell, options, text", [
    *(("lstm", {"activations": [name, "Tanh", "Tanh"]},
       f"activation '{name}' of layer 'lstm' is not supported; Sigmoid, Tanh, Relu, HardSigmoid, "
       "LeakyRelu, Affine, ScaledTanh are.")
      for name in ("Elu", "Softsign", "Softplus", "ThresholdedRelu", "")),
    ("lstm", {"activations": ["Tanh", "Tanh"]},
     "activations of layer 'lstm' must be 3 functions, not .'Tanh', 'Tanh'.."),
    ("gru", {"activations": "Tanh"}, "activations of layer 'gru' must be 2 functions, not 'Tanh'."),
    ("rnn", {"activations": "Tanh"}, "activations of layer 'rnn' must be 1 function, not 'Tanh'."),
    ("rnn", {"activations": ["Tanh"], "activation": "relu"},
     "Layer 'rnn' has both activation and activations; give one."),
    ("rnn", {"activation": ["Affine", 2]},
     r"activation Affine of layer 'rnn' needs beta, which has no default; give \('Affine', alpha, "
     r"beta\)."),
    ("rnn", {"activation": ["Relu", 2]},
     r"activation Relu of layer 'rnn' takes no numbers, not \(2,\)."),
    ("rnn", {"activation": ["LeakyRelu", float("nan")]},
     "alpha of the activation LeakyRelu of layer 'rnn' must be a finite number, not nan."),
    ("rnn", {"activation": []}, "activation None of layer 'rnn' is not supported"),
    ("rnn", {"clip": 0}, "clip of layer 'rnn' must be a positive number, or left out, not 0."),
    ("lstm", {"clip": "much"}, "clip of layer 'lstm' must be a positive number, or left out, not "),
    ("lstm", {"clip_hidden": 1}, "clip_hidden of layer 'lstm' must be False or True, not 1."),
    ("qrnn", {"filter_width": 0},
     "filter_width of layer 'qrnn' must be a whole number within 1..16, not 0."),
    ("sru", {"clip": 1.0}, "Layer 'sru' has the option clip=1.0, which sru does not have."),
    ("gru", {"options": {"activation": "relu"}}, "layer 'gru' has the unknown option 'activation'"),
])
def test_a_layer_refuses(cell, options, text):
    with pytest.raises(RnnhwError, match=text):
        Recurrent(cell, **ARRAYS, **options)
