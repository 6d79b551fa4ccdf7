"""Graphs that are no chain, and the operators around recurrent ones, against onnxruntime."""

import numpy as np
import pytest
from onnx import TensorProto

from rnnhw.errors import RnnhwError

from .models import close
from .onnx_parts import BATCH, FEATURES, STEPS, both, builder, operator, part, refused, same, steps


def test_last_steps_of_both_directions_by_hand():
    """Forward halves of the last step beside backward halves of the first, as modules write it."""
    b = builder()
    y, _, sides = both(b)
    cut = [b.add("Slice", [part(b, sides, k, 0), b.const([at]), b.const([at + 3]), b.const([1])])
           for k, at in ((-1, 0), (0, 3))]
    model, own, [want] = same(b, b.add("MatMul", [b.add("Concat", cut, axis=1), b.weight(6, 2)]))
    assert model.last_step and close(own, want) < 1e-5


def test_last_step_of_a_backward_direction():
    """Y_h, and the first of Y, are the last step that it runs; the last of Y is the first."""
    for take in ("h", "first"):
        b = builder(2)
        y, h = operator(b, direction="reverse")
        h = b.axes("Squeeze", h, [0])
        model, own, [want] = same(b, h if take == "h" else b.axes("Squeeze", part(b, y, 0, 0), [0]))
        assert model.last_step and close(own, want) < 1e-5
    b = builder(2)
    refused(b, part(b, operator(b, direction="reverse")[0], -1, 0),
            r"No output of the graph \(gather_\d+\) holds either every step or the last step of "
            r"the last layer's output; of a backward direction the last step that it runs is Y_h ")


@pytest.mark.parametrize("of", ["Y", "linear"])
def test_last_time_step_of_both_directions(of):
    b = builder(3)
    sides = both(b)[2]
    y = b.add("MatMul", [part(b, sides, -1, 0), b.weight(6, 2)]) if of == "linear" else part(
        b, sides, -1, 0)
    refused(b, y, r"No output of the graph .* of a backward direction the last step that it runs i")


def test_linear_layers_over_a_mix_of_last_steps():
    """Y[-1] of both directions beside Y_h: the backward half is of another step."""
    b = builder(4)
    y, h, sides = both(b)
    mixed = b.add("Concat", [part(b, sides, -1, 0), part(b, h, 1, 0)], axis=1)
    refused(b, b.add("MatMul", [mixed, b.weight(9, 2)]),
            r"\(MatMul\) does not take the features of one step in their order: steps are mixed, w")


def test_first_step_of_a_layer_that_feeds_a_recurrent_one():
    b = builder(5)
    backward = b.add("MatMul", [steps(b, direction="reverse"), b.weight(3, 3)])
    h = b.axes("Squeeze", operator(b, x=backward, m=3)[1], [0])
    refused(b, b.add("Add", [part(b, backward, 0, 0), h]),
            r"The graph takes the first step of layer 'n_MatMul_\d+', which follows a backward dir")


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
def test_two_activations(op):
    b = builder(6)
    x = b.add("Relu", [b.add("MatMul", ["x", b.weight(FEATURES, 3)])])
    y = b.add(op, [x, steps(b, x=x, m=3)])
    z = b.add(op, [both(b, x=y, m=3)[0], both(b, x=y, m=3)[0]])  # in any layout
    model, own, [want] = same(b, z)
    assert not model.last_step
    assert close(own, want.transpose(2, 0, 1, 3).reshape(BATCH, STEPS, 6)) < 1e-5


def test_average_is_one_layer():
    b = builder(7)
    y = both(b)[0]
    y = b.add("Add", [part(b, y, 0, 1), part(b, y, 1, 1)])
    model, own, [want] = same(b, b.add("Mul", [y, b.const(0.5, np.float32)]))
    assert len(model.layers) == 3 and close(own, want.swapaxes(0, 1)) < 1e-5
    assert np.array_equal(model.layers[2].weight, np.hstack([np.eye(3), np.eye(3)]) / 2)


