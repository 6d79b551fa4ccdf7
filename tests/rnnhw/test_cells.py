"""Cells as data: what splitting makes of them, and descriptions that contradict themselves."""

import numpy as np
import pytest

from rnnhw.cells import CELLS, cell_of, split
from rnnhw.config import Config
from rnnhw.quantize import quantize

from .chains import block_chain

SIZES = {"weight_ih": 8, "weight_hh": 4}


def test_split_takes_x_apart():
    lstm = split(CELLS["lstm"], SIZES)
    assert [(p.sums, p.operands) for p in lstm.products] == [
        (("i_x", "g_x", "f_x", "o_x"), ("x",)), (("i", "g", "f", "o"), ("h",))]
    assert [op.dst for op in lstm.ops[:8]] == ["i_x", "g_x", "f_x", "o_x", "i_s", "i", "g_s", "g"]
    assert [p.spectrum for p in split(CELLS["gru_reset_before"], SIZES).products] == [
        "pre_x_spectrum", "pre_spectrum"] * 2 + ["pre_n_x_spectrum", "pre_n_spectrum"]
    # sums over x alone or h alone stay whole
    gru = split(CELLS["gru"], SIZES)
    assert [p.sums for p in gru.products] == [("nx",), ("r_x", "z_x"), ("r", "z"), ("nh",)]
    assert gru.ops[0] == CELLS["gru"].ops[0]
    assert split(CELLS["linear"], SIZES) == CELLS["linear"]


@pytest.mark.parametrize("blocks", [(8, 8), (None, None), (8, 4)])
def test_a_layer_whose_blocks_differ_is_split(blocks):
    model = block_chain(("gru", "none"), (8, 8, 8), (blocks, (8, None)), np.random.default_rng(0))
    layers = quantize(model, Config()).layers
    gru = split(CELLS["gru"], SIZES) if blocks == (8, 4) else CELLS["gru"]
    assert cell_of(layers[0]) == gru and cell_of(layers[1]) == CELLS["linear"]
