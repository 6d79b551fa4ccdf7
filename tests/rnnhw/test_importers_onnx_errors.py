import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rnnhw.errors import RnnhwError
from rnnhw.importers.onnx import from_onnx

from .onnx_graphs import GATES, Builder, finish

DIMS = ("seq", "batch", 3)


def recurrent(b, op="LSTM", x="x", m=3, n=4, more=(), w=None, r=None, bias=None, **attributes):
    """An LSTM or GRU named "rnn" with further inputs and attributes; returns Y, Y_h, Y_c."""
    g = GATES[op]
    inputs = [x, b.weight(1, g * n, m) if w is None else w,
              b.weight(1, g * n, n) if r is None else r,
              b.weight(1, 2 * g * n) if bias is None else bias, *more]
    outputs = [b.name(key) for key in ("Y", "Y_h", "Y_c")[:3 if op == "LSTM" else 2]]
    b.nodes.append(helper.make_node(op, inputs, outputs, name="rnn",
                                    **{"hidden_size": n, **attributes}))
    return outputs


def node(b, op, inputs, **attributes):
    """A node named "odd"; returns its output."""
    b.nodes.append(helper.make_node(op, inputs, ["odd_out"], name="odd", **attributes))
    return "odd_out"


def steps(b, op="GRU"):
    """(seq, batch, 4) of a recurrent layer."""
    return b.axes("Squeeze", recurrent(b, op)[0], [1])


def refused(build, text, dims=DIMS, opset=17):
    b = Builder(np.random.default_rng(0), opset)
    outputs = build(b)
    with pytest.raises(RnnhwError, match=text):
        from_onnx(finish(b, outputs if isinstance(outputs, list) else [outputs], dims))


@pytest.mark.parametrize("attributes, text", [
    ({"clip": -3.0}, r"clip of node 'rnn' \(LSTM\) must be a positive number, or left out, not -3"),
    ({"activations": ["Sigmoid", "Softsign", "Tanh"]},
     r"activation 'Softsign' of node 'rnn' \(LSTM\) is not supported; Sigmoid, Tanh, Relu, Hard"),
    ({"activations": ["Sigmoid", "Affine", "Tanh"]},
     r"activation Affine of node 'rnn' \(LSTM\) needs alpha, which has no default"),
    ({"activation_alpha": [0.2]}, r"'rnn' \(LSTM\) has 1 more values in activation_alpha than it"),
    ({"activation_beta": [0.2, 0.3]}, r"'rnn' \(LSTM\) has 2 more values in activation_beta than"),
    ({"activations": ["Sigmoid", "Tanh"]}, r"'rnn' \(LSTM\) has 2 activations; 3 are needed\."),
    ({"direction": "sideways"}, r"'rnn' \(LSTM\) has direction 'sideways'; forward, reverse, bid"),
    ({"direction": "bidirectional"}, r"has W of shape \(1, 16, 3\), but \(2, 16, any\) is needed"),
    ({"layout": 2}, r"'rnn' \(LSTM\) has layout 2; 0 and 1 are supported\."),
    ({"hidden_size": 5}, r"'rnn' \(LSTM\) has W of shape \(1, 16, 3\), but \(1, 20, any\) is need"),
])
def test_recurrent_attributes(attributes, text):
    refused(lambda b: recurrent(b, **attributes)[0], text)


def test_unknown_attribute_is_named():
    refused(lambda b: recurrent(b, strange=1)[0],
            r"the given ModelProto is not valid ONNX: Unrecognized attribute: strange .* rnn")


