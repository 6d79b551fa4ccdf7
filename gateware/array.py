"""The multiply-accumulate array with its drain: from operands to requantised pre-activations."""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .arith import NO_STYLES, choose, copies, delay, saturate, wide_rom


class MacArray(wiring.Component):
    """P lanes share the broadcast operands, each with its own weights and one multiplier.

    A plain lane adds ``x0 * w0`` to its accumulator, a fast one ``(x0 + w1) * (x1 + w0)``;
    beside fast lanes the xi lane sums ``x0 * x1``. The first product of a row block is loaded,
    the others added; no product is lost between blocks. All weights of a cycle are one memory
    word. Lane ``p*T + s`` is word p of slice s's chain. Latency 6 cycles from the decision (5
    from ``issue``) to the accumulator, one more where fast, two more where deep.

    Parameters
    ----------
    weights : (depth, lanes, operands a cycle) ints; weight_bits, operand_bits, acc_width : bits
    ram_shapes, styles : of the weights, as :func:`gateware.arith.wide_rom` takes them

    Members
    -------
    issue : In, valid, start and weight are used
    operands : In array, two cycles behind ``issue``
    accumulators : Out array of signed(acc_width), the last one xi where fast

    Reference: Winograd 1968; Pogue and Nicolici, arXiv 2311.12224.
    """

    def __init__(self, *, weights, weight_bits, operand_bits, acc_width, issue, deep,
                 ram_shapes=(), styles=NO_STYLES):
        self.deep, self.ram_shapes, self.styles = deep, ram_shapes, styles
        self.weights, self.weight_bits, self.acc_width = weights, weight_bits, acc_width
        self.operand_bits = operand_bits
        _, self.lanes, self.per_cycle = weights.shape
        self.fast = self.per_cycle == 2
        super().__init__({
            "issue": In(issue), "operands": In(signed(operand_bits)).array(self.per_cycle),
            "accumulators": Out(signed(acc_width)).array(self.lanes + self.fast)})

    def elaborate(self, platform):
        m = Module()
        bits, mask = self.weight_bits, (1 << self.weight_bits) - 1
        init = [sum((int(w) & mask) << (bits * i) for i, w in enumerate(word.reshape(-1)))
                for word in self.weights]
        word = wide_rom(m, "weights", init, bits * self.lanes * self.per_cycle,
                        self.issue.weight, self.ram_shapes, self.styles)
        word = delay(m, word, self.deep, "weight_word", reset_less=True)
        count = self.lanes + self.fast
        late = 3 + self.fast + 2 * self.deep
        valids = copies(m, delay(m, self.issue.valid, late, "valid"), count, "valid")
        starts = copies(m, delay(m, self.issue.start, late, "start"), count, "start")
        broadcast = [copies(m, operand, count, f"operand{i}_")
                     for i, operand in enumerate(self.operands)]
        for lane in range(count):
            operands = [copy[lane] for copy in broadcast]
            if lane < self.lanes:
                weights = [word[i * bits:(i + 1) * bits].as_signed()
                           for i in range(lane * self.per_cycle, (lane + 1) * self.per_cycle)]
            else:
                weights = [Const(0, signed(bits))] * 2
            if self.fast:
                x0, x1 = operands
                wide = signed(max(bits, self.operand_bits) + 1)
                left = Signal(wide, name=f"left{lane}", reset_less=True)
                right = Signal(wide, name=f"right{lane}", reset_less=True)
                m.d.sync += [left.eq(x0 + weights[1]), right.eq(x1 + weights[0])]
            else:
                left, right = operands[0], weights[0]
            product = Signal(signed(len(left) + len(right)), name=f"product{lane}",
                             reset_less=True)
            total = Signal(signed(self.acc_width), name=f"acc{lane}", reset_less=True)
            m.d.sync += product.eq(left * right)
            product = delay(m, product, self.deep, f"product{lane}", reset_less=True)
            with m.If(valids[lane]):
                m.d.sync += total.eq(Mux(starts[lane], 0, total) + product)
            m.d.comb += self.accumulators[lane].eq(total)
        return m


