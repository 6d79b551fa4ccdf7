"""Networks that run both ways: passes, sequence memories, Verilog against golden, cycles."""

from dataclasses import replace

import numpy as np
import pytest

import rnnhw
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.layers import merged
from rnnhw.model import INPUT, Linear, Model, Recurrent
from rnnhw.network import Network, schedule_of
from rnnhw.passes import levels
from rnnhw.project import from_tables
from rnnhw.protocol import Identity
from tests.simulators import needs_icarus

ROWS = {"lstm": 4, "gru": 3, "rnn": 1}


def cell(rng, kind, inputs, units, **options):
    rows = ROWS[kind] * units
    return Recurrent(kind, weight_ih=rng.normal(size=(rows, inputs)),
                     weight_hh=rng.normal(size=(rows, units)), bias_ih=rng.normal(size=rows),
                     **options)


def both(rng, kind, inputs, units, other=None):
    return [cell(rng, kind, inputs, units),
            cell(rng, kind, inputs, other or units, reverse=True)]


def linear(rng, inputs, outputs):
    return Linear(weight=rng.normal(size=(outputs, inputs)))


IN = (INPUT,)


def last(rng):
    return Model(layers=[*both(rng, "lstm", 3, 4), linear(rng, 8, 2)], reads=(IN, IN, (0, 1)),
                 last_step=True)


def backwards(rng):
    return Model(layers=[cell(rng, "gru", 3, 5, reverse=True)])


def side_by_side(rng):
    return Model(layers=both(rng, "gru", 3, 5, 4), reads=(IN, IN), outputs=(0, 1))


def every_step(rng):
    return Model(layers=[*both(rng, "lstm", 3, 4), linear(rng, 8, 2)], reads=(IN, IN, (0, 1)))


def stacked_last(rng):
    return Model(layers=[*both(rng, "lstm", 3, 4), *both(rng, "gru", 8, 3), linear(rng, 6, 2)],
                 reads=(IN, IN, (0, 1), (0, 1), (2, 3)), last_step=True)


def stacked(rng):
    return Model(layers=[*both(rng, "rnn", 3, 4), *both(rng, "gru", 8, 3)],
                 reads=(IN, IN, (0, 1), (0, 1)), outputs=(2, 3))


def summed(rng):
    return Model(layers=[*both(rng, "lstm", 3, 4), merged("sum", 4), cell(rng, "lstm", 4, 3)],
                 reads=(IN, IN, (0, 1), (2,)))


def turning(rng):
    return Model(layers=[cell(rng, "lstm", 1, 3), cell(rng, "gru", 3, 3, reverse=True),
                         cell(rng, "rnn", 3, 1)])


MODELS = (last, backwards, side_by_side, every_step, stacked_last, stacked, summed, turning)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_sixteen_bits_are_near_the_floats(make):
    rng = np.random.default_rng(5)
    model = make(rng)
    x, lengths = rng.normal(size=(3, 8, model.input_size)), np.array([8, 5, 1])
    config = Config(weight_bits=16, activation_bits=16, state_bits=18)
    design = rnnhw.compile(model, config, x, lengths)
    assert design.report["sqnr_db"]["output"] > 50
    assert np.abs(design.run(x, lengths) - model.run(x, lengths)).max() < 2.0**-6


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("fast, slices", [(False, 2), (True, 1)])
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_verilog_is_golden(make, fast, slices):
    rng = np.random.default_rng(6)
    model = make(rng)
    config = Config(lanes=24, vector_lanes=slices, fast_inner_product=fast, max_length=8)
    design = rnnhw.compile(model, config)
    lengths = np.array([5, 1, 2, 8])
    x = rng.normal(size=(4, 8, model.input_size))
    found = design.simulate(x, lengths, simulator="icarus")
    assert found.bit_exact, found.mismatch
    total, each = schedule_of(design.program).cycles_of(lengths)
    assert (found.cycles, list(found.cycles_per_sequence)) == (total, each)
    found = design.simulate(x, lengths, simulator="icarus", gaps=0.3, stalls=0.4, seed=3)
    assert found.bit_exact, found.mismatch


