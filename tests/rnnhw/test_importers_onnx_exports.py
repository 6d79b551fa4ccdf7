"""What exporters write, and what runs of named arrays take: torch's modules, lengths, layouts."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnxruntime import InferenceSession
from torch import nn

import rnnhw
from rnnhw.errors import RnnhwError
from rnnhw.importers.onnx import from_onnx

from .models import close
from .onnx_graphs import finish
from .onnx_parts import BATCH, FEATURES, STEPS, both, builder, operator, part, refused, steps
from .onnx_sweep import GATES, Sweep, onnxruntime_of
from .test_importers_onnx import exported

X = np.random.default_rng(1).standard_normal((STEPS, BATCH, FEATURES)).astype(np.float32)


class Tagger(nn.Module):
    """Directions side by side, in ``layers`` layers, into a linear one, at every or the last step.

    ``take`` is "every", "states" (both of h_n) or "ends" (last step forwards, first backwards).
    """

    def __init__(self, cell, take, layers, **options):
        super().__init__()
        self.rnn = cell(FEATURES, 3, layers, bidirectional=True, **options)
        self.head, self.take = nn.Linear(6, 2), take
        self.batch_first = options.get("batch_first", False)

    def forward(self, x):
        y, h = self.rnn(x)
        h = h[0] if isinstance(h, tuple) else h
        if self.take == "states":
            y = torch.cat([h[-2], h[-1]], dim=1)
        elif self.take == "ends":
            y = y.swapaxes(0, 1) if self.batch_first else y
            y = torch.cat([y[-1, :, :3], y[0, :, 3:]], dim=1)
        return torch.log_softmax(self.head(y), dim=-1)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("take", ["every", "states", "ends"])
@pytest.mark.parametrize("cell, options", [
    (nn.LSTM, {}), (nn.GRU, {"batch_first": True}), (nn.RNN, {"nonlinearity": "relu"}),
    (nn.RNN, {"bias": False, "batch_first": True})])
def test_what_torch_exports_of_both_directions(cell, options, take, dynamic):
    torch.manual_seed(0)
    module, x = Tagger(cell, take, 2, **options).eval(), torch.randn(3, 3, FEATURES)
    model = from_onnx(exported(module, x, dynamic))
    with torch.no_grad():
        want = module(x).numpy()
    assert close(model.run({"x": x.numpy()})["y"], want) < 1e-5
    assert len(model.layers) == 5 and model.head == "log_softmax"
    assert model.last_step == (take != "every")
    first = options.get("batch_first", False)
    own = model.run(x.numpy() if first else x.numpy().swapaxes(0, 1))
    assert close(own, want if first or take != "every" else want.swapaxes(0, 1)) < 1e-5


class Words(nn.Module):
    """Embedding, a normalized recurrent layer, a residual one, classes."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.first, self.second = (nn.GRU(4, 4, batch_first=True) for _ in range(2))
        self.norm, self.head = nn.BatchNorm1d(4), nn.Linear(4, 3)
        self.batch_first = True

    def forward(self, x):
        x = self.embedding(x)
        y = self.norm(self.first(x)[0].transpose(1, 2)).transpose(1, 2)
        return self.head((y + self.second(y)[0])[:, -1]).argmax(-1)


def test_what_torch_exports_of_words():
    torch.manual_seed(1)
    module, x = Words(), torch.randint(0, 11, (3, 6))
    for _ in range(3):  # statistics of its own
        module(torch.randint(0, 11, (8, 6)))
    module.eval()
    model = from_onnx(exported(module, x, True))
    with torch.no_grad():
        want = module(x).numpy()
    assert np.array_equal(model.run({"x": x.numpy()})["y"], want)
    assert np.array_equal(model.run(x.numpy())[:, 0], want)
    # the statistics are in the matrix behind, and beside it in the sum
    assert model.last_step and model.head == "argmax" and model.embedding.shape == (11, 4)
    assert [layer.kind for layer in model.layers][:2] == ["gru", "gru"]


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("layout", [0, 1])
def test_reference_evaluator(op, direction, layout):
    """The package onnx knows layout 1, which onnxruntime does not; no lengths, no functions."""
    b = builder(40, 22)
    count, gates = 1 + (direction == "bidirectional"), GATES[op]
    outputs = ["Y", "Y_h", "Y_c"][:3 if op == "LSTM" else 2]
    state = [b.state(count, 3, layout) for _ in outputs[1:]]
    more = ["", *state, *([b.weight(count, 9)] if op == "LSTM" else [])]
    b.add(op, ["x", b.weight(count, gates * 3, FEATURES), b.weight(count, gates * 3, 3),
               b.weight(count, 2 * gates * 3), *more], outputs, hidden_size=3,
          direction=direction, layout=layout)
    x = X.swapaxes(0, 1) if layout else X
    proto = finish(b, outputs, dims=x.shape)
    want, got = ReferenceEvaluator(proto).run(None, {"x": x}), from_onnx(proto).run({"x": x})
    assert max(close(got[name], w) for name, w in zip(outputs, want)) < 1e-5


