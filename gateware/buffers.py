"""The step buffers at the core's two ends: input elements in, output elements out."""

from functools import reduce
from itertools import accumulate
from operator import or_

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rnnhw.program import X_BUFFERS, Y_BUFFERS

from .arith import choose, delay, ram


def x_layout(width):
    """Payload of an input word: one element and the flags of its step."""
    return data.StructLayout({"data": signed(width), "first": 1, "last": 1})


def y_layout(width):
    """Payload of an output word: one element, ``last`` on the last one of a step."""
    return data.StructLayout({"data": signed(width), "last": 1})


class InputBuffer(wiring.Component):
    """Two steps of input: one being filled while the array reads the other, ``per_cycle`` at once.

    An element is accepted each cycle while a buffer is free and is stored shifted left by
    ``shift`` bits. A step is counted in ``whole`` the cycle after its last element; ``start``
    takes the oldest whole step, whose flags are ``first`` and ``last``; ``release`` frees it two
    cycles later. The first step after reset acts as ``first``. Read latency 1 cycle.

    Parameters
    ----------
    size : elements of a step
    width, shift : bits of an element, bits it is shifted left
    style : of the memories, as :func:`gateware.arith.ram` takes it

    Members
    -------
    x : In(stream of x_layout(width))
    whole : Out(1), a whole step waits
    first, last : Out(1), its flags
    start, release : In(1)
    parity : In(1), index : In, which elements to read; operands : Out, the elements
    """

    def __init__(self, *, size, width, shift, per_cycle=1, style=None):
        self.size, self.width, self.shift, self.style = size, width, shift, style
        self.per_cycle, self.words, self.wait = per_cycle, -(-size // per_cycle), 0
        super().__init__({**self._control(), **self._storage()})

    def _control(self):
        return {"x": In(stream.Signature(x_layout(self.width))),
                "whole": Out(1), "first": Out(1), "last": Out(1),
                "start": In(1), "release": In(1)}

    def _storage(self):
        return {"parity": In(1), "index": In(max(1, ceil_log2(self.words))),
                "operands": Out(signed(self.width + self.shift)).array(self.per_cycle)}

    def _store(self, m, accept, index, filling, done):
        """Keep an accepted element, and read."""
        index_bits, lane_bits = ceil_log2(self.words), ceil_log2(self.per_cycle)
        for i in range(self.per_cycle):
            write, read = ram(m, f"words{i}", signed(self.width + self.shift),
                              X_BUFFERS << index_bits, self.style)
            m.d.comb += [
                write.en.eq(accept & (index[:lane_bits] == i)),
                write.addr.eq(Cat(index[lane_bits:lane_bits + index_bits], filling)),
                write.data.eq(self.x.payload.data << self.shift),
                read.addr.eq(Cat(self.index[:index_bits], self.parity)),
                self.operands[i].eq(read.data),
            ]

    def _state(self, m, index, used, accept, releasing):
        """Whether a step has begun, and has not, its last element is next, a buffer is free."""
        return index != 0, index == 0, index == self.size - 1, used != X_BUFFERS

    def _flags(self, m, begin, flags, filling, fresh):
        """Keep the flags of a step that begins."""
        with m.If(begin):
            m.d.sync += flags[filling].eq(Cat(self.x.payload.first | fresh, self.x.payload.last))
            m.d.sync += fresh.eq(0)

    def elaborate(self, platform):
        m = Module()
        filling = Signal()
        index = Signal(range(max(2, self.words * self.per_cycle)))
        accept = Signal()
        done = Signal()
        self._store(m, accept, index, filling, done)
        used = Signal(range(X_BUFFERS + 1))
        waiting = Signal(range(X_BUFFERS + 1))
        fresh = Signal(init=1)
        flags = Array(Signal(2, name=f"flags{i}") for i in range(X_BUFFERS))
        oldest = Signal()
        releasing = Signal()
        begin = Signal()
        within, outside, at_end, free = self._state(m, index, used, accept, releasing)

        m.d.comb += [
            self.x.ready.eq(within | free),
            accept.eq(self.x.valid & self.x.ready),
            begin.eq(accept & outside),
            done.eq(accept & at_end),
            self.whole.eq(waiting != 0),
            Cat(self.first, self.last).eq(flags[oldest]),
        ]
        m.d.sync += [
            releasing.eq(self.release),
            used.eq(used + begin - releasing),
            waiting.eq(waiting + delay(m, done, self.wait, "done") - self.start),
        ]
        self._flags(m, begin, flags, filling, fresh)
        with m.If(accept):
            m.d.sync += index.eq(Mux(done, 0, index + 1))
        with m.If(done):
            m.d.sync += filling.eq(~filling)
        with m.If(self.start):
            m.d.sync += oldest.eq(~oldest)
        return m


class SpectralInput(InputBuffer):
    """The same for an input that is kept as spectra: elements pass through as they are accepted.

    Parameters
    ----------
    wait : cycles from a step's last element until it counts as whole, beyond the one of any

    Members
    -------
    valid, element, point, filling : Out, an element shifted left, its number in the step, and the
        buffer it belongs to
    """

    def __init__(self, *, size, width, shift, wait):
        super().__init__(size=size, width=width, shift=shift)
        self.wait = wait

    def _storage(self):
        return {"valid": Out(1), "element": Out(signed(self.width + self.shift)),
                "point": Out(max(1, ceil_log2(self.words))), "filling": Out(1)}

    def _store(self, m, accept, index, filling, done):
        m.d.comb += [self.valid.eq(accept), self.point.eq(index), self.filling.eq(filling),
                     self.element.eq(self.x.payload.data << self.shift)]

    def _state(self, m, index, used, accept, releasing):
        # registers: much hangs on an element that is accepted
        within, free = Signal(), Signal(init=1)
        at_end = Signal(init=self.size == 1)
        m.d.sync += free.eq(used + (accept & ~within) - releasing != X_BUFFERS)
        with m.If(accept):
            m.d.sync += [within.eq(~at_end),
                         at_end.eq(Mux(at_end, self.size == 1, index == self.size - 2))]
        return within, ~within, at_end, free

    def _flags(self, m, begin, flags, filling, fresh):
        # a cycle later: a step is whole many cycles behind its first element
        began, which, found = (delay(m, value, 1, name) for value, name in (
            (begin, "began"), (filling, "began_filling"),
            (Cat(self.x.payload.first | fresh, self.x.payload.last), "began_flags")))
        with m.If(began):
            m.d.sync += flags[which].eq(found)
        with m.If(begin):
            m.d.sync += fresh.eq(0)


class OutputBuffer(wiring.Component):
    """Two steps of output, filled a word of ``slices`` elements at a time, sent an element a cycle.

    Words of a step must be written in order; each leaves three cycles later at the earliest, four
    where ``deep``, which has a register behind the memory.
    ``free`` says that a further step may start (``start``) that will give an output.

    Parameters
    ----------
    sizes : elements of a step, in groups that begin a word each
    width : bits of an element
    slices : elements written at once
    style : of the memories, as :func:`gateware.arith.ram` takes it
    deep : whether the memory has a register behind it

    Members
    -------
    start : In(1); free : Out(1)
    write : In(1), with address ``word`` and ``elements``
    y : Out(stream of y_layout(width))
    """

    def __init__(self, *, sizes, width, slices, style=None, deep=False):
        self.sizes, self.width, self.slices, self.style = sizes, width, slices, style
        self.size, self.deep = sum(sizes), deep
        self.words = sum(-(-size // slices) for size in sizes)
        super().__init__({
            "start": In(1), "free": Out(1),
            "write": In(1), "word": In(max(1, ceil_log2(self.words))),
            "elements": In(signed(width)).array(slices),
            "y": Out(stream.Signature(y_layout(width))),
        })

    def elaborate(self, platform):
        m = Module()
        word_bits = ceil_log2(self.words)
        filling, sending = Signal(), Signal()
        under_way = Signal(range(Y_BUFFERS + 1))
        written = Signal(range(Y_BUFFERS * self.words + 1))
        word = Signal(max(1, word_bits))
        bank = Signal(range(self.slices))
        element = Signal(range(self.size))
        fetch, fetched, fetched_last, move = Signal(), Signal(), Signal(), Signal()
        fetched_bank = Signal.like(bank)
        at_end, bank_end, step_done, taken = Signal(), Signal(), Signal(), Signal()
        some = Signal()        # whether written is not 0
        # a group's last word may be filled in part
        ends = [end for end, size in zip(accumulate(self.sizes), self.sizes[:-1])
                if size % self.slices]
        address, held = Signal(word_bits + 1), Signal(word_bits + 1, reset_less=True)
        reads = []
        for s in range(self.slices):
            write, read = ram(m, f"words{s}", signed(self.width), Y_BUFFERS << word_bits,
                              style=self.style)
            reads.append(read.data)
            m.d.comb += [
                write.en.eq(self.write),
                write.addr.eq(Cat(self.word[:word_bits], filling)),
                write.data.eq(self.elements[s]),
                read.addr.eq(address),
            ]
        m.d.comb += address.eq(Mux(fetch, Cat(word[:word_bits], sending), held))
        m.d.sync += held.eq(address)
        m.d.comb += [
            self.free.eq(under_way != Y_BUFFERS),
            fetch.eq(some & (~fetched | move)),
            taken.eq(fetch & bank_end),
            at_end.eq(element == self.size - 1),
            bank_end.eq(reduce(or_, (element == end - 1 for end in ends),
                               at_end | (bank == self.slices - 1))),
            step_done.eq(self.y.valid & self.y.ready & self.y.payload.last),
        ]
        m.d.sync += [
            written.eq(written + self.write - taken),
            some.eq(self.write | (written > 1) | ((written == 1) & ~taken)),
            under_way.eq(under_way + self.start - step_done),
        ]
        with m.If(self.write & (self.word == self.words - 1)):
            m.d.sync += filling.eq(~filling)
        self._send(m, reads, fetched_bank, fetched_last, fetched, move)
        with m.If(move):
            m.d.sync += fetched.eq(0)
        with m.If(fetch):
            m.d.sync += [
                fetched.eq(1),
                fetched_bank.eq(bank),
                fetched_last.eq(at_end),
                element.eq(Mux(at_end, 0, element + 1)),
                bank.eq(Mux(bank_end, 0, bank + 1)),
                word.eq(Mux(at_end, 0, Mux(bank_end, word + 1, word))),
            ]
            with m.If(at_end):
                m.d.sync += sending.eq(~sending)
        return m

    def _send(self, m, words, bank, last, valid, move):
        """The element of ``bank`` goes to the stream; ``move`` says when it was taken in."""
        if self.deep:
            leave, staged = Signal(), Signal()
            m.d.comb += move.eq(valid & (~staged | leave))
            behind = [Signal.like(word, name=f"read{s}", reset_less=True)
                      for s, word in enumerate(words)]
            late_bank, late_last = Signal.like(bank), Signal()
            with m.If(move):
                m.d.sync += [staged.eq(1), late_bank.eq(bank), late_last.eq(last),
                             *(late.eq(word) for late, word in zip(behind, words))]
            with m.Elif(leave):
                m.d.sync += staged.eq(0)
            words, bank, last, valid, move = behind, late_bank, late_last, staged, leave
        element, last_out = Signal(signed(self.width), reset_less=True), Signal()
        m.d.comb += [move.eq(valid & (~self.y.valid | self.y.ready)),
                     self.y.payload.data.eq(element), self.y.payload.last.eq(last_out)]
        with m.If(move):
            m.d.sync += [self.y.valid.eq(1), last_out.eq(last),
                         element.eq(choose(bank, words))]
        with m.Elif(self.y.ready):
            m.d.sync += self.y.valid.eq(0)
