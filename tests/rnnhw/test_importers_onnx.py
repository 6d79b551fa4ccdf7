import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import nn

from rnnhw.importers.onnx import from_onnx
from rnnhw.importers.torch import chain

from .models import close
from .onnx_graphs import Builder, finish, random_graph
from .onnx_sweep import onnxruntime_of


def ort(proto, x):
    """Outputs of onnxruntime by name."""
    return onnxruntime_of(proto, {proto.graph.input[0].name: x})


@pytest.mark.parametrize("block", range(8))
def test_random_graphs_equal_onnxruntime(block):
    """50 graphs a block: all outputs in the graph's layout, and the chain in the model's."""
    worst, kinds_seen = 0, set()
    for seed in range(50 * block, 50 * block + 50):
        rng = np.random.default_rng(seed)
        proto, shape, batch_first, last_step, kinds = random_graph(rng)
        x = rng.standard_normal(shape).astype(np.float32)
        want = ort(proto, x)
        model = from_onnx(proto)
        got = model.run({"x": x})
        assert list(got) == list(want) == list(model.graph.outputs)
        worst = max([worst, *(close(got[name], want[name]) for name in want)])
        assert model.last_step == last_step
        assert tuple(getattr(layer, "cell", "linear") for layer in model.layers) == kinds
        y = model.run(x if batch_first else x.swapaxes(0, 1))
        main = want["out"]
        if not last_step:  # the graph's output may be (seq, batch, units)
            batch = shape[0] if batch_first else shape[1]
            main = min((m for m in (main, main.swapaxes(0, 1)) if m.shape[0] == batch),
                       key=lambda m: np.abs(m - y).max() if m.shape == y.shape else np.inf)
        worst = max(worst, close(y, main))
        kinds_seen.update(layer.kind for layer in model.layers)
    assert worst < 1e-5
    assert kinds_seen == {"lstm", "gru", "gru_reset_before", "linear"}


