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
    last. Where some records are ``late``, a sequence's last step is followed by a tail, which is
    the late rows alone; ``leave_out`` says that a step marked ``skip`` has none of them. A row
    whose follower depends on its step is fetched no sooner than the step has started.

    Parameters
    ----------
    records : list of dict, as :mod:`rnnhw.tables` makes them
    early : index of the last row of a step that is not its sequence's last
    style : of the table, as :func:`gateware.arith.rom` takes it
    leave_out : bool

    Members
    -------
    row : Out, with ``valid``; ``first`` of a step or tail, ``ends`` where the next one follows
    take : In(1), the row is used in this cycle
    started : In(1), a step, not a tail, starts in this cycle
    last, skip : In(1), flags of the step under way
    """

    def __init__(self, records, early, style=None, leave_out=False):
        self.records, self.early, self.style = records, early, style
        self.late = [k for k, record in enumerate(records) if record.get("late")]
        self.leave_out = leave_out
        self.layout = record_layout(records)
        super().__init__({
            "row": Out(self.layout), "valid": Out(1), "first": Out(1), "ends": Out(1),
            "take": In(1), "started": In(1), "last": In(1), "skip": In(1)})

    def elaborate(self, platform):
        m = Module()
        read = rom(m, "table", self.records, self.style)
        q = read.data
        at = Signal(range(len(self.records) + 1))
        following = Signal.like(at)
        fetched, known, move, leave = Signal(), Signal(), Signal(), Signal()
        if self.late:
            begins, unknown = self._with_tails(m, at, leave, following, move)
        else:
            at_early = (at == self.early) if self.early < len(self.records) - 1 else Const(0)
            begins, unknown = at == 0, at_early
            m.d.comb += [
                leave.eq((at == len(self.records) - 1) | (at_early & ~self.last)),
                following.eq(Mux(leave, 0, at + 1)),
            ]
        m.d.comb += [
            move.eq(fetched & (~self.valid | self.take) & (~unknown | known)),
            read.addr.eq(Mux(move, following, at)),
        ]
        m.d.sync += fetched.eq(1)
        row = Signal(self.layout, reset_less=True)
        m.d.comb += self.row.eq(row)
        with m.If(move):
            m.d.sync += [row.eq(q), self.valid.eq(1), self.first.eq(begins),
                         self.ends.eq(leave), at.eq(following)]
        with m.Elif(self.take):
            m.d.sync += self.valid.eq(0)
        with m.If(move & leave):
            m.d.sync += known.eq(0)
        with m.Elif(self.started):
            m.d.sync += known.eq(1)
        return m

    def _with_tails(self, m, at, leave, following, move):
        """Sets ``leave`` and ``following`` of row ``at``; whether a step or tail begins there, and
        whether its follower depends on the step."""
        count, late = len(self.records), self.late
        tail = Signal()
        out = {}
        if self.leave_out:
            for k in late:
                if k - 1 not in late:
                    out[k - 1] = next(j for j in range(k, count + 1) if j not in late)
        unknown = Signal()
        m.d.comb += [following.eq(at + 1), unknown.eq(~tail & (at == count - 1))]
        with m.If(tail):
            with m.Switch(at):
                for k, after in zip(late, late[1:]):
                    with m.Case(k):
                        m.d.comb += following.eq(after)
            m.d.comb += leave.eq(at == late[-1])
        with m.Else():
            m.d.comb += leave.eq(at == count - 1)
            with m.Switch(at):
                for k, after in out.items():
                    with m.Case(k):
                        m.d.comb += unknown.eq(1)
                        with m.If(self.skip):
                            m.d.comb += [following.eq(after), leave.eq(after == count)]
        with m.If(leave):
            m.d.comb += following.eq(Mux(self.last & ~tail, late[0], 0))
        with m.If(move & leave):
            m.d.sync += tail.eq(self.last & ~tail)
        return (at == 0) | (tail & (at == late[0])), unknown