class Drain(wiring.Component):
    """Empties finished accumulators a word a cycle in every slice: + bias, requantize.

    A block's accumulators are copied to the chains as they become final; word j of a slice then
    passes ``saturate((acc - xi + bias) >> shift)``, the bias word holding half an LSB for rounding,
    and leaves on ``words`` with ``push``, 3 + j cycles behind the final accumulator. ``pushing``
    comes a cycle earlier.

    Parameters
    ----------
    biases : (depth, slices) ints
    lanes, acc_width, word_bits : lanes, and bits of accumulator and result
    drains : (shift, width) choices
    latency : cycles from ``block`` to the final accumulator
    xi : whether a last accumulator is taken off the others
    block : layout of the block record
    style : of the memory of biases, as :func:`gateware.arith.rom` takes it

    Members
    -------
    block : In, as the block's last operand is issued
    accumulators : In array
    pushing, push : Out(1); words : Out array, one a slice; clipped : Out(slices)
    """

    def __init__(self, *, biases, lanes, acc_width, word_bits, drains, block, latency, xi, deep,
                 style=None):
        self.deep, self.style = deep, style
        self.latency, self.xi = latency, xi
        self.biases, self.lanes, self.acc_width = biases, lanes, acc_width
        self.word_bits, self.drains = word_bits, drains
        self.slices = biases.shape[1]
        super().__init__({
            "block": In(block), "accumulators": In(signed(acc_width)).array(lanes + xi),
            "pushing": Out(1), "push": Out(1),
            "words": Out(signed(word_bits)).array(self.slices),
            "clipped": Out(self.slices)})

    def elaborate(self, platform):
        m = Module()
        depth = max(2, len(self.biases))
        memory = Memory(shape=data.ArrayLayout(signed(self.acc_width), self.slices), depth=depth,
                        init=[[int(bias) for bias in word] for word in self.biases],
                        attrs={"rom_style": self.style} if self.style else {})
        m.submodules.biases = memory
        read = memory.read_port()
        early = delay(m, self.block, self.latency - self.deep, "block")
        block = delay(m, early, self.deep, "block_late")
        before = delay(m, self.block.valid, self.latency - 1, "load")
        loads = copies(m, before, self.lanes + self.xi, "load_")
        bias_word = delay(m, read.data, self.deep, "bias_word", reset_less=True)
        left = Signal.like(block.words, name="left")
        kind = Signal.like(block.drain, name="kind")
        bias = Signal.like(block.bias, name="bias")
        shifting = Signal()
        m.d.comb += [read.addr.eq(Mux(early.valid, early.bias, bias))]
        m.d.sync += bias.eq(read.addr + 1)
        with m.If(block.valid):
            m.d.sync += [left.eq(block.words), shifting.eq(1), kind.eq(block.drain)]
        with m.Elif(shifting):
            m.d.sync += [left.eq(left - 1), shifting.eq(left != 1)]
        summed = delay(m, shifting, 1, "summed")
        kind2 = delay(m, kind, 1, "kind")
        kind3 = delay(m, kind2, 1, "kind_shifted")
        m.d.comb += self.pushing.eq(summed)
        m.d.sync += self.push.eq(summed)

        length = self.lanes // self.slices
        common = 0
        if self.xi:
            common = Signal(signed(self.acc_width), name="xi", reset_less=True)
            with m.If(loads[-1]):
                m.d.sync += common.eq(self.accumulators[self.lanes])
        for s in range(self.slices):
            chain = [Signal(signed(self.acc_width), name=f"chain{s}_{p}", reset_less=True)
                     for p in range(length)]
            for p in range(length):
                lane = p * self.slices + s
                following = chain[p + 1] if p + 1 < length else self.accumulators[lane]
                m.d.sync += chain[p].eq(Mux(loads[lane], self.accumulators[lane], following))
            total = Signal(signed(self.acc_width), name=f"total{s}", reset_less=True)
            shifted = Signal(signed(self.acc_width), name=f"shifted{s}", reset_less=True)
            m.d.sync += total.eq(chain[0] - common + bias_word[s])
            m.d.sync += shifted.eq(choose(kind2, [total >> shift for shift, _ in self.drains]))
            widths = list(dict.fromkeys(width for _, width in self.drains))
            options = [saturate(m, shifted, width, f"word{s}_{width}") for width in widths]
            of_kind = [options[widths.index(width)] for _, width in self.drains]
            m.d.comb += [
                self.words[s].eq(choose(kind3, [word for word, _ in of_kind])),
                self.clipped[s].eq(self.push & choose(kind3, [clip for _, clip in of_kind])),
            ]
        return m