@pytest.mark.parametrize("op, gates", [("LSTM", 4), ("GRU", 3)])
def test_exchanged_gates_are_seen(op, gates):
    b = Builder(np.random.default_rng(0), 17)
    y = b.recurrent("x", op, 3, 4)[0]
    proto = finish(b, [y], ("seq", "batch", 3))
    x = np.random.default_rng(1).standard_normal((5, 2, 3)).astype(np.float32)
    model, want = from_onnx(proto), ort(proto, x)[y]
    assert close(model.run({"x": x})[y], want) < 1e-5
    layer = model.layers[0]
    for order in [(1, 0, 2, 3), (0, 2, 1, 3), (0, 1, 3, 2), (2, 1, 0, 3)]:
        order = [k for k in order if k < gates]
        if order == list(range(gates)):
            continue
        changed = {key: getattr(layer, key).reshape(gates, 4, -1)[order].reshape(
            getattr(layer, key).shape) for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        wrong = type(layer)(cell=layer.cell, reset_after=layer.reset_after, **changed)
        wrong = type(model)(layers=[wrong], graph=model.graph)
        assert close(wrong.run({"x": x})[y], want) > 1e-3


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_layout_1_is_layout_0_with_axes_exchanged(op):
    b = Builder(np.random.default_rng(2), 17)
    outputs = b.recurrent("x", op, 3, 4)
    proto = finish(b, outputs, ("seq", "batch", 3))
    x = np.random.default_rng(3).standard_normal((5, 2, 3)).astype(np.float32)
    want = ort(proto, x)
    node = next(n for n in proto.graph.node if n.op_type == op)
    del node.input[4:]
    node.attribute.append(helper.make_attribute("layout", 1))
    model = from_onnx(proto)
    got = model.run({"x": x.swapaxes(0, 1)})
    assert close(got[outputs[0]], want[outputs[0]].transpose(2, 0, 1, 3)) < 1e-5
    for name in outputs[1:]:
        assert close(got[name], want[name].swapaxes(0, 1)) < 1e-5
    assert close(model.run(x.swapaxes(0, 1)), want[outputs[0]][:, 0].swapaxes(0, 1)) < 1e-5


@pytest.mark.parametrize("outputs, last_step", [("YHC", False), ("HC", True), ("H", True),
                                                ("CY", False)])
def test_main_output(outputs, last_step):
    """Of one layer: Y gives every step, Y_h alone the last, Y_c says nothing; in one step too."""
    for dims in [("seq", "batch", 3), (1, 1, 3)]:
        b = Builder(np.random.default_rng(4), 17)
        names = dict(zip("YHC", b.recurrent("x", "LSTM", 3, 4)))
        proto = finish(b, [names[key] for key in outputs], dims)
        model = from_onnx(proto)
        assert model.last_step == last_step
        x = np.random.default_rng(5).standard_normal((1, 1, 3)).astype(np.float32)
        got, want = model.run({"x": x}), ort(proto, x)
        assert max(close(got[name], want[name]) for name in want) < 1e-5


def test_states_of_a_stack_and_furthest_output():
    b = Builder(np.random.default_rng(6), 17)
    y0, h0, _ = b.recurrent("x", "LSTM", 3, 4)
    y1, h1, _ = b.recurrent(b.merge_directions(y0, 4), "LSTM", 4, 4)
    states = b.add("Concat", [h0, h1], axis=0)
    top = b.add("Gather", [states, b.const(-1)], axis=0)
    head = b.linear(top, 4, 2, 2)
    proto = finish(b, [y0, states, y1, head], ("seq", "batch", 3))
    model = from_onnx(proto)
    assert model.last_step and [layer.kind for layer in model.layers] == ["lstm", "lstm", "linear"]
    x = np.random.default_rng(7).standard_normal((5, 2, 3)).astype(np.float32)
    got, want = model.run({"x": x}), ort(proto, x)
    assert max(close(got[name], want[name]) for name in want) < 1e-5
    model = from_onnx(finish(b, [states], ("seq", "batch", 3)))  # of both layers, side by side
    assert model.last_step and model.outputs == (0, 1)
    assert close(model.run(x.swapaxes(0, 1)), want[states].swapaxes(0, 1).reshape(2, 8)) < 1e-5


def test_gemm_with_exchanged_sides():
    """W x^T by Gemm (transA, transB, column bias) and by MatMul, behind the last step."""
    b = Builder(np.random.default_rng(8), 17)
    h = b.axes("Squeeze", b.recurrent("x", "GRU", 3, 4)[1], [0])
    y = b.add("Gemm", [b.weight(4, 5), h, b.weight(5, 1)], transA=1, transB=1, alpha=0.5, beta=2.0)
    y = b.add("Gemm", [y, b.weight(5, 6), b.weight(1, 6)], transA=1)
    y = b.add("MatMul", [b.weight(1, 2, 6), b.axes("Unsqueeze", b.add("Transpose", [y]), [0])])
    y = b.add("Relu", [b.add("Add", [y, b.weight(2, 1)])])
    proto = finish(b, [y], ("seq", "batch", 3))
    model = from_onnx(proto)
    assert model.last_step and model.output_size == 2
    x = np.random.default_rng(9).standard_normal((5, 3, 3)).astype(np.float32)
    assert close(model.run({"x": x})[y], ort(proto, x)[y]) < 1e-5


def test_input_in_another_order_of_axes():
    """(features, batch, seq) at the graph's boundary; the model keeps (batch, seq, features)."""
    b = Builder(np.random.default_rng(10), 17)
    y = b.recurrent(b.add("Transpose", ["x"], perm=[2, 1, 0]), "LSTM", 3, 4)[0]
    proto = finish(b, [y], (3, "batch", "seq"))
    x = np.random.default_rng(11).standard_normal((3, 2, 5)).astype(np.float32)
    model, want = from_onnx(proto), ort(proto, x)[y]
    assert close(model.run({"x": x})[y], want) < 1e-5
    assert close(model.run(x.transpose(1, 2, 0)), want[:, 0].swapaxes(0, 1)) < 1e-5


def test_features_along_two_axes():
    """(batch, seq, 2, 3) at the graph's boundary, flattened to six features a step."""
    b = Builder(np.random.default_rng(18), 17)
    x = b.add("Transpose", [b.add("Reshape", ["x", b.const([0, 0, -1])])], perm=[1, 0, 2])
    y = b.recurrent(x, "GRU", 6, 4)[0]
    proto = finish(b, [y], ("batch", "seq", 2, 3))
    x = np.random.default_rng(19).standard_normal((3, 5, 2, 3)).astype(np.float32)
    model, want = from_onnx(proto), ort(proto, x)[y]
    assert close(model.run({"x": x})[y], want) < 1e-5
    assert close(model.run(x.reshape(3, 5, 6)), want[:, 0].swapaxes(0, 1)) < 1e-5


def test_fixed_sizes_do_not_bind_the_model():
    b = Builder(np.random.default_rng(12), 17)
    y = b.merge_directions(b.recurrent("x", "GRU", 3, 4)[0], 4)
    y = b.add("Gather", [y, b.const(4)], axis=0)  # step 4 of 0..4
    proto = finish(b, [y], (5, 1, 3))
    model = from_onnx(proto)
    assert model.last_step
    x = np.random.default_rng(13).standard_normal((5, 1, 3)).astype(np.float32)
    assert close(model.run(x[:, 0]), ort(proto, x)[y][0]) < 1e-5
    assert model.run(np.zeros((3, 9, 3))).shape == (3, 4)


def test_operators_that_no_output_needs_are_left_alone():
    b = Builder(np.random.default_rng(14), 17)
    y = b.recurrent("x", "GRU", 3, 4)[0]
    b.add("Softmax", [y])
    assert from_onnx(finish(b, [y], ("seq", "batch", 3))).layers[0].kind in ("gru",
                                                                           "gru_reset_before")


class Net(nn.Module):
    """Last hidden state, or last or every output, into a linear layer."""

    def __init__(self, cell, batch_first, take):
        super().__init__()
        self.rnn = cell(3, 5, 2, batch_first=batch_first)
        self.head = nn.Linear(5, 2)
        self.batch_first, self.take = batch_first, take

    def forward(self, x):
        y, h = self.rnn(x)
        if self.take == "state":
            y = (h[0] if isinstance(h, tuple) else h)[-1]
        elif self.take == "last":
            y = y[:, -1] if self.batch_first else y[-1]
        return torch.tanh(self.head(y))


def exported(module, x, dynamic):
    import io

    axes = ("batch", "seq") if getattr(module, "batch_first", True) else ("seq", "batch")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (x,), file, dynamo=False, input_names=["x"],
                          output_names=["y"],
                          dynamic_axes={"x": dict(enumerate(axes))} if dynamic else None)
    return file.getvalue()


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("take", ["state", "last", "every"])
@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_what_torch_exports(cell, take, batch_first, dynamic):
    torch.manual_seed(0)
    module, x = Net(cell, batch_first, take), torch.randn(2, 2, 3)
    model = from_onnx(exported(module, x, dynamic))
    with torch.no_grad():
        want = module(x).numpy()
    assert close(model.run({"x": x.numpy()})["y"], want) < 1e-5
    own = model.run(x.numpy() if batch_first else x.numpy().swapaxes(0, 1))
    assert model.last_step == (take != "every")
    assert close(own, want if batch_first or take != "every" else want.swapaxes(0, 1)) < 1e-5