def test_two_ends():
    b = builder(8)
    y = steps(b)
    ends = [b.add("MatMul", [y, b.weight(3, n)]) for n in (2, 1)]
    model, own, want = same(b, *ends)
    assert close(own, np.concatenate(want, axis=2).swapaxes(0, 1)) < 1e-5


def test_which_of_the_outputs_is_the_models():
    """Every step before the last one, with a function before without, however they are listed."""
    b = builder(8)
    y, h = operator(b)
    y, h = (b.axes("Squeeze", value, [axis]) for value, axis in ((y, 1), (h, 0)))
    top = b.add("LogSoftmax", [y], axis=-1)
    for outputs, main in (((h, y), 1), ((y, h), 0), ((h, y, top), 2), ((top, h, y), 0)):
        model, own, want = same(b, *outputs)
        assert not model.last_step and model.head == ("log_softmax" if top in outputs else "none")
        assert close(own, want[main].swapaxes(0, 1)) < 1e-5


@pytest.mark.parametrize("op", ["Relu", "Sigmoid", "Tanh", "HardSigmoid", "Neg", "Sub", "Div",
                                "Add", "Mul", "BatchNormalization"])
@pytest.mark.parametrize("where", ["input", "linear", "recurrent", "twice"])
def test_elementwise_operators(op, where):
    """In front of a recurrent layer, behind a linear and a recurrent one, behind its like."""
    b = builder(9)

    def apply(x, n):
        if op == "BatchNormalization":
            x = b.add("Transpose", [x], perm=[0, 2, 1])
            x = b.add(op, [x, *(b.weight(n) for _ in range(3)),
                           b.const(b.rng.uniform(0.5, 2, n), np.float32)], epsilon=0.01)
            return b.add("Transpose", [x], perm=[0, 2, 1])
        if op in ("Sub", "Div", "Add", "Mul"):
            value = b.const(b.rng.uniform(0.5, 2, n), np.float32)
            return b.add(op, [value, x] if op != "Div" and b.some() else [x, value])
        return b.add(op, [x], **({"alpha": 0.3, "beta": 0.4} if op == "HardSigmoid" else {}))

    if where == "input":
        y = steps(b, x=apply("x", FEATURES))
    elif where == "linear":
        y = apply(b.add("MatMul", ["x", b.weight(FEATURES, 2)]), 2)
    else:
        y = apply(steps(b), 3)
        if where == "twice":
            y = b.add("MatMul", [apply(y, 3), b.weight(3, 2)])
    model, own, [want] = same(b, y)
    assert close(own, want.swapaxes(0, 1)) < 1e-5
    linear = op in ("Neg", "Sub", "Div", "Add", "Mul", "BatchNormalization")
    if linear:  # folded, but for what nothing stands in front of or behind
        assert len(model.layers) == {"input": 1, "linear": 1, "recurrent": 2, "twice": 2}[where]


def test_quotients_of_whole_numbers_are_cut_towards_zero():
    b = builder(23)
    first = b.add("Div", [b.const([-3]), b.const([2])])
    y = b.add("Slice", [steps(b), first, b.const([9]), b.const([2])])
    model, own, [want] = same(b, b.add("MatMul", [y, b.weight(1, 2)]))
    assert close(own, want.swapaxes(0, 1)) < 1e-5


def test_features_in_another_order():
    """Slices, Gathers and Concats of features are columns of the matrix behind them."""
    b = builder(10)
    y = both(b)[2]
    y = b.add("Gather", [y, b.const([5, 0, 0, 3, 2])], axis=2)
    y = b.add("Concat", [y, b.add("Slice", ["x", b.const([-1]), b.const([-9]), b.const([2]),
                                            b.const([-1])])], axis=2)
    model, own, [want] = same(b, steps(b, x=y, m=9))
    assert len(model.layers) == 3 and close(own, want.swapaxes(0, 1)) < 1e-5


