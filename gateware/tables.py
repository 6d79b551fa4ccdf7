"""Reads a program's table row by row, a row ahead of its user."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .arith import rom, width_for


def record_layout(records):
    """Layout of a table's rows."""
    return data.StructLayout({key: width_for(max(record[key] for record in records))
                              for key in records[0]})


class TableReader(wiring.Component):
    """Offers the rows of a table in order, again and again, one a cycle at most.

    The first follows the last; it also follows row ``early``, unless the step is its sequence's
    last. That row is fetched no sooner than its step has started.

    Parameters
    ----------
    records : list of dict, as :mod:`rnnhw.tables` makes them
    early : index of the last row of a step that is not its sequence's last
    style : of the table, as :func:`gateware.arith.rom` takes it

    Members
    -------
    row : Out, with ``valid``; ``first`` of the table, ``ends`` where the first one follows
    take : In(1), the row is used in this cycle
    started : In(1), a step starts in this cycle; last : In(1), flag of the step under way
    """

    def __init__(self, records, early, style=None):
        self.records, self.early, self.style = records, early, style
        self.layout = record_layout(records)
        super().__init__({
            "row": Out(self.layout), "valid": Out(1), "first": Out(1), "ends": Out(1),
            "take": In(1), "started": In(1), "last": In(1)})

    def elaborate(self, platform):
        m = Module()
        read = rom(m, "table", self.records, self.style)
        q = read.data
        at = Signal(range(len(self.records) + 1))
        following = Signal.like(at)
        fetched, known, move, leave = Signal(), Signal(), Signal(), Signal()
        at_early = (at == self.early) if self.early < len(self.records) - 1 else Const(0)
        m.d.comb += [
            move.eq(fetched & (~self.valid | self.take) & (~at_early | known)),
            leave.eq((at == len(self.records) - 1) | (at_early & ~self.last)),
            following.eq(Mux(leave, 0, at + 1)),
            read.addr.eq(Mux(move, following, at)),
        ]
        m.d.sync += fetched.eq(1)
        row = Signal(self.layout, reset_less=True)
        m.d.comb += self.row.eq(row)
        with m.If(move):
            m.d.sync += [row.eq(q), self.valid.eq(1), self.first.eq(at == 0),
                         self.ends.eq(leave), at.eq(following)]
        with m.Elif(self.take):
            m.d.sync += self.valid.eq(0)
        with m.If(move & leave):
            m.d.sync += known.eq(0)
        with m.Elif(self.started):
            m.d.sync += known.eq(1)
        return m
