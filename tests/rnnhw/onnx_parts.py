"""Pieces of small ONNX graphs, and a graph against onnxruntime or refused."""

import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.importers.onnx import from_onnx

from .models import close
from .onnx_graphs import finish
from .onnx_sweep import GATES, Sweep, onnxruntime_of

STEPS, BATCH, FEATURES = 5, 3, 4


def builder(seed=0, opset=17):
    return Sweep(np.random.default_rng(seed), opset, STEPS, BATCH, None, False)


def operator(b, op="GRU", x="x", m=FEATURES, n=3, direction="forward", **attributes):
    """Y (seq, directions, batch, n) and Y_h of an operator."""
    count, gates = 1 + (direction == "bidirectional"), GATES[op]
    inputs = [x, b.weight(count, gates * n, m), b.weight(count, gates * n, n, scale=0.7),
              b.weight(count, 2 * gates * n), *attributes.pop("more", ())]
    outputs = [b.name("Y"), b.name("Y_h")]
    b.add(op, inputs, outputs, hidden_size=n, direction=direction, **attributes)
    return outputs


def steps(b, **options):
    """(seq, batch, units) of an operator in one direction."""
    return b.axes("Squeeze", operator(b, **options)[0], [1])


def both(b, x="x", m=FEATURES, n=3):
    """Y of two directions, and (seq, batch, 2n) of it."""
    y, h = operator(b, x=x, m=m, n=n, direction="bidirectional")
    return y, h, b.add("Reshape", [b.add("Transpose", [y], perm=[0, 2, 1, 3]),
                                   b.const([0, 0, 2 * n])])


def same(b, *outputs, x=None, **options):
    """The model, its own output, and onnxruntime's arrays, after comparing all outputs."""
    proto = finish(b, outputs, **options)
    if x is None:
        x = np.random.default_rng(1).standard_normal((STEPS, BATCH, FEATURES)).astype(np.float32)
    want, model = onnxruntime_of(proto, {"x": x}), from_onnx(proto)
    got = model.run({"x": x})
    for name in want:
        assert close(got[name], want[name]) < 1e-5
        assert (got[name].dtype == np.int64) == (want[name].dtype == np.int64)
    return model, model.run(x.swapaxes(0, 1)), [want[name] for name in outputs]


def refused(b, output, text, **options):
    with pytest.raises(RnnhwError, match=text):
        from_onnx(finish(b, output if isinstance(output, list) else [output], **options))


def part(b, y, index, axis):
    return b.add("Gather", [y, b.const(index)], axis=axis)