@pytest.mark.parametrize("opset", [11, 13, 17])
@pytest.mark.parametrize("op, head", [("Softmax", "softmax"), ("LogSoftmax", "log_softmax")])
@pytest.mark.parametrize("last", [False, True])
def test_softmax(op, head, last, opset):
    b = builder(11, opset)
    y, h = operator(b)
    y = b.axes("Squeeze", h, [0]) if last else b.axes("Squeeze", y, [1])
    y = b.add("MatMul", [y, b.weight(3, 4)])
    model, own, wants = same(b, b.add(op, [y], axis=1 if last else 2), y)
    assert model.head == head and model.last_step == last
    assert close(own, wants[0] if last else wants[0].swapaxes(0, 1)) < 1e-5


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("before", ["", "Softmax", "LogSoftmax"])
def test_arg_max(before, keepdims):
    for last in (False, True):
        b = builder(12)
        y, h = operator(b)
        y = b.axes("Squeeze", h, [0]) if last else b.axes("Squeeze", y, [1])
        y = b.add(before, [y], axis=-1) if before else y
        top = b.add("ArgMax", [y], axis=-1, keepdims=keepdims)
        model, own, [want] = same(b, top, types={top: TensorProto.INT64})
        assert model.head == "argmax" and own.dtype == np.int64
        want = want if keepdims else want[..., None]
        assert np.array_equal(own, want if last else want.swapaxes(0, 1))


def test_softmax_of_chosen_outputs():
    b = builder(13)
    y = b.add("Gather", [steps(b), b.const([2, 0])], axis=2)
    model, own, [want] = same(b, b.add("Softmax", [y], axis=2))
    assert len(model.layers) == 2 and close(own, want.swapaxes(0, 1)) < 1e-5


@pytest.mark.parametrize("op", ["Softmax", "ArgMax"])
def test_functions_over_steps_are_refused(op):
    b = builder(14)
    refused(b, b.add(op, [steps(b)], axis=0), rf"\({op}\) does not take the features of one step i")


def test_functions_must_come_last():
    b = builder(15)
    y = b.add("MatMul", [b.add("Softmax", [steps(b)], axis=-1), b.weight(3, 2)])
    refused(b, y, r"\(MatMul\) follows softmax of the outputs, which is not supported; it must be ")


def test_options_of_functions():
    b = builder(15, 11)
    refused(b, b.add("Softmax", [steps(b)], axis=1),
            r"\(Softmax\) of opset 11 goes over the axes from 1 on together, which is not supporte")
    b = builder(15)
    refused(b, b.add("ArgMax", [steps(b)], axis=-1, select_last_index=1),
            r"\(ArgMax\) has select_last_index=1, which is not supported; the first of equal value")


@pytest.mark.parametrize("cast", ["", "int64", "float"])
def test_embedding(cast):
    b = builder(16)
    ids, kind = "x", TensorProto.INT32
    if cast:
        ids = b.add("Cast", ["x"], to=TensorProto.INT64)
        kind = TensorProto.FLOAT if cast == "float" else kind
    table = b.weight(7, 5)
    y = steps(b, x=b.add("Gather", [table, ids]), m=5)
    x = np.random.default_rng(2).integers(0, 7, (STEPS, BATCH))
    x = x.astype(np.float32 if cast == "float" else np.int32)
    model, own, [want] = same(b, y, x=x, dims=("seq", "batch"), kind=kind)
    assert model.embedding.shape == (7, 5) and close(own, want.swapaxes(0, 1)) < 1e-5
    with pytest.raises(RnnhwError, match=r"x reaches 7\.\.7, but the embedding has 7 entries"):
        model.run({"x": np.full((STEPS, BATCH), 7)})


