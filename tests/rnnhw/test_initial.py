"""States before the first step, in integers and in gateware."""

from dataclasses import replace

import numpy as np
import pytest

import rnnhw
from rnnhw.circulant import Circulant
from rnnhw.errors import RnnhwError
from rnnhw.model import Model, Recurrent
from rnnhw.network import schedule_of
from tests.simulators import needs_icarus

from .graphs import BEGUN, LENGTHS, NAME, begun_gru, equal_in_verilog, near_floats, small


def at_zero(model):
    """The model with all its layers at zero state."""
    return replace(model, layers=[replace(layer, initial=None) if layer.recurrent else layer
                                  for layer in model.layers])


@pytest.mark.parametrize("make", BEGUN, **NAME)
def test_sixteen_bits_are_near_the_floats(make):
    near_floats(make, 55)


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("make", BEGUN, **NAME)
def test_verilog_is_golden(make):
    equal_in_verilog(make, True, 3)


@pytest.mark.parametrize("make", BEGUN, **NAME)
def test_a_first_state_costs_no_cycle_and_changes_what_comes_out(make):
    design, x = small(make, True, 3)
    zero, _ = small(lambda rng: at_zero(make(rng)), True, 3)
    assert (schedule_of(design.program).cycles_of(LENGTHS)
            == schedule_of(zero.program).cycles_of(LENGTHS))
    assert not np.array_equal(design.run(x, LENGTHS), zero.run(x, LENGTHS))


def test_given_states_come_before_those_of_the_model():
    rng = np.random.default_rng(4)
    model = begun_gru(rng)
    x = rng.normal(size=(5, 3))
    design = rnnhw.compile(model, calibration=x)
    wanted = at_zero(model).run(x)
    assert np.abs(design.run(x, state={"0.h": np.zeros(5)}) - wanted).max() < 0.2
    assert np.abs(design.run(x) - wanted)[0].max() > 0.2


def test_block_circulant_layers_start_at_zero():
    rng = np.random.default_rng(5)
    ih, hh = (Circulant(rng.normal(size=(3, 2, 2, 4)), 8, 8) for _ in range(2))
    model = Model(layers=[Recurrent("gru", circulant_ih=ih, circulant_hh=hh,
                                    initial={"h": np.ones(8) / 2})])
    with pytest.raises(RnnhwError, match="has an initial state and block-circulant matrices"):
        rnnhw.compile(model)
