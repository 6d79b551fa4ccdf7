"""Bounds of fraction bits that follow from a cell's ops; fixed formats are exact or refused."""

import numpy as np
import pytest

from examples.own_cell import MGU
from rnnhw import golden
from rnnhw.bounds import Bounds, early_formats, late_formats
from rnnhw.cells import CELLS, LINEAR
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.formats import known_names
from rnnhw.model import Model
from rnnhw.quantize import quantize

from . import slow_cells
from .variants import NEW, kinds, layer

OWN = [*NEW, ("mgu", {}, MGU)]


def test_bounds_follow_from_the_ops():
    gru = Bounds(CELLS["gru"])
    gru.settle("gate", 15)
    # a table's input has 2 bits at least, s = nh*r + nx, d = h' - n
    assert gru.least["pre"] == gru.least["s"] == 2 and gru.least["h"] == 1
    assert gru.least["pre_nh"] == 2 - 15
    gru.settle("h", 12)
    gru.settle("pre_nh", -4)
    assert (gru.most["pre_nx"], gru.most["s"], gru.most["d"]) == (11, 11, 26)
    assert gru.most["h_operand"] == 12
    lstm = Bounds(CELLS["lstm"])
    lstm.settle("gate", 17)
    assert lstm.least["c"] == lstm.least["pre"] == 3 and lstm.most["h"] == 24
    assert Bounds(LINEAR["sigmoid"]).least["y"] == 1


def test_formats_are_picked_behind_what_they_are_aligned_to():
    assert early_formats(CELLS["gru"]) == ["gate", "h", "d"]
    assert late_formats(CELLS["gru"]) == ["pre", "pre_nh", "pre_nx", "s"]
    assert late_formats(CELLS["lstm"]) == ["pre", "c"]
    assert late_formats(LINEAR["tanh"]) == ["y", "pre"]
    assert late_formats(LINEAR["none"]) == ["pre", "y"]
    found = late_formats(CELLS["lstm_diagonal"])
    # s = c*p + x
    assert found[-1] == "s" and set(found) == {"p_i", "p_f", "p_o", "pre", "s", "c"}


def test_a_cap_that_leaves_nothing_is_refused():
    bounds = Bounds(CELLS["gru"], 3)
    bounds.settle("gate", 15)
    with pytest.raises(RnnhwError, match="3.pre would need at least 2 and at most 1 fraction bits"):
        bounds.cap("pre", 1)


@pytest.mark.parametrize("entry", OWN, ids=kinds(OWN))
def test_fixed_formats_are_exact_or_refused(entry):
    rng, exact = np.random.default_rng(7), 0
    for _ in range(30):
        model = Model(layers=[layer(entry, rng, 3, 4, 2, scale=float(rng.choice([0.5, 2, 12])))])
        formats = {str(name): f"{rng.integers(4, 19)}/{rng.integers(-2, 20)}"
                   for name in rng.choice(known_names(model), 2, replace=False)}
        try:
            q = quantize(model, Config(state_bits=int(rng.integers(8, 19)), formats=formats),
                         rng.standard_normal((2, 6, 3)))
        except RnnhwError:
            continue
        xi = rng.integers(q.input_format.min, q.input_format.max + 1, (5, 3))
        assert golden.run(q, xi).tolist() == slow_cells.run(q, xi)
        exact += 1
    assert exact