@pytest.mark.parametrize("build, text", [
    (lambda b: recurrent(b, more=["", "", "", b.weight(1, 13)])[0],
     r"'rnn' \(LSTM\) has P of shape \(1, 13\), but \(1, 12\) is needed\."),
    (lambda b: recurrent(b, more=["", b.weight(1, 3, 4)])[0],
     r"'rnn' \(LSTM\) has an initial_h that differs between the sequences of a batch, which is n"),
    (lambda b: recurrent(b, more=["", "", b.weight(1, 3, 4)])[0],
     r"'rnn' \(LSTM\) has an initial_c that differs between the sequences of a batch, which is n"),
    (lambda b: recurrent(b, more=["", b.weight(1, 1, 4)])[0],
     r"'rnn' \(LSTM\) has initial_h of shape \(1, 1, 4\), but \(1, 3, 4\) is needed\."),
    (lambda b: recurrent(b, more=[b.const([2, 1, 2], np.int32)])[0],
     r"'rnn' \(LSTM\) has constant sequence_lens \[1, 2\] for sequences of 2 steps, which is no"),
    (lambda b: recurrent(b, bias=b.weight(1, 16))[0],
     r"'rnn' \(LSTM\) has B of shape \(1, 16\), but \(1, 32\) is needed\."),
    (lambda b: recurrent(b, w=b.weight(1, 15, 3))[0],
     r"'rnn' \(LSTM\) has W of shape \(1, 15, 3\), but \(1, 16, any\) is needed\."),
    (lambda b: recurrent(b, r=b.weight(1, 16, 5))[0],
     r"'rnn' \(LSTM\) has R of shape \(1, 16, 5\), but \(1, 16, 4\) is needed\."),
    (lambda b: recurrent(b, m=5)[0],
     r"'rnn' \(LSTM\) takes 5 features, but its input has 3; fix the sizes of the layers, or dec"),
    (lambda b: recurrent(b, w=b.add("Unsqueeze", [b.add("MatMul", ["x", b.weight(3, 1)]),
                                                  b.const([0])]))[0],
     r"'rnn' \(LSTM\) has an input W that depends on the graph's input, which is not supported"),
    (lambda b: recurrent(b, x=b.weight(4, 2, 3))[0],
     r"'rnn' \(LSTM\) has an input X that does not depend on the graph's input\."),
    (lambda b: recurrent(b, x=b.add("Gather", ["x", b.const(-1)]))[0],
     r"'rnn' \(LSTM\) has an input X of rank 2; 3 is needed\."),
    (lambda b: recurrent(b, w=b.const(np.full((1, 16, 3), np.nan), np.float32))[0],
     r"rnn\.weight_ih holds 48 values that are NaN or infinite; export the model again"),
    (lambda b: recurrent(b, bias=b.const([[np.inf] + 31 * [0.0]], np.float32))[0],
     r"rnn\.bias_ih holds 1 values that are NaN or infinite"),
])
def test_recurrent_inputs(build, text):
    refused(build, text)


@pytest.mark.parametrize("op, text", [
    ("LayerNormalization", r"'odd' \(LayerNormalization\) is not supported; supported are Add, "),
    ("Elu", r"'odd' \(Elu\) is not supported; supported are"),
    ("Nonsense", r"'odd' \(Nonsense\) is not supported; supported are"),
    ("DynamicQuantizeLinear", r"'odd' \(DynamicQuantizeLinear\) computes on integers, which is n"),
    ("MatMulInteger", r"'odd' \(MatMulInteger\) computes on integers, .* give the float model"),
    ("QLinearMatMul", r"'odd' \(QLinearMatMul\) computes on integers"),
])
def test_operators_outside_the_list(op, text):
    refused(lambda b: node(b, op, [steps(b)]), text)


def test_other_domain():
    refused(lambda b: node(b, "DynamicQuantizeLSTM", ["x"], domain="com.microsoft"),
            r"'odd' \(DynamicQuantizeLSTM\) is of the domain 'com\.microsoft', which is not supp")


