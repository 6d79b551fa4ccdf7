"""Operand memory: what the array multiplies, this step's and the last step's."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .arith import delay, ram


class OperandMemory(wiring.Component):
    """One bank a slice, each double-buffered by step; broadcasts one operand a cycle.

    Reads the element that ``issue`` names, from its bank or from the input buffer, or zero for a
    state of the step before the first. Latency 3 cycles from ``issue`` to ``operand``,
    throughput one a cycle, no flow control.

    Parameters
    ----------
    words, slices, width : words of a step, elements a word, bits of an element
    issue : layout of the issue record

    Members
    -------
    issue : In(issue)
    x_operand : In, the input buffer's element, one cycle behind ``issue``
    write : In(1) with ``write_parity``, ``write_word`` and ``elements``
    operand : Out(signed(width))
    """

    def __init__(self, *, words, slices, width, x_width, issue):
        self.words, self.slices, self.width = words, slices, width
        self.x_width = x_width
        super().__init__({
            "issue": In(issue), "x_operand": In(signed(x_width)),
            "write": In(1), "write_parity": In(1), "write_word": In(max(1, ceil_log2(words))),
            "elements": In(signed(width)).array(slices),
            "operand": Out(signed(max(width, x_width)))})

    def elaborate(self, platform):
        m = Module()
        chosen = Signal(self.operand.shape())
        is_x = delay(m, self.issue.x, 1, "is_x")
        zero = delay(m, self.issue.zero, 1, "zero")
        bank = delay(m, self.issue.bank, 1, "bank")
        banks = []
        if self.words:
            word_bits = ceil_log2(self.words)
            for s in range(self.slices):
                write, read = ram(m, f"bank{s}", signed(self.width), 2 << word_bits)
                banks.append(read.data)
                m.d.comb += [
                    read.addr.eq(Cat(self.issue.word[:word_bits], self.issue.parity)),
                    write.addr.eq(Cat(self.write_word[:word_bits], self.write_parity)),
                    write.en.eq(self.write),
                    write.data.eq(self.elements[s]),
                ]
            state = Mux(zero, 0, Array(banks)[bank] if self.slices > 1 else banks[0])
            m.d.sync += chosen.eq(Mux(is_x, self.x_operand, state))
        else:
            m.d.sync += chosen.eq(self.x_operand)
        m.d.sync += self.operand.eq(chosen)
        return m
