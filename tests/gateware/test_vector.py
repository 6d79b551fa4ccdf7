# amaranth: UnusedElaboratable=no
"""The vector lane's activations against the table, over every input code."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from gateware.lookup import look_up
from gateware.rows import RowSequencer
from gateware.vector import VectorLane
from rnnhw.activation import KINDS
from rnnhw.fixed import FixedFormat
from rnnhw.tables import FUNCTIONS
from tests.configurations import Case

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


def design(**config):
    """A small LSTM with a Linear layer: rows of tanh and sigmoid, drained and from c."""
    if config.get("activation_kind") == "ralut":
        config["activation_error"] = 2**-7
    case = Case("lane", 2, (("lstm", 2), ("linear", 2, "tanh")), 4, 1, config=config)
    return case.design()


def check_lane(config, fn, pre_format):
    """The lane's ``fn`` on every code of a pre-activation equals the table's."""
    quantized, program = design(**config)
    row = next(row for row in program.rows if row.fn == fn and row.drain)
    formats = quantized.layers[0].formats
    assert formats["pre"] == pre_format
    codes = np.arange(pre_format.min, pre_format.max + 1)
    expected = getattr(quantized.activation, fn)(codes, pre_format.frac_bits, formats["gate"])
    got = rtl_activation(program, row, codes)
    assert (got == expected).all()
    return got


@pytest.mark.slow
@pytest.mark.parametrize("fn", ["tanh", "sigmoid"])
def test_activation_equals_table_over_every_code(fn):
    assert len(np.unique(check_lane({}, fn, FixedFormat(16, 11)))) > 1000


@pytest.mark.parametrize("fn", ["tanh", "sigmoid"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_activation_over_every_code(kind, fn):
    config = {"activation_kind": kind, "state_bits": 12}
    assert len(np.unique(check_lane(config, fn, FixedFormat(12, 8)))) > 100


class LookUp(wiring.Component):
    """The look-up alone, its operand and index from registers of its own."""

    def __init__(self, program):
        self.program = program
        super().__init__({"a": In(signed(program.word_bits)), "index": In(4),
                          "slope": Out(signed(20)), "intercept": Out(signed(20))})

    def elaborate(self, platform):
        m = Module()
        slope, intercept = look_up(m, self.program, self.a, self.index)
        m.d.comb += [self.slope.eq(slope), self.intercept.eq(intercept)]
        return m


def rtl_lines(program, index, codes):
    """``(slope, intercept)`` of every code, ``index`` into the program's."""
    unit, found = LookUp(program), []
    sim = Simulator(unit)
    sim.add_clock(1e-6)
    behind = 1 + program.deep

    async def drive(ctx):
        ctx.set(unit.index, index)
        for i in range(len(codes) + behind):
            ctx.set(unit.a, int(codes[min(i, len(codes) - 1)]))
            await ctx.tick()
            if i + 1 >= behind:
                found.append((ctx.get(unit.slope), ctx.get(unit.intercept)))

    sim.add_testbench(drive)
    sim.run()
    return np.array(found[:len(codes)])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("deep", [False, True])
def test_look_up_equals_the_tables_entries_over_every_code(kind, deep):
    quantized, program = design(activation_kind=kind)
    program = replace(program, deep=deep)
    table = program.table
    codes = np.arange(-(1 << 15), 1 << 15)
    assert len(program.indices) > 1
    # every index on a part of the codes, all of them on the first and the last
    for i, (drop, first) in enumerate(program.indices):
        used = codes if i in (0, len(program.indices) - 1) else codes[::97]
        sign = used >> 63
        m = (used ^ sign) >> drop if drop >= 0 else (used << -drop) ^ sign
        entry = table.entry(m, first)
        expected = np.stack([np.array(table.slopes)[entry],
                             np.array(table.intercepts)[entry] * (1 + 2 * sign)], axis=1)
        assert (rtl_lines(program, i, used) == expected).all()