@pytest.mark.parametrize("build, text", [
    (lambda b: node(b, "Add", [b.add("MatMul", ["x", b.weight(3, 3)]), b.weight(2, 1, 3)]),
     r"'odd' \(Add\) adds a constant that differs from step to step"),
    (lambda b: node(b, "Add", [b.add("MatMul", ["x", b.weight(3, 3)]), b.weight(1, 1, 1, 3)]),
     r"'odd' \(Add\) adds a constant of shape \(1, 1, 1, 3\) to activations of shape \(2, 3, 3\)"),
    (lambda b: node(b, "Add", [b.add("MatMul", ["x", b.weight(3, 3)]),
                               b.const([1, 2, np.nan], np.float32)]),
     r"'odd' \(Add\) adds a constant that holds NaN or infinite values; export the model again"),
    (lambda b: node(b, "MatMul", ["x", "x"]), r"'odd' \(MatMul\) multiplies two activations"),
    (lambda b: node(b, "MatMul", ["x", b.weight(3)]),
     r"'odd' \(MatMul\) multiplies activations of rank 3 by a constant of shape \(3,\), which is"),
    (lambda b: node(b, "MatMul", ["x", b.weight(2, 3, 4)]),
     r"'odd' \(MatMul\) multiplies activations of rank 3 by a constant of shape \(2, 3, 4\)"),
    (lambda b: node(b, "MatMul", ["x", b.const(np.full((3, 2), np.nan), np.float32)]),
     r"odd\.weight holds 6 values that are NaN or infinite"),
    (lambda b: node(b, "Gemm", ["x", b.weight(3, 2)]), r"'odd' \(Gemm\) needs two matrices"),
    (lambda b: node(b, "Min", ["x", b.weight(3)]),
     r"'odd' \(Min\) acts on activations, which is not supported; it is known in the arithmetic"),
    (lambda b: node(b, "Cast", [steps(b)], to=TensorProto.FLOAT16),
     r"'odd' \(Cast\) makes activations the type 10 of ONNX, which changes them; float and double"),
    (lambda b: node(b, "Concat", [steps(b), b.weight(1, 1, 4)], axis=0),
     r"'odd' \(Concat\) mixes activations with constants, or takes its indices from activations"),
    (lambda b: node(b, "Reshape", [steps(b), b.const([7, 5])]),
     r"'odd' \(Reshape\) cannot be evaluated on inputs of shape \(2, 3, 4\), \(2,\): cannot resh"),
    (lambda b: node(b, "Gather", [steps(b), b.const(9)]),
     r"'odd' \(Gather\) cannot be evaluated on inputs of shape \(2, 3, 4\), \(\): index 9 is out "),
    (lambda b: b.add("MatMul", [steps(b), node(b, "Tanh", [b.weight(4, 2)])]),
     r"'odd' \(Tanh\) acts on constants alone, which is not supported; fold constants when exp"),
    (lambda b: node(b, "Dropout", [steps(b), b.const(0.5, np.float32), b.const(True, np.bool_)]),
     r"'odd' \(Dropout\) is in training mode; export the model in eval mode\."),
    (lambda b: b.add("Dropout", [steps(b)], ["kept", "mask"]),
     r"Node 'n_Dropout_\d+' \(Dropout\) gives its mask, which is not supported; export in eval"),
    (lambda b: node(b, "MatMul", [b.add("Gather", ["x", b.const(-1)]), b.weight(3, 2)]),
     r"'odd' \(MatMul\) takes only a part of the graph's input, which is not supported"),
    (lambda b: node(b, "MatMul", [recurrent(b)[2], b.weight(4, 2)]),
     r"'odd' \(MatMul\) takes a cell state \(Y_c\), which is not supported; Y and Y_h are\."),
])
def test_what_no_layers_do(build, text):
    refused(build, text)


def flattened(b):
    """Five steps of four units in a row, into a matrix of twenty rows."""
    x = b.add("Transpose", [steps(b)], perm=[1, 0, 2])
    return node(b, "Gemm", [b.add("Flatten", [x]), b.weight(20, 2)])


@pytest.mark.parametrize("dims, text", [
    ((5, "batch", 3), r"'odd' \(Gemm\) does not take the features of one step in their order: st"),
    ((5, 1, 3), r"'odd' \(Gemm\) does not take the features of one step in their order: steps a"),
    (DIMS, r"'odd' \(Gemm\) takes 20 features, but its input has 8; fix the sizes of the layers"),
])
def test_steps_side_by_side(dims, text):
    refused(flattened, text, dims=dims)


def test_input_taken_twice_in_two_ways():
    def graph(b):
        y = b.add("MatMul", ["x", b.weight(3, 2)])
        return [y, node(b, "MatMul", [b.add("Reshape", ["x", b.const([-1, 6])]), b.weight(6, 2)])]
    refused(graph, r"'odd' \(MatMul\) does not take the features of one step in their order",
            dims=(2, 1, 3))