def test_passes_share_the_lanes():
    design = rnnhw.compile(stacked(np.random.default_rng(7)), Config(lanes=32, max_length=100))
    network = design.program
    assert isinstance(network, Network) and len(network.programs) == 2 and network.behind
    assert network.lanes <= 32
    # both sequences of two elements' width: the input, and two outputs of four
    assert [m.depth for m in network.memories_before] == [512, 1024]
    page = design.estimate().text()
    assert "passes over a sequence" in page and "most steps of a sequence" in page
    found = design.estimate().data()
    assert found["total_multipliers"] == sum(p.total_multipliers for p in network.programs)
    losses = sum(found["losses"].values())
    made = sum(network.macs) / (sum(p.array_multipliers * p.per_cycle for p in network.programs)
                                * float(found["cycles_per_step"]))
    assert losses + made == pytest.approx(1)


def test_too_long_sequences_are_refused():
    rng = np.random.default_rng(8)
    design = rnnhw.compile(last(rng), Config(max_length=4))
    with pytest.raises(RnnhwError, match="A sequence of 5 steps does not fit the sequence memory, "
                                         "which holds 4; choose a larger max_length"):
        design.simulate(rng.normal(size=(5, 3)))
    assert design.estimate().lengths == [1]


def test_levels():
    rng = np.random.default_rng(9)
    assert levels(last(rng)) == [0, 0, 0]
    assert levels(every_step(rng)) == [0, 0, 1]
    assert levels(stacked_last(rng)) == [0, 0, 1, 1, 1]
    assert levels(turning(rng)) == [0, 1, 2]


def test_what_passes_cannot_do_is_refused():
    rng = np.random.default_rng(10)
    layers = [*both(rng, "lstm", 3, 3), linear(rng, 9, 2)]
    skips = Model(layers=layers, reads=(IN, IN, (0, 1, INPUT)))
    with pytest.raises(RnnhwError, match="Layer 2 reads the input, which is 2 passes over the "
                                         "sequence before it"):
        rnnhw.compile(skips).estimate()
    early = Model(layers=[*both(rng, "lstm", 3, 3), cell(rng, "lstm", 6, 3)],
                  reads=(IN, IN, (0, 1)), outputs=(0, 2))
    with pytest.raises(RnnhwError, match="Layer 0 comes out of the model, but a later pass"):
        rnnhw.compile(early).estimate()
    circulant = from_tables({"layers": [{"kind": "lstm", "input_size": 8, "hidden_size": 8,
                                         "direction": "reverse"}], "config": {"block_size": 4}},
                            "here")
    with pytest.raises(RnnhwError, match="has block-circulant layers in a network that runs both"):
        rnnhw.compile(circulant.model, circulant.config).estimate()


def test_links_answer_whole_sequences_by_their_last_step_only():
    rng = np.random.default_rng(11)
    assert Identity.of(rnnhw.compile(last(rng)).program, 1).last_step
    with pytest.raises(RnnhwError, match="answers behind a sequence's last step"):
        Identity.of(rnnhw.compile(side_by_side(rng)).program, 1)


def test_directions_of_a_config():
    layers = [{"kind": "lstm", "input_size": 3, "hidden_size": 4, "direction": "bidirectional"},
              {"kind": "gru", "hidden_size": 5, "direction": "reverse"},
              {"kind": "linear", "output_size": 2}]
    model = from_tables({"layers": layers}, "here").model
    assert [layer.reverse for layer in model.layers] == [False, True, True, False]
    assert model.reads == (IN, IN, (0, 1), (2,)) and model.layers[2].input_size == 8
    assert not np.array_equal(model.layers[0].weight_ih, model.layers[1].weight_ih)
    with pytest.raises(RnnhwError, match="direction of layer 0 of .* must be forward, reverse, "
                                         "bidirectional, not 'up'"):
        from_tables({"layers": [layers[0] | {"direction": "up"}]}, "here")


def test_state_between_directions_differs():
    rng = np.random.default_rng(12)
    model = side_by_side(rng)
    one = replace(model, layers=[replace(layer, reverse=False) for layer in model.layers])
    x = rng.normal(size=(6, 3))
    design, plain = rnnhw.compile(model, calibration=x), rnnhw.compile(one, calibration=x)
    assert np.array_equal(design.run(x)[:, :5], plain.run(x)[:, :5])
    assert np.array_equal(design.run(x)[::-1, 5:], plain.run(x[::-1])[:, 5:])
