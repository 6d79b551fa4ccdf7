"""The array's sequencer: replays the table of row blocks, one operand a cycle."""

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rnnhw.tables import early_end, range_records

from .arith import width_for
from .tables import TableReader


class BlockSequencer(wiring.Component):
    """Issues the operands of every row block of a step, as soon as each is written.

    A step starts when its input is whole, an output buffer is free (where it gives an output)
    and the vector lanes are less than four steps behind. The last operand of a block waits until
    the drain FIFO has room for the block's words and the chain will be empty when it is loaded,
    so that nothing behind the issue register ever stalls. ``issue`` and ``block`` are valid the
    cycle after the decision. Where the program is late, the tail behind a sequence's last step
    starts like a step, but takes no input; parities stand still in it.

    Parameters
    ----------
    program : rnnhw.program.Program
        Of which the ranges, segments and sizes are used.
    style : of the table, as :func:`gateware.arith.rom` takes it

    Members
    -------
    whole, first, last, y_free, token_free : In(1)
    start, step_first, step_last, gives_output : Out(1), a step or tail starts in this cycle, and
        its flags
    takes_input : Out(1), what starts is a step
    release : Out(1), a step's last operand is issued in this cycle
    written : In, one bit a segment: a word will be readable by the decision after this cycle
    popped : In(1), a word leaves the drain FIFO
    issue : Out, the operand and weight to read
    block : Out, a row block ends with this operand
    """

    def __init__(self, program, style=None):
        self.p = p = program
        self.style = style
        self.issue_layout = data.StructLayout({
            "valid": 1, "start": 1, "x": 1, "zero": 1, "parity": 1,
            "index": max(1, ceil_log2(-(-p.input_size // p.per_cycle))),
            "word": max(1, ceil_log2(max(r.base + r.count for r in p.ranges) if p.spaces
                                     else p.operand_depth)),
            "bank": max(1, ceil_log2(p.banks // p.per_cycle)),
            "weight": max(1, ceil_log2(len(p.weights))),
            **(self._spectral_fields(p) if p.spaces else {})})
        self.block_layout = data.StructLayout({
            "valid": 1, "words": width_for(max(r.words for r in p.ranges)),
            "bias": max(1, *(ceil_log2(len(s.biases)) for s in (p, *p.spaces))),
            "drain": max(1, *(ceil_log2(len(s.drains)) for s in (p, *p.spaces))),
            **({"space": width_for(len(p.spaces)),
                "cycles": width_for(max(r.gates * r.hold for r in p.ranges))}
               if p.spaces else {})})
        super().__init__({
            "whole": In(1), "first": In(1), "last": In(1), "y_free": In(1), "token_free": In(1),
            "start": Out(1), "step_first": Out(1), "step_last": Out(1), "gives_output": Out(1),
            "takes_input": Out(1), "release": Out(1),
            "written": In(max(1, len(p.segments))), "popped": In(1),
            "issue": Out(self.issue_layout), "block": Out(self.block_layout)})

    @staticmethod
    def _spectral_fields(p):
        """Further fields of an issued operand: its space; of the last one of a run, ``run_end``,
        whether the run is its block's first, and its segment's number in the space."""
        slots = max([p.slot(i) for i in range(len(p.segments))], default=0)
        return {"space": width_for(len(p.spaces)), "run_end": 1, "run_first": 1,
                "slot": width_for(slots)}

    def elaborate(self, platform):
        m = Module()
        p = self.p
        records = range_records(p)
        m.submodules.reader = reader = TableReader(records, early_end(p.ranges), self.style,
                                                 leave_out=True)
        row = reader.row

        cur = Signal(reader.layout)
        valid, ready, only, closes, may_close, may_start, opening, ends = (
            Signal(name=name) for name in ("valid", "ready", "only", "closes", "may_close",
                                           "may_start", "opening", "ends"))
        first, last, parity = Signal(), Signal(), Signal(init=not p.late)
        left = Signal(width_for(max(r["count"] for r in records)))
        word = Signal(self.issue_layout["word"].shape)
        bank = Signal(self.issue_layout["bank"].shape)
        index = Signal(self.issue_layout["index"].shape)
        weight = Signal(self.issue_layout["weight"].shape)
        target = Signal(range(2 * max([s.words for s in p.segments], default=1) + 4))
        go, finish, load, closing = (Signal(name=n) for n in ("go", "finish", "load", "closing"))
        ended = Signal()
        gives_output = 1 if not p.last_step else self.last
        tail = skip = tail_next = late = settles = Const(0)
        if p.late:
            # the pass under way, or at reset the one before the first, is a tail
            tail, skip, late = Signal(init=1, name="tail"), Signal(name="skip"), cur.late
            tail_next, gives_output = last & ~tail, ~tail
            # a tail reads a state at once, whose counter must have seen the step end
            settles = reader.first & tail_next
            with m.If(self.start):
                m.d.sync += [tail.eq(tail_next), skip.eq(tail)]

        # Every condition of `go` and `load` is a register, worked out a cycle ahead.
        m.d.comb += [
            go.eq(valid & ready & (~closes | may_close)),
            finish.eq(go & only),
            load.eq((finish & ~settles | ~valid) & reader.valid & (~reader.first | may_start)),
            closing.eq(go & closes),
            reader.take.eq(load), reader.started.eq(self.start & ~tail_next),
            reader.last.eq(last), reader.skip.eq(skip),
            self.start.eq(load & reader.first),
            self.step_first.eq(self.first), self.step_last.eq(self.last),
            self.gives_output.eq(gives_output), self.takes_input.eq(~tail_next),
            ended.eq(finish & ends), self.release.eq(ended & ~tail),
        ]
        m.d.sync += may_start.eq((self.whole | tail_next) & (self.y_free | ~self.gives_output)
                                 & self.token_free & ~self.start)

        positions, groups = p.banks // p.per_cycle, p.banks // p.slices
        next_bank, beyond = Signal.like(bank), Signal.like(target)
        at_end, first_target, first_beyond = bank == positions - 1, row.need, row.need + groups
        after_beyond = beyond + groups
        if p.spaces:
            # target and beyond are then the newest words that this and the next cycle need
            at_end |= cur.space != 0
            first_target, first_beyond = row.newest, row.beyond
            after_beyond = beyond + Mux(cur.space != 0, p.per_cycle, groups)
            after_beyond = Mux(after_beyond > cur.most, cur.most, after_beyond)
        m.d.comb += next_bank.eq(Mux(at_end, 0, bank + 1))
        first_index = row.base if any(r.base for r in p.ranges if r.segment < 0) else 0
        with m.If(load):
            m.d.sync += [cur.eq(row), valid.eq(1), left.eq(row.count), only.eq(row.single),
                         closes.eq(row.single & row.end_block), target.eq(first_target),
                         beyond.eq(first_beyond),
                         word.eq(row.base), bank.eq(0), index.eq(first_index),
                         opening.eq(row.start_block), ends.eq(reader.ends)]
            with m.If(reader.first):
                m.d.sync += [first.eq(self.first), last.eq(self.last), parity.eq(parity ^ ~tail)]
        with m.Elif(go):
            m.d.sync += [valid.eq(~only), left.eq(left - 1), only.eq(left == 1),
                         closes.eq((left == 1) & cur.end_block), index.eq(index + 1),
                         opening.eq(0), bank.eq(next_bank), word.eq(Mux(at_end, word + 1, word)),
                         target.eq(Mux(at_end, beyond, target)),
                         beyond.eq(Mux(at_end, after_beyond, beyond))]
        weight_read = weight
        with m.If(self.start):
            m.d.sync += weight.eq(0)
        with m.Elif(go & ~late):
            m.d.sync += weight.eq(weight + 1)
        if p.late:
            late_weight = Signal.like(weight)
            weight_read = Mux(late, late_weight, weight)
            with m.If(self.start):
                m.d.sync += late_weight.eq(p.late_weights)
            with m.Elif(go & late):
                m.d.sync += late_weight.eq(late_weight + 1)

        available = []
        for i, segment in enumerate(p.segments):
            count = Signal(range(2 * segment.words + 2), init=segment.words, name=f"available{i}")
            spent = Signal(name=f"spent{i}")
            runs = last if segment.on_last else ~skip if segment.late else ~tail
            m.d.comb += spent.eq(ended & runs)
            m.d.sync += count.eq(count + self.written[i] - Mux(spent, segment.words, 0))
            available.append(count)
        if available:
            have, have_next = Array(available)[cur.segment], Array(available)[row.segment]
            held = have > self._newest(target, bank, cur.most)
            moved = Mux(at_end, have > self._newest(beyond, 0, cur.most),
                        have > self._newest(target, bank + 1, cur.most))
            loaded = row.x | (have_next > self._newest(first_target, 0, row.most))
            m.d.sync += ready.eq(Mux(load, loaded, cur.x | Mux(go, moved, held)))
        else:
            m.d.comb += ready.eq(1)

        stays = "busy" if p.spaces else "words"
        cool = Signal(width_for(max(2, *(r[stays] for r in records))))
        room = Signal(range(p.fifo_depth + 1), init=p.fifo_depth)
        m.d.sync += [
            room.eq(room + self.popped - Mux(closing, cur.words, 0)),
            may_close.eq((cool <= 1) & ~closing
                         & Mux(load, room >= row.words, room >= cur.words)),
        ]
        with m.If(closing):
            m.d.sync += cool.eq(cur[stays] - 1)
        with m.Elif(cool != 0):
            m.d.sync += cool.eq(cool - 1)

        m.d.sync += [
            self.issue.valid.eq(go), self.issue.start.eq(opening), self.issue.x.eq(cur.x),
            self.issue.zero.eq(cur.previous & first & ~late),
            self.issue.parity.eq(parity ^ cur.previous),
            self.issue.index.eq(index), self.issue.word.eq(word),
            self.issue.bank.eq(bank), self.issue.weight.eq(weight_read),
            self.block.valid.eq(closing), self.block.words.eq(cur.words),
            self.block.bias.eq(Mux(first & ~late, cur.first_bias, cur.bias) if p.first_biases
                               else cur.bias), self.block.drain.eq(cur.drain),
        ]
        if p.spaces:
            m.d.sync += [
                self.issue.space.eq(cur.space), self.issue.run_end.eq(finish),
                self.issue.run_first.eq(cur.start_block), self.issue.slot.eq(cur.slot),
                self.block.space.eq(cur.space), self.block.cycles.eq(cur.cycles),
            ]
        return m

    def _newest(self, target, bank, most):
        """Newest word that the elements at ``bank`` of the word at ``target`` lie in.

        A pair may reach into the second of a word's two groups of ``slices`` elements; the padding
        behind an odd last element lies in no group.
        """
        p = self.p
        if p.banks == p.slices or p.spaces:
            return target
        newest = target + (p.per_cycle * bank + p.per_cycle > p.slices)
        return Mux(newest > most, most, newest)