def with_lengths(build, dims=("seq", "batch", FEATURES)):
    b = Sweep(np.random.default_rng(41), 17, STEPS, BATCH, "lens", False)
    outputs = build(b)
    proto = finish(b, outputs if isinstance(outputs, list) else [outputs], dims=dims)
    proto.graph.input.append(helper.make_tensor_value_info("lens", TensorProto.INT64, ["batch"]))
    return proto


def lens(b):
    return b.add("Cast", ["lens"], to=TensorProto.INT32)


LENGTHS = np.array([2, 5, 1])


def test_lengths_of_a_graph():
    """Through a cast; rows past a sequence's length are what the graph makes of zeros."""
    def build(b):
        n = lens(b)
        y, h = operator(b, direction="bidirectional", more=[n])
        y = b.add("Reshape", [b.add("Transpose", [y], perm=[0, 2, 1, 3]), b.const([0, 0, 6])])
        top = b.add("Add", [b.add("MatMul", [y, b.weight(6, 4)]), b.weight(4)])
        return [b.add("Softmax", [top], axis=-1), b.add("Identity", [h])]

    proto = with_lengths(build)
    model, feeds = from_onnx(proto), {"x": X, "lens": LENGTHS}
    got, want = model.run(feeds), onnxruntime_of(proto, feeds)
    assert max(close(got[name], want[name]) for name in want) < 1e-5
    own, main = model.run(X.swapaxes(0, 1), LENGTHS), want[model.graph.outputs[0]].swapaxes(0, 1)
    for k, n in enumerate(LENGTHS):
        assert close(own[k, :n], main[k, :n]) < 1e-5 and not own[k, n:].any()
    assert model.graph.inputs == ("x", "lens") and model.graph.lengths == "lens"
    for arrays, text in [
            ({"x": X}, r"The graph takes 'x' and 'lens', but 'x' was given\."),
            ({"x": X, "lens": LENGTHS + 1}, r"lens\[1\] is 6, but a length must be within 1\.\.5"),
            ({"x": X, "lens": LENGTHS[:2]}, r"lens has shape \(2,\), but x has 3 sequences"),
            ({"x": X, "lens": LENGTHS / 2}, r"lens is of type float64, but whole numbers are n")]:
        with pytest.raises(RnnhwError, match=text):
            model.run(arrays)


@pytest.mark.parametrize("build, text", [
    (lambda b: steps(b, x=steps(b, more=[lens(b)]), m=3),
     r"\(GRU\) has no sequence_lens, but others have; give all the same\."),
    (lambda b: b.add("Add", [steps(b, more=[lens(b)]), b.add("Cast", [lens(b)], to=1)]),
     r"\(Add\) takes the lengths of sequences, which sequence_lens of a recurrent operator alone"),
    (lambda b: operator(b, more=[lens(b), "lens"])[1],
     r"\(GRU\) has an input initial_h that depends on the graph's input, which is not supported"),
    (lambda b: part(b, steps(b, more=[lens(b)]), -1, 0),  # padding, of all but the longest
     r"No output of the graph \(gather_\d+\) holds either every step or the last step of the la"),
])
def test_lengths_that_are_refused(build, text):
    with pytest.raises(RnnhwError, match=text):
        from_onnx(with_lengths(build))


@pytest.mark.parametrize("build, text", [
    (lambda b: b.add("Add", [b.add("MatMul", ["x", b.weight(FEATURES, 2)]), steps(b)]),
     r"\(Add\) takes activations of shapes \(2, 3, 2\) and \(2, 3, 3\), which do not match\."),
    (lambda b: b.add("Gemm", [b.axes("Squeeze", operator(b)[1], [0]), b.weight(3, 3),
                              b.axes("Squeeze", operator(b)[1], [0])]),
     r"\(Gemm\) has a bias C that is an activation; a constant is needed\."),
    (lambda b: b.add("Concat", [steps(b), b.add("Identity", ["x"])], axis=2),
     r"No output of the graph \(concat_\d+\) holds either every step or the last step"),
    (lambda b: [steps(b), b.add("MatMul", [part(b, steps(b), 0, 0), b.weight(3, 2)])],
     r"The graph's output 'matmul_\d+' ends in a layer of its own, but holds neither every step"),
    (lambda b: [steps(b), b.add("MatMul", [b.axes("Squeeze", operator(b)[1], [0]),
                                           b.weight(3, 2)])],
     r"The graph's outputs \(squeeze_\d+, matmul_\d+\) end in different layers, some in every ste"),
    (lambda b: b.add("Concat", [b.add("Softmax", [steps(b)], axis=-1), steps(b)], axis=2),
     r"No output of the graph \(concat_\d+\) holds either every step or the last step"),
    (lambda b: b.add("Gather", [steps(b), b.const([0, 1])], axis=2),  # a part of the units
     r"No output of the graph \(gather_\d+\) holds either every step or the last step"),
    (lambda b: b.add("Concat", [steps(b)] * 2, axis=2), r"No output of the graph \(concat_\d+\)"),
    (lambda b: b.add("Add", [steps(b), b.add("Constant", [], value_string="a")]),
     r"\(Constant\) gives its value by value_string, which is not supported; a tensor, floats or"),
    (lambda b: b.add("OneHot", ["x", b.add("Shape", ["x"]), b.add("Identity", ["x"])]),
     r"\(OneHot\) has a depth or values that depend on the graph's input, which is not supported"),
    (lambda b: b.add("ArgMax", ["x"], axis=-1), r"The graph has no recurrent or linear layer"),
])
def test_graphs_that_no_model_is(build, text):
    b = builder(42)
    refused(b, build(b), text)


