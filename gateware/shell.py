"""The core with flat ports, as it appears in Verilog."""

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Shell(wiring.Component):
    """A core behind plain signals, so that its Verilog reads without knowing Amaranth's streams.

    A word moves on a clock edge where its ``valid`` and ``ready`` are both 1. Adds no latency.

    Parameters
    ----------
    core : wiring.Component
        Has the streams ``x`` (payload ``data first last``) and ``y`` (payload ``data last``), and
        the vector ``saturated``.

    Members
    -------
    x_data : In(signed), x_first, x_last, x_valid : In(1), x_ready : Out(1)
    y_data : Out(signed), y_last, y_valid : Out(1), y_ready : In(1)
    saturated : Out
        One sticky bit for each slice.
    """

    def __init__(self, core):
        self.core = core
        super().__init__({
            "x_data": In(signed(len(core.x.p.data))),
            "x_first": In(1),
            "x_last": In(1),
            "x_valid": In(1),
            "x_ready": Out(1),
            "y_data": Out(signed(len(core.y.p.data))),
            "y_last": Out(1),
            "y_valid": Out(1),
            "y_ready": In(1),
            "saturated": Out(len(core.saturated)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = self.core
        m.d.comb += [
            core.x.p.data.eq(self.x_data),
            core.x.p.first.eq(self.x_first),
            core.x.p.last.eq(self.x_last),
            core.x.valid.eq(self.x_valid),
            self.x_ready.eq(core.x.ready),
            self.y_data.eq(core.y.p.data),
            self.y_last.eq(core.y.p.last),
            self.y_valid.eq(core.y.valid),
            core.y.ready.eq(self.y_ready),
            self.saturated.eq(core.saturated),
        ]
        return m