def backwards(b, x, axis):
    return b.add("Slice", [x, b.const([-1]), b.const([-99]), b.const([axis]), b.const([-1])])


@pytest.mark.parametrize("build, text", [
    (lambda b: recurrent(b, x=backwards(b, "x", 0))[0],
     r"'rnn' \(LSTM\) takes the steps of the graph's input in another order than the input has"),
    (lambda b: recurrent(b, x=backwards(b, b.add("MatMul", ["x", b.weight(3, 3)]), 0))[0],
     r"'rnn' \(LSTM\) takes the steps of the graph's input in another order than the input has"),
    (lambda b: recurrent(b, x=b.add("Reshape", ["x", b.add("Concat", [
        b.dim("x", 1), b.dim("x", 0), b.const([3])], axis=0)]))[0],
     r"'rnn' \(LSTM\) takes the steps of the graph's input in another order"),
    (lambda b: recurrent(b, x=backwards(b, "x", 2))[0],
     r"'rnn' \(LSTM\) takes the features of the graph's input in another order than the input"),
    (lambda b: backwards(b, steps(b), 0), r"No output of the graph \(slice_\d+\) holds either ev"),
    (lambda b: backwards(b, steps(b), 1), r"No output of the graph \(slice_\d+\) holds either ev"),
    (lambda b: backwards(b, steps(b), 2), r"No output of the graph \(slice_\d+\) holds either ev"),
])
def test_orders_exchanged(build, text):
    refused(build, text)


def test_last_step_of_linear_layers():
    refused(lambda b: b.add("Gather", [b.add("MatMul", ["x", b.weight(3, 2)]), b.const(-1)]),
            r"the given ModelProto takes the last step of linear layers alone, which is not supp",
            dims=("seq", 3))


@pytest.mark.parametrize("build, text", [
    (lambda b, h: b.axes("Unsqueeze", b.add("Gather", [h[0], b.const(-1)]), [0]),
     r"Node 'second' \(GRU\) does not take every step of the layer before"),
    (lambda b, h: h[1], r"Node 'second' \(GRU\) does not take every step of the layer before"),
    (lambda b, h: b.add("Transpose", [h[0]], perm=[1, 0, 2]),
     r"Node 'second' \(GRU\) runs over its input in another order than the recurrent layer befor"),
    (lambda b, h: b.add("Slice", [h[0], b.const([-1]), b.const([-99]), b.const([0]),
                                  b.const([-1])]),
     r"Node 'second' \(GRU\) runs over its input in another order"),
])
def test_second_recurrent_layer(build, text):
    def graph(b):
        y, h = recurrent(b, "GRU")
        x = build(b, (b.axes("Squeeze", y, [1]), h))
        b.nodes.append(helper.make_node("GRU", [x, b.weight(1, 6, 4), b.weight(1, 6, 2)], ["out"],
                                        name="second", hidden_size=2))
        return "out"
    refused(graph, text)


@pytest.mark.parametrize("build, text", [
    (lambda b: b.add("Identity", ["x"]), r"The graph has no recurrent or linear layer between its"),
    (lambda b: [steps(b), b.add("Identity", [b.weight(3)])],
     r"The graph's output 'identity_\d+' does not depend on its input\."),
    (lambda b: recurrent(b)[2], r"No output of the graph \(Y_c_\d+\) holds either every step or"),
    (lambda b: b.add("Gather", [steps(b), b.const(0)]), r"No output of the graph .* holds either"),
    (lambda b: b.add("Slice", [steps(b), b.const([0]), b.const([2]), b.const([2])]),
     r"No output of the graph .* holds either"),
    (lambda b: b.add("Gather", [steps(b), b.const(1)]),  # the last of two, not of any
     r"No output of the graph \(gather_\d+\) holds either every step or the last step"),
    (lambda b: b.add("Add", [b.add("MatMul", ["x", b.weight(3, 2)]),
                             b.add("Cast", [b.dim("x", 0)], to=1)]),
     r"ModelProto computes something else for each length or batch of its input \(seq, batch, 3"),
])
def test_outputs(build, text):
    refused(build, text)