def exchanged(b, h):
    """The last step with the units of the first sequence in another order."""
    first = b.add("Gather", [part(b, h, [0], 0), b.const([2, 1, 0])], axis=1)
    return b.add("Concat", [first, b.add("Slice", [h, b.const([1]), b.const([99])])], axis=0)


@pytest.mark.parametrize("build", [
    lambda b, h: b.add("Concat", [h, h], axis=0),
    lambda b, h: b.add("Slice", [h, b.const([-1]), b.const([-99]), b.const([0]), b.const([-1])]),
    lambda b, h: part(b, h, [0, 0, 2], 0), exchanged])
def test_sequences_and_units_out_of_order(build):
    b = builder(43)
    refused(b, build(b, b.axes("Squeeze", operator(b)[1], [0])),
            r"No output of the graph \(\w+\) holds either every step or the last step")


def test_arg_max_of_a_softmax_over_both_ends():
    b = builder(43)
    y, h, sides = both(b)
    ends = b.add("Concat", [b.add("Slice", [part(b, sides, -1, 0), b.const([0]), b.const([3]),
                                            b.const([1])]), part(b, h, 1, 0)], axis=1)
    top = b.add("Cast", [b.add("ArgMax", [b.add("Softmax", [ends], axis=1)], axis=1)], to=6)
    proto = finish(b, [top], types={top: TensorProto.INT32})
    model, want = from_onnx(proto), onnxruntime_of(proto, {"x": X})[top]
    assert model.head == "argmax" and len(model.layers) == 2
    assert np.array_equal(model.run({"x": X})[top], want)
    assert np.array_equal(model.run(X.swapaxes(0, 1)), want)


def test_arithmetic_of_shapes():
    """Division and products of sizes, as exporters write a Reshape."""
    b = builder(44)
    y = operator(b, direction="bidirectional")[0]
    y = b.add("Transpose", [y], perm=[0, 2, 1, 3])
    total = b.add("ReduceProd", [b.add("Shape", [y])], keepdims=1)
    rows = b.add("Div", [total, b.const([6])])
    scale = b.add("Div", [b.const(1, np.float32), b.const(3, np.float32)])
    y = b.add("Mul", [y, scale])
    y = b.add("Reshape", [y, b.add("Concat", [rows, b.const([6])], axis=0)])
    y = b.add("Reshape", [b.add("MatMul", [y, b.weight(6, 2)]), b.add("Concat", [
        b.dim("x", 0), b.dim("x", 1), b.const([2])], axis=0)])
    proto = finish(b, [y])
    assert close(from_onnx(proto).run({"x": X})[y], onnxruntime_of(proto, {"x": X})[y]) < 1e-5


def test_functions_of_the_model_are_inlined():
    b = builder(45)
    y = b.add("Twice", [steps(b)], domain="own")
    proto = finish(b, [y])
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.functions.append(helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)]))
    [want] = InferenceSession(proto.SerializeToString()).run(None, {"x": X})
    assert close(from_onnx(proto).run({"x": X})[y], want) < 1e-5


def test_clip_of_an_lstm_is_noted():
    """As ONNX's text has it, H's input is bounded too; onnxruntime leaves c as it is."""
    b = builder(46)
    y = operator(b, "LSTM", clip=0.3)[0]
    proto = finish(b, [y])
    model, want = from_onnx(proto), onnxruntime_of(proto, {"x": X})[y]
    assert model.layers[0].clip_hidden and close(model.run({"x": X})[y], want) > 1e-4
    assert model.graph.notes == (
        "The clip of layer 'n_LSTM_6' bounds what its function of c takes too, as ONNX's text has "
        "it; onnxruntime leaves c as it is.",)


def test_a_file_through_integers(tmp_path):
    """A chain from a file, with a batch normalization, to integers."""
    b = builder(47)
    y = b.add("Transpose", [steps(b)], perm=[1, 2, 0])
    y = b.add("BatchNormalization", [y, b.weight(3), b.weight(3), b.weight(3),
                                     b.const([1, 2, 0.5], np.float32)])
    y = b.add("MatMul", [b.add("Transpose", [y], perm=[2, 0, 1]), b.weight(3, 2)])
    onnx.save(finish(b, [y]), tmp_path / "net.onnx")
    model, x = rnnhw.load(tmp_path / "net.onnx"), X.swapaxes(0, 1)
    config = rnnhw.Config(weight_bits=16, activation_bits=16, state_bits=16)
    assert close(rnnhw.compile(model, config, calibration=x).run(x), model.run(x)) < 2.0**-9
