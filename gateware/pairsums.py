"""The sums that the fast inner product takes off: products of neighbouring spectral blocks."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rnnhw.bins import bin_lanes, combined, pair_factors, pair_multipliers, pair_steps

from .arith import choose, delay, ram


class PairSums(wiring.Component):
    """xi of spectra: ``sum f(X0) f(X1)`` over pairs of blocks, for the operand of every lane.

    With ``(x0 + w1)(x1 + w0) = x0 w0 + x1 w1 + x0 x1 + w0 w1`` the sum of ``x0 x1`` is the same for
    all block rows. Each distinct factor's product is made once, in turn, by
    :func:`rnnhw.bins.pair_multipliers` multipliers; their sums go round in rings as long as the
    turn. A finished pair's sums, combined into components, replace those of its slot; they can be
    read :func:`rnnhw.bins.pair_cycles` after its second block, before that the former ones are
    found (in the cycle before, either where the memory leaves that open).

    Parameters
    ----------
    k, products : of :func:`rnnhw.bins.bin_lanes`
    width, acc_width : bits of a component and of a sum; sums are modulo ``2**acc_width``
    slots : sums that are kept; the pairs of two slots' sums do not interleave
    spacing : cycles that the second blocks of two pairs are apart at least
    style : of the memory of sums, as :func:`gateware.arith.ram` takes it

    Members
    -------
    valid, odd, block : In, a block, and whether it is the second of its pair
    first, slot : In, with a second block: the first pair of a sum, and whose sum
    read_slot : In
    sums : Out array of k signed(acc_width), two cycles behind ``read_slot``

    Reference: Winograd 1968.
    """

    def __init__(self, *, k, products, width, acc_width, slots, spacing, style=None):
        self.k, self.products, self.width, self.acc_width = k, products, width, acc_width
        self.slots, self.spacing, self.style = slots, spacing, style
        super().__init__({
            "valid": In(1), "odd": In(1), "first": In(1), "slot": In(range(slots)),
            "block": In(signed(width)).array(k), "read_slot": In(range(slots)),
            "sums": Out(signed(acc_width)).array(k)})

    def elaborate(self, platform):
        m = Module()
        width, k = self.width, self.k
        steps = pair_steps(k, self.products, self.spacing)
        count = pair_multipliers(k, self.products, self.spacing)
        held, former, latter = ([Signal(signed(width), name=f"{name}{c}", reset_less=True)
                                 for c in range(k)] for name in ("held", "former", "latter"))
        step, busy = Signal(range(steps)), Signal()
        load = self.valid & self.odd
        first, slot = Signal(), Signal.like(self.slot)
        last = step == steps - 1
        with m.If(self.valid):
            m.d.sync += [kept.eq(word) for kept, word in zip(held, self.block)]
        with m.If(load):
            m.d.sync += [Cat(former, latter).eq(Cat(held, *self.block)), step.eq(0), busy.eq(1),
                         first.eq(self.first), slot.eq(self.slot)]
        with m.Elif(busy):
            m.d.sync += [step.eq(step + 1), busy.eq(~last)]
        turning = delay(m, busy, 3, "turning")
        starting = delay(m, first, 3, "starting", reset_less=True)
        store = delay(m, busy & last, 5, "store")
        store_slot = delay(m, slot, 5, "store_slot", reset_less=True)

        factors = pair_factors(k, self.products)
        found = {}
        for i in range(count):
            turns = factors[i::count]
            operands = [self._factor(m, step, words, turns, f"{name}_factor{i}")
                        for name, words in (("former", former), ("latter", latter))]
            product = Signal(signed(sum(len(operand) for operand in operands)),
                             name=f"product{i}", reset_less=True)
            ring = [Signal(signed(self.acc_width), name=f"ring{i}_{s}", reset_less=True)
                    for s in range(steps)]
            m.d.sync += product.eq(operands[0] * operands[1])
            with m.If(turning):
                m.d.sync += ring[-1].eq(Mux(starting, 0, ring[0]) + product)
                m.d.sync += [ring[s].eq(ring[s + 1]) for s in range(steps - 1)]
            found |= dict(zip(turns, ring))

        write, read = ram(m, "sums_memory", data.ArrayLayout(signed(self.acc_width), k),
                          self.slots, self.style)
        lanes = [found[lane.operand] for lane in bin_lanes(k, self.products)]
        for c, terms in enumerate(combined(k, self.products)):
            total = Signal(signed(self.acc_width), name=f"combined{c}", reset_less=True)
            signed_lanes = [lanes[lane] if sign > 0 else -lanes[lane] for lane, sign in terms]
            m.d.sync += total.eq(sum(signed_lanes[1:], signed_lanes[0]))
            m.d.comb += write.data[c].eq(total)
            out = Signal(signed(self.acc_width), name=f"sum{c}", reset_less=True)
            m.d.sync += out.eq(read.data[c])
            m.d.comb += self.sums[c].eq(out)
        m.d.comb += [write.addr.eq(store_slot), write.en.eq(store), read.addr.eq(self.read_slot)]
        return m

    def _factor(self, m, step, words, turns, name):
        """Factor number ``step`` of ``turns``, two cycles behind."""
        parts = []
        for i in range(max(len(terms) for terms in turns)):
            options = [words[terms[i][0]] if i < len(terms) else Const(0) for terms in turns]
            part = Signal(signed(self.width), name=f"{name}_{i}", reset_less=True)
            m.d.sync += part.eq(choose(step, options))
            parts.append(part)
        factor = Signal(signed(self.width + len(parts) - 1), name=name, reset_less=True)
        m.d.sync += factor.eq(sum(parts[1:], parts[0]))
        return factor
