# amaranth: UnusedElaboratable=no
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gateware.uart import Receiver, Transmitter, divisor
from rnnhw.errors import RnnhwError

from .line import Line

BYTES = bytes([0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x7F, 0xA5, 0x13])


class Echo(wiring.Component):
    """A receiver whose bytes go straight to a transmitter, and counts of its pulses."""

    rx: In(1, init=1)
    tx: Out(1, init=1)
    hold: In(1)
    errors: Out(8)
    overruns: Out(8)
    breaks: Out(8)

    def __init__(self, cycles):
        self.cycles = cycles
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = Receiver(divisor=self.cycles)
        m.submodules.transmitter = transmitter = Transmitter(divisor=self.cycles)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx),
                     transmitter.i.payload.eq(receiver.o.payload),
                     transmitter.i.valid.eq(receiver.o.valid & ~self.hold),
                     receiver.o.ready.eq(transmitter.i.ready & ~self.hold)]
        for count, pulse in ((self.errors, receiver.error), (self.overruns, receiver.overrun),
                             (self.breaks, receiver.break_)):
            m.d.sync += count.eq(count + pulse)
        return m


def echo(cycles, bit=None, **options):
    dut = Echo(cycles)
    return dut, Line(dut, dut.rx, dut.tx, bit=bit or cycles, **options)


def counts(dut, line):
    """Errors, overruns and breaks so far."""
    return line.get(dut.errors, dut.overruns, dut.breaks)


@pytest.mark.parametrize("cycles", [8, 9, 24, 80])
def test_bytes_come_back(cycles):
    dut, line = echo(cycles)
    line.write(BYTES)
    assert line.read(len(BYTES)) == BYTES
    assert line.bad_stops == 0
    assert counts(dut, line) == (0, 0, 0)


@pytest.mark.parametrize("off", [-0.02, 0.02])
def test_two_percent_of_baud_error_are_borne(off):
    dut, line = echo(24, bit=24 * (1 + off))
    for byte in BYTES:
        line.write([byte])
        assert line.read(1) == bytes([byte])


def test_a_low_stop_bit_is_an_error_and_the_byte_counts():
    dut, line = echo(8)
    line.write_frame([0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    line.write_frame([1] * 3)
    line.write([0x42])
    assert line.read(2) == bytes([0x01, 0x42])
    assert counts(dut, line) == (1, 0, 0)


@pytest.mark.parametrize("length", [10, 11, 37])
def test_a_break_is_one_pulse_and_no_byte(length):
    dut, line = echo(8)
    line.write_frame([0] * length + [1])
    line.write([0x42])
    assert line.read(1) == bytes([0x42])
    assert line.received == b""
    assert counts(dut, line) == (0, 0, 1)


def test_a_glitch_shorter_than_half_a_bit_is_no_start():
    dut, line = echo(24, patience=600)
    line.bit /= 4
    line.write_frame([0, 1])
    line.flush()
    line.bit *= 4
    assert line.read(1) == b""
    line.write([0x42])
    assert line.read(1) == b"\x42"


def test_bytes_not_taken_are_counted_as_overruns():
    dut, line = echo(8, patience=300)

    line.set(dut.hold, 1)
    line.write([1, 2, 3])
    assert line.read(1) == b""
    assert counts(dut, line) == (0, 2, 0)


@pytest.mark.parametrize("clock, cycles", [(24e6, 24), (80e6, 80), (12e6, 12), (31.5e6, 32)])
def test_divisor(clock, cycles):
    assert divisor(clock, 1_000_000) == cycles


def test_divisor_refuses_a_slow_clock():
    with pytest.raises(RnnhwError, match=r"A clock of 6 MHz is too slow for 1000000 baud; it takes "
                                         r"at least 8 MHz\."):
        divisor(6e6, 1_000_000)


def test_divisor_refuses_a_baud_rate_that_is_off():
    with pytest.raises(RnnhwError, match=r"1000000 baud cannot be made from 12\.45 MHz within "
                                         r"2\.5 %: 12 cycles a bit are off by 3\.6 %"):
        divisor(12.45e6, 1_000_000)
