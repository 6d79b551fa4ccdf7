"""The array's sequencer: replays the table of row blocks, one operand a cycle."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rnnhw.tables import range_records

from .arith import rom, width_for


class BlockSequencer(wiring.Component):
    """Issues the operands of every row block of a step, as soon as each is written.

    A step starts when its input is whole, an output buffer is free (where it gives an output)
    and the vector lanes are less than four steps behind. The last operand of a block waits until
    the drain FIFO has room for the block's words and the chain will be empty when it is loaded,
    so that nothing behind the issue register ever stalls. ``issue`` and ``block`` are valid the
    cycle after the decision.

    Parameters
    ----------
    program : rnnhw.program.Program
        Of which the ranges, segments and sizes are used.

    Members
    -------
    whole, first, last, y_free, token_free : In(1)
    start, step_first, step_last, gives_output : Out(1), a step starts in this cycle, and its flags
    release : Out(1), the step's last operand is issued in this cycle
    written : In, one bit a segment: a word will be readable by the decision after this cycle
    popped : In(1), a word leaves the drain FIFO
    issue : Out, the operand and weight to read
    block : Out, a row block ends with this operand
    """

    def __init__(self, program):
        self.p = p = program
        self.issue_layout = data.StructLayout({
            "valid": 1, "start": 1, "x": 1, "zero": 1, "parity": 1,
            "index": max(1, ceil_log2(-(-p.input_size // p.per_cycle))),
            "word": max(1, ceil_log2(p.operand_depth)),
            "bank": max(1, ceil_log2(p.banks // p.per_cycle)),
            "weight": max(1, ceil_log2(len(p.weights)))})
        self.block_layout = data.StructLayout({
            "valid": 1, "words": width_for(max(r.words for r in p.ranges)),
            "bias": max(1, ceil_log2(len(p.biases))),
            "drain": max(1, ceil_log2(len(p.drains)))})
        super().__init__({
            "whole": In(1), "first": In(1), "last": In(1), "y_free": In(1), "token_free": In(1),
            "start": Out(1), "step_first": Out(1), "step_last": Out(1), "gives_output": Out(1),
            "release": Out(1),
            "written": In(max(1, len(p.segments))), "popped": In(1),
            "issue": Out(self.issue_layout), "block": Out(self.block_layout)})

    def _needed(self, m, target, bank, most):
        """Newest word that the elements at ``bank`` of the word at ``target`` lie in.

        A pair may reach into the second of a word's two groups of ``slices`` elements; the padding
        behind an odd last element lies in no group.
        """
        p = self.p
        if p.banks == p.slices:
            return target
        newest = Signal(len(target))
        m.d.comb += newest.eq(target + (p.per_cycle * bank + p.per_cycle > p.slices))
        return Mux(newest > most, most, newest)

    def elaborate(self, platform):
        m = Module()
        p = self.p
        rows = range_records(p)
        read = rom(m, "table", rows)
        q = read.data

        at = Signal(range(len(rows) + 1))
        fetched = Signal()
        cur = Signal(q.shape())
        valid = Signal()
        left = Signal(width_for(max(r["count"] for r in rows)))
        only = Signal()
        target = Signal(range(2 * max([s.words for s in p.segments], default=1) + 4))
        positions = p.banks // p.per_cycle
        word = Signal(self.issue_layout["word"].shape)
        bank = Signal(self.issue_layout["bank"].shape)
        index = Signal(self.issue_layout["index"].shape)
        weight = Signal(self.issue_layout["weight"].shape)
        opening = Signal()
        ends = Signal()
        first, last, parity = Signal(), Signal(), Signal(init=1)
        cool = Signal(width_for(max(r["words"] for r in rows)))
        room = Signal(range(p.fifo_depth + 1), init=p.fifo_depth)
        at_step = Signal()
        can_start, load, go, finish, last_now, leave = (Signal(name=n) for n in (
            "can_start", "load", "go", "finish", "last_now", "leave"))

        available = []
        for i, segment in enumerate(p.segments):
            count = Signal(range(2 * segment.words + 2), init=segment.words, name=f"available{i}")
            spent = Signal(name=f"spent{i}")
            m.d.comb += spent.eq(self.release & (last if segment.on_last else 1))
            m.d.sync += count.eq(count + self.written[i] - Mux(spent, segment.words, 0))
            available.append(count)
        ready = Signal()
        m.d.comb += ready.eq(cur.x)
        if available:
            with m.If(~cur.x):
                m.d.comb += ready.eq(Array(available)[cur.segment] > self._needed(m, target, bank,
                                                                                  cur.most))

        gives_output = 1 if not p.last_step else self.last
        m.d.comb += [
            at_step.eq(at == 0),
            can_start.eq(self.whole & (self.y_free | ~self.gives_output) & self.token_free),
            go.eq(valid & ready & (~(only & cur.end_block)
                                   | ((cool == 0) & (room >= cur.words)))),
            finish.eq(go & only),
            load.eq((finish | ~valid) & fetched & (~at_step | can_start)),
            self.start.eq(load & at_step),
            self.step_first.eq(self.first),
            self.step_last.eq(self.last),
            self.gives_output.eq(gives_output),
            self.release.eq(finish & ends),
            last_now.eq(Mux(at_step, self.last, last)),
            leave.eq(q.end | (q.end_early & ~last_now)),
            read.addr.eq(at),
        ]
        m.d.sync += fetched.eq(1)
        with m.If(load):
            following = Signal.like(at)
            m.d.comb += [following.eq(Mux(leave, 0, at + 1)), read.addr.eq(following)]
            m.d.sync += [
                at.eq(following), cur.eq(q), valid.eq(1), left.eq(q.count), only.eq(q.single),
                target.eq(q.need), word.eq(q.base), bank.eq(0), index.eq(0),
                opening.eq(q.start_block), ends.eq(leave),
            ]
            with m.If(at_step):
                m.d.sync += [first.eq(self.first), last.eq(self.last), parity.eq(~parity),
                             weight.eq(0)]
            with m.Elif(go):
                m.d.sync += weight.eq(weight + 1)
        with m.Else():
            with m.If(go):
                m.d.sync += [valid.eq(~only), left.eq(left - 1), only.eq(left == 1),
                             index.eq(index + 1), opening.eq(0), weight.eq(weight + 1)]
                with m.If(bank == positions - 1):
                    m.d.sync += [bank.eq(0), word.eq(word + 1),
                                 target.eq(target + p.banks // p.slices)]
                with m.Else():
                    m.d.sync += bank.eq(bank + 1)

        closing = Signal()
        m.d.comb += closing.eq(finish & cur.end_block)
        m.d.sync += room.eq(room + self.popped - Mux(closing, cur.words, 0))
        with m.If(closing):
            m.d.sync += cool.eq(cur.words - 1)
        with m.Elif(cool != 0):
            m.d.sync += cool.eq(cool - 1)

        m.d.sync += [
            self.issue.valid.eq(go), self.issue.start.eq(opening), self.issue.x.eq(cur.x),
            self.issue.zero.eq(cur.previous & first),
            self.issue.parity.eq(parity ^ cur.previous),
            self.issue.index.eq(index), self.issue.word.eq(word),
            self.issue.bank.eq(bank), self.issue.weight.eq(weight),
            self.block.valid.eq(closing), self.block.words.eq(cur.words),
            self.block.bias.eq(cur.bias), self.block.drain.eq(cur.drain),
        ]
        return m