def test_one_hot():
    b = builder(17)
    ids = b.add("OneHot", ["x", b.const(6), b.const([-0.5, 2.0], np.float32)])
    x = np.random.default_rng(2).integers(0, 6, (STEPS, BATCH))
    model, own, [want] = same(b, steps(b, x=ids, m=6), x=x, dims=("seq", "batch"),
                              kind=TensorProto.INT64)
    assert model.embedding.shape == (6, 6) and close(own, want.swapaxes(0, 1)) < 1e-5


def two_tables(b):
    return b.add("Concat", [b.add("Gather", [b.weight(6, 2), "x"]) for _ in range(2)], axis=2)


@pytest.mark.parametrize("build, text", [
    (two_tables, r"\(Gather\) looks the input up in a second table, which is not supported; one"),
    (lambda b: b.add("Gather", [b.weight(4, 6), "x"], axis=1),
     r"\(Gather\) looks activations up in something else than the rows of a matrix"),
    (lambda b: b.add("OneHot", ["x", b.const(4), b.const([0, 1], np.float32)], axis=0),
     r"\(OneHot\) sets up its vectors along another axis than the last, which is not supported"),
])
def test_lookups_that_are_refused(build, text):
    b = builder(18)
    refused(b, steps(b, x=build(b)), text, dims=("seq", "batch"), kind=TensorProto.INT64)


def test_whole_numbers_as_values():
    b = builder(22)
    x = np.random.default_rng(2).integers(-3, 4, (STEPS, BATCH, FEATURES))
    _, own, [want] = same(b, steps(b, x=b.add("Cast", ["x"], to=1)), x=x, kind=TensorProto.INT64)
    assert close(own, want.swapaxes(0, 1)) < 1e-5


def test_casts_that_change_values():
    b = builder(19)
    y = b.add("Cast", [b.add("Cast", [steps(b)], to=7)], to=1)
    refused(b, y, r"\(Cast\) makes activations the type 7 of ONNX, which changes them; float and")
    b = builder(19)
    refused(b, steps(b, x=b.add("Cast", [b.add("Cast", ["x"], to=7)], to=1)),
            r"\(GRU\) takes the whole numbers of the graph's input, which is not supported; what t")
    b = builder(19)
    y = b.add("Gather", [b.weight(9, 2), b.add("ArgMax", [steps(b)], axis=-1, keepdims=0)])
    refused(b, y, r"\(Gather\) takes its indices from a layer, which is not supported; the graph's")


def test_batch_normalization_in_training_mode():
    b = builder(20)
    y = b.add("Transpose", [steps(b)], perm=[0, 2, 1])
    y = b.add("BatchNormalization", [y, *(b.weight(3) for _ in range(4))],
              [b.name("bn") for _ in range(3)], training_mode=1)
    refused(b, y, r"\(BatchNormalization\) is in training mode; export the model in eval mode\.")
    b = builder(20)
    y = b.add("Transpose", [steps(b)], perm=[0, 2, 1])
    y = b.add("BatchNormalization", [y, b.weight(3), b.weight(3), b.add(
        "Reshape", [steps(b), b.const([-1])]), b.weight(3)])
    refused(b, y, r"\(BatchNormalization\) has statistics that depend on the graph's input, which ")


def test_constants_that_differ():
    for units, value in (([0, 1, 2], np.ones((STEPS, 1, 3))), ([2, 2], np.ones(2))):
        b = builder(21)
        value = value * np.arange(1, value.size + 1).reshape(value.shape)
        y = b.add("Gather", [steps(b), b.const(units)], axis=2)
        refused(b, b.add("Div", [y, b.const(value, np.float32)]),
                r"\(Div\) divides by a constant that differs from step to step, or where a unit st",
                dims=(STEPS, BATCH, FEATURES))


def test_constants_that_are_infinite():
    b = builder(21)
    refused(b, b.add("Div", [steps(b), b.const([1, 0, 2], np.float32)]),
            r"\(Div\) divides by a constant that holds NaN or infinite values; export the model")
    b = builder(21)
    refused(b, b.add("Div", [b.const(1, np.float32), steps(b)]),
            r"\(Div\) divides by an activation, which is not supported\.")
