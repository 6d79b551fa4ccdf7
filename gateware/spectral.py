"""A source of spectra: elements are gathered into blocks, transformed and kept as operands."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rnnhw.fourier import transform_cycles

from .arith import choose, delay, ram
from .fourier import Forward
from .pairsums import PairSums


class SpectralSource(wiring.Component):
    """Blocks of k elements, transformed as soon as they are whole, double-buffered by step.

    ``together`` elements come at once, those of a block one after another; a segment's elements
    past its length are zero. A block is stored ``1 + transform_cycles(k)`` cycles behind its last
    element. Blocks are read ``per_cycle`` at once; where two are, the sums of products of their
    components, xi, are kept for each segment and step. No flow control.

    Parameters
    ----------
    k, width : of a block, bits of an element
    together, per_cycle : elements that come, blocks that are read at once
    segments : list of (first block, elements)
    blocks : of a step
    products, acc_width, spacing : as :class:`gateware.pairsums.PairSums` takes them
    operand_cycles : from a block's last element until it may be read
    style, pairs_style : of the memories

    Members
    -------
    valid : In(1), with ``elements``, ``point`` (number of the elements' word in the step),
        ``segment`` and ``parity``
    written : Out, one bit a segment, two cycles before a block may be read
    address, read_parity : In; blocks : Out array of ``per_cycle*k`` components, the cycle after
    read_slot : In, ``2 * segment + parity``; sums : Out array of k, two cycles after
    """

    def __init__(self, *, k, width, together, per_cycle, segments, blocks, products, acc_width,
                 spacing, operand_cycles, deep, style=None, pairs_style=None):
        self.k, self.width, self.together, self.per_cycle = k, width, together, per_cycle
        self.segments, self.deep, self.style = segments, deep, style
        self.operand_cycles = operand_cycles
        self.words = k // together
        self.depth = -(-blocks // per_cycle)
        self.component = width + ceil_log2(k)
        self.pairs = per_cycle == 2 and PairSums(
            k=k, products=products, width=self.component, acc_width=acc_width,
            slots=2 * len(segments), spacing=spacing, style=pairs_style)
        super().__init__({
            "valid": In(1), "elements": In(signed(width)).array(together),
            "point": In(max(ceil_log2(blocks), 1) + ceil_log2(self.words)),
            "segment": In(range(len(segments))), "parity": In(1), "written": Out(len(segments)),
            "address": In(max(1, ceil_log2(self.depth))), "read_parity": In(1),
            "blocks": Out(signed(self.component)).array(per_cycle * k),
            "read_slot": In(range(2 * len(segments))),
            "sums": Out(signed(acc_width)).array(k)})

    def elaborate(self, platform):
        m = Module()
        k, n = self.k, self.together
        position_bits = ceil_log2(self.words)
        position = self.point[:position_bits]
        ends = [(self.segment == i) & (self.point == base * self.words + -(-length // n) - 1)
                for i, (base, length) in enumerate(self.segments)]
        whole = Signal()
        m.d.comb += whole.eq(self.valid & (position == self.words - 1 if position_bits else 1)
                             | self.valid & Cat(ends).any())
        points = [Signal(signed(self.width), name=f"point{i}", reset_less=True) for i in range(k)]
        with m.If(self.valid):
            for word in range(self.words):
                own = position == word if position_bits else 1
                for s in range(n):
                    element = Mux(self._padding(s, ends), 0, self.elements[s])
                    with m.If(own):
                        m.d.sync += points[word * n + s].eq(element)
                    if word:
                        with m.Elif(position == 0):
                            m.d.sync += points[word * n + s].eq(0)

        m.submodules.forward = forward = Forward(k, self.width)
        m.d.comb += [forward.points[i].eq(point) for i, point in enumerate(points)]
        far = 1 + transform_cycles(k)
        block, parity, segment = (delay(m, signal, far, name) for signal, name in (
            (self.point[position_bits:], "block"), (self.parity, "parity"),
            (self.segment, "segment")))
        store = delay(m, whole, far, "store")
        early = delay(m, whole, self.operand_cycles - 2, "whole")
        owner = delay(m, self.segment, self.operand_cycles - 2, "owner")
        m.d.comb += self.written.eq(Cat(early & (owner == i) for i in range(len(self.segments))))

        bank_bits, depth_bits = ceil_log2(self.per_cycle), ceil_log2(self.depth)
        stored = Cat(forward.components[i] for i in range(k))
        address = Cat(block[bank_bits:][:depth_bits], parity)
        for bank in range(self.per_cycle):
            write, read = ram(m, f"bank{bank}", unsigned(len(stored)), 2 << depth_bits, self.style)
            word = delay(m, read.data, self.deep, f"read{bank}", reset_less=True)
            m.d.comb += [
                write.en.eq(store & (block[:bank_bits] == bank)),
                write.addr.eq(address), write.data.eq(stored),
                read.addr.eq(Cat(self.address[:depth_bits], self.read_parity)),
                *(self.blocks[bank * k + i].eq(word.word_select(i, self.component).as_signed())
                  for i in range(k)),
            ]
        if self.pairs:
            m.submodules.pairs = pairs = self.pairs
            first = choose(segment, [block[1:] == base // 2 for base, _ in self.segments])
            m.d.comb += [
                pairs.valid.eq(store), pairs.odd.eq(block[0]), pairs.first.eq(first),
                pairs.slot.eq(Cat(parity, segment[:ceil_log2(len(self.segments))])),
                pairs.read_slot.eq(self.read_slot),
                *(pairs.block[i].eq(forward.components[i]) for i in range(k)),
                *(self.sums[i].eq(pairs.sums[i]) for i in range(k)),
            ]
        return m

    def _padding(self, s, ends):
        """Whether element ``s`` of the word that comes lies behind its segment's last."""
        found = [end for end, (_, length) in zip(ends, self.segments)
                 if length % self.together and s >= length % self.together]
        return Cat(found).any() if found else 0
