"""The clock of a testbench: one cycle is ten nanoseconds."""

import cocotb
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import RisingEdge

PERIOD_NS = 10


def now():
    """Number of the clock cycle that the present rising edge ends."""
    return round(get_sim_time("ns")) // PERIOD_NS


async def start(dut, reset_cycles=2):
    """Start the clock of ``dut`` and hold its reset for ``reset_cycles``."""
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
    for _ in range(reset_cycles):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
