"""The memory of whole sequences in front of a pass over them."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rnnhw.network import BUFFERS

from .arith import choose, ram, saturate, width_for
from .buffers import x_layout


class SequenceMemory(wiring.Component):
    """Keeps two sequences: one being written while the steps of the other leave in any order.

    Elements are requantised as they come: ``saturate(round(x >> shift)) << left``. A sequence's
    replay may begin two cycles after its last element came; its first word is offered two cycles
    later, then one a cycle, and one cycle lies between sequences.

    Parameters
    ----------
    memory : rnnhw.network.Sequences

    Members
    -------
    x : In(signed(in_width)), an element that comes where ``valid``: In(1)
    ends : In(1), the step that comes is its sequence's last
    room : Out(1), a sequence may be reserved (``reserve``, in its first cycle)
    go : In(1), there is room behind for the next sequence
    begin : Out(1), a replay begins, of ``steps`` steps
    written : Out(1), a step has come whole; done : Out(1), a sequence has
    y : Out(stream of x_layout(out_width)), with ``step_end`` on a step's last element
    clipped : Out(1), an element was saturated
    """

    def __init__(self, memory):
        self.memory = memory
        bits = width_for(memory.steps)
        super().__init__({
            "x": In(signed(memory.in_width)), "valid": In(1), "ends": In(1),
            "room": Out(1), "reserve": In(1), "go": In(1), "begin": Out(1), "steps": Out(bits),
            "written": Out(1), "done": Out(1),
            "y": Out(stream.Signature(x_layout(memory.out_width))), "step_end": Out(1),
            "clipped": Out(1)})

    def elaborate(self, platform):
        m = Module()
        p, bits = self.memory, ceil_log2(self.memory.depth)
        write, read = ram(m, "words", signed(p.width), BUFFERS * p.depth)
        reserved, full = Signal(range(BUFFERS + 1)), Signal(range(BUFFERS + 1))
        released, completed = Signal(), Signal()
        counts = Array(Signal.like(self.steps, name=f"count{i}") for i in range(BUFFERS))
        tops = Array(Signal(bits, name=f"top{i}") for i in range(BUFFERS))
        m.d.comb += self.room.eq(reserved != BUFFERS)
        m.d.sync += [reserved.eq(reserved + self.reserve - released),
                     full.eq(full + completed - self.begin)]

        # elements that come
        filling, index = Signal(), Signal(range(max(2, p.in_size)))
        at, top, count = Signal(bits), Signal(bits), Signal.like(self.steps)
        m.d.comb += [
            self.written.eq(self.valid & (index == p.in_size - 1)),
            self.done.eq(self.written & (self.ends | (count == p.steps - 1))),
        ]
        value, clipped = self._narrowed(m, index)
        kept, store, where = Signal(signed(p.width)), Signal(), Signal(bits + 1)
        m.d.sync += [kept.eq(value), store.eq(self.valid), where.eq(Cat(at, filling)),
                     self.clipped.eq(self.valid & clipped), completed.eq(self.done)]
        m.d.comb += [write.en.eq(store), write.addr.eq(where), write.data.eq(kept)]
        with m.If(self.valid):
            m.d.sync += [index.eq(index + 1), at.eq(at + 1)]
        with m.If(self.written):
            m.d.sync += [index.eq(0), top.eq(at + 1), count.eq(count + 1)]
        with m.If(self.done):
            m.d.sync += [at.eq(0), top.eq(0), count.eq(0), filling.eq(~filling),
                         counts[filling].eq(count + 1), tops[filling].eq(top)]
        self._replay(m, read, bits, full, counts, tops, released)
        return m

    def _narrowed(self, m, index):
        """The element that comes as it is kept, and whether it was clipped."""
        result, end = None, self.memory.in_size
        for i, part in reversed(list(enumerate(self.memory.stored))):
            value = self.x
            if part.shift:
                value = (value + (1 << (part.shift - 1))) >> part.shift
            value, clipped = saturate(m, value, part.width, f"kept{i}")
            here = value << part.left, clipped
            result = here if result is None else tuple(
                Mux(index < end, *pair) for pair in zip(here, result))
            end -= part.size
        return result

    def _replay(self, m, read, bits, full, counts, tops, released):
        """The steps of the oldest whole sequence, part by part."""
        p = self.memory
        oldest, active, valid = Signal(), Signal(), Signal()
        part = Signal(range(max(2, len(p.replayed))))
        element = Signal(range(max(of.padded for of in p.replayed) + 1))
        ahead, back, offset = Signal(bits), Signal(bits), Signal(bits)
        left, first = Signal.like(self.steps), Signal()
        move, step_end, sequence_end = Signal(), Signal(), Signal()
        address, held = Signal(bits + 1), Signal(bits + 1, reset_less=True)
        base = choose(part, [back if of.reverse else ahead for of in p.replayed])
        part_end = element == choose(part, [of.padded - 1 for of in p.replayed])
        firsts = [of.first for of in p.replayed]
        m.d.comb += [
            self.begin.eq(~active & (full != 0) & self.go), self.steps.eq(counts[oldest]),
            move.eq(active & (~valid | self.y.ready)),
            step_end.eq(part_end & (part == len(p.replayed) - 1)),
            sequence_end.eq(step_end & (left == 1)),
            address.eq(Mux(move, Cat((base + offset)[:bits], oldest), held)),
            read.addr.eq(address),
        ]
        m.d.sync += held.eq(address)
        with m.If(self.begin):
            m.d.sync += [active.eq(1), left.eq(counts[oldest]), first.eq(1), ahead.eq(0),
                         back.eq(tops[oldest]), part.eq(0), element.eq(0), offset.eq(firsts[0])]
        final, ended, pad = Signal(), Signal(), Signal()
        with m.If(move):
            m.d.sync += [
                valid.eq(1), self.y.payload.first.eq(first), self.y.payload.last.eq(left == 1),
                pad.eq(element >= choose(part, [of.size for of in p.replayed])),
                ended.eq(step_end), final.eq(sequence_end),
                element.eq(element + 1), offset.eq(offset + 1)]
            with m.If(part_end):
                m.d.sync += [element.eq(0), part.eq(part + 1),
                             offset.eq(choose(part, [*firsts[1:], firsts[0]]))]
            with m.If(step_end):
                m.d.sync += [part.eq(0), first.eq(0), left.eq(left - 1),
                             ahead.eq(ahead + p.in_size), back.eq(back - p.in_size)]
            with m.If(sequence_end):
                m.d.sync += [active.eq(0), oldest.eq(~oldest)]
        with m.Elif(self.y.ready):
            m.d.sync += valid.eq(0)
        m.d.comb += [
            self.y.valid.eq(valid), self.step_end.eq(ended),
            self.y.payload.data.eq(Mux(pad, 0, read.data)),
            released.eq(valid & self.y.ready & final),
        ]
