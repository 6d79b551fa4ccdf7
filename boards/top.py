"""A core on a board: clock, reset, serial line and lights around it."""

from math import ceil, log2

from amaranth.hdl import Cat, ClockDomain, Module, ResetSignal, Signal
from amaranth.lib import cdc, io, wiring
from amaranth.lib.wiring import In, Out

from gateware.link import Link
from gateware.uart import Receiver, Transmitter, divisor

SETTLE_US = 15     # block RAMs of iCE40 read wrong for up to this long after configuration


class Top(wiring.Component):
    """``core`` behind a UART.

    Without a board (``pll`` is None) it has plain ports and leaves the clock of its domain
    ``sync`` to whoever simulates it; everything else is the same.

    Parameters
    ----------
    core : Component
        Ports ``x``, ``y`` and ``saturated`` as gateware.core.Core has them.
    identity : rnnhw.protocol.Identity
    clock_mhz : float
        Frequency of ``sync``; sets the baud divisor, the blinking and the wait after power-on.
    baud : int
    pll : Ecp5Pll, Ice40Pll or None
        Makes the clock on a board.

    Members
    -------
    rx : In(1)
    tx : Out(1)
    lights : Out(3)
        Heartbeat (about 1 Hz), activity of the link, saturation seen since the last reset.
    """

    def __init__(self, core, *, identity, clock_mhz, baud, pll=None):
        self.core = core
        self.identity = identity
        self.clock_mhz = clock_mhz
        self.pll = pll
        self.divisor = divisor(clock_mhz * 1e6, baud)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "lights": Out(3)})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain("sync")

        locked = Signal(init=1)
        if self.pll is not None:
            self._pins(m, platform, sync, locked)

        # a blinking counter, whose first turn also times the wait after configuration; none of it
        # is reset, or a break would start the wait again
        beat = Signal(ceil(log2(self.clock_mhz * 1e6)) - 1, reset_less=True)
        settled = Signal(reset_less=True)
        reset = Signal(init=1, reset_less=True)
        with m.If(locked):
            m.d.sync += beat.eq(beat + 1)
            m.d.sync += settled.eq(settled | beat[ceil(log2(self.clock_mhz * SETTLE_US))])

        m.submodules.receiver = receiver = Receiver(divisor=self.divisor)
        m.submodules.transmitter = transmitter = Transmitter(divisor=self.divisor)
        m.submodules.link = link = Link(identity=self.identity)
        m.submodules.core = core = self.core
        m.d.sync += reset.eq(~(locked & settled) | receiver.break_)
        m.d.comb += ResetSignal("sync").eq(reset)

        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx),
                     link.framing.eq(receiver.error), link.overrun.eq(receiver.overrun),
                     link.saturated.eq(core.saturated)]
        wiring.connect(m, receiver.o, link.rx)
        wiring.connect(m, link.tx, transmitter.i)
        wiring.connect(m, link.x, core.x)
        wiring.connect(m, core.y, link.y)

        active, seen = Signal(), Signal()
        with m.If(link.busy):
            m.d.sync += seen.eq(1)
        with m.Elif(beat[:-5] == 0):
            m.d.sync += seen.eq(0)
        with m.If(beat[:-5] == 0):
            m.d.sync += active.eq(seen)
        saturated = Signal()
        m.d.sync += saturated.eq(core.saturated.any())
        m.d.comb += self.lights.eq(Cat(beat[-1], active, saturated))

        return m

    def _pins(self, m, platform, sync, locked):
        clock, raw_locked = Signal(name="core_clock"), Signal(name="pll_locked")
        port = platform.request(platform.default_clk, dir="-")
        for name, part in self.pll.instance(port, clock, raw_locked).items():
            m.submodules[name] = part
        platform.add_clock_constraint(clock, self.clock_mhz * 1e6)
        m.d.comb += sync.clk.eq(clock)
        m.submodules.locked = cdc.FFSynchronizer(raw_locked, locked, init=0)

        uart = platform.request("uart", dir="-")
        m.submodules.rx_pin = rx = io.Buffer("i", uart.rx)
        m.submodules.tx_pin = tx = io.Buffer("o", uart.tx)
        m.d.comb += [self.rx.eq(rx.i), tx.o.eq(self.tx)]

        self._lights(m, platform)

    def _lights(self, m, platform):
        heartbeat, activity, alarm = self.lights
        for (name, number), value in platform.lights(heartbeat, activity, alarm).items():
            m.submodules[f"{name}_{number}_pin"] = led = io.Buffer(
                "o", platform.request(name, number, dir="-"))
            m.d.comb += led.o.eq(value)
