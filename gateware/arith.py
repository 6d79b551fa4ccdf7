"""The narrowing of numbers, as expressions, and small helpers that every part shares."""

from types import MappingProxyType

from amaranth.hdl import Cat, Const, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory

from rnnhw.memories import cut

NO_STYLES = MappingProxyType({})


def choose(select, options):
    """``options[select]`` as a tree of multiplexers, one level a bit of ``select``.

    A single option costs nothing; a ``select`` past the last option gives any of them.
    """
    options, level = list(options), 0
    while len(options) > 1:
        pairs = [options[i:i + 2] for i in range(0, len(options), 2)]
        options = [Mux(select[level], *reversed(pair)) if len(pair) > 1 else pair[0]
                   for pair in pairs]
        level += 1
    return options[0]


def saturate(m, value, width, name):
    """``value`` clamped to ``width`` bits, and whether it had to be: ``(result, clipped)``.

    It fits if its bits from the result's sign on are all equal.
    """
    result = Signal(signed(width), name=name)
    clipped = Signal(name=f"{name}_clipped")
    if len(value) <= width:
        m.d.comb += result.eq(value)
        return result, clipped
    high, sign = value[width - 1:], value[-1]
    limit = Cat((~sign).replicate(width - 1), sign)
    m.d.comb += [clipped.eq(high.any() & ~high.all()),
                 result.eq(Mux(clipped, limit, value[:width]).as_signed())]
    return result, clipped


def delay(m, signal, cycles, name, reset_less=False):
    """``signal`` as it was ``cycles`` cycles ago; zero before that.

    ``reset_less`` is for data whose flag is reset; block RAMs and multipliers can hold such a
    register.
    """
    for i in range(cycles):
        late = Signal(signal.shape(), name=f"{name}_{i + 1}", reset_less=reset_less)
        m.d.sync += late.eq(signal)
        signal = late
    return signal


def width_for(value):
    """Bits of an unsigned field that holds ``value``, at least one."""
    return max(1, int(value).bit_length())


def copies(m, signal, users, name, each=16):
    """``signal`` a cycle later, in one register for every ``each`` of its ``users``; one a user.

    The name tells synthesis to keep them apart: one register would have to reach all users.
    """
    found = []
    for i in range(-(-users // each)):
        prefix = "dup_" if users > each else ""
        copy = Signal(signal.shape(), name=f"{prefix}{name}{i}", reset_less=True)
        m.d.sync += copy.eq(signal)
        found += [copy] * each
    return found[:users]


def rom(m, name, rows, style=None):
    """A synchronous read-only table of records; returns its read port, whose data has the fields.

    ``rows`` is a list of dicts of non-negative ints with equal keys. ``style`` is "block" or
    "logic", or None where synthesis decides. Latency one cycle.
    """
    layout = data.StructLayout({key: width_for(max(row[key] for row in rows)) for key in rows[0]})
    rows = rows + [{key: 0 for key in rows[0]}] * (len(rows) == 1)
    memory = Memory(shape=layout, depth=len(rows), init=rows,
                    attrs={"rom_style": style} if style else {})
    m.submodules[name] = memory
    return memory.read_port()


def wide_rom(m, name, words, width, address, shapes=(), styles=NO_STYLES):
    """A deep and wide read-only memory; its word comes three cycles behind ``address``.

    :func:`rnnhw.memories.cut` cuts it, as suits the ``shapes`` (depth, width) of the part's block
    RAMs, into memories of a style each and with an output register each; the second register
    stands behind the multiplexer that joins them.
    """
    cuts = cut(name, len(words), width, shapes)
    depth = max(2, cuts[0][2])
    parts = []
    for i, (part_name, first, count) in enumerate(cuts):
        style = styles.get(part_name)
        memory = Memory(shape=width, depth=max(2, count), init=words[first:first + count],
                        attrs={"rom_style": style} if style else {})
        m.submodules[part_name] = memory
        read = memory.read_port()
        m.d.comb += read.addr.eq(address)
        parts.append(delay(m, read.data, 1, f"{name}_read{i}", reset_less=True))
    part = address >> (depth - 1).bit_length() if len(parts) > 1 else Const(0)
    chosen = choose(delay(m, part, 2, f"{name}_part"), parts)
    word = Signal(width, name=f"{name}_word", reset_less=True)
    m.d.sync += word.eq(chosen)
    return word


def ram(m, name, shape, depth, style=None, initial=()):
    """A memory of one write and one synchronous read port, ``(write, read)``.

    No user reads a word in the cycle that writes it. ``style`` is "distributed" for lookup tables,
    whose words come sooner than a block RAM's, or "logic", or None where synthesis decides.
    """
    memory = Memory(shape=shape, depth=max(2, depth), init=initial,
                    attrs={"ram_style": style} if style else {})
    m.submodules[name] = memory
    return memory.write_port(), memory.read_port()
