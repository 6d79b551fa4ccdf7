"""The core of a network that runs both ways, and the core of any program."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rnnhw.network import BUFFERS

from .arith import NO_STYLES
from .buffers import x_layout, y_layout
from .core import Core
from .sequences import SequenceMemory


def core_of(program, ram_shapes=(), styles=None):
    """The core of a Program, or of a Network.

    Parameters
    ----------
    ram_shapes : as of :class:`gateware.core.Core`
    styles : for each pass, as of Core, or None
    """
    styles = styles or [NO_STYLES] * len(program.passes)
    if program.sequences:
        return NetworkCore(program, ram_shapes, styles)
    return Core(program, ram_shapes, styles[0])


class Lengths(wiring.Component):
    """Steps of the sequences under way in a pass, oldest first, and whether the step that leaves
    it is the last of its own.

    Members
    -------
    begin : In(1), with ``steps``; written : In(1), a step has left; last : Out(1)
    """

    def __init__(self, bits):
        super().__init__({"begin": In(1), "steps": In(bits), "written": In(1), "done": In(1),
                          "last": Out(1)})

    def elaborate(self, platform):
        m = Module()
        entries = Array(Signal.like(self.steps, name=f"steps{i}") for i in range(BUFFERS))
        head, tail, count = Signal(), Signal(), Signal.like(self.steps)
        m.d.comb += self.last.eq(count + 1 == entries[head])
        with m.If(self.begin):
            m.d.sync += [entries[tail].eq(self.steps), tail.eq(~tail)]
        with m.If(self.written):
            m.d.sync += count.eq(count + 1)
        with m.If(self.done):
            m.d.sync += [count.eq(0), head.eq(~head)]
        return m


class NetworkCore(wiring.Component):
    """A network that runs both ways: sequence memories and a core a pass, with the ports of
    :class:`gateware.core.Core`.

    A sequence of more than ``max_steps`` steps ends there, and another begins. ``first`` is not
    looked at: what follows a step marked ``last`` is a new sequence, which starts at zero state.

    Parameters
    ----------
    network : rnnhw.network.Network
    ram_shapes : as of Core
    styles : for each pass, as of Core
    """

    def __init__(self, network, ram_shapes, styles):
        self.network, self.ram_shapes, self.styles = network, ram_shapes, styles
        super().__init__({
            "x": In(stream.Signature(x_layout(network.x_width))),
            "y": Out(stream.Signature(y_layout(network.y_width))),
            "saturated": Out(network.slices)})

    def elaborate(self, platform):
        m = Module()
        p = self.network
        memories = [SequenceMemory(memory) for memory in p.sequences]
        cores = [Core(program, self.ram_shapes, styles)
                 for program, styles in zip(p.passes, self.styles)]
        clipped = Signal()
        for k, memory in enumerate(memories):
            m.submodules[f"sequences{k}"] = memory
            with m.If(memory.clipped):
                m.d.sync += clipped.eq(1)
        for k, core in enumerate(cores):
            m.submodules[f"pass{k}"] = core
        self._first(m, memories[0])
        for k, core in enumerate(cores):
            wiring.connect(m, memories[k].y, core.x)
            after = memories[k + 1] if k + 1 < len(memories) else None
            if after is None:
                wiring.connect(m, core.y, wiring.flipped(self.y))
                m.d.comb += memories[k].go.eq(1)
                continue
            m.submodules[f"lengths{k}"] = lengths = Lengths(len(memories[k].steps))
            m.d.comb += [
                memories[k].go.eq(after.room), after.reserve.eq(memories[k].begin),
                lengths.begin.eq(memories[k].begin), lengths.steps.eq(memories[k].steps),
                lengths.written.eq(after.written), lengths.done.eq(after.done),
                after.ends.eq(lengths.last),
                after.valid.eq(core.y.valid), core.y.ready.eq(1), after.x.eq(core.y.payload.data),
            ]
        if len(memories) > len(cores):
            last = memories[-1]
            m.d.comb += [
                last.go.eq(1), self.y.valid.eq(last.y.valid), last.y.ready.eq(self.y.ready),
                self.y.payload.data.eq(last.y.payload.data), self.y.payload.last.eq(last.step_end)]
        sticky = Cat(core.saturated for core in cores)
        m.d.comb += self.saturated.eq(Cat(sticky[0] | clipped, sticky[1:]))
        return m

    def _first(self, m, memory):
        """Elements that come from outside are taken while their sequence has room."""
        within = Signal()
        m.d.comb += [
            self.x.ready.eq(within | memory.room),
            memory.valid.eq(self.x.valid & self.x.ready),
            memory.x.eq(self.x.payload.data), memory.ends.eq(self.x.payload.last),
            memory.reserve.eq(memory.valid & ~within),
        ]
        with m.If(memory.valid):
            m.d.sync += within.eq(~memory.done)
