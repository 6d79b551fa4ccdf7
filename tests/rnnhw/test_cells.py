"""Cells as data: read by a small interpreter they give what the golden model gives, whole or split.
"""

import numpy as np
import pytest

from rnnhw import golden
from rnnhw.cells import CELLS, SPLIT, cell_of, split
from rnnhw.config import Config
from rnnhw.fixed import FixedFormat, requantize
from rnnhw.quantize import quantize

from .chains import CELLS as RECURRENT
from .chains import block_chain, data

ONE = FixedFormat(16, 14)


def step(q, x, h_op, state):
    """One step of layer 0 by its cell's data: the results by name."""
    layer, qlayer = golden.Layer(q, 0), q.layers[0]
    formats, cell = qlayer.formats, cell_of(qlayer)
    values = {f"{key}'": (value, formats[key]) for key, value in state.items()}
    operands, drained = {"x": x, "h": h_op}, {}

    def drain(name):
        product = next(p for p in cell.products if name in p.sums)
        gate = product.gates[product.sums.index(name)]
        gates = range(gate, gate + 1)
        sides = [layer.ih(operands["x"], gates) if operand == "x"
                 else layer.hh(operands[operand], gates) for operand in product.operands]
        total = sum(sides) if product.apart else sum(sides) + qlayer.bias[name]
        frac = qlayer.acc_frac if product.weight == "weight_ih" else qlayer.acc_frac_hh
        drained[name] = None
        return layer.drain(total, frac, product.pre, product.spectrum), formats[product.pre]

    def value(name):
        return values[name] if name in values else drain(name)

    for op in cell.ops:
        a, a_fmt = value(op.a)
        fmt = formats[op.fmt]
        if op.fn == "mac":
            b, b_fmt = value(op.b) if op.b else (1 << 14, ONE)
            frac = a_fmt.frac_bits + b_fmt.frac_bits
            total = a * b
            if op.c:
                c, c_fmt = value(op.c)
                c = c << frac - c_fmt.frac_bits
                total = total - c if op.subtract else total + c
            result = requantize(total, frac - fmt.frac_bits, fmt)
        else:
            result = fmt.saturate(q.activation.raw(a, a_fmt.frac_bits, fmt.frac_bits,
                                                   op.fn == "sigmoid"))
        values[op.dst] = result, fmt
        if op.dst in cell.operands:
            copy = q.operands[f"0.{op.dst}"]
            operands[op.dst] = requantize(result, fmt.frac_bits - copy.frac_bits, copy)
    assert list(drained) == [name for product in cell.products for name in product.sums]
    return {name: found for name, (found, _) in values.items()}


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("blocks", [(None, None), (8, 8), (None, 8), (8, None), (4, 8), (8, 4)])
def test_cells_as_data_equal_the_golden_model(kind, blocks):
    model = block_chain((kind,), (8, 8), (blocks,), np.random.default_rng(0), scale=4)
    q = quantize(model, Config(), data(model, 2, 8, scale=3))
    xi = np.random.default_rng(1).integers(-128, 128, (3, 5, 8))
    layer = golden.Layer(q, 0)
    state = {key: np.zeros((3, 8), np.int64) for key in layer.state}
    h_op, fmt = np.zeros((3, 8), np.int64), q.operands["0.h"]
    expected = golden.run(q, xi)
    for t in range(5):
        found = step(q, xi[:, t], h_op, state)
        assert np.array_equal(found["h"], expected[:, t])
        state = {key: found[key] for key in state}
        h_op = requantize(found["h"], q.layers[0].formats["h"].frac_bits - fmt.frac_bits, fmt)


def test_split_takes_x_apart():
    lstm = SPLIT["lstm"]
    assert [(p.sums, p.operands) for p in lstm.products] == [
        (("i_x", "g_x", "f_x", "o_x"), ("x",)), (("i", "g", "f", "o"), ("h",))]
    assert [op.dst for op in lstm.ops[:8]] == ["i_x", "g_x", "f_x", "o_x", "i_s", "i", "g_s", "g"]
    assert [p.spectrum for p in SPLIT["gru_reset_before"].products] == [
        "pre_x_spectrum", "pre_spectrum"] * 2 + ["pre_n_x_spectrum", "pre_n_spectrum"]
    # sums over x alone or h alone stay whole
    assert [p.sums for p in SPLIT["gru"].products] == [("nx",), ("r_x", "z_x"), ("r", "z"), ("nh",)]
    assert SPLIT["gru"].ops[0] == CELLS["gru"].ops[0]
    assert split(CELLS["linear"]) == CELLS["linear"]


@pytest.mark.parametrize("blocks,cells", [((8, 8), CELLS), ((None, None), CELLS), ((8, 4), SPLIT)])
def test_a_layer_whose_blocks_differ_is_split(blocks, cells):
    model = block_chain(("gru", "none"), (8, 8, 8), (blocks, (8, None)), np.random.default_rng(0))
    layers = quantize(model, Config()).layers
    assert cell_of(layers[0]) == cells["gru"] and cell_of(layers[1]) == CELLS["linear"]
