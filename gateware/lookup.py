"""Look-up of an activation's entry: slope and intercept for an operand, in every kind."""

from amaranth.hdl import Cat, Const, Mux, Signal

from .arith import choose, delay, rom

DIGIT = 4                  # bits of a lookup table's address in logic


def look_up(m, program, a, index, style=None):
    """Slope, and intercept with the sign of ``a``, a cycle (two where deep) behind ``a``.

    Equal to :meth:`rnnhw.activation.Table.entry` of the program's table.

    Parameters
    ----------
    m : Module that the look-up becomes part of
    program : rnnhw.program.Program
        Of which the table, ``indices`` and ``deep`` are used.
    a : signed operand
    index : into ``program.indices``, in the cycle of ``a``
    style : where the table is kept, as :func:`gateware.arith.rom` takes it
    """
    table = program.table
    segments = [_segment(a, drop) for drop, _ in program.indices]
    negative = delay(m, a < 0, 1 + program.deep, "negative")
    slope = Const(0)
    if table.kind == "ralut":
        word = _ranged(m, table, choose(index, segments))
        intercept = delay(m, word, program.deep, "segment", reset_less=True)
    else:
        if table.kind == "pwl":
            address, entries = _uniform(table, segments, index)
        elif table.kind == "octave":
            address, entries = _octave(table, choose(index, segments))
        elif table.kind == "table":
            address, entries = _words(table, choose(index, segments))
        else:
            address, entries = _clipped(program, segments, index)
            style = "logic"
        read = rom(m, "activation", entries, style)
        m.d.comb += read.addr.eq(address)
        entry = delay(m, read.data, program.deep, "segment", reset_less=True)
        slope = entry["slope"] if "slope" in entries[0] else slope
        intercept = entry["intercept"]
    if table.kind in ("table", "ralut"):
        intercept = intercept << table.spare_bits
    return slope, Mux(negative, -intercept, intercept)


def _segment(a, drop):
    """``a``, or its complement where negative, less ``drop`` bits: unsigned."""
    widened = a << -drop if drop < 0 else a
    return Mux(a < 0, ~widened, widened)[:len(widened) - 1] >> max(0, drop)


def _filled(table):
    """``(entries, bits)``, filled up with the last entry to a power of two.

    A segment beyond it, which has a high bit, is led to the last of them.
    """
    entries = [{"slope": int(s), "intercept": int(c)}
               for s, c in zip(table.slopes, table.intercepts)]
    bits = (len(entries) - 1).bit_length()
    return entries + entries[-1:] * ((1 << bits) - len(entries)), bits


def _uniform(table, segments, index):
    """Address and entries of equal segments."""
    entries, bits = _filled(table)
    return choose(index, [segment[:bits] | segment[bits:].any().replicate(bits)
                          for segment in segments]), entries


def _octave(table, segment):
    """Address and entries: the octave by the leading one, then the bits behind that."""
    entries, bits = _filled(table)
    n = table.mantissa_bits
    segment = Cat(segment, Const(0, n))
    octave, low = Const(0, bits - n), segment[:n]
    for i, bit in enumerate(segment[n:]):
        if i + 1 >= 1 << (bits - n):
            break
        octave = Mux(bit, i + 1, octave)
        low = Mux(bit, segment[i:i + n], low)
    beyond = segment[n + (1 << (bits - n)) - 1:].any()
    return Cat(low, octave)[:bits] | beyond.replicate(bits), entries


def _words(table, segment):
    """Address and entries of a plain table; segments beyond its end take the last word."""
    last = table.entries - 1
    entries = [{"intercept": int(c) >> table.spare_bits} for c in table.intercepts]
    return Mux(segment > last, last, segment), entries


def _clipped(program, segments, index):
    """Address and entries of a line and its limit for each function."""
    table = program.table
    clipped = [Cat(segment >= table.starts[first + 1], Const(first >> 1, 1))
               for segment, (_, first) in zip(segments, program.indices)]
    return choose(index, clipped), [{"slope": int(s), "intercept": int(c)}
                                    for s, c in zip(table.slopes, table.intercepts)]


def _ranged(m, table, segment):
    """Word of a range, a cycle behind: each start that is passed flips the bits that change."""
    codes = [int(c) >> table.spare_bits for c in table.intercepts]
    changes = [a ^ b for a, b in zip(codes, codes[1:])]
    passed = Signal(len(changes), reset_less=True)
    m.d.sync += passed.eq(Cat(_at_least(m, segment, table.starts[1:])))
    word = Signal(table.word_bits, name="range_word")
    m.d.comb += [word[b].eq(Cat(passed[i] for i, change in enumerate(changes)
                                if change >> b & 1).xor()) for b in range(len(word))]
    return word


def _at_least(m, value, bounds):
    """Whether ``value`` is at least each of the ``bounds``, digit by digit in lookup tables."""
    count = -(-max(bounds).bit_length() // DIGIT)
    digits = [value[DIGIT * i:DIGIT * (i + 1)] for i in range(count)]
    beyond = value[DIGIT * count:].any()
    shared = {}

    def among(i, first, last):
        """Whether digit ``i`` is within ``first..last``."""
        key = (i, first, last)
        if key not in shared:
            ones = sum(1 << d for d in range(first, last + 1))
            shared[key] = Signal(name=f"digit{i}_{first}_{last}")
            m.d.comb += shared[key].eq(Const(ones, 1 << DIGIT).bit_select(digits[i], 1))
        return shared[key]

    top = (1 << DIGIT) - 1
    found = []
    for bound in bounds:
        passed = among(0, bound & top, top)
        for i in range(1, count):
            digit = bound >> DIGIT * i & top
            passed = among(i, digit, digit) & passed
            if digit < top:
                passed = among(i, digit + 1, top) | passed
        found.append(passed | beyond)
    return found
