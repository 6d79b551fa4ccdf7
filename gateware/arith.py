"""The narrowing of numbers, as expressions, and small helpers that every part shares."""

from amaranth.hdl import Cat, Const, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory


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


def rom(m, name, rows, style="auto"):
    """A synchronous read-only table of records; returns its read port, whose data has the fields.

    ``rows`` is a list of dicts of non-negative ints with equal keys. Latency one cycle.
    """
    layout = data.StructLayout({key: width_for(max(row[key] for row in rows)) for key in rows[0]})
    rows = rows + [{key: 0 for key in rows[0]}] * (len(rows) == 1)
    attrs = {} if style == "auto" else {"rom_style": style}
    memory = Memory(shape=layout, depth=len(rows), init=rows, attrs=attrs)
    m.submodules[name] = memory
    return memory.read_port()


def wide_rom(m, name, words, width, address, shapes=()):
    """A deep and wide read-only memory; its word comes three cycles behind ``address``.

    ``shapes`` are the (depth, width) of the part's block RAMs: a memory deeper than the shape
    that suits it best is cut into memories of that depth, each with its output register, and the
    second register stands behind the multiplexer that joins them. Without shapes it stays whole.
    """
    depth = max(2, len(words))
    if shapes:
        best = min(shapes, key=lambda s: (-(-depth // s[0]) * -(-width // s[1]), -s[0]))
        depth = min(depth, best[0])
    parts = []
    for i, start in enumerate(range(0, len(words), depth)):
        part = words[start:start + depth]
        memory = Memory(shape=width, depth=depth, init=part)
        m.submodules[f"{name}{i}" if len(words) > depth else name] = memory
        read = memory.read_port()
        m.d.comb += read.addr.eq(address)
        parts.append(delay(m, read.data, 1, f"{name}_read{i}", reset_less=True))
    part = address >> (depth - 1).bit_length() if len(parts) > 1 else Const(0)
    chosen = choose(delay(m, part, 2, f"{name}_part"), parts)
    word = Signal(width, name=f"{name}_word", reset_less=True)
    m.d.sync += word.eq(chosen)
    return word


def ram(m, name, shape, depth, small="auto"):
    """A memory of one write and one synchronous read port, ``(write, read)``.

    No user reads a word in the cycle that writes it. ``small`` is the style of one of up to 256
    words: "distributed" keeps it in lookup tables, whose words come sooner than a block RAM's.
    """
    attrs = {"ram_style": small} if small != "auto" and depth <= 256 else {}
    memory = Memory(shape=shape, depth=max(2, depth), init=[], attrs=attrs)
    m.submodules[name] = memory
    return memory.write_port(), memory.read_port()
