"""The drain of spectral sums: components, bias, requantize, inverse transform, requantize."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rnnhw.bins import combined
from rnnhw.fourier import transform_cycles

from .arith import choose, copies, delay, saturate
from .fourier import Inverse

GROUP = 4      # components whose biases, in logic, have one address register


class SpectralDrain(wiring.Component):
    """Empties the accumulators of a row block, a block row every ``k/T`` cycles.

    The real products of a block row are combined into components, ``xi`` is taken off and the bias
    word added, ``saturate(. >> shift)`` goes through the inverse transform, and its points leave as
    ``saturate(. >> shift, half up)``, T a cycle. The first word leaves ``9 + transform_cycles(k) +
    wait`` cycles behind the final accumulator; ``pushing`` comes a cycle before ``push``.

    Parameters
    ----------
    space : rnnhw.spaces.Space
    products : of a complex bin
    rows, slices, acc_width, word_bits : block rows, T, bits of accumulator and result
    block : layout of the block record
    latency : cycles from ``block`` to the final accumulator
    wait : cycles that sums wait in the chain
    xi : whether the array is fast
    style : of the memory of biases

    Members
    -------
    block : In, as the block's last operand is issued
    accumulators : In array
    run_end, run_first : In(1), a cycle before a run's last product is in the accumulator
    sums : In array, xi of the run of operands, a cycle later
    pushing, push : Out(1); words : Out array, one a slice; clipped : Out(slices)
    """

    def __init__(self, *, space, products, rows, slices, acc_width, word_bits, block, latency,
                 wait, xi, style=None):
        self.space, self.products, self.rows, self.slices = space, products, rows, slices
        self.acc_width, self.word_bits = acc_width, word_bits
        self.latency, self.wait, self.xi, self.style = latency, wait, xi, style
        self.words_each = space.k // slices
        self.combined = combined(space.k, products)
        self.lanes = 1 + max(lane for terms in self.combined for lane, _ in terms)
        super().__init__({
            "block": In(block), "accumulators": In(signed(acc_width)).array(rows * self.lanes),
            "run_end": In(1), "run_first": In(1), "sums": In(signed(acc_width)).array(space.k),
            "pushing": Out(1), "push": Out(1),
            "words": Out(signed(word_bits)).array(slices), "clipped": Out(slices)})

    def elaborate(self, platform):
        m = Module()
        k = self.space.k
        fire, advances, kind, addresses = self._control(m)
        head = self._chain(m, advances)
        spectrum, saturated = self._spectrum(m, head, delay(m, kind, 3, "kind"), addresses)
        inverse = Inverse(k, len(spectrum[0]))
        m.submodules.inverse = inverse
        m.d.comb += [inverse.components[i].eq(value) for i, value in enumerate(spectrum)]
        far = 5 + transform_cycles(k)
        self._send(m, inverse, delay(m, fire, far - 1, "fire"), delay(m, kind, far + 1, "out_kind"),
                   delay(m, self.pushed, far - 2, "pushed"))
        flag = Signal()
        m.d.sync += flag.eq(saturated & delay(m, fire, 4, "fired"))
        m.d.comb += self.clipped[0].eq(flag | self.late_clips[0])
        m.d.comb += [self.clipped[s].eq(self.late_clips[s]) for s in range(1, self.slices)]
        return m

    def _control(self, m):
        """A block row stands at the chain's head for ``words_each`` cycles from ``fire`` on."""
        block = delay(m, self.block, self.latency + self.wait, "block")
        left = Signal.like(block.cycles)
        shifting, kind, address = Signal(), Signal.like(block.drain), Signal.like(block.bias)
        groups = -(-self.space.k // self._together())
        addresses = [Signal.like(address, name=f"dup_address{i}") for i in range(groups - 1)]
        phase = Signal(range(max(2, self.words_each)))
        fire, goes_on, next_phase = Signal(), Signal(), Signal.like(phase)
        advance, advance_next = Signal(), Signal()
        last = self.words_each - 1
        m.d.comb += [
            goes_on.eq(block.valid | shifting & (left != 1)),
            next_phase.eq(Mux(block.valid | advance, 0, phase + 1)),
            advance_next.eq(goes_on & (next_phase == last)),
            fire.eq(shifting & (phase == 0)),
        ]
        m.d.sync += [phase.eq(next_phase), shifting.eq(goes_on), advance.eq(advance_next)]
        with m.If(block.valid):
            m.d.sync += [left.eq(block.cycles), kind.eq(block.drain)]
            m.d.sync += [copy.eq(block.bias) for copy in (address, *addresses)]
        with m.Elif(shifting):
            m.d.sync += left.eq(left - 1)
            m.d.sync += [copy.eq(address + advance) for copy in (address, *addresses)]
        advances = copies(m, advance_next, self.rows * self.lanes, "advance_")
        return fire, advances, kind, [address, *addresses]

    def _together(self):
        """Components whose biases have one address register: it would reach too much logic."""
        return GROUP if self.style == "logic" else self.space.k

    def _chain(self, m, advances):
        """The lanes' sums of the block row at the head."""
        before = delay(m, self.block.valid, self.latency - 1, "load")
        count = self.rows * self.lanes
        loads = copies(m, before, count, "load_")
        chain = [Signal(signed(self.acc_width), name=f"chain{i}", reset_less=True)
                 for i in range(count)]
        for i in range(count):
            with m.If(loads[i]):
                m.d.sync += chain[i].eq(self.accumulators[i])
            if i + self.lanes < count:
                with m.Elif(advances[i]):
                    m.d.sync += chain[i].eq(chain[i + self.lanes])
        return chain[:self.lanes]

    def _biases(self, m, addresses):
        """Biases of all components, and the words that are pushed, two cycles behind an address."""
        k, bits, each = self.space.k, self.acc_width, self._together()
        mask, found = (1 << bits) - 1, []
        for i, address in enumerate(addresses):
            part = slice(i * each, (i + 1) * each)
            shape = {"components": data.ArrayLayout(unsigned(bits), len(range(k)[part]))}
            rows = [{"components": [int(value) & mask for value in row[part]]}
                    for row in self.space.biases]
            if not i:
                shape["pushed"] = range(self.words_each + 1)
                rows = [row | {"pushed": words} for row, words in zip(rows, self.space.pushed)]
            memory = Memory(shape=data.StructLayout(shape), depth=max(2, len(rows)), init=rows,
                            attrs={"rom_style": self.style} if self.style else {})
            m.submodules[f"biases{i or ''}"] = memory
            read = memory.read_port()
            m.d.comb += read.addr.eq(address)
            late = delay(m, read.data, 1, f"bias{i or ''}", reset_less=True)
            found += [late.components[c].as_signed() for c in range(len(range(k)[part]))]
            if not i:
                self.pushed = late.pushed
        return found

    def _spectrum(self, m, head, kind, addresses):
        """Components that enter the inverse transform, five cycles behind ``fire``, and whether any
        was clipped a cycle before."""
        k, bits = self.space.k, self.acc_width
        biases = self._biases(m, addresses)
        xi = self._xi(m)
        found, flags = [], []
        for c in range(k):
            value = Signal(signed(bits), name=f"component{c}", reset_less=True)
            m.d.sync += value.eq(sum(head[lane] if sign > 0 else -head[lane]
                                     for lane, sign in self.combined[c]))
            if self.xi:
                value, before = Signal.like(value, name=f"less{c}"), value
                m.d.sync += value.eq(before - xi[c])
            else:
                value = delay(m, value, 1, f"component{c}", reset_less=True)
            total = Signal(signed(bits), name=f"total{c}", reset_less=True)
            shifted = Signal(signed(bits), name=f"shifted{c}", reset_less=True)
            m.d.sync += total.eq(value + biases[c])
            m.d.sync += shifted.eq(choose(kind, [total >> drain.shift
                                                 for drain in self.space.drains]))
            width = self.space.drains[0].width
            result, flag = saturate(m, shifted, width, f"spectrum{c}")
            found.append(delay(m, result, 1, f"spectrum{c}", reset_less=True))
            flags.append(flag)
        return found, Cat(flags).any()

    def _xi(self, m):
        """The xi of the block under way, held while its block rows drain."""
        if not self.xi:
            return []
        k, held = self.space.k, []
        begin = copies(m, delay(m, self.block.valid, self.latency, "begin"), k, "begin_", each=2)
        run_end, run_first = (copies(m, flag, k, name, each=2) for flag, name in (
            (self.run_end, "run_end_"), (self.run_first, "run_first_")))
        for c in range(k):
            total = Signal(signed(self.acc_width), name=f"xi_sum{c}", reset_less=True)
            with m.If(run_end[c]):
                m.d.sync += total.eq(Mux(run_first[c], 0, total) + self.sums[c])
            xi = Signal(signed(self.acc_width), name=f"xi{c}", reset_less=True)
            with m.If(begin[c]):
                m.d.sync += xi.eq(total)
            held.append(xi)
        return held

    def _send(self, m, inverse, fire, kind, pushed):
        """Points in words of T, from two cycles after ``fire`` on."""
        k, n = self.space.k, self.slices
        loads = copies(m, fire, k + 1, "fire_", each=4)
        points = [Signal.like(inverse.points[i], name=f"held{i}", reset_less=True)
                  for i in range(k)]
        left = Signal(range(self.words_each + 1))
        for i, point in enumerate(points):
            following = points[i + n] if i + n < k else point
            m.d.sync += point.eq(Mux(loads[i], inverse.points[i], following))
        with m.If(loads[k]):
            m.d.sync += left.eq(pushed)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        sent = Signal()
        m.d.sync += [sent.eq(left != 0), self.push.eq(sent)]
        m.d.comb += self.pushing.eq(sent)
        drains = self.space.drains
        kind2 = delay(m, kind, 1, "sent_kind")
        widths = list(dict.fromkeys(drain.out_width for drain in drains))
        self.late_clips = []
        for s in range(n):
            shifted = Signal(signed(len(points[s]) + 1), name=f"sent{s}", reset_less=True)
            m.d.sync += shifted.eq(choose(kind, [
                (points[s] + ((1 << drain.out_shift) >> 1)) >> drain.out_shift
                for drain in drains]))
            options = [saturate(m, shifted, width, f"word{s}_{width}") for width in widths]
            of_kind = [options[widths.index(drain.out_width)] for drain in drains]
            m.d.sync += self.words[s].eq(choose(kind2, [word for word, _ in of_kind]))
            clip = Signal(name=f"clip{s}")
            m.d.sync += clip.eq(sent & choose(kind2, [flag for _, flag in of_kind]))
            self.late_clips.append(clip)
