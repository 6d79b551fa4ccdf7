"""States before the first step, in integers and in gateware."""

from dataclasses import replace

import numpy as np
import pytest

import rnnhw
from rnnhw.circulant import Circulant
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.model import INPUT, Linear, Model, Recurrent
from rnnhw.schedule import Schedule
from tests.simulators import needs_icarus

KINDS = ("lstm", "gru", "gru_reset_before", "rnn")


def started(rng, kind, inputs, units, **options):
    """A layer that starts at a state drawn at random."""
    arrays = {"lstm": 4, "gru": 3, "gru_reset_before": 3, "rnn": 1}[kind] * units
    name = kind.split("_")[0]
    if name == "gru":
        options["reset_after"] = kind == "gru"
    states = {"h": rng.uniform(-0.9, 0.9, units)}
    if name == "lstm":
        states["c"] = rng.normal(size=units)
    return Recurrent(name, weight_ih=rng.normal(size=(arrays, inputs)),
                     weight_hh=rng.normal(size=(arrays, units)), bias_ih=rng.normal(size=arrays),
                     initial=states, **options)


def network(kind, rng):
    return Model(layers=[started(rng, kind, 3, 5), Linear(weight=rng.normal(size=(2, 5)))])


@pytest.mark.parametrize("kind", KINDS)
def test_sixteen_bits_are_near_the_floats(kind):
    rng = np.random.default_rng(1)
    model = network(kind, rng)
    x = rng.normal(size=(3, 6, 3))
    design = rnnhw.compile(model, Config(weight_bits=16, activation_bits=16, state_bits=18), x)
    assert design.report["sqnr_db"]["output"] > 55
    assert np.abs(design.run(x) - model.run(x)).max() < 2.0**-6


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("fast, slices", [(False, 2), (True, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_verilog_is_golden(kind, fast, slices):
    rng = np.random.default_rng(2)
    model = network(kind, rng)
    config = Config(lanes=12, vector_lanes=slices, fast_inner_product=fast)
    design = rnnhw.compile(model, config)
    zero = rnnhw.compile(replace(model, layers=[replace(model.layers[0], initial=None),
                                                model.layers[1]]), config)
    lengths = np.array([4, 1, 3])
    x = rng.normal(size=(3, 4, 3))
    found = design.simulate(x, lengths, simulator="icarus")
    assert found.bit_exact, found.mismatch
    # a first state costs no cycle
    assert found.cycles == Schedule(design.program).cycles_of(lengths)[0]
    assert found.cycles == Schedule(zero.program).cycles_of(lengths)[0]
    assert not np.array_equal(design.run(x, lengths), zero.run(x, lengths))


@needs_icarus
@pytest.mark.slow
def test_both_directions_start_at_states_of_their_own():
    rng = np.random.default_rng(3)
    model = Model(layers=[started(rng, "lstm", 3, 4), started(rng, "gru", 3, 4, reverse=True)],
                  reads=((INPUT,), (INPUT,)), outputs=(0, 1))
    design = rnnhw.compile(model, Config(lanes=16, vector_lanes=2, max_length=8))
    x = rng.normal(size=(2, 5, 3))
    found = design.simulate(x, simulator="icarus")
    assert found.bit_exact, found.mismatch


def test_given_states_come_before_those_of_the_model():
    rng = np.random.default_rng(4)
    model = network("gru", rng)
    x = rng.normal(size=(5, 3))
    design = rnnhw.compile(model, calibration=x)
    other = {"0.h": np.zeros(5)}
    zero = replace(model, layers=[replace(model.layers[0], initial=None), model.layers[1]])
    wanted = zero.run(x)
    assert np.abs(design.run(x, state=other) - wanted).max() < 0.2
    assert np.abs(design.run(x) - wanted)[0].max() > 0.2


def test_block_circulant_layers_start_at_zero():
    rng = np.random.default_rng(5)
    ih, hh = (Circulant(rng.normal(size=(3, 2, 2, 4)), 8, 8) for _ in range(2))
    model = Model(layers=[Recurrent("gru", circulant_ih=ih, circulant_hh=hh,
                                    initial={"h": np.ones(8) / 2})])
    with pytest.raises(RnnhwError, match="has an initial state and block-circulant matrices"):
        rnnhw.compile(model)
