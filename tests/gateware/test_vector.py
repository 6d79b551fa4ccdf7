# amaranth: UnusedElaboratable=no
"""The vector lane's activations against the table, over every input code."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from gateware.rows import RowSequencer
from gateware.vector import VectorLane
from rnnhw.fixed import FixedFormat
from rnnhw.tables import FUNCTIONS
from tests.configurations import CASES

LATENCY = 8     # from the issue record to the result


def rtl_activation(program, row, codes):
    """Results of the lane for drained ``codes`` under the constants of ``row``."""
    layout = RowSequencer(program).issue_layout
    lane = VectorLane(program, layout)
    depth = program.fifo_depth
    results = []
    sim = Simulator(lane)
    sim.add_clock(1e-6)

    async def drive(ctx):
        fields = {"valid": 1, "fn": FUNCTIONS.index(row.fn), "drain": 1, "out": row.out,
                  "align": row.align, "index": row.index}
        for i in range(len(codes) + 1):
            ctx.set(lane.push, i < len(codes))
            ctx.set(lane.pushed, int(codes[min(i, len(codes) - 1)]))
            ctx.set(lane.issue, {**fields, "word": (i - 1) % depth})
            await ctx.tick()

    async def watch(ctx):
        await ctx.tick().repeat(LATENCY + 1)
        while len(results) < len(codes):
            results.append(ctx.get(lane.result))
            await ctx.tick()

    sim.add_testbench(drive)
    sim.add_testbench(watch)
    sim.run()
    return np.array(results)


@pytest.mark.slow
@pytest.mark.parametrize("fn", ["tanh", "sigmoid"])
def test_activation_equals_table_over_every_code(fn):
    case = next(case for case in CASES if case.name == "lstm_even")
    quantized, program = case.design()
    row = next(row for row in program.rows if row.fn == fn and row.drain)
    pre = quantized.layers[0].formats["pre"]
    assert pre == FixedFormat(16, 11)
    codes = np.arange(pre.min, pre.max + 1)
    expected = getattr(quantized.activation, fn)(codes, pre.frac_bits, FixedFormat(16, 15))
    got = rtl_activation(program, row, codes)
    assert (got == expected).all()
    assert len(np.unique(got)) > 1000
