"""The vector lanes' sequencer: replays the table of vector rows, one element a cycle."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rnnhw.program import TOKENS
from rnnhw.tables import early_end, row_records

from .arith import width_for
from .tables import TableReader


class RowSequencer(wiring.Component):
    """Issues the elements of every vector row of a step, in order.

    A row waits ``gap`` cycles behind the one before, which covers every dependence between rows; a
    row that takes drained words also waits for each of them. ``issue`` is valid the cycle after the
    decision, ``popped`` in the cycle of the decision. Late rows with nothing to do take their time
    and do nothing, so that gaps hold.

    Parameters
    ----------
    program : rnnhw.program.Program
        Of which rows, sizes and the numbers of constants are used.
    style : of the table, as :func:`gateware.arith.rom` takes it

    Members
    -------
    start, first, last : In(1), the array starts a step or tail, and its flags
    token_free : Out(1), one more may start
    pushing : In(1), a drained word may be taken by the decision after this cycle
    popped : Out(1)
    issue : Out, one element of a row
    """

    def __init__(self, program, style=None):
        self.p = p = program
        self.style = style
        address = max(1, ceil_log2(max(2, p.state_words)))
        self.issue_layout = data.StructLayout({
            "valid": 1, "fn": 2, "drain": 1, "a": address, "b": address, "c": address,
            "word": width_for(p.fifo_depth - 1), "one": 1, "has_c": 1,
            "zero_a": 1, "zero_b": 1, "zero_c": 1, "subtract": 1, "relu": 1,
            "store": 1, "dst": address,
            "out": width_for(len(p.outs) - 1), "align": width_for(len(p.aligns) - 1),
            "index": width_for(max(0, len(p.indices) - 1)),
            "copied": 1, "segment": width_for(max(0, len(p.segments) - 1)),
            "operand": width_for(max(0, p.operand_words - 1)),
            "copy": width_for(max(0, len(p.copies) - 1)), "parity": 1,
            "sent": 1, "y": width_for(p.y_words - 1),
            **self._points(p)})
        super().__init__({
            "start": In(1), "first": In(1), "last": In(1), "token_free": Out(1),
            "pushing": In(1), "popped": Out(1), "issue": Out(self.issue_layout)})

    @staticmethod
    def _points(p):
        """Further fields: whether, where and for which segment an element is a point of a space."""
        found, records = {}, row_records(p)
        for i in range(1, len(p.spaces) + 1):
            found |= {f"points{i}": 1,
                      f"point{i}": width_for(max(r[f"point{i}"] + r["count"] for r in records)),
                      f"pointed{i}": width_for(max(r[f"pointed{i}"] for r in records))}
        return found

    def elaborate(self, platform):
        m = Module()
        p = self.p
        records = row_records(p)
        m.submodules.reader = reader = TableReader(records, early_end(p.rows),
                                                 self.style)
        m.submodules.tokens = tokens = SyncFIFO(width=2, depth=TOKENS)
        row = reader.row

        cur = Signal(reader.layout)
        valid, only, waited, drained, first, last = (Signal(name=n) for n in (
            "valid", "only", "waited", "drained", "first", "last"))
        parity = Signal(init=p.late)
        left = Signal(width_for(max(r["count"] for r in records)))
        element = Signal.like(left)
        gap = Signal(width_for(max(r["gap"] for r in records)))
        available = Signal(range(self.p.fifo_depth + 1))
        after = Signal.like(available)
        taken = Signal(self.issue_layout["word"].shape)
        go, finish, load, start = (Signal(name=n) for n in ("go", "finish", "load", "begins"))
        blank = tail_next = Const(0)
        tail = Signal(init=p.late)
        if p.late:
            skip = Signal()
            blank, tail_next = cur.late & skip, last & ~tail
            with m.If(start):
                m.d.sync += [tail.eq(tail_next), skip.eq(tail)]
        m.d.comb += [
            tokens.w_en.eq(self.start),
            tokens.w_data.eq(self.first | (self.last << 1)),
            self.token_free.eq(tokens.w_rdy),
            go.eq(valid & waited & (~cur.drain | drained | blank)),
            finish.eq(go & only),
            load.eq((finish | ~valid) & reader.valid & (~reader.first | tokens.r_rdy)),
            start.eq(load & reader.first),
            tokens.r_en.eq(start),
            reader.take.eq(load), reader.started.eq(start & ~tail_next),
            reader.last.eq(last),
            self.popped.eq(go & cur.drain & ~blank),
            after.eq(available + self.pushing - self.popped),
        ]
        m.d.sync += [available.eq(after), drained.eq(after != 0)]
        with m.If(self.popped):
            m.d.sync += taken.eq(taken + 1)
        with m.If(load):
            m.d.sync += [cur.eq(row), valid.eq(1), left.eq(row.count), only.eq(row.single),
                         gap.eq(row.gap), waited.eq(row.gap == 0), element.eq(0)]
        with m.Elif(go):
            m.d.sync += [valid.eq(~only), left.eq(left - 1), only.eq(left == 1),
                         element.eq(element + 1)]
        with m.Elif(~waited):
            m.d.sync += [gap.eq(gap - 1), waited.eq(gap == 1)]
        with m.If(start):
            m.d.sync += [first.eq(tokens.r_data[0]), last.eq(tokens.r_data[1]),
                         parity.eq(parity ^ ~tail)]

        issue = self.issue
        addresses = {letter: cur[letter] for letter in "abc"}
        if p.first_values:
            addresses = {letter: Mux(cur[f"begins_{letter}"] & first, cur[f"first_{letter}"], a)
                         for letter, a in addresses.items()}
        m.d.sync += [
            issue.valid.eq(go & ~blank), issue.fn.eq(cur.fn), issue.drain.eq(cur.drain),
            *(issue[letter].eq(address + element) for letter, address in addresses.items()),
            issue.word.eq(taken), issue.one.eq(cur.one), issue.has_c.eq(cur.has_c),
            issue.zero_a.eq(cur.old_a & first), issue.zero_b.eq(cur.old_b & first),
            issue.zero_c.eq(cur.old_c & first),
            issue.subtract.eq(cur.subtract), issue.relu.eq(cur.relu),
            issue.store.eq(cur.store & go), issue.dst.eq(cur.dst + element),
            issue.out.eq(cur.out), issue.align.eq(cur.align), issue.index.eq(cur.index),
            issue.copied.eq(cur.copied & go & ~blank), issue.segment.eq(cur.segment),
            issue.operand.eq(cur.operand + element), issue.copy.eq(cur.copy),
            issue.parity.eq(~parity),
            issue.sent.eq(cur.sent & go & ~blank & (last if self.p.last_step else 1)),
            issue.y.eq(cur.y + element),
        ]
        for i in range(1, len(p.spaces) + 1):
            m.d.sync += [issue[f"points{i}"].eq(cur[f"points{i}"] & go & ~blank),
                         issue[f"point{i}"].eq(cur[f"point{i}"] + element),
                         issue[f"pointed{i}"].eq(cur[f"pointed{i}"])]
        return m
