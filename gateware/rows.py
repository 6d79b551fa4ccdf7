"""The vector lanes' sequencer: replays the table of vector rows, one element a cycle."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rnnhw.program import TOKENS
from rnnhw.tables import row_records

from .arith import rom, width_for


class RowSequencer(wiring.Component):
    """Issues the elements of every vector row of a step, in order.

    A row waits ``gap`` cycles behind the one before, which covers every dependence between rows; a
    row that takes drained words also waits for each of them. ``issue`` is valid the cycle after the
    decision, ``popped`` in the cycle of the decision.

    Parameters
    ----------
    program : rnnhw.program.Program
        Of which rows, sizes and the numbers of constants are used.

    Members
    -------
    start, first, last : In(1), the array starts a step, and its flags
    token_free : Out(1), one more step may start
    pushing : In(1), a drained word may be taken by the decision after this cycle
    popped : Out(1)
    issue : Out, one element of a row
    """

    def __init__(self, program):
        self.p = p = program
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
            "sent": 1, "y": width_for(p.y_words - 1)})
        super().__init__({
            "start": In(1), "first": In(1), "last": In(1), "token_free": Out(1),
            "pushing": In(1), "popped": Out(1), "issue": Out(self.issue_layout)})

    def elaborate(self, platform):
        m = Module()
        rows = row_records(self.p)
        read = rom(m, "table", rows)
        q = read.data
        m.submodules.tokens = tokens = SyncFIFO(width=2, depth=TOKENS)

        at = Signal(range(len(rows) + 1))
        fetched = Signal()
        cur = Signal(q.shape())
        valid, only, first, last, parity = (Signal(name=n) for n in (
            "valid", "only", "first", "last", "parity"))
        left = Signal(width_for(max(r["count"] for r in rows)))
        gap = Signal(width_for(max(r["gap"] for r in rows)))
        element = Signal(width_for(max(r["count"] for r in rows)))
        available = Signal(range(self.p.fifo_depth + 1))
        taken = Signal(self.issue_layout["word"].shape)
        at_step, load, go, finish, last_now, leave = (Signal(name=n) for n in (
            "at_step", "load", "go", "finish", "last_now", "leave"))
        m.d.comb += [
            tokens.w_en.eq(self.start),
            tokens.w_data.eq(self.first | (self.last << 1)),
            self.token_free.eq(tokens.w_rdy),
            at_step.eq(at == 0),
            go.eq(valid & (gap == 0) & (~cur.drain | (available != 0))),
            finish.eq(go & only),
            load.eq((finish | ~valid) & fetched & (~at_step | tokens.r_rdy)),
            tokens.r_en.eq(load & at_step),
            last_now.eq(Mux(at_step, tokens.r_data[1], last)),
            leave.eq(q.end | (q.end_early & ~last_now)),
            self.popped.eq(go & cur.drain),
            read.addr.eq(at),
        ]
        m.d.sync += [fetched.eq(1), available.eq(available + self.pushing - self.popped)]
        with m.If(self.popped):
            m.d.sync += taken.eq(taken + 1)
        with m.If(load):
            following = Signal.like(at)
            m.d.comb += [following.eq(Mux(leave, 0, at + 1)), read.addr.eq(following)]
            m.d.sync += [at.eq(following), cur.eq(q), valid.eq(1), left.eq(q.count),
                         only.eq(q.single), gap.eq(q.gap), element.eq(0)]
            with m.If(at_step):
                m.d.sync += [first.eq(tokens.r_data[0]), last.eq(tokens.r_data[1]),
                             parity.eq(~parity)]
        with m.Elif(go):
            m.d.sync += [valid.eq(~only), left.eq(left - 1), only.eq(left == 1),
                         element.eq(element + 1)]
        with m.Elif(gap != 0):
            m.d.sync += gap.eq(gap - 1)

        issue = self.issue
        m.d.sync += [
            issue.valid.eq(go), issue.fn.eq(cur.fn), issue.drain.eq(cur.drain),
            issue.a.eq(cur.a + element), issue.b.eq(cur.b + element), issue.c.eq(cur.c + element),
            issue.word.eq(taken), issue.one.eq(cur.one), issue.has_c.eq(cur.has_c),
            issue.zero_a.eq(cur.old_a & first), issue.zero_b.eq(cur.old_b & first),
            issue.zero_c.eq(cur.old_c & first),
            issue.subtract.eq(cur.subtract), issue.relu.eq(cur.relu),
            issue.store.eq(cur.store & go), issue.dst.eq(cur.dst + element),
            issue.out.eq(cur.out), issue.align.eq(cur.align), issue.index.eq(cur.index),
            issue.copied.eq(cur.copied & go), issue.segment.eq(cur.segment),
            issue.operand.eq(cur.operand + element), issue.copy.eq(cur.copy),
            issue.parity.eq(~parity),
            issue.sent.eq(cur.sent & go & (last if self.p.last_step else 1)),
            issue.y.eq(cur.y + element),
        ]
        return m
