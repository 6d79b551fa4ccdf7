"""The source of the input stream."""

from cocotb.triggers import RisingEdge

from .clock import now


class Driver:
    """Offers words on ``x``, each until it is taken, with random gaps before them.

    A word waits, with ``x_valid`` low, for as many cycles as a coin of probability ``gaps`` comes
    up. Python wakes once a word; while ``x_ready`` is low it sleeps until that rises.

    Parameters
    ----------
    dut : the module, with ports ``clk x_data x_first x_last x_valid x_ready``
    words : list of (data, first, last)
    gaps : probability, 0 for none
    rng : random.Random

    Members
    -------
    cycles : list of the clock cycle in which each word was taken
    """

    def __init__(self, dut, words, gaps, rng):
        self.dut = dut
        self.words = words
        self.gaps = gaps
        self.rng = rng
        self.cycles = []

    async def run(self):
        dut, cycles = self.dut, self.cycles
        data, valid, ready = dut.x_data, dut.x_valid, dut.x_ready
        clock_edge, ready_edge = RisingEdge(dut.clk), RisingEdge(ready)
        flags = None
        for word, first, last in self.words:
            if self.gaps and self.rng.random() < self.gaps:
                valid.value = 0
                await clock_edge
                while self.rng.random() < self.gaps:
                    await clock_edge
            data.value = word
            if flags != (first, last):
                dut.x_first.value, dut.x_last.value = flags = (first, last)
            valid.value = 1
            await clock_edge
            while not ready.value:
                await ready_edge
                await clock_edge
            cycles.append(now())
        valid.value = 0
