"""Runs in the simulator: sends the stimulus through the core and checks every word that comes.

Given by ``+plan=FILE``, a JSON file: ``stimulus`` (.npz, see :class:`~sim.checker.Model`),
``gaps``, ``stalls``, ``seed``, ``timeout`` and ``settle`` in cycles, and ``results``, the .npz to
write.
"""

import json
import os
import random

import cocotb
import numpy as np
from cocotb.triggers import Event, Timer, select

from .checker import InOrderChecker, Model
from .clock import PERIOD_NS, now, start
from .driver import Driver
from .monitor import Monitor, Staller


class Bench:
    """Driver, monitor, model and checker around one core."""

    def __init__(self, dut, plan):
        self.dut = dut
        self.plan = plan
        self.model = Model(plan["stimulus"])
        self.checker = InOrderChecker(self.model.y)
        self.complete = Event()
        self.driver = Driver(dut, self.model.x, plan["gaps"], random.Random(2 * plan["seed"]))
        self.monitor = Monitor(dut, self.receive)
        self.staller = Staller(dut, plan["stalls"], random.Random(2 * plan["seed"] + 1))
        self.stopped_at = -1

    def receive(self, data, last):
        self.checker.receive(data, last)
        if self.checker.complete:
            self.complete.set()

    async def watch(self):
        """Return once no word has moved for ``timeout`` cycles (at most twice as many pass)."""
        moved = -1
        while moved != (moved := len(self.driver.cycles) + len(self.monitor.cycles)):
            await Timer(self.plan["timeout"] * PERIOD_NS, unit="ns")
        self.stopped_at = now()

    async def run(self):
        dut = self.dut
        for port in (dut.x_data, dut.x_first, dut.x_last, dut.x_valid, dut.y_ready):
            port.value = 0
        await start(dut)
        for part in (self.staller, self.monitor, self.driver):
            cocotb.start_soon(part.run())
        await select(self.complete.wait(), self.watch())
        # Words beyond those due would show while the core runs dry.
        await Timer(self.plan["settle"] * PERIOD_NS, unit="ns")

    def write_results(self):
        undefined = [data is None for data, _ in self.monitor.words]
        words = np.array([(data or 0, last) for data, last in self.monitor.words], np.int64)
        words = words.reshape(-1, 2)
        partial = self.plan["results"] + ".partial.npz"
        np.savez(partial, y_data=words[:, 0], y_last=words[:, 1],
                 y_undefined=np.array(undefined, bool),
                 y_cycles=np.array(self.monitor.cycles, np.int64),
                 x_cycles=np.array(self.driver.cycles, np.int64),
                 stopped_at=self.stopped_at, end=now(),
                 saturated=int(self.dut.saturated.value))
        os.replace(partial, self.plan["results"])


@cocotb.test()
async def words_equal_the_model(dut):
    """Every word due comes, in order, and none besides, whatever the gaps and stalls."""
    with open(cocotb.plusargs["plan"], encoding="utf-8") as file:
        bench = Bench(dut, json.load(file))
    await bench.run()
    bench.write_results()
    assert bench.stopped_at < 0, f"no word moved for {bench.plan['timeout']} cycles"
    bench.checker.finish()
