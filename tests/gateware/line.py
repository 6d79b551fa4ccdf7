"""A serial line for simulations: written from the 8N1 frame, in simulated time, not in cycles."""

from amaranth.sim import Simulator

CYCLE = 1e-6


class Line:
    """Far end of a UART in Amaranth's simulator, with the reading half of pyserial's interface.

    ``write`` queues bytes, ``read`` runs the simulation until they are there or ``patience``
    cycles have gone by without one; ``bit`` is the length of the line's bits in cycles, which
    need not be the device's.
    """

    def __init__(self, dut, rx, tx, *, bit, patience=20000, processes=()):
        self.bit = bit * CYCLE
        self.patience = patience
        self.waiting = []
        self.received = bytearray()
        self.bad_stops = 0
        self.time = 0
        self._sets, self._asked, self._gets = [], [], {}
        self._rx, self._tx = rx, tx
        self.simulator = Simulator(dut)
        self.simulator.add_clock(CYCLE)
        self.simulator.add_testbench(self._send, background=True)
        self.simulator.add_testbench(self._receive, background=True)
        for process in processes:
            self.simulator.add_testbench(process, background=True)
        self.simulator.add_testbench(self._count, background=True)

    async def _count(self, ctx):
        while True:
            await ctx.delay(CYCLE)
            self.time += 1
            for signal, value in self._sets:
                ctx.set(signal, value)
            self._gets = {index: ctx.get(signal) for index, signal in enumerate(self._asked)}
            self._sets = []

    async def _send(self, ctx):
        ctx.set(self._rx, 1)
        await ctx.delay(20 * CYCLE)
        while True:
            if not self.waiting:
                await ctx.delay(CYCLE)
                continue
            for level in self.waiting[0]:
                ctx.set(self._rx, level)
                await ctx.delay(self.bit)
            ctx.set(self._rx, 1)
            del self.waiting[0]

    async def _receive(self, ctx):
        while True:
            if ctx.get(self._tx):
                await ctx.changed(self._tx)
                continue
            await ctx.delay(self.bit / 2)
            byte = 0
            for index in range(8):
                await ctx.delay(self.bit)
                byte |= ctx.get(self._tx) << index
            await ctx.delay(self.bit)
            self.bad_stops += not ctx.get(self._tx)
            self.received.append(byte)

    def run(self, cycles):
        """Run the simulation for so many cycles."""
        end = self.time + cycles
        while self.time < end:
            self.simulator.advance()

    def set(self, signal, value):
        """Drive an input of the device from the next cycle on."""
        self._sets.append((signal, value))

    def get(self, *signals):
        """Values of signals of the device, two cycles from now."""
        self._asked = signals
        self.run(2)
        return tuple(self._gets[index] for index in range(len(signals)))

    def write(self, data):
        self.waiting += [[0, *(byte >> index & 1 for index in range(8)), 1] for byte in data]
        return len(data)

    def write_frame(self, levels):
        """Queue any run of levels, one bit each."""
        self.waiting.append(list(levels))

    def send_break(self, duration=0.25):
        self.write_frame([0] * 14 + [1] * 2)

    def read(self, size=1):
        last, quiet = len(self.received), self.time
        while len(self.received) < size and self.time - quiet < self.patience:
            self.simulator.advance()
            if self.waiting or len(self.received) != last:
                last, quiet = len(self.received), self.time
        taken = bytes(self.received[:size])
        del self.received[:size]
        return taken

    def reset_input_buffer(self):
        self.received.clear()

    def flush(self):
        while self.waiting:
            self.simulator.advance()
