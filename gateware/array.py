"""The multiply-accumulate array with its drain: from operands to requantised pre-activations."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .arith import choose, delay, saturate


class MacArray(wiring.Component):
    """P lanes share the broadcast operand; lane l adds ``operand * weight[l]`` to its accumulator.

    The first product of a row block is loaded, the others added; no product is lost between blocks.
    All weights of a cycle are one memory word. Lane ``p*T + s`` is word p of slice s's chain.
    Latency 6 cycles from the decision (5 from ``issue``) to the accumulator.

    Parameters
    ----------
    weights : (depth, lanes) ints; weight_bits, operand_bits, acc_width : bits

    Members
    -------
    issue : In, valid, start and weight are used
    operand : In, three cycles behind ``issue``
    accumulators : Out array of signed(acc_width)
    """

    def __init__(self, *, weights, weight_bits, operand_bits, acc_width, issue):
        self.weights, self.weight_bits, self.acc_width = weights, weight_bits, acc_width
        self.operand_bits = operand_bits
        self.lanes = weights.shape[1]
        super().__init__({"issue": In(issue), "operand": In(signed(operand_bits)),
                          "accumulators": Out(signed(acc_width)).array(self.lanes)})

    def elaborate(self, platform):
        m = Module()
        bits, mask = self.weight_bits, (1 << self.weight_bits) - 1
        init = [sum((int(w) & mask) << (bits * lane) for lane, w in enumerate(word))
                for word in self.weights]
        init += [0] * (len(init) == 1)
        memory = Memory(shape=bits * self.lanes, depth=len(init), init=init)
        m.submodules.weights = memory
        read = memory.read_port()
        m.d.comb += read.addr.eq(self.issue.weight)
        word = delay(m, read.data, 2, "weight_word")
        valid = delay(m, self.issue.valid, 4, "valid")
        start = delay(m, self.issue.start, 4, "start")
        for lane in range(self.lanes):
            weight = word[lane * bits:(lane + 1) * bits].as_signed()
            product = Signal(signed(bits + self.operand_bits), name=f"product{lane}")
            total = Signal(signed(self.acc_width), name=f"acc{lane}")
            m.d.sync += product.eq(self.operand * weight)
            with m.If(valid):
                m.d.sync += total.eq(Mux(start, 0, total) + product)
            m.d.comb += self.accumulators[lane].eq(total)
        return m


class Drain(wiring.Component):
    """Empties finished accumulators a word a cycle in every slice: + bias, requantize.

    A block's accumulators are copied to the chains as they become final; word j of a slice then
    passes ``saturate((acc + bias) >> shift)``, the bias word holding half an LSB for rounding,
    and leaves on ``words`` with ``push``, 3 + j cycles behind the final accumulator. ``pushing``
    comes a cycle earlier.

    Parameters
    ----------
    biases : (depth, slices) ints
    lanes, acc_width, word_bits : lanes, and bits of accumulator and result
    drains : (shift, width) choices
    block : layout of the block record

    Members
    -------
    block : In, as the block's last operand is issued
    accumulators : In array
    pushing, push : Out(1); words : Out array, one a slice; clipped : Out(slices)
    """

    def __init__(self, *, biases, lanes, acc_width, word_bits, drains, block):
        self.biases, self.lanes, self.acc_width = biases, lanes, acc_width
        self.word_bits, self.drains = word_bits, drains
        self.slices = biases.shape[1]
        super().__init__({
            "block": In(block), "accumulators": In(signed(acc_width)).array(lanes),
            "pushing": Out(1), "push": Out(1),
            "words": Out(signed(word_bits)).array(self.slices),
            "clipped": Out(self.slices)})

    def elaborate(self, platform):
        m = Module()
        depth = max(2, len(self.biases))
        memory = Memory(shape=data.ArrayLayout(signed(self.acc_width), self.slices), depth=depth,
                        init=[[int(bias) for bias in word] for word in self.biases])
        m.submodules.biases = memory
        read = memory.read_port()
        block = delay(m, self.block, 5, "block")
        left = Signal.like(block.words, name="left")
        kind = Signal.like(block.drain, name="kind")
        bias = Signal.like(block.bias, name="bias")
        shifting = Signal()
        m.d.comb += [shifting.eq(left != 0), read.addr.eq(Mux(block.valid, block.bias, bias))]
        m.d.sync += bias.eq(read.addr + 1)
        with m.If(block.valid):
            m.d.sync += [left.eq(block.words), kind.eq(block.drain)]
        with m.Elif(shifting):
            m.d.sync += left.eq(left - 1)
        summed = delay(m, shifting, 1, "summed")
        kind2 = delay(m, kind, 1, "kind")
        kind3 = delay(m, kind2, 1, "kind_shifted")
        m.d.comb += self.pushing.eq(summed)
        m.d.sync += self.push.eq(summed)

        length = self.lanes // self.slices
        for s in range(self.slices):
            chain = [Signal(signed(self.acc_width), name=f"chain{s}_{p}") for p in range(length)]
            for p in range(length):
                with m.If(block.valid):
                    m.d.sync += chain[p].eq(self.accumulators[p * self.slices + s])
                if p + 1 < length:
                    with m.Elif(shifting):
                        m.d.sync += chain[p].eq(chain[p + 1])
            total = Signal(signed(self.acc_width), name=f"total{s}")
            shifted = Signal(signed(self.acc_width), name=f"shifted{s}")
            m.d.sync += total.eq(chain[0] + read.data[s])
            m.d.sync += shifted.eq(choose(kind2, [total >> shift for shift, _ in self.drains]))
            widths = list(dict.fromkeys(width for _, width in self.drains))
            options = [saturate(m, shifted, width, f"word{s}_{width}") for width in widths]
            of_kind = [options[widths.index(width)] for _, width in self.drains]
            m.d.comb += [
                self.words[s].eq(choose(kind3, [word for word, _ in of_kind])),
                self.clipped[s].eq(self.push & choose(kind3, [clip for _, clip in of_kind])),
            ]
        return m
