"""A small recurrent core with the real core's ports, for tests of what stands around it."""

import numpy as np
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.buffers import x_layout, y_layout
from rnnhw.protocol import Identity


class Leaky:
    """``y[j] = wrap(sum_k w[j, k] x[k] + (0 if first else y'[j]))`` in ``y_width`` bits.

    ``saturated[0]`` is set once an output has been negative, to have something sticky.
    """

    def __init__(self, *, input_size=3, output_size=5, x_width=8, y_width=16, last_step=False,
                 slices=2, seed=0):
        self.sizes = dict(input_size=input_size, output_size=output_size, x_width=x_width,
                          y_width=y_width, last_step=last_step, slices=slices)
        rng = np.random.default_rng(seed)
        self.weights = rng.integers(-128, 128, (output_size, input_size))

    @property
    def identity(self):
        return Identity(design=0x12345678, **self.sizes)

    def draw(self, shape, seed=1):
        """Random input words of shape ``shape + (input_size,)``."""
        high = 1 << (self.sizes["x_width"] - 1)
        rng = np.random.default_rng(seed)
        return rng.integers(-high, high, (*shape, self.sizes["input_size"]))

    def reference(self, x):
        """Outputs for x (seq_len, input_size); (seq_len, output_size), or the last step's."""
        width = self.sizes["y_width"]
        total = np.cumsum(x @ self.weights.T, axis=0)
        y = (total + (1 << (width - 1))) % (1 << width) - (1 << (width - 1))
        return y[-1] if self.sizes["last_step"] else y

    def core(self, slow=0):
        """The hardware; it waits ``slow`` cycles before it serves a step."""
        return LeakyCore(self, slow)


class LeakyCore(wiring.Component):
    def __init__(self, model, slow):
        self.model, self.slow = model, slow
        s = model.sizes
        super().__init__({"x": In(stream.Signature(x_layout(s["x_width"]))),
                          "y": Out(stream.Signature(y_layout(s["y_width"]))),
                          "saturated": Out(s["slices"])})

    def elaborate(self, platform):
        m = Module()
        s = self.model.sizes
        n, k = s["output_size"], s["input_size"]
        m.submodules.weights = weights = Memory(
            shape=signed(8), depth=max(2, n * k), init=[int(w) for w in self.model.weights.flat])
        m.submodules.inputs = inputs = Memory(shape=signed(s["x_width"]), depth=max(2, k), init=[])
        m.submodules.states = states = Memory(shape=signed(s["y_width"]), depth=max(2, n), init=[])
        w, x_in, x_out = weights.read_port(), inputs.write_port(), inputs.read_port()
        y_in, y_out = states.write_port(), states.read_port()

        word, row, column = Signal(range(k + 1)), Signal(range(n)), Signal(range(k + 1))
        address = Signal(range(n * k + 1))
        fresh, first, last = Signal(init=1), Signal(), Signal()
        wait = Signal(range(self.slow + 1))
        product = Signal(signed(8 + s["x_width"]))
        total = Signal(signed(s["y_width"]))
        m.d.comb += [x_in.addr.eq(word), x_in.data.eq(self.x.p.data), x_out.addr.eq(column),
                     w.addr.eq(address), y_in.addr.eq(row), y_out.addr.eq(row),
                     y_in.data.eq(total), self.y.p.data.eq(total),
                     self.y.p.last.eq(row == n - 1)]
        m.d.sync += product.eq(w.data * x_out.data)

        with m.FSM():
            with m.State("Take"):
                m.d.comb += [self.x.ready.eq(1), x_in.en.eq(self.x.valid)]
                with m.If(self.x.valid):
                    m.d.sync += [word.eq(word + 1), last.eq(self.x.p.last),
                                 first.eq(self.x.p.first | fresh)]
                    with m.If(word == k - 1):
                        m.d.sync += [word.eq(0), row.eq(0), column.eq(0), address.eq(0),
                                     fresh.eq(0), wait.eq(self.slow)]
                        m.next = "Wait"
            with m.State("Wait"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.next = "Fetch"
            with m.State("Fetch"):
                m.next = "Multiply"
            with m.State("Multiply"):
                with m.If(column == 0):
                    m.d.sync += total.eq(Mux(first, 0, y_out.data))
                m.next = "Add"
            with m.State("Add"):
                m.d.sync += [total.eq(total + product), column.eq(column + 1),
                             address.eq(address + 1)]
                m.next = "Fetch"
                with m.If(column == k - 1):
                    m.next = "Store"
            with m.State("Store"):
                m.d.comb += y_in.en.eq(1)
                with m.If(total < 0):
                    m.d.sync += self.saturated[0].eq(1)
                m.next = "Give"
                if s["last_step"]:
                    with m.If(~last):
                        m.next = "Next row"
            with m.State("Give"):
                m.d.comb += self.y.valid.eq(1)
                with m.If(self.y.ready):
                    m.next = "Next row"
            with m.State("Next row"):
                m.d.sync += [row.eq(row + 1), column.eq(0)]
                m.next = "Fetch"
                with m.If(row == n - 1):
                    m.next = "Take"
        return m
