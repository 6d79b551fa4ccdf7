"""The sink of the output stream."""

from cocotb.triggers import RisingEdge

from .clock import now


class Monitor:
    """Sees each word that leaves on ``y`` and hands it on. Assumes nothing of ``y_ready``.

    Parameters
    ----------
    dut : the module, with ports ``clk y_data y_last y_valid y_ready``
    receivers : callables taking ``(data, last)``

    Members
    -------
    words : list of (data, last); data is None where a bit of it was undefined
    cycles : list of the clock cycle in which each left
    """

    def __init__(self, dut, *receivers):
        self.dut = dut
        self.receivers = receivers
        self.words = []
        self.cycles = []

    async def run(self):
        dut = self.dut
        data, last, valid, ready = dut.y_data, dut.y_last, dut.y_valid, dut.y_ready
        clock_edge, valid_edge = RisingEdge(dut.clk), RisingEdge(valid)
        while True:
            await clock_edge
            while not valid.value:
                await valid_edge
                await clock_edge
            if ready.value:
                value = data.value
                word = (value.to_signed() if value.is_resolvable else None, int(last.value))
                self.words.append(word)
                self.cycles.append(now())
                for receive in self.receivers:
                    receive(*word)


class Staller:
    """Holds ``y_ready`` low in a cycle with probability ``stalls``, whether or not a word waits."""

    def __init__(self, dut, stalls, rng):
        self.dut = dut
        self.stalls = stalls
        self.rng = rng

    async def run(self):
        dut, rng, stalls = self.dut, self.rng, self.stalls
        dut.y_ready.value = ready = 1
        if not stalls:
            return
        clock_edge = RisingEdge(dut.clk)
        while True:
            await clock_edge
            wanted = int(rng.random() >= stalls)
            if wanted != ready:
                dut.y_ready.value = ready = wanted
