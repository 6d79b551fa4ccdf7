"""Look-up of an activation's line: slope and intercept of the segment that an operand is in."""

from amaranth.hdl import Mux

from .arith import choose, delay, rom


def look_up(m, program, a, index, style="auto"):
    """Slope, and intercept with the sign of ``a``, a cycle (two where deep) behind ``a``.

    Parameters
    ----------
    m : Module that the look-up becomes part of
    program : rnnhw.program.Program
        Of which the table, ``indices`` and ``deep`` are used.
    a : signed operand
    index : into ``program.indices``, in the cycle of ``a``
    style : "auto", "block" or "logic", where the table is kept
    """
    table = program.table
    entries = [{"slope": int(s), "intercept": int(c)}
               for s, c in zip(table.slopes, table.intercepts)]
    # Filled up with the constant segment to a power of two: one high bit leads to the last.
    bits = (len(entries) - 1).bit_length()
    entries += entries[-1:] * ((1 << bits) - len(entries))
    read = rom(m, "activation", entries, style)
    addresses = []
    for shift in program.indices:
        widened = a << -shift if shift < 0 else a
        folded = Mux(a < 0, ~widened, widened)[:len(widened) - 1]
        segment = folded >> max(0, shift)
        addresses.append(segment[:bits] | segment[bits:].any().replicate(bits))
    m.d.comb += read.addr.eq(choose(index, addresses))
    negative = delay(m, a < 0, 1 + program.deep, "negative")
    segment = delay(m, read.data, program.deep, "segment", reset_less=True)
    intercept = segment.intercept
    return segment.slope, Mux(negative, -intercept, intercept)
