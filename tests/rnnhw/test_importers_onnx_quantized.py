"""QuantizeLinear and DequantizeLinear in ONNX graphs, against onnxruntime."""

import ml_dtypes
import numpy as np
import onnxruntime
import pytest

from rnnhw.importers.onnx import from_onnx

from .models import close
from .onnx_graphs import finish
from .onnx_parts import BATCH, FEATURES, STEPS, builder, refused, steps

# the runtime fuses what it knows into integer kernels of its own otherwise
OPTIONS = onnxruntime.SessionOptions()
OPTIONS.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
X = np.random.default_rng(1).standard_normal((STEPS, BATCH, FEATURES)).astype(np.float32)


def want(proto, x=X):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), OPTIONS)
    return session.run(None, {"x": x})[0]


def weights(b, rows, columns, axis, dtype=np.int8):
    """A dequantized matrix: one scale, or one for each index of ``axis``."""
    info = np.iinfo(dtype)
    n = 1 if axis is None else (rows, columns)[axis]
    shape = () if axis is None else (n,)
    scale = b.const(b.rng.uniform(0.004, 0.01, shape), np.float32)
    zero = b.const(b.rng.integers(info.min // 4, info.max // 4, shape), dtype)
    codes = b.const(b.rng.integers(info.min, info.max + 1, (rows, columns)), dtype)
    return b.add("DequantizeLinear", [codes, scale, zero],
                 **({} if axis is None else {"axis": axis}))


def rounded(b, x, scale, zero=0, dtype=np.int8):
    """``x`` through QuantizeLinear and DequantizeLinear."""
    constants = [b.const(scale, np.float32), b.const(zero, dtype)]
    return b.add("DequantizeLinear", [b.add("QuantizeLinear", [x, *constants]), *constants])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_weights(axis, dtype):
    """Dequantized weights are exact: codes less a zero point, times a scale."""
    b = builder(30)
    y = b.add("MatMul", ["x", weights(b, FEATURES, 3, axis, dtype)])
    proto = finish(b, [y])
    model = from_onnx(proto)
    assert close(model.run({"x": X})[y], want(proto)) < 1e-5
    assert close(model.run(X.swapaxes(0, 1)), want(proto).swapaxes(0, 1)) < 1e-5
    assert not model.graph.formats and not model.graph.notes


def test_weights_of_a_recurrent_operator():
    b = builder(31)
    w, r = (b.axes("Unsqueeze", weights(b, 9, n, None), [0]) for n in (FEATURES, 3))
    y = b.add("GRU", ["x", w, r], hidden_size=3)
    proto = finish(b, [y])
    assert close(from_onnx(proto).run({"x": X})[y], want(proto)) < 1e-5


def test_constants_that_are_quantized():
    b = builder(32)
    constants = [b.const(0.01, np.float32), b.const(3, np.int8)]
    q = b.add("QuantizeLinear", [b.weight(FEATURES, 3, scale=2.0), *constants])
    y = b.add("MatMul", ["x", b.add("DequantizeLinear", [q, *constants])])
    proto = finish(b, [y])
    assert close(from_onnx(proto).run({"x": X})[y], want(proto)) < 1e-5


@pytest.mark.parametrize("scale, zero, dtype, fmt", [
    (2.0**-5, 0, np.int8, "8/5"), (2.0**-5, 128, np.uint8, "8/5"), (2.0**-12, 0, np.int16, "16/12"),
    (1.0, 0, np.int8, "8/0"), (2.0, 0, np.int8, None), (2.0**-5, 7, np.int8, None),
    (0.03, 0, np.int8, None), (2.0**-5, 0, np.uint8, None)])
def test_activations(scale, zero, dtype, fmt):
    """Named runs round where the graph does; others do not, and formats or notes say what."""
    b = builder(33, 21)
    x = rounded(b, "x", scale, zero, dtype)
    y = b.add("MatMul", [steps(b, x=x), weights(b, 3, 2, None)])
    proto = finish(b, [y])
    model = from_onnx(proto)
    assert close(model.run({"x": X})[y], want(proto)) < 1e-5
    floats = model.run(X.swapaxes(0, 1)).swapaxes(0, 1)
    assert close(floats, want(proto)) > 1e-5
    assert [layer.kind for layer in model.layers] == ["gru_reset_before", "linear"]
    if fmt:
        assert model.graph.formats == {"x": fmt} and not model.graph.notes
        return
    assert model.graph.formats == {} and model.graph.notes == (
        f"Node 'n_QuantizeLinear_4' rounds x to the scale {scale:g} with the zero point {zero}, "
        "which no format has; runs of named arrays round so, all others do not.",)


def test_constants_in_the_middle_are_rounded_to_even():
    b = builder(37)
    codes = b.const(np.arange(-5.5, 6.5).reshape(4, 3), np.float32)
    proto = finish(b, [b.add("MatMul", ["x", rounded(b, codes, 1.0)])])
    model = from_onnx(proto)
    assert close(model.run({"x": X})[model.graph.outputs[0]], want(proto)) < 1e-5
    assert not (model.layers[0].weight % 2).any()


def test_activations_behind_layers():
    """Rounded between layers and at the output, with moves between the two operators."""
    b = builder(34)
    h = rounded(b, steps(b), 2.0**-6)
    y = b.add("Add", [b.add("MatMul", [h, b.weight(3, 2)]), b.weight(2)])
    constants = [b.const(2.0**-4, np.float32), b.const(0, np.int8)]
    q = b.add("Transpose", [b.add("QuantizeLinear", [y, *constants])], perm=[1, 0, 2])
    out = b.add("DequantizeLinear", [q, *constants])
    proto = finish(b, [out])
    model = from_onnx(proto)
    assert close(model.run({"x": X})[out], want(proto)) < 1e-5
    assert model.graph.formats == {"0.h": "8/6", "1.y": "8/4"} and len(model.layers) == 2
    assert 1e-3 < close(model.run(X.swapaxes(0, 1)), want(proto)) < 2.0**-3


def test_zero_point_left_out():
    b = builder(36)
    q = b.add("QuantizeLinear", [steps(b), b.const(0.01, np.float32)])
    y = b.add("DequantizeLinear", [q, b.const(0.01, np.float32)])
    proto = finish(b, [y])
    assert close(from_onnx(proto).run({"x": X})[y], want(proto)) < 1e-5


def quantized(b, scale=0.1, zero=0):
    return b.add("QuantizeLinear", [steps(b), b.const(scale, np.float32), b.const(zero, np.int8)])


@pytest.mark.parametrize("build, text", [
    (lambda b: b.add("Cast", [quantized(b)], to=1),
     r"\(Cast\) computes on quantized activations, which is not supported; a DequantizeLinear mu"),
    (lambda b: b.add("DequantizeLinear", [quantized(b), b.const(0.2, np.float32),
                                          b.const(0, np.int8)]),
     r"\(DequantizeLinear\) does not follow a QuantizeLinear of the same scale and zero point"),
    (lambda b: b.add("Concat", [quantized(b), quantized(b, 0.3)], axis=2),
     r"\(Concat\) joins activations of different scales, which is not supported; put Dequanti"),
    (lambda b: b.add("QuantizeLinear", [steps(b), b.const([0.1, 0.2, 0.3], np.float32),
                                        b.const([0, 0, 0], np.int8)], axis=2),
     r"\(QuantizeLinear\) has several scales for an activation, which is not supported; one is"),
    (lambda b: quantized(b, 0.0), r"\(QuantizeLinear\) has the scale 0\.0; a positive number is n"),
    (lambda b: b.add("QuantizeLinear", [steps(b), b.add("ReduceMax", [steps(b)])]),
     r"\(ReduceMax\) is not supported; supported are Add, "),
    (lambda b: b.add("QuantizeLinear", [steps(b), b.add("Gather", [b.add("Reshape", [
        steps(b), b.const([-1])]), b.const(0)])]),
     r"\(QuantizeLinear\) has a scale or zero point that depends on the graph's input, which is n"),
    (lambda b: b.add("QuantizeLinear", [steps(b), b.const(0.1, np.float32)], output_dtype=3),
     r"\(QuantizeLinear\) has output_dtype without a zero point, which is not supported; give"),
    (lambda b: b.add("MatMul", ["x", b.add("DequantizeLinear", [
        b.const(np.ones((8, 3)), np.int8), b.const(np.ones((2, 3)), np.float32)], axis=0,
        block_size=4)]),
     r"\(DequantizeLinear\) has scales of blocks, which is not supported; one scale, or one for"),
    (lambda b: b.add("MatMul", ["x", b.add("DequantizeLinear", [
        b.const(np.ones((4, 3)), ml_dtypes.float8_e4m3fn), b.const(0.1, np.float32)])]),
     r"\(DequantizeLinear\) has codes of type float8_e4m3fn, which are not supported; integers"),
    (lambda b: b.add("QuantizeLinear", [steps(b), b.const(0.1, np.float32), b.const(
        0, ml_dtypes.float8_e4m3fn)]),
     r"\(QuantizeLinear\) has integers of type float8_e4m3fn, which are not supported; int8, ui"),
    (lambda b: quantized(b), r"The graph's output 'quantizelinear_\d+' holds quantized activatio"),
])
def test_what_is_refused(build, text):
    b = builder(35, 21)
    refused(b, build(b), text)
