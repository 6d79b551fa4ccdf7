"""Every attribute, input and output that ONNX's recurrent operators have is exact or refused."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rnnhw.errors import RnnhwError
from rnnhw.importers.onnx import from_onnx

from .onnx_sweep import DEFAULTS, GATES, error, onnxruntime_of, with_free_c

OPERATORS = tuple(DEFAULTS)
STEPS, BATCH, M, N = 4, 3, 2, 3
# ONNX, operator LSTM, attribute activations: the functions that there are
FUNCTIONS = {
    "Relu": (), "Tanh": (), "Sigmoid": (), "Affine": (0.7, 0.1), "LeakyRelu": (0.2,),
    "ThresholdedRelu": (0.3,), "ScaledTanh": (0.6, 0.8), "HardSigmoid": (0.3, 0.4), "Elu": (0.7,),
    "Softsign": (), "Softplus": ()}
UNSUPPORTED = ("ThresholdedRelu", "Elu", "Softsign", "Softplus")
EXACT = ""


def functions(op):
    """Each function in each place: attributes and what the refusal says."""
    for place in range(len(DEFAULTS[op])):
        for name, numbers in FUNCTIONS.items():
            named = list(DEFAULTS[op])
            named[place] = name
            attributes = {"activations": named}
            for key, value in zip(("activation_alpha", "activation_beta"), numbers):
                attributes[key] = [value]
            yield attributes, (rf"activation '{name}' of node 'rnn' \({op}\) is not supported; Sig"
                               if name in UNSUPPORTED else EXACT)


def attributes(op, name):
    """``(attributes, text of the refusal)`` of one attribute, in all its values or kinds of them.
    """
    named = DEFAULTS[op]
    node = rf"'rnn' \({op}\)"
    hard = ["HardSigmoid"] * len(named)
    return {
        "activations": [*functions(op),
                        ({"activations": [*named, "Tanh"]}, rf"{node} has {len(named) + 1} a")],
        "activation_alpha": [
            ({"activations": hard, "activation_alpha": [0.1 * k for k in range(1, len(named) + 1)]},
             EXACT),
            ({"activations": hard, "activation_alpha": [0.4]}, EXACT),
            ({"activation_alpha": [0.4]}, rf"{node} has 1 more values in activation_alpha than")],
        "activation_beta": [
            ({"activations": hard, "activation_beta": [0.1 * k for k in range(1, len(named) + 1)]},
             EXACT),
            ({"activations": hard, "activation_beta": [0.4]}, EXACT),
            ({"activation_beta": [0.4]}, rf"{node} has 1 more values in activation_beta than it")],
        "clip": [({"clip": 0.3}, EXACT), ({"clip": 50.0}, EXACT),
                 ({"clip": -1.0}, rf"clip of node {node} must be a positive number")],
        "direction": [({"direction": "forward"}, EXACT), ({"direction": "reverse"}, EXACT),
                      ({"direction": "bidirectional"}, EXACT),
                      ({"direction": "both"}, rf"{node} has direction 'both'; forward, reverse")],
        "hidden_size": [({"hidden_size": N}, EXACT),
                        ({"hidden_size": N + 1}, rf"{node} has W of shape")],
        "layout": [({"layout": 0}, EXACT), ({"layout": 1}, EXACT),
                   ({"layout": 2}, rf"{node} has layout 2; 0 and 1 are supported")],
        "input_forget": [({"input_forget": 0}, EXACT), ({"input_forget": 1}, EXACT)],
        "linear_before_reset": [({"linear_before_reset": 0}, EXACT),
                                ({"linear_before_reset": 1}, EXACT)],
    }[name]


# of each input, what is done with it: left out, a constant, an input of the graph, values that
# differ between sequences; and what the refusal says of the last two
INPUTS = {
    "X": [("given", EXACT), ("const", r"has an input X that does not depend on the graph's input")],
    "W": [("given", EXACT), ("input", r"The graph has 2 inputs \(x, W\); one is supported"),
          ("left out", r"(is not valid ONNX|has no input W, which is needed)")],
    "R": [("given", EXACT), ("input", r"The graph has 2 inputs \(x, R\); one is supported"),
          ("left out", r"(is not valid ONNX|has no input R, which is needed)")],
    "B": [("given", EXACT), ("left out", EXACT), ("input", r"The graph has 2 inputs \(x, B\)")],
    "sequence_lens": [("given", EXACT), ("left out", EXACT), ("input", EXACT),
                      ("differ", r"has constant sequence_lens \[1, 2, 3\] for sequences of 4 st")],
    "initial_h": [("given", EXACT), ("left out", EXACT),
                  ("input", r"The graph has 2 inputs \(x, initial_h\); one is supported, beside"),
                  ("differ", r"has an initial_h that differs between the sequences of a batch")],
    "initial_c": [("given", EXACT), ("left out", EXACT),
                  ("input", r"The graph has 2 inputs \(x, initial_c\); one is supported, beside"),
                  ("differ", r"has an initial_c that differs between the sequences of a batch")],
    "P": [("given", EXACT), ("left out", EXACT), ("input", r"The graph has 2 inputs \(x, P\)")],
}


def values(op, count, layout):
    """Every input of an operator by name, all weights different."""
    rng, gates = np.random.default_rng(0), GATES[op]
    state = rng.uniform(-1, 1, (2, count, 1, N)) * np.ones((2, count, BATCH, N))
    state = state.swapaxes(1, 2) if layout else state
    found = {"X": rng.standard_normal((BATCH, STEPS, M) if layout else (STEPS, BATCH, M)),
             "W": rng.uniform(-1, 1, (count, gates * N, M)),
             "R": rng.uniform(-0.7, 0.7, (count, gates * N, N)),
             "B": rng.uniform(-1, 1, (count, 2 * gates * N)),
             "sequence_lens": np.full(BATCH, STEPS, np.int32),
             "initial_h": state[0], "initial_c": state[1],
             "P": rng.uniform(-1, 1, (count, 3 * N))}
    names = [i.name for i in onnx.defs.get_schema(op).inputs]
    return {name: found[name] if name == "sequence_lens" else found[name].astype(np.float32)
            for name in names}


def graph(op, attributes=(), name=None, how="given"):
    """``(proto, feeds)`` of an operator with every input, and ``how`` one is given."""
    attributes = dict(attributes)
    layout = attributes.get("layout", 0) == 1
    arrays = values(op, 1 + (attributes.get("direction") == "bidirectional"), layout)
    if how == "differ":
        arrays[name] = arrays[name].copy()
        arrays[name][(0, 0) if name != "sequence_lens" else slice(None)] = (
            [1, 2, 3] if name == "sequence_lens" else 0.5)
    if name == "sequence_lens" and how == "input":
        arrays[name] = np.array([2, 4, 1], np.int32)
    inputs = [key if (key, how) != (name, "left out") else "" for key in arrays]
    inputs[0] = "X" if name == "X" and how == "const" else "x"
    feeds = {"x": arrays["X"]} | ({name: arrays[name]} if how == "input" else {})
    constants = [numpy_helper.from_array(value, key) for key, value in arrays.items()
                 if key in inputs and key not in feeds]
    outputs = [o.name for o in onnx.defs.get_schema(op).outputs]
    node = helper.make_node(op, inputs, outputs, name="rnn", **attributes)
    types = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int32): TensorProto.INT32}
    found = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(key, types[value.dtype], value.shape)
                      for key, value in feeds.items()],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, None) for key in outputs], constants)
    return helper.make_model(found, opset_imports=[helper.make_opsetid("", 22)],
                             ir_version=8), feeds


def check(proto, feeds, text):
    """Exact in every output, or refused with ``text``; gives the outputs."""
    if text != EXACT:
        with pytest.raises(RnnhwError) as caught:
            from_onnx(proto)
        assert re.search(text, str(caught.value)), str(caught.value)
        return None
    want, got = onnxruntime_of(proto, feeds), with_free_c(from_onnx(proto)).run(feeds)
    assert list(got) == list(want)
    assert max(error(got[key], want[key]) for key in want) < 1e-5
    return got


@pytest.mark.parametrize("op, name", [(op, name) for op in OPERATORS
                                      for name in onnx.defs.get_schema(op).attributes])
def test_attributes(op, name):
    """A value that is no default also changes what comes out, so that ignoring it is seen."""
    plain = check(*graph(op), EXACT)
    for given, text in attributes(op, name):
        got = check(*graph(op, given), text)
        default = given.get("activations", DEFAULTS[op]) == DEFAULTS[op] and all(
            value in (0, N, "forward", 50.0) for key, value in given.items()
            if key != "activations")
        if got is not None and got["Y"].shape == plain["Y"].shape:
            assert (error(got["Y"], plain["Y"]) < 1e-9) == default, given


@pytest.mark.parametrize("op, name", [(op, i.name) for op in OPERATORS
                                      for i in onnx.defs.get_schema(op).inputs])
def test_inputs(op, name):
    plain = check(*graph(op), EXACT)
    for how, text in INPUTS[name]:
        got = check(*graph(op, (), name, how), text)
        if got is not None and how != "given":
            same = name == "sequence_lens" and how == "left out"
            assert (error(got["Y"], plain["Y"]) < 1e-9) == same, how


def test_outputs():
    """Y, Y_h and Y_c alone and together: the model gives every step, or the last; not c alone."""
    for op in OPERATORS:
        names = [o.name for o in onnx.defs.get_schema(op).outputs]
        for kept in range(1, 1 << len(names)):
            proto, feeds = graph(op)
            chosen = [name for i, name in enumerate(names) if kept >> i & 1]
            del proto.graph.output[:]
            proto.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                                      for name in chosen)
            if chosen == ["Y_c"]:
                check(proto, feeds, r"No output of the graph \(Y_c\) holds either every step or th")
                continue
            check(proto, feeds, EXACT)
            assert from_onnx(proto).last_step == ("Y" not in chosen)
