"""Pin-less targets: area and clock of a bare core, behind four pins."""

from amaranth.hdl import Cat, ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .base import Board
from .icebreaker import UP5K, UP5K_OPTIONS
from .tangnano20k import GW2AR_18, GW2AR_18_OPTIONS
from .ulx3s import LFE5U_85F, LFE5U_85F_OPTIONS


class Harness(wiring.Component):
    """Feeds ``core`` from a shift register and folds what it answers into one bit.

    Every input bit comes from ``si`` and every output bit reaches ``so``, registers on both sides,
    so that nothing of the core can be removed and no path of the harness is long.

    Members
    -------
    clk, rst, si : In(1)
    so : Out(1)
    """

    def __init__(self, core):
        self.core = core
        super().__init__({"clk": In(1), "rst": In(1), "si": In(1), "so": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain("sync")
        m.d.comb += [sync.clk.eq(self.clk), sync.rst.eq(self.rst)]
        m.submodules.core = core = self.core

        x = core.x.p.as_value()
        feed = Signal(len(x) + 2)
        held = Signal(len(x) + 2)
        m.d.sync += feed.eq(Cat(feed[1:], self.si))
        m.d.sync += held.eq(feed)
        m.d.comb += [x.eq(held[:-2]), core.x.valid.eq(held[-2]), core.y.ready.eq(held[-1])]

        seen = Cat(core.y.p.as_value(), core.y.valid, core.x.ready, core.saturated)
        caught = Signal(len(seen))
        fold = Signal(len(seen))
        m.d.sync += caught.eq(seen)
        m.d.sync += fold.eq(caught ^ Cat(fold[1:], fold[0] ^ self.si))
        m.d.comb += self.so.eq(fold[0])
        return m


BENCH_ECP5 = Board(name="bench-ecp5-85f", title="bare core on LFE5U-85F", limits=LFE5U_85F,
                   input_clock_mhz=0.0, place_options=LFE5U_85F_OPTIONS, platform=None)
BENCH_ICE40 = Board(name="bench-ice40up5k", title="bare core on iCE40UP5K", limits=UP5K,
                    input_clock_mhz=0.0, place_options=UP5K_OPTIONS, platform=None)
BENCH_GW2A = Board(name="bench-gw2a18", title="bare core on GW2AR-18", limits=GW2AR_18,
                   input_clock_mhz=0.0, place_options=GW2AR_18_OPTIONS, platform=None,
                   bench_pins="".join(f'IO_LOC "{name}" {pin};\n' for name, pin in
                                      (("clk", 4), ("rst", 88), ("si", 70), ("so", 69))))
