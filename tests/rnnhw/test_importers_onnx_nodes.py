"""The recurrent node tests that come with the package onnx, at their own tolerance."""

import warnings

import numpy as np
import pytest
from onnx import helper, numpy_helper

import rnnhw
from gateware.testing import run_core
from rnnhw.importers.onnx import from_onnx
from rnnhw.network import schedule_of
from tests.gateware.test_core import ref_words, steps_of

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


# what integers have not yet, by test; the sentence is that of rnnhw.quantize
CONFIG = rnnhw.Config(weight_bits=16, activation_bits=16, state_bits=16, cell_bits=16)


def design_of(name):
    """``(design, x, expected value)`` of a case at 16 bits, batch first."""
    proto, x, want = model_of(CASES[name])
    model = from_onnx(proto)
    key = "Y" if "Y" in want else "Y_h"
    value = want[key]
    if not any(a.name == "layout" and a.i == 1 for a in proto.graph.node[0].attribute):
        x = x.swapaxes(0, 1)
        value = value.transpose(2, 0, 1, 3) if key == "Y" else value.swapaxes(0, 1)
    assert model.last_step == (key == "Y_h")
    return rnnhw.compile(model, CONFIG, calibration=x), x, value.reshape(*value.shape[:-2], -1)


@pytest.mark.parametrize("name", CASES)
def test_integers(name):
    """16 bits: within 2^-9 of the expected output, the sum of a table's error and of rounding."""
    design, x, value = design_of(name)
    got = design.run(x)
    assert got.shape == value.shape and np.abs(got - value).max() < 2**-9
    codes = design.run_int(design.quantize_input(x))
    assert np.array_equal(got, codes / 2.0**design.output_format.frac_bits)


@pytest.mark.parametrize("name", CASES)
def test_gateware(name):
    design, x, _ = design_of(name)
    codes, lengths = design.quantize_input(x), (x.shape[1],) * len(x)
    expected = ref_words(design.quantized, codes, lengths, design.model.last_step)
    found = run_core(design.program, steps_of(codes, lengths), words=len(expected))
    assert [word for word, _ in found.words] == expected
    assert (found.y_cycles[-1] - found.x_cycles[0] + 1
            == schedule_of(design.program).cycles_of(lengths)[0])
