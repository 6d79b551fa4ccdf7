"""Models that are no chain in integers: scales that agree, and the Verilog against golden."""

from dataclasses import replace

import numpy as np
import pytest

import rnnhw
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.model import INPUT, Model
from tests.simulators import needs_icarus

from .graphs import GRAPHS, NAME, cell, equal_in_verilog, linear, near_floats, parallel, two_outputs


@pytest.mark.parametrize("make", GRAPHS, **NAME)
def test_sixteen_bits_are_near_the_floats(make):
    near_floats(make, 55)


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("make", GRAPHS, **NAME)
def test_verilog_is_golden(make):
    equal_in_verilog(make, True, 3)


def test_embedding_is_looked_up_before_the_core():
    rng = np.random.default_rng(7)
    table = rng.normal(size=(11, 3))
    plain = parallel(rng)
    model = replace(plain, embedding=table)
    codes = rng.integers(11, size=(2, 6))
    design = rnnhw.compile(model, calibration=codes)
    assert np.array_equal(design.quantize_input(codes), design.input_format.quantize(table[codes]))
    same = rnnhw.compile(plain, calibration=table[codes])
    assert np.array_equal(design.run(codes), same.run(table[codes]))
    assert not rnnhw.compile(model).report["tensors"]["x"]["saturated"]


@pytest.mark.parametrize("head", ["softmax", "log_softmax", "argmax"])
def test_head_is_applied_to_the_words(head):
    rng = np.random.default_rng(8)
    plain = parallel(rng)
    x, lengths = rng.normal(size=(2, 6, 3)), np.array([6, 4])
    logits = rnnhw.compile(plain, calibration=x).run(x, lengths)
    found = rnnhw.compile(replace(plain, head=head), calibration=x).run(x, lengths)
    soft = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    wanted = {"softmax": soft, "log_softmax": np.log(soft),
              "argmax": logits.argmax(axis=-1)[..., None]}[head]
    assert np.allclose(found[0], wanted[0], atol=1e-12)
    assert np.allclose(found[1, :4], wanted[1, :4], atol=1e-12) and not found[1, 4:].any()


def test_rings_that_are_fixed_are_refused():
    model = parallel(np.random.default_rng(9))
    names = ["0.weight_ih", "0.weight_hh", "1.weight_ih", "1.weight_hh"]
    formats = dict(zip(names, ("18/12", "18/13", "18/12", "18/15")))
    with pytest.raises(RnnhwError, match="would need other fraction bits, so that what is read "
                                         "side by side has one scale"):
        rnnhw.compile(model, Config(formats=formats, activation_bits=8))


@pytest.mark.parametrize("change, sentence", [
    ({"reads": ((INPUT,), (0,), (0, 1))}, "Layer 2 reads layer 1, a linear one, beside what that"),
    ({"outputs": (1, 0, 2)}, r"outputs of model 'model' are \(1, 0, 2\), but integers come out in"),
])
def test_refusals(change, sentence):
    rng = np.random.default_rng(10)
    layers = [cell(rng, "lstm", 4, 4), linear(rng, 4, 4), linear(rng, 8, 2)]
    model = Model(layers=layers, reads=((INPUT,), (INPUT,), (0, 1)))
    with pytest.raises(RnnhwError, match=sentence):
        rnnhw.compile(replace(model, **change))


def test_outputs_of_different_formats_are_refused():
    rng = np.random.default_rng(11)
    with pytest.raises(RnnhwError, match="What comes out side by side has different formats"):
        rnnhw.compile(two_outputs(rng), Config(formats={"0.h": "16/12"}))
