"""The multiply-accumulate array with its drain: from operands to requantised pre-activations."""

from typing import NamedTuple

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rnnhw.bins import BinLane, bin_lanes

from .arith import NO_STYLES, choose, copies, delay, saturate, wide_rom


class Factors(NamedTuple):
    """What lanes multiply in one space.

    ``lanes`` are :class:`rnnhw.bins.BinLane`: sums of an operand's components, of ``width`` bits
    each, and of the weight word's columns, of ``bits`` bits.
    """

    components: int
    width: int
    bits: int
    lanes: tuple


def plain_factors(lanes, width, bits):
    """Each lane multiplies the operand by a column of its own."""
    return Factors(1, width, bits, tuple(BinLane(((0, 1),), ((lane, 1),)) for lane in range(lanes)))


def spectral_factors(space, rows, x, products):
    """Lanes multiply a bin of an operand block by one of their block row's weights."""
    k, width = space.k, max(space.width, space.x_width if x else 0) + space.growth
    return Factors(k, width, space.weight_bits, tuple(
        BinLane(lane.operand, tuple((row * k + c, sign) for c, sign in lane.weight))
        for row in range(rows) for lane in bin_lanes(k, products)))


class MacArray(wiring.Component):
    """P lanes share the broadcast operands, each with its own weights and one multiplier.

    A plain lane adds ``x0 * w0`` to its accumulator, a fast one ``(x0 + w1) * (x1 + w0)``;
    beside fast lanes the xi lane sums ``x0 * x1`` of plain operands. Of spectra, x and w are
    components or sums of components. The first product of a row block is loaded,
    the others added; no product is lost between blocks. All weights of a cycle are one memory
    word. Plain, lane ``p*T + s`` is word p of slice s's chain. Latency 6 cycles from the decision
    (5 from ``issue``) to the accumulator, one more where fast, two more where deep, one more where
    ``prepared``: lanes choose between spaces, or add components.

    Parameters
    ----------
    weights : words of ``weight_width`` bits: column c, element e in bits ``(c*E + e) * bits``
    lanes, per_cycle, acc_width : lanes, operands a cycle E, bits of an accumulator
    spaces : list of :class:`Factors`, of plain operands first if there are any
    plain : bool
    ram_shapes, styles : of the weights, as :func:`gateware.arith.wide_rom` takes them

    Members
    -------
    issue : In, valid, start and weight are used, and space where there is more than one
    operands, operands1, ... : In arrays of a space's components, element by element, two cycles
        behind ``issue``
    accumulators : Out array of signed(acc_width), the last one xi where fast and plain

    Reference: Winograd 1968; Pogue and Nicolici, arXiv 2311.12224.
    """

    def __init__(self, *, weights, weight_width, lanes, per_cycle, spaces, plain, acc_width, issue,
                 deep, prepared=False, ram_shapes=(), styles=NO_STYLES):
        self.deep, self.ram_shapes, self.styles = deep, ram_shapes, styles
        self.weights, self.weight_width, self.acc_width = weights, weight_width, acc_width
        self.lanes, self.per_cycle, self.spaces = lanes, per_cycle, spaces
        self.plain, self.prepared, self.fast = plain, prepared, per_cycle == 2
        self.count = lanes + (self.fast and plain)
        super().__init__({
            "issue": In(issue),
            **{_port(i): In(signed(space.width)).array(per_cycle * space.components)
               for i, space in enumerate(spaces)},
            "accumulators": Out(signed(acc_width)).array(self.count)})

    def elaborate(self, platform):
        m = Module()
        word = wide_rom(m, "weights", self.weights, self.weight_width, self.issue.weight,
                        self.ram_shapes, self.styles)
        word = delay(m, word, self.deep, "weight_word", reset_less=True)
        count = self.count
        late = 3 + self.fast + 2 * self.deep + self.prepared
        # lanes of spectra lie further apart, beside their transforms
        each = 16 if all(factors.components == 1 for factors in self.spaces) else 8
        valids = copies(m, delay(m, self.issue.valid, late, "valid"), count, "valid", each)
        starts = copies(m, delay(m, self.issue.start, late, "start"), count, "start", each)
        space = Const(0)
        if len(self.spaces) > 1:
            space = self.issue.space if self.plain else self.issue.space - 1
            space = delay(m, space, 2 + self.deep, "space")
        broadcast = self._broadcast(m, space)
        space = delay(m, space, 1, "weight_space") if len(self.spaces) > 1 else space
        bits = max(factors.bits for factors in self.spaces)
        for lane in range(count):
            operands = broadcast[lane]
            if lane < self.lanes:
                weights = self._weights(m, lane, word, space)
            else:
                weights = [Const(0, signed(bits))] * 2
            if self.fast:
                x0, x1 = operands
                wide = signed(max(*map(len, weights), len(x0)) + 1)
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

    def broadcast(self, space):
        """Components of the space of that number here."""
        return getattr(self, _port(space))

    def _broadcast(self, m, space):
        """Each lane's operands, which lanes of equal terms share."""
        groups = {}
        for lane in range(self.count):
            key = tuple(factors.lanes[lane].operand if lane < len(factors.lanes) else None
                        for factors in self.spaces)
            if lane == self.lanes:      # xi
                key = (((0, 1),), *[None] * (len(self.spaces) - 1))
            groups.setdefault(key, []).append(lane)
        found = [[] for _ in range(self.count)]
        for g, (key, lanes) in enumerate(groups.items()):
            for e in range(self.per_cycle):
                name = f"operand{e}_" if len(groups) == 1 else f"operand{g}_{e}_"
                options = [_sum(self.broadcast(i)[e * factors.components:], terms)
                           for i, (factors, terms) in enumerate(zip(self.spaces, key))]
                operand = _chosen(m, space, options, f"{name}chosen", self.prepared)
                for lane, copy in zip(lanes, copies(m, operand, len(lanes), name)):
                    found[lane].append(copy)
        return found

    def _weights(self, m, lane, word, space):
        """A lane's weights, one for each operand of the cycle."""
        found = []
        for e in range(self.per_cycle):
            options = []
            for factors in self.spaces:
                terms, bits = None, factors.bits
                if lane < len(factors.lanes):
                    terms = factors.lanes[lane].weight
                columns = {c: word[(c * self.per_cycle + e) * bits:][:bits].as_signed()
                           for c, _ in terms or ()}
                options.append(_sum(columns, terms))
            found.append(_chosen(m, space, options, f"weight{lane}_{e}_", self.prepared))
        return found


