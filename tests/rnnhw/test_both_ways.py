"""Networks that run both ways: passes, sequence memories, Verilog against golden, cycles."""

from dataclasses import replace

import numpy as np
import pytest

import rnnhw
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.model import INPUT, Model
from rnnhw.network import Network
from rnnhw.passes import levels
from rnnhw.project import from_tables
from rnnhw.protocol import Identity
from tests.simulators import needs_icarus

from .graphs import (
    BOTH_WAYS,
    IN,
    NAME,
    both,
    cell,
    equal_in_verilog,
    every_step,
    last,
    linear,
    near_floats,
    side_by_side,
    stacked,
    stacked_last,
    turning,
)


@pytest.mark.parametrize("make", BOTH_WAYS, **NAME)
def test_sixteen_bits_are_near_the_floats(make):
    near_floats(make, 50)


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("make", BOTH_WAYS, **NAME)
def test_verilog_is_golden(make):
    equal_in_verilog(make, True, 1)


def test_passes_share_the_lanes():
    design = rnnhw.compile(stacked(np.random.default_rng(7)), Config(lanes=32, max_length=100))
    network = design.program
    assert isinstance(network, Network)
    assert (len(network.passes), len(network.sequences)) == (2, 3)
    assert network.lanes <= 32
    # both sequences of two elements' width: the input, and two outputs of four
    assert [memory.depth for memory in network.sequences] == [512, 1024, 1024]
    page = design.estimate().text()
    assert "passes over a sequence" in page and "most steps of a sequence" in page
    found = design.estimate().data()
    assert found["total_multipliers"] == sum(p.total_multipliers for p in network.passes)
    losses = sum(found["losses"].values())
    made = found["products_per_step"] / (
        sum(p.array_multipliers * p.per_cycle for p in network.passes)
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