def graph_with(inputs, opset=17):
    b = Builder(np.random.default_rng(0), opset)
    y = recurrent(b, "GRU", x=inputs[0].name)[0]
    graph = helper.make_graph(b.nodes, "g", inputs,
                              [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)],
                              b.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def value(name="x", kind=TensorProto.FLOAT, shape=DIMS):
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize("make, text", [
    (lambda: graph_with([value(), value("h0")]),
     r"The graph has 2 inputs \(x, h0\); one is supported, beside one of sequence_lens: expo"),
    (lambda: graph_with([value(kind=TensorProto.FLOAT16)]),
     r"The graph's input 'x' is of type FLOAT16; FLOAT or DOUBLE, or INT32 or INT64 of"),
    (lambda: graph_with([value(shape=("n",))]), r"input 'x' has no declared shape of at least two"),
    (lambda: graph_with([value(shape=("seq", "batch", "m"))]),
     r"takes 3 features, but its input has 4; .* or declare the number of features"),
    (lambda: 5, r"from_onnx takes a path, bytes or an onnx\.ModelProto, not int\."),
    (lambda: onnx.ModelProto(), r"the given ModelProto is not an ONNX model, or it is cut: its "),
    (lambda: b"", r"the given byte string is not an ONNX model, or it is cut: its graph has"),
    (lambda: b"no protobuf at all", r"the given byte string is not an ONNX file, or it is cut"),
])
def test_whole_models(make, text):
    with pytest.raises(RnnhwError, match=text):
        from_onnx(make())


def test_old_opset():
    proto = graph_with([value()])
    proto.opset_import[0].version = 6
    with pytest.raises(RnnhwError, match=r"ModelProto is of opset 6; 7 or later is needed, so exp"):
        from_onnx(proto)


def test_files(tmp_path):
    data = graph_with([value()]).SerializeToString()
    path = tmp_path / "a.onnx"
    for cut in range(0, len(data), 97):
        path.write_bytes(data[:cut])
        with pytest.raises(RnnhwError, match=r"a\.onnx is not (an ONNX (file|model), or it is cut|"
                                             r"valid ONNX)"):
            from_onnx(path)
    path.write_text("# a text file\n" * 20)
    with pytest.raises(RnnhwError, match=r"a\.onnx is not an ONNX file, or it is cut: "):
        from_onnx(path)
    with pytest.raises(RnnhwError, match=r"none\.onnx does not exist or is no file; an \.onnx fil"):
        from_onnx(tmp_path / "none.onnx")


def test_weights_of_a_wrong_size():
    proto = graph_with([value()])
    for tensor in proto.graph.initializer:
        tensor.raw_data = tensor.raw_data[:-4]
    for n in proto.graph.node:
        for attribute in n.attribute:
            if attribute.HasField("t"):
                attribute.t.raw_data = attribute.t.raw_data[:-4]
    with pytest.raises(RnnhwError, match=r"the given ModelProto is not valid ONNX: "):
        from_onnx(proto)


@pytest.mark.parametrize("arrays, text", [
    ({"y": np.zeros((5, 2, 3))}, r"The graph takes 'x', but 'y' was given\."),
    ({}, r"The graph takes 'x', but nothing was given\."),
    ({"x": np.zeros((5, 2, 4))}, r"x has shape \(5, 2, 4\), but \(seq, batch, 3\) is needed\."),
    ({"x": [["a"]]}, r"x is not an array of numbers\."),
    ({"x": np.zeros((5, 3))}, r"x has shape \(5, 3\), but \(seq, batch, 3\) is needed\."),
    ({"x": np.zeros((0, 2, 3))}, r"x has shape \(0, 2, 3\), but \(seq, batch, 3\) is needed\."),
    ({"x": np.full((5, 2, 3), np.inf)}, r"x holds 30 values that are NaN or infinite"),
])
def test_run_refuses(arrays, text):
    model = from_onnx(graph_with([value()]))
    with pytest.raises(RnnhwError, match=text):
        model.run(arrays)


def test_missing_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RnnhwError, match=r"Reading a\.onnx needs the package onnx; install it"):
        from_onnx("a.onnx")
