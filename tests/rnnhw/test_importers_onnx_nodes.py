"""The recurrent node tests that come with the package onnx, at their own tolerance."""

import warnings

import numpy as np
import pytest
from onnx import helper, numpy_helper

from rnnhw.importers.onnx import from_onnx

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # onnx makes the data of all operators' tests, with overflows
    from onnx.backend.test.loader import load_model_tests

    PREFIXES = ("test_lstm", "test_gru", "test_rnn", "test_simple_rnn")
    CASES = {case.name: case for case in load_model_tests(kind="node")
             if case.name.startswith(PREFIXES)}


def model_of(case):
    """``(proto, x, outputs)`` of a test, whose weights are inputs, with them as constants."""
    graph = case.model.graph
    [(inputs, outputs)] = case.data_sets
    inputs, outputs = ([numpy_helper.to_array(v) if hasattr(v, "raw_data") else np.asarray(v)
                        for v in values] for values in (inputs, outputs))
    arrays = dict(zip((value.name for value in graph.input), inputs))
    x = arrays.pop("X")
    graph = helper.make_graph(
        graph.node, case.name, [value for value in graph.input if value.name == "X"], graph.output,
        [numpy_helper.from_array(value, name) for name, value in arrays.items()])
    proto = helper.make_model(graph, opset_imports=case.model.opset_import)
    return proto, x, dict(zip((value.name for value in graph.output), outputs))


def test_there_are_18():
    assert len(CASES) == 18


@pytest.mark.parametrize("name", CASES)
def test_float(name):
    case = CASES[name]
    proto, x, want = model_of(case)
    got = from_onnx(proto).run({"X": x})
    assert list(got) == list(want)
    for key in want:
        np.testing.assert_allclose(got[key], want[key], rtol=case.rtol, atol=case.atol)
