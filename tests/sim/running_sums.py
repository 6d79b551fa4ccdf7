"""A small core with the engine's ports whose words are easy to say: running sums of its input."""

import numpy as np
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out


def ref_running_sums(xi, size):
    """Outputs of :class:`RunningSums` for (batch, seq_len, size) or (seq_len, size)."""
    wrapped = np.cumsum(xi, axis=-2) % 2**16
    return np.where(wrapped >= 2**15, wrapped - 2**16, wrapped)


class RunningSums(wiring.Component):
    """``y[i] = sum of x[i] over the steps of a sequence``, modulo 2**16.

    Takes a step of ``size`` words, then gives ``size`` words (with ``last_step``: only behind a
    step with ``last``), so a step lasts ``2*size`` cycles without gaps and stalls.

    Parameters
    ----------
    size : words a step
    fault : None, "stops" (before the last word of step 2), "extra" (gives one word more behind the
        last step), "last" (marks every word as last), "loses" (is ready where it does not take the
        word) or "undefined" (reads beside the memory)
    """

    def __init__(self, size, *, last_step=False, fault=None):
        self.size = size
        self.last_step = last_step
        self.fault = fault
        super().__init__({
            "x": In(stream.Signature(data.StructLayout(
                {"data": signed(8), "first": 1, "last": 1}))),
            "y": Out(stream.Signature(data.StructLayout({"data": signed(16), "last": 1}))),
            "saturated": Out(2),
        })

    def elaborate(self, platform):
        m = Module()
        depth = self.size + (self.fault == "extra")
        m.submodules.sums = sums = memory.Memory(shape=signed(16), depth=depth, init=[])
        read, write = sums.read_port(domain="comb"), sums.write_port()
        index = Signal(range(self.size + 1))
        step = Signal(16)
        last = Signal()
        m.d.comb += [
            read.addr.eq(index),
            write.addr.eq(index),
            write.data.eq(self.x.p.data + (read.data & ~self.x.p.first.replicate(16))),
            self.y.p.data.eq(read.data),
            self.y.p.last.eq((index == self.size - 1) | (self.fault == "last")),
        ]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.x.ready.eq(1)
                with m.If(self.x.valid):
                    m.d.comb += write.en.eq(1)
                    m.d.sync += [index.eq(index + 1), last.eq(self.x.p.last)]
                    with m.If(index == self.size - 1):
                        m.d.sync += [index.eq(0), step.eq(step + 1)]
                        if self.last_step:
                            with m.If(self.x.p.last):
                                m.next = "GIVE"
                        else:
                            m.next = "GIVE"
            with m.State("GIVE"):
                if self.fault == "loses":
                    m.d.comb += self.x.ready.eq(1)
                m.d.comb += self.y.valid.eq(1)
                if self.fault == "stops":
                    with m.If((step == 2) & (index == self.size - 1)):
                        m.d.comb += self.y.valid.eq(0)
                with m.If(self.y.valid & self.y.ready):
                    m.d.sync += index.eq(index + 1)
                    extra = last if self.fault == "extra" else 0
                    if self.fault == "undefined":
                        m.d.comb += read.addr.eq(index | 1)
                    with m.If(index == self.size - 1 + extra):
                        m.d.sync += index.eq(0)
                        m.next = "TAKE"
        return m
