"""Every further cell in Amaranth's simulator against the golden model, in every bit, and cycles."""

from dataclasses import replace

import numpy as np
import pytest

from gateware.testing import run_core
from rnnhw import golden
from rnnhw.cells import FAMILIES, Family, Product
from rnnhw.compiler import least_lanes, lower
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.model import Linear, Model
from rnnhw.quantize import quantize
from rnnhw.schedule import Schedule
from tests.gateware.test_core import steps_of
from tests.rnnhw.variants import NEW, kinds, layer

LENGTHS = (3, 1)


def check(model, slices, more=0, products=4, **engine):
    """Run ``model`` on the fewest lanes and ``more``; words and cycles must be those foretold."""
    rng = np.random.default_rng(1)
    quantized = quantize(model, Config(), rng.normal(size=(4, 12, model.input_size)))
    lanes = least_lanes(quantized, slices, products) + more
    program = lower(quantized, lanes, slices, products=products, **engine)
    fmt = quantized.input_format
    x = rng.integers(fmt.min, fmt.max, (len(LENGTHS), max(LENGTHS), model.input_size),
                     endpoint=True)
    y = golden.run(quantized, x, np.array(LENGTHS))
    expected = (y.reshape(-1) if model.last_step else
                np.concatenate([y[i, :n].reshape(-1) for i, n in enumerate(LENGTHS)])).tolist()
    assert len(set(expected)) > 4
    run = run_core(program, steps_of(x, LENGTHS), words=len(expected), timeout=30_000)
    assert [word for word, _ in run.words] == expected
    assert run.y_cycles[-1] - run.x_cycles[0] + 1 == Schedule(program).cycles_of(LENGTHS)[0]


@pytest.mark.parametrize("entry", NEW, ids=kinds(NEW))
def test_a_cell_alone_on_the_smallest_engine(entry):
    check(Model(layers=[layer(entry, np.random.default_rng(0), 5, 9, 4)]), 1)


@pytest.mark.parametrize("entry", NEW, ids=kinds(NEW))
def test_a_cell_before_a_linear_layer_on_fast_lanes(entry):
    rng = np.random.default_rng(0)
    cell = layer(entry, rng, 5, 9, 4)
    behind = Linear(weight=rng.normal(size=(3, cell.output_size)))
    check(Model(layers=[cell, behind]), 2, 6, fast=True, deep=True)


@pytest.mark.parametrize("entry", NEW[::3], ids=kinds(NEW[::3]))
def test_a_cell_of_circulant_blocks(entry):
    check(Model(layers=[layer(entry, np.random.default_rng(0), 7, 12, 8, k=4)]), 2, 1, 3,
          fast=True)


@pytest.mark.parametrize("more", [0, 3, 20])
def test_a_state_is_read_before_it_is_written(more):
    # rows longer than the way from an element's read to its result's write
    entry = next(entry for entry in NEW if entry[2].kind == "sru")
    check(Model(layers=[layer(entry, np.random.default_rng(0), 6, 14, 14)]), 1, more)


@pytest.mark.parametrize("inputs", [1, 4])
def test_a_step_of_one_run_before_the_last(inputs):
    rng = np.random.default_rng(0)
    entry = next(entry for entry in NEW if entry[2].kind == "qrnn")
    check(Model(layers=[layer(entry, rng, inputs, 2, 2), Linear(weight=rng.normal(size=(3, 2)))],
                last_step=True), 2, 6)


def test_values_that_come_in_turns_are_refused_where_each_is_transformed(monkeypatch):
    cell = next(cell for _, _, cell in NEW if cell.kind == "h_lstm_relu")
    together = Product(("i0", "f0", "g0", "o0"), ("x", "h"), ("weight_ih", "weight_hh"), "pre_0")
    cell = replace(cell, kind="turns", products=(together, *cell.products[4:]))
    monkeypatch.setitem(FAMILIES, "turns", Family(lambda: (cell,)))
    made = layer(("turns", {}, cell), np.random.default_rng(0), 7, 12, 8, k=4)
    check(Model(layers=[made]), 2)
    with pytest.raises(RnnhwError, match=r"^0.i0/4 and 0.f0/4 come in turns, but what blocks of 4 "
                       "transform must come one after the other; in the cell, give each"):
        check(Model(layers=[made]), 2, fast=True)
