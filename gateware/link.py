"""Packets of bytes to and from the core's word streams (docs/uart.md)."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC8_SMBUS
from amaranth.lib.wiring import In, Out

from rnnhw.protocol import (
    ANSWER,
    FIRST,
    FRAMING,
    IDENTIFY,
    LAST,
    NOISE,
    OVERRUN,
    SATURATED,
    STEP,
    SYNC,
    word_bytes,
)

from .buffers import x_layout, y_layout


class Link(wiring.Component):
    """Takes one request at a time from a byte stream, serves it by the core, answers it.

    A step's answer is closed only once the core takes the next step's first word, so that a host
    which waits for each answer never overruns the receiver. ``x.ready`` must not wait for
    ``x.valid``.

    Parameters
    ----------
    identity : rnnhw.protocol.Identity
        Sizes, widths and hash of the design.

    Members
    -------
    rx : In(stream.Signature(8))
    tx : Out(stream.Signature(8))
    x : Out(stream.Signature(x_layout(identity.x_width)))
    y : In(stream.Signature(y_layout(identity.y_width)))
    saturated : In(identity.slices)
        Sticky, one bit a slice.
    framing, overrun : In(1)
        Pulses of the receiver, reported once in the next answer's status.
    busy : Out(1)
        A request is being taken, served or answered.
    """

    def __init__(self, *, identity):
        self.identity = identity
        super().__init__({
            "rx": In(stream.Signature(8)), "tx": Out(stream.Signature(8)),
            "x": Out(stream.Signature(x_layout(identity.x_width))),
            "y": In(stream.Signature(y_layout(identity.y_width))),
            "saturated": In(identity.slices),
            "framing": In(1), "overrun": In(1), "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        me = self.identity
        x_bytes, y_bytes = word_bytes(me.x_width), word_bytes(me.y_width)

        out = Signal(8)
        out_valid = Signal()
        sent = Signal()
        m.d.comb += [self.tx.payload.eq(out), self.tx.valid.eq(out_valid),
                     sent.eq(out_valid & self.tx.ready)]
        with m.If(sent):
            m.d.sync += out_valid.eq(0)

        command = Signal(8)
        step = Signal()
        m.d.comb += step.eq(~command[IDENTIFY.bit_length() - 1])
        m.d.comb += [self.x.p.first.eq(command[0]), self.x.p.last.eq(command[1])]

        m.submodules.crc = crc = CRC8_SMBUS(data_width=8).create()
        taken = Signal()
        m.d.comb += [crc.data.eq(Mux(sent, out, self.rx.payload)), crc.valid.eq(sent | taken)]

        saturated = Signal()
        framing, overrun, noise = Signal(), Signal(), Signal()
        m.d.sync += saturated.eq(self.saturated.any())
        status = Signal(8)
        m.d.comb += status.eq(Mux(saturated, SATURATED, 0) | Mux(framing, FRAMING, 0)
                              | Mux(overrun, OVERRUN, 0) | Mux(noise, NOISE, 0))

        flags = [self.saturated[8 * i:8 * i + 8] for i in range(me.flag_bytes)]
        facts = Array([*me.encode(), *flags])
        word = Signal(range(max(me.input_size, 2)))
        part = Signal(range(max(x_bytes, y_bytes, len(facts), 2)))

        low = Signal(8 * (x_bytes - 1))
        m.d.comb += self.x.p.data.eq(Cat(low, self.rx.payload))
        y_wide = Signal(signed(8 * y_bytes))
        m.d.comb += y_wide.eq(self.y.p.data)
        y_parts = Array(y_wide[8 * i:8 * i + 8] for i in range(y_bytes))

        def send(value):
            m.d.sync += [out.eq(value), out_valid.eq(1)]

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("Idle"))
            with m.State("Idle"):
                m.d.comb += self.rx.ready.eq(1)
                with m.If(self.rx.valid):
                    with m.If(self.rx.payload == SYNC):
                        m.next = "Command"
                    with m.Elif(self.rx.payload != 0):
                        m.d.sync += noise.eq(1)

            with m.State("Command"):
                m.d.comb += [self.rx.ready.eq(1), crc.start.eq(1), taken.eq(self.rx.valid)]
                m.d.sync += [command.eq(self.rx.payload), word.eq(0), part.eq(0)]
                with m.If(self.rx.valid):
                    with m.If(self.rx.payload & ~(FIRST | LAST) == STEP):
                        m.next = "Elements"
                    with m.Elif(self.rx.payload == IDENTIFY):
                        m.next = "Sync"
                    with m.Elif(self.rx.payload != SYNC):
                        m.d.sync += noise.eq(1)
                        m.next = "Idle"

            with m.State("Elements"):
                whole = part == x_bytes - 1
                m.d.comb += self.x.valid.eq(self.rx.valid & whole)
                m.d.comb += self.rx.ready.eq(self.x.ready | ~whole)
                m.d.comb += taken.eq(self.rx.valid & self.rx.ready)
                with m.If(taken):
                    if x_bytes > 1:
                        m.d.sync += low.eq(Cat(low, self.rx.payload)[8:])
                    m.d.sync += part.eq(part + 1)
                    with m.If(whole):
                        m.d.sync += [part.eq(0), word.eq(word + 1)]
                        with m.If(word == me.input_size - 1):
                            m.next = "Sync"

            with m.State("Sync"):
                send(SYNC)
                m.next = "Wait"

            # the sync byte is the only one of an answer outside its checksum
            with m.State("Wait"):
                m.d.comb += crc.valid.eq(0)
                with m.If(self.tx.ready):
                    m.next = "Echo"

            with m.State("Echo"):
                send(command | ANSWER)
                with m.If(~step):
                    m.next = "Facts"
                with m.Else():
                    m.next = "Words"
                    if me.last_step:
                        with m.If(~self.x.p.last):
                            m.next = "Settle"

            with m.State("Words"):
                with m.If(~out_valid & self.y.valid):
                    send(y_parts[part])
                    m.d.sync += part.eq(part + 1)
                    with m.If(part == y_bytes - 1):
                        m.d.comb += self.y.ready.eq(1)
                        m.d.sync += part.eq(0)
                        with m.If(self.y.p.last):
                            m.next = "Settle"

            with m.State("Facts"):
                with m.If(~out_valid):
                    send(facts[part])
                    m.d.sync += part.eq(part + 1)
                    with m.If(part == len(facts) - 1):
                        m.next = "Settle"

            with m.State("Settle"):
                with m.If(~out_valid & (self.x.ready | ~step)):
                    send(status)
                    m.d.sync += [framing.eq(0), overrun.eq(0), noise.eq(0)]
                    m.next = "Status"

            with m.State("Status"):
                with m.If(sent):
                    m.next = "Check"

            with m.State("Check"):
                send(crc.crc)
                m.next = "Close"

            with m.State("Close"):
                with m.If(sent):
                    m.next = "Idle"

        with m.If(self.framing):
            m.d.sync += framing.eq(1)
        with m.If(self.overrun):
            m.d.sync += overrun.eq(1)

        return m
