"""One way to run a core in Amaranth's simulator: words in, words and cycle numbers out."""

import random
from dataclasses import dataclass

from amaranth.sim import Simulator

from .network import core_of


@dataclass(frozen=True)
class Run:
    """What a run gave: y words, the cycle in which each was taken, and that of each x word."""

    words: list
    y_cycles: list
    x_cycles: list
    saturated: int


def run_core(program, steps, *, words, gap=0.0, stall=0.0, pause=0, seed=0, timeout=200_000,
             **kept):
    """Send ``steps`` of ``(elements, first, last)`` through the core and take ``words`` y words.

    ``gap`` and ``stall`` are the chances of an idle cycle at either end, ``pause`` the idle cycles
    before each step; ``kept`` says where the
    core's memories are, as :func:`gateware.network.core_of` takes it.

    Raises
    ------
    TimeoutError
        If the words have not come after ``timeout`` cycles.
    """
    core = core_of(program, **kept)
    sim = Simulator(core)
    sim.add_clock(1e-6)
    chance_in, chance_out = random.Random(seed), random.Random(seed + 1)
    result = Run([], [], [], 0)
    clock = [0]

    async def count(ctx):
        async for _ in ctx.tick():
            clock[0] += 1

    async def send(ctx):
        for elements, first, last in steps:
            if pause:
                await ctx.tick().repeat(pause)
            for element in elements:
                while gap and chance_in.random() < gap:
                    ctx.set(core.x.valid, 0)
                    await ctx.tick()
                ctx.set(core.x.payload, {"data": int(element), "first": first, "last": last})
                ctx.set(core.x.valid, 1)
                await ctx.tick().until(core.x.ready)
                result.x_cycles.append(clock[0])
            ctx.set(core.x.valid, 0)

    async def take(ctx):
        while len(result.words) < words:
            ctx.set(core.y.ready, not (stall and chance_out.random() < stall))
            _, _, valid, ready, word = await ctx.tick().sample(core.y.valid, core.y.ready,
                                                               core.y.payload)
            if valid and ready:
                result.words.append((word.data, word.last))
                result.y_cycles.append(clock[0])
            if clock[0] > timeout:
                raise TimeoutError(f"{len(result.words)} of {words} words after "
                                   f"{timeout} cycles")

    sim.add_testbench(count, background=True)
    sim.add_testbench(send)
    sim.add_testbench(take)
    sim.run()
    return result