def _port(space):
    return f"operands{space or ''}"


def _sum(components, terms):
    """Components summed with the signs of ``terms``; None where a lane has none."""
    if terms is None:
        return None
    found = None
    for component, sign in sorted(terms, key=lambda term: -term[1]):
        value = components[component]
        found = value if found is None else found + value if sign > 0 else found - value
    return found


def _chosen(m, space, options, name, register):
    """The option of ``space``, of those that there are, a cycle later if ``register``."""
    there = [option for option in options if option is not None] or [Const(0, signed(1))]
    value = there[0]
    if len(options) > 1:
        value = choose(space, [there[0] if option is None else option for option in options])
    if not register:
        return value
    kept = Signal(signed(max(map(len, there))), name=name, reset_less=True)
    m.d.sync += kept.eq(value)
    return kept


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
    wait : cycles that sums wait in the chain, so that words of every space take as long
    block : layout of the block record
    style : of the memory of biases, as :func:`gateware.arith.rom` takes it

    Members
    -------
    block : In, as the block's last operand is issued
    accumulators : In array
    pushing, push : Out(1); words : Out array, one a slice; clipped : Out(slices)
    """

    def __init__(self, *, biases, lanes, acc_width, word_bits, drains, block, latency, xi, deep,
                 wait=0, style=None):
        self.deep, self.style, self.wait = deep, style, wait
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
        early = delay(m, self.block, self.latency - self.deep + self.wait, "block")
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
                if self.wait:
                    following = Mux(shifting, following, chain[p])
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