def test_what_torch_exports_of_a_chain():
    torch.manual_seed(1)
    module = chain(nn.Linear(3, 4), nn.Sigmoid(), nn.LSTM(4, 5, batch_first=True), nn.Dropout(),
                   nn.GRU(5, 6, batch_first=True), nn.Linear(6, 2), nn.Tanh(), last_step=True)
    x = torch.randn(2, 7, 3)
    model = from_onnx(exported(module, x, True))
    with torch.no_grad():
        assert close(model.run(x.numpy()), module(x).numpy()) < 1e-5


def test_path_bytes_and_proto_give_the_same(tmp_path):
    proto, shape, *_ = random_graph(np.random.default_rng(3))
    onnx.save(proto, tmp_path / "net.onnx")
    x = np.random.default_rng(4).standard_normal(shape)
    runs = [from_onnx(s).run({"x": x})["out"] for s in (
        proto, proto.SerializeToString(), tmp_path / "net.onnx", str(tmp_path / "net.onnx"))]
    assert all(np.array_equal(runs[0], r) for r in runs)
    assert from_onnx(tmp_path / "net.onnx").name == "net"


def test_external_weights(tmp_path):
    b = Builder(np.random.default_rng(16), 17)
    y = b.recurrent("x", "LSTM", 40, 40)[0]
    proto = finish(b, [y], ("seq", "batch", 40))
    path = tmp_path / "net.onnx"
    x = np.random.default_rng(17).standard_normal((3, 2, 40)).astype(np.float32)
    want = ort(proto, x)[y]
    onnx.save(proto, path, save_as_external_data=True, location="net.bin", size_threshold=0,
              convert_attribute=True)
    assert close(from_onnx(path).run({"x": x})[y], want) < 1e-5
    (tmp_path / "net.bin").unlink()
    with pytest.raises(ValueError, match=r"net\.onnx is not an ONNX file, or it is cut: "):
        from_onnx(path)
