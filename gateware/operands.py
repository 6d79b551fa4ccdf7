"""Operand memory: what the array multiplies, this step's and the last step's."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .arith import choose, delay, ram


class OperandMemory(wiring.Component):
    """Banks of elements, double-buffered by step; broadcasts ``per_cycle`` operands a cycle.

    A word has ``banks`` elements, one or two groups of the ``slices`` elements written at once.
    Reads the elements that ``issue`` names, from their banks or from the input buffer, or zero
    for a state of the step before the first. Latency 2 cycles (3 deep) from ``issue`` to operand,
    throughput one a cycle, no flow control.

    Parameters
    ----------
    words, banks, slices, per_cycle : words of a step, elements of a word, written, read at once
    width, x_width : bits of an element, of one from the input buffer
    issue : layout of the issue record
    style : of the memories, as :func:`gateware.arith.ram` takes it

    Members
    -------
    issue : In(issue)
    x_operands : In, the input buffer's elements, one cycle behind ``issue``
    write : In(1) with ``write_parity``, ``write_word`` and ``elements``
    operands : Out, the elements
    """

    def __init__(self, *, words, banks, slices, per_cycle, width, x_width, issue, deep,
                 style=None):
        self.deep, self.style = deep, style
        self.words, self.banks, self.slices, self.width = words, banks, slices, width
        self.per_cycle = per_cycle
        self.groups = banks // slices
        super().__init__({
            "issue": In(issue), "x_operands": In(signed(x_width)).array(per_cycle),
            "write": In(1), "write_parity": In(1),
            "write_word": In(max(1, ceil_log2(max(1, words) * self.groups))),
            "elements": In(signed(width)).array(slices),
            "operands": Out(signed(max(width, x_width))).array(per_cycle)})

    def elaborate(self, platform):
        m = Module()
        is_x = delay(m, self.issue.x, 1 + self.deep, "is_x")
        zero = delay(m, self.issue.zero, 1 + self.deep, "zero")
        bank = delay(m, self.issue.bank, 1 + self.deep, "bank")
        banks = []
        word_bits, group_bits = ceil_log2(max(1, self.words)), ceil_log2(self.groups)
        for b in range(self.banks if self.words else 0):
            write, read = ram(m, f"bank{b}", signed(self.width), 2 << word_bits, self.style)
            banks.append(delay(m, read.data, self.deep, f"read{b}", reset_less=True))
            group = self.write_word[:group_bits] == b // self.slices
            m.d.comb += [
                read.addr.eq(Cat(self.issue.word[:word_bits], self.issue.parity)),
                write.addr.eq(Cat(self.write_word[group_bits:group_bits + word_bits],
                                  self.write_parity)),
                write.en.eq(self.write & group if group_bits else self.write),
                write.data.eq(self.elements[b % self.slices]),
            ]
        for i, x_operand in enumerate(self.x_operands):
            chosen = Signal(self.operands[i].shape(), name=f"chosen{i}", reset_less=True)
            x_operand = delay(m, x_operand, self.deep, f"x_read{i}", reset_less=True)
            if banks:
                state = Mux(zero, 0, choose(bank, banks[i::self.per_cycle]))
                m.d.sync += chosen.eq(Mux(is_x, x_operand, state))
            else:
                m.d.sync += chosen.eq(x_operand)
            m.d.comb += self.operands[i].eq(chosen)
        return m
