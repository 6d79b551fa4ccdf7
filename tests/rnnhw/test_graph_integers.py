"""Models that are no chain in integers: scales that agree, and the Verilog against golden."""

from dataclasses import replace

import numpy as np
import pytest

import rnnhw
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.layers import merged
from rnnhw.model import INPUT, Linear, Model, Recurrent
from rnnhw.schedule import Schedule
from tests.simulators import needs_icarus


def cell(rng, kind, inputs, units, **options):
    rows = {"lstm": 4, "gru": 3, "rnn": 1}[kind] * units
    return Recurrent(kind, weight_ih=rng.normal(size=(rows, inputs)),
                     weight_hh=rng.normal(size=(rows, units)), bias_ih=rng.normal(size=rows),
                     **options)


def linear(rng, inputs, outputs, **options):
    return Linear(weight=rng.normal(size=(outputs, inputs)), **options)


def parallel(rng, **options):
    return Model(layers=[cell(rng, "lstm", 3, 4), cell(rng, "gru", 3, 5), linear(rng, 9, 2)],
                 reads=((INPUT,), (INPUT,), (0, 1)), **options)


def two_outputs(rng):
    return Model(layers=[cell(rng, "lstm", 3, 4), cell(rng, "lstm", 3, 5)],
                 reads=((INPUT,), (INPUT,)), outputs=(0, 1))


def residual(rng):
    return Model(layers=[cell(rng, "lstm", 4, 4), merged("sum", 4), cell(rng, "gru", 4, 4),
                         merged("sum", 4)], reads=((INPUT,), (INPUT, 0), (1,), (1, 2)))


def skipping(rng):
    return Model(layers=[cell(rng, "rnn", 3, 4), cell(rng, "gru", 4, 5), linear(rng, 12, 2)],
                 reads=((INPUT,), (0,), (INPUT, 0, 1)), last_step=True)


def multiplied(rng):
    return Model(layers=[cell(rng, "lstm", 3, 5), cell(rng, "gru", 3, 5), merged("multiply", 5)],
                 reads=((INPUT,), (INPUT,), (0, 1)))


def dense_front(rng):
    return Model(layers=[linear(rng, 3, 5, activation="tanh"), cell(rng, "lstm", 5, 3),
                         cell(rng, "gru", 8, 3)], reads=((INPUT,), (0,), (0, 1)), outputs=(1, 2))


def one_row(rng):
    """A step that is not the last is a single vector row."""
    return Model(layers=[cell(rng, "rnn", 4, 2), linear(rng, 2, 1)], last_step=True)


MODELS = (one_row, parallel, two_outputs, residual, skipping, multiplied, dense_front)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_sixteen_bits_are_near_the_floats(make):
    rng = np.random.default_rng(5)
    model = make(rng)
    x = rng.normal(size=(3, 8, model.input_size))
    config = Config(weight_bits=16, activation_bits=16, state_bits=18)
    design = rnnhw.compile(model, config, x, np.array([8, 5, 1]))
    assert design.report["sqnr_db"]["output"] > 55
    lengths = np.array([8, 5, 1])
    wrong = design.run(x, lengths) - model.run(x, lengths)
    assert np.abs(wrong).max() < 2.0**-6


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("fast, slices", [(False, 2), (True, 3)])
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_verilog_is_golden(make, fast, slices):
    rng = np.random.default_rng(6)
    model = make(rng)
    design = rnnhw.compile(model, Config(lanes=12, vector_lanes=slices, fast_inner_product=fast))
    lengths = np.array([5, 2, 4])
    x = rng.normal(size=(3, 5, model.input_size))
    found = design.simulate(x, lengths, simulator="icarus")
    assert found.bit_exact, found.mismatch
    assert found.cycles == Schedule(design.program).cycles_of(lengths)[0]


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
