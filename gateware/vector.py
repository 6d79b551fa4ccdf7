"""The vector lane of a slice: ``a*b + c``, activations by table, state memory, operand copies."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnnhw.activation import INTERCEPT_FRAC
from rnnhw.records import ONE_FRAC
from rnnhw.tables import FUNCTIONS

from .arith import NO_STYLES, choose, delay, ram, saturate
from .lookup import look_up


class VectorLane(wiring.Component):
    """One element a cycle of ``saturate((a*b +- (c << align)) >> shift, half up) + half``.

    Operand a is a drained word or state; b is state or one, c state or nothing; for tanh and
    sigmoid b and c are slope and intercept of a's segment, addressed by the top bits of ``a ^
    sign``. Cycles behind the decision: 1 address a, 3 operand a and addresses b, c, 5 multiplier
    inputs, 6 product, 7 sum, 8 shifted, 9 result (written to state and sent), 10 operand copy.

    Parameters
    ----------
    program : rnnhw.program.Program
        Of which constants, table and sizes are used.
    issue : layout of the issue record
    styles : dict, where memories are kept, as :class:`rnnhw.memories.Layout` says
    number : of the slice, whose constants state memory holds at first

    Members
    -------
    issue : In
    push, pushed : In, a word from the drain
    result : Out(signed(word_bits)), 9 cycles behind the decision
    copy : Out(signed(operand_width)), 10 cycles behind the decision
    point1, ... : Out, the copy as a point of each space of spectra
    clipped : Out(1), a number was saturated
    """

    def __init__(self, program, issue, styles=NO_STYLES, number=0):
        self.p, self.styles = program, styles
        self.initial = [0] * program.state_words if program.constants else []
        for first, words in program.constants:
            self.initial[first:first + len(words)] = words[:, number].tolist()
        super().__init__({
            "issue": In(issue), "push": In(1), "pushed": In(signed(program.word_bits)),
            "result": Out(signed(program.word_bits)),
            "copy": Out(signed(program.operand_width)), "clipped": Out(1),
            **{f"point{i + 1}": Out(signed(max(1, space.width)))
               for i, space in enumerate(program.spaces)}})

    def elaborate(self, platform):
        m = Module()
        p, issue = self.p, self.issue
        d = p.deep
        bits = p.word_bits
        word = signed(bits)

        def late(name, cycles):
            return delay(m, issue[name], cycles, name)

        fill, drained = ram(m, "drained", word, p.fifo_depth,
                            self.styles.get("drain"))
        filling = Signal(range(p.fifo_depth))
        m.d.comb += [fill.en.eq(self.push), fill.addr.eq(filling), fill.data.eq(self.pushed),
                     drained.addr.eq(issue.word)]
        with m.If(self.push):
            m.d.sync += filling.eq(filling + 1)

        state = {}
        for letter, cycles, behind in (("a", 0, 1 + d), ("b", 2 + d, 3 + 2 * d),
                                       ("c", 2 + d, 3 + 2 * d)):
            if any(getattr(row, letter) >= 0 for row in p.rows):
                write, read = ram(m, f"state_{letter}", word, p.state_words,
                                  self.styles.get(f"state{letter}"), self.initial)
                m.d.comb += [read.addr.eq(late(letter, cycles)),
                             write.en.eq(late("store", 8 + 3 * d)),
                             write.addr.eq(late("dst", 8 + 3 * d)), write.data.eq(self.result)]
                word_read = delay(m, read.data, d, f"state_{letter}_read", reset_less=True)
                state[letter] = Mux(late(f"zero_{letter}", behind), 0, word_read)
            else:
                state[letter] = Const(0, word)

        a = Signal(word, reset_less=True)
        drained_read = delay(m, drained.data, d, "drained_read", reset_less=True)
        m.d.sync += a.eq(Mux(late("drain", 1 + d), drained_read, state["a"]))
        factor = Signal(signed(max(bits, ONE_FRAC + 2)), reset_less=True)
        addend = Signal(signed(max(bits, INTERCEPT_FRAC + 1) + 1), reset_less=True)
        one = Const(1 << ONE_FRAC, factor.shape())
        b = Mux(late("one", 3 + 2 * d), one, state["b"])
        signed_c = Mux(late("subtract", 3 + 2 * d), -state["c"], state["c"])
        c = Mux(late("has_c", 3 + 2 * d), signed_c, 0)
        if p.table is None:
            m.d.sync += [factor.eq(b), addend.eq(c)]
        else:
            slope, intercept = look_up(m, p, a, late("index", 2 + d),
                                       self.styles.get("activation"))
            is_table = late("fn", 3 + 2 * d) != FUNCTIONS.index("mac")
            m.d.sync += [factor.eq(Mux(is_table, slope, b)),
                         addend.eq(Mux(is_table, intercept, c))]
        multiplicand = delay(m, a, 2 + d, "multiplicand", reset_less=True)
        product = Signal(signed(bits + len(factor)), reset_less=True)
        aligned = Signal(signed(len(addend) + max(p.aligns)), reset_less=True)
        # The largest product, of the two least factors, takes the last bit but one.
        total = Signal(signed(max(len(product) - 1, len(aligned)) + 1), reset_less=True)
        m.d.sync += [
            product.eq(multiplicand * factor),
            aligned.eq(choose(late("align", 4 + 2 * d), [addend << align for align in p.aligns])),
            total.eq(product + aligned),
        ]
        # One bit below the result's LSB is kept, so that adding it is rounding half up.
        shifted = Signal(signed(len(total) + 1 - min(out.shift for out in p.outs)), reset_less=True)
        out6, out7 = late("out", 6 + 2 * d), late("out", 7 + 3 * d)
        m.d.sync += shifted.eq(choose(out6, [Cat(0, total).as_signed() >> out.shift
                                             for out in p.outs]))
        rounding = Signal(signed(bits + 2), reset_less=True)
        m.d.sync += rounding.eq(choose(out6, [Const(2 * out.half + 1, rounding.shape())
                                              for out in p.outs]))
        rounded = Signal(signed(len(shifted)))
        m.d.comb += rounded.eq((shifted + rounding) >> 1)
        rounded = delay(m, rounded, d, "rounded", reset_less=True)
        widths = list(dict.fromkeys(out.width for out in p.outs))
        options = [saturate(m, rounded, width, f"result_{width}") for width in widths]
        of_out = [options[widths.index(out.width)] for out in p.outs]
        negative = late("relu", 7 + 3 * d) & (rounded < 0)
        over = Signal()
        m.d.sync += [
            self.result.eq(Mux(negative, 0, choose(out7, [r for r, _ in of_out]))),
            over.eq(~negative & choose(out7, [flag for _, flag in of_out])),
        ]
        clip = late("valid", 8 + 3 * d) & over

        if p.copies:
            copy, copied = late("copy", 8 + 3 * d), late("copied", 8 + 3 * d)
            for i in range(1, len(p.spaces) + 1):
                copied |= late(f"points{i}", 8 + 3 * d)
            self._copy(m, copy, copied, clip)
        else:
            m.d.sync += self.clipped.eq(clip)
        return m

    def _copy(self, m, copy, copied, clip):
        """The result requantised to an operand and shifted left, one cycle behind it."""
        values, points, flags = [], [], []
        for i, kind in enumerate(self.p.copies):
            half = (1 << kind.shift) >> 1
            rounded = Signal(signed(self.p.word_bits + 1), name=f"copy_rounded{i}")
            m.d.comb += rounded.eq((self.result + half) >> kind.shift)
            value, flag = saturate(m, rounded, kind.width, f"copy_value{i}")
            values.append(value << kind.left)
            points.append([value << left for left in kind.lefts])
            flags.append(flag)
        m.d.sync += [self.copy.eq(choose(copy, values)),
                     self.clipped.eq(clip | (copied & choose(copy, flags)))]
        for i, of_kind in enumerate(zip(*points)):
            m.d.sync += getattr(self, f"point{i + 1}").eq(choose(copy, of_kind))
