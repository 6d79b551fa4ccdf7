"""Asynchronous serial line, 8 data bits, no parity, 1 stop bit, least significant bit first."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

from rnnhw.errors import RnnhwError

MAX_BAUD_ERROR = 0.025


def divisor(clock_hz, baud):
    """Clock cycles a bit: ``round(clock_hz / baud)``.

    Raises
    ------
    RnnhwError
        If a bit is shorter than 8 cycles or its length is off by more than 2.5 %.
    """
    cycles = round(clock_hz / baud)
    if cycles < 8:
        raise RnnhwError(f"A clock of {clock_hz / 1e6:g} MHz is too slow for {baud} baud; "
                         f"it takes at least {8 * baud / 1e6:g} MHz.")
    error = abs(cycles * baud / clock_hz - 1)
    if error > MAX_BAUD_ERROR:
        raise RnnhwError(f"{baud} baud cannot be made from {clock_hz / 1e6:g} MHz within 2.5 %: "
                         f"{cycles} cycles a bit are off by {100 * error:.1f} %; choose a clock "
                         "nearer to a multiple of the baud rate.")
    return cycles


class Receiver(wiring.Component):
    """Bytes from a line.

    A byte appears half a bit before its frame ends and must be taken within a bit and a half of the
    next frame's start, or it is lost and ``overrun`` pulses. A frame whose stop bit is low pulses
    ``error`` and its byte is delivered all the same; if all its data bits are low too, it is a
    break: ``break_`` pulses and nothing is delivered.

    Parameters
    ----------
    divisor : int, at least 4
        Clock cycles a bit.

    Members
    -------
    rx : In(1)
        The line, asynchronous, high when idle.
    o : Out(stream.Signature(8))
    error, overrun, break_ : Out(1)
        Pulses of one cycle.
    """

    def __init__(self, *, divisor):
        self.divisor = divisor
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8)),
                          "error": Out(1), "overrun": Out(1), "break_": Out(1)})

    def elaborate(self, platform):
        m = Module()

        line = Signal(init=1)
        before = Signal()
        m.submodules.synchronizer = cdc.FFSynchronizer(self.rx, line, init=1)
        m.d.sync += before.eq(line)

        timer = Signal(range(self.divisor))
        bit = Signal(range(10))
        busy = Signal()
        shift = Signal(8)
        m.d.comb += self.o.payload.eq(shift)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        with m.If(~busy):
            m.d.sync += [timer.eq(self.divisor // 2 - 1), bit.eq(0)]
            with m.If(before & ~line):
                m.d.sync += busy.eq(1)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), bit.eq(bit + 1)]
            with m.If(bit == 0):
                with m.If(line):
                    m.d.sync += busy.eq(0)
            with m.Elif(bit == 9):
                m.d.sync += busy.eq(0)
                m.d.comb += self.break_.eq(~line & (shift == 0))
                m.d.comb += self.error.eq(~line & ~self.break_)
                m.d.sync += self.o.valid.eq(~self.break_)
            with m.Else():
                m.d.sync += shift.eq(Cat(shift[1:], line))
                m.d.comb += self.overrun.eq(self.o.valid & ~self.o.ready)
                m.d.sync += self.o.valid.eq(0)

        return m


class Transmitter(wiring.Component):
    """Bytes to a line, 10 * ``divisor`` cycles each.

    Parameters
    ----------
    divisor : int, at least 2
        Clock cycles a bit.

    Members
    -------
    i : In(stream.Signature(8))
    tx : Out(1)
        The line, from a register, high when idle.
    """

    def __init__(self, *, divisor):
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()

        timer = Signal(range(self.divisor))
        bits = Signal(range(11))
        shift = Signal(9, init=0x1FF)
        m.d.comb += [self.tx.eq(shift[0]), self.i.ready.eq(bits == 0)]

        with m.If(bits == 0):
            m.d.sync += timer.eq(self.divisor - 1)
            with m.If(self.i.valid):
                m.d.sync += [shift.eq(self.i.payload << 1), bits.eq(10)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), bits.eq(bits - 1)]
            m.d.sync += shift.eq(Cat(shift[1:], 1))

        return m
