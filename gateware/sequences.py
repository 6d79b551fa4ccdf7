"""The memory of whole sequences in front of a pass, and the core of a network of passes."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rnnhw.network import BUFFERS

from .arith import NO_STYLES, choose, ram, saturate, width_for
from .buffers import x_layout, y_layout
from .core import Core


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
    x : In(stream of signed(in_width)), the elements that come
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
            "x": In(stream.Signature(signed(memory.in_width))), "ends": In(1),
            "room": Out(1), "reserve": In(1), "go": In(1), "begin": Out(1), "steps": Out(bits),
            "written": Out(1), "done": Out(1),
            "y": Out(stream.Signature(x_layout(memory.out_width))), "step_end": Out(1),
            "clipped": Out(1)})

    def elaborate(self, platform):
        m = Module()
        p, bits = self.memory, ceil_log2(self.memory.depth)
        width = max(part.width + part.left for part in p.stored)
        write, read = ram(m, "words", signed(width), BUFFERS * p.depth)
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
        accept, ends = Signal(), Signal()
        m.d.comb += [
            self.x.ready.eq(1), accept.eq(self.x.valid),
            self.written.eq(accept & (index == p.in_size - 1)),
            ends.eq(self.ends | (count == p.steps - 1)),
            self.done.eq(self.written & ends),
        ]
        value, clipped = self._narrowed(m, index)
        kept, store, where = Signal(signed(width)), Signal(), Signal(bits + 1)
        m.d.sync += [kept.eq(value), store.eq(accept), where.eq(Cat(at, filling)),
                     self.clipped.eq(accept & clipped), completed.eq(self.done)]
        m.d.comb += [write.en.eq(store), write.addr.eq(where), write.data.eq(kept)]
        with m.If(accept):
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
        found, flags, end = [], [], 0
        for i, part in enumerate(self.memory.stored):
            value = self.x.payload
            if part.shift:
                value = (value + (1 << (part.shift - 1))) >> part.shift
            value, clipped = saturate(m, value, part.width, f"kept{i}")
            found.append(value << part.left)
            flags.append(clipped)
        value, clipped = found[-1], flags[-1]
        ends = [sum(part.size for part in self.memory.stored[:i + 1])
                for i in range(len(found) - 1)]
        for other, flag, end in reversed(list(zip(found, flags, ends))):
            value, clipped = Mux(index < end, other, value), Mux(index < end, flag, clipped)
        return value, clipped

    def _replay(self, m, read, bits, full, counts, tops, released):
        """The steps of the oldest whole sequence, part by part."""
        p = self.memory
        parts = [(part.first, part.size, part.padded, part.reverse) for part in p.replayed]
        oldest, active, valid = Signal(), Signal(), Signal()
        part, element = Signal(range(max(2, len(parts)))), Signal(range(max(
            part.padded for part in p.replayed) + 1))
        ahead, back, offset = Signal(bits), Signal(bits), Signal(bits)
        left, first = Signal.like(self.steps), Signal()
        move, step_end, sequence_end = Signal(), Signal(), Signal()
        address, held = Signal(bits + 1), Signal(bits + 1, reset_less=True)
        base = choose(part, [back if reverse else ahead for *_, reverse in parts])
        part_end = element == choose(part, [padded - 1 for _, _, padded, _ in parts])
        firsts = [first for first, *_ in parts]
        m.d.comb += [
            self.begin.eq(~active & (full != 0) & self.go), self.steps.eq(counts[oldest]),
            move.eq(active & (~valid | self.y.ready)),
            step_end.eq(part_end & (part == len(parts) - 1)),
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
                pad.eq(element >= choose(part, [size for _, size, _, _ in parts])),
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


class Lengths(wiring.Component):
    """Steps of the sequences under way in a pass, oldest first, and whether the step that leaves
    it is the last of its own.

    Members
    -------
    begin : In(1), with ``steps``; written : In(1), a step has left; last : Out(1)
    """

    def __init__(self, bits):
        super().__init__({"begin": In(1), "steps": In(bits), "written": In(1), "done": In(1),
                          "last": Out(1)})

    def elaborate(self, platform):
        m = Module()
        entries = Array(Signal.like(self.steps, name=f"steps{i}") for i in range(BUFFERS))
        head, tail, count = Signal(), Signal(), Signal.like(self.steps)
        m.d.comb += self.last.eq(count + 1 == entries[head])
        with m.If(self.begin):
            m.d.sync += [entries[tail].eq(self.steps), tail.eq(~tail)]
        with m.If(self.written):
            m.d.sync += count.eq(count + 1)
        with m.If(self.done):
            m.d.sync += [count.eq(0), head.eq(~head)]
        return m


class NetworkCore(wiring.Component):
    """A network that runs both ways: sequence memories and a core a pass, with the ports of
    :class:`gateware.core.Core`.

    A sequence of more than ``max_steps`` steps ends there, and another begins. ``first`` is not
    looked at: what follows a step marked ``last`` is a new sequence, which starts at zero state.

    Parameters
    ----------
    network : rnnhw.network.Network
    ram_shapes : as of Core
    styles : for each pass, as of Core
    """

    def __init__(self, network, ram_shapes=(), styles=None):
        self.network, self.ram_shapes = network, ram_shapes
        self.styles = styles or [NO_STYLES] * len(network.programs)
        super().__init__({
            "x": In(stream.Signature(x_layout(network.x_width))),
            "y": Out(stream.Signature(y_layout(network.y_width))),
            "saturated": Out(network.slices)})

    def elaborate(self, platform):
        m = Module()
        p = self.network
        memories = [SequenceMemory(memory) for memory in p.sequences]
        cores = [Core(program, self.ram_shapes, styles)
                 for program, styles in zip(p.programs, self.styles)]
        clipped = Signal()
        for k, memory in enumerate(memories):
            m.submodules[f"sequences{k}"] = memory
            with m.If(memory.clipped):
                m.d.sync += clipped.eq(1)
        for k, core in enumerate(cores):
            m.submodules[f"pass{k}"] = core
        self._first(m, memories[0])
        for k, core in enumerate(cores):
            wiring.connect(m, memories[k].y, core.x)
            after = memories[k + 1] if k + 1 < len(memories) else None
            if after is None:
                wiring.connect(m, core.y, wiring.flipped(self.y))
                m.d.comb += memories[k].go.eq(1)
                continue
            m.submodules[f"lengths{k}"] = lengths = Lengths(len(memories[k].steps))
            m.d.comb += [
                memories[k].go.eq(after.room), after.reserve.eq(memories[k].begin),
                lengths.begin.eq(memories[k].begin), lengths.steps.eq(memories[k].steps),
                lengths.written.eq(after.written), lengths.done.eq(after.done),
                after.ends.eq(lengths.last),
                after.x.valid.eq(core.y.valid), core.y.ready.eq(1),
                after.x.payload.eq(core.y.payload.data),
            ]
        if p.behind:
            last = memories[-1]
            m.d.comb += [
                last.go.eq(1), self.y.valid.eq(last.y.valid), last.y.ready.eq(self.y.ready),
                self.y.payload.data.eq(last.y.payload.data), self.y.payload.last.eq(last.step_end)]
        sticky = Cat(core.saturated for core in cores)
        m.d.comb += self.saturated.eq(Cat(sticky[0] | clipped, sticky[1:]))
        return m

    def _first(self, m, memory):
        """Elements that come from outside are taken while their sequence has room."""
        within = Signal()
        m.d.comb += [
            self.x.ready.eq(within | memory.room),
            memory.x.valid.eq(self.x.valid & self.x.ready),
            memory.x.payload.eq(self.x.payload.data), memory.ends.eq(self.x.payload.last),
            memory.reserve.eq(memory.x.valid & ~within),
        ]
        with m.If(memory.x.valid):
            m.d.sync += within.eq(~memory.done)
