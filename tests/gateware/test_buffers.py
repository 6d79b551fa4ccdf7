"""Step buffers: order, credits and back-pressure."""

import random

import pytest
from amaranth.sim import Simulator

from gateware.buffers import InputBuffer, OutputBuffer


def rtl_output(size, slices, steps, stall, deep, seed=0):
    """Words that an OutputBuffer sends for ``steps``, written as soon as it is free."""
    dut = OutputBuffer(sizes=(size,), width=12, slices=slices, deep=deep)
    rng = random.Random(seed)
    taken = []
    sim = Simulator(dut)
    sim.add_clock(1e-6)

    async def write(ctx):
        for step in steps:
            while not ctx.get(dut.free):
                await ctx.tick()
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for word in range(dut.words):
                for s in range(slices):
                    element = word * slices + s
                    ctx.set(dut.elements[s], step[element] if element < size else -1)
                ctx.set(dut.word, word)
                ctx.set(dut.write, 1)
                await ctx.tick()
                ctx.set(dut.write, 0)
                for _ in range(rng.randrange(3)):
                    await ctx.tick()

    async def take(ctx):
        while len(taken) < size * len(steps):
            ctx.set(dut.y.ready, rng.random() >= stall)
            _, _, valid, ready, word = await ctx.tick().sample(
                dut.y.valid, dut.y.ready, dut.y.payload)
            if valid and ready:
                taken.append((word.data, word.last))

    sim.add_testbench(write)
    sim.add_testbench(take)
    sim.run()
    return taken


@pytest.mark.parametrize("size, slices", [(1, 1), (5, 2), (8, 4), (3, 7)])
@pytest.mark.parametrize("stall", [0.0, 0.7])
@pytest.mark.parametrize("deep", [False, True])
def test_output_comes_in_order_and_marked(size, slices, stall, deep):
    rng = random.Random(1)
    steps = [[rng.randrange(-2048, 2048) for _ in range(size)] for _ in range(6)]
    expected = [(value, int(i == size - 1)) for step in steps for i, value in enumerate(step)]
    assert rtl_output(size, slices, steps, stall, deep) == expected


@pytest.mark.parametrize("size", [1, 2, 5])
def test_input_holds_two_steps_and_no_more(size):
    dut = InputBuffer(size=size, width=8, shift=2)
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    accepted = []

    async def send(ctx):
        ctx.set(dut.x.valid, 1)
        for i in range(100):
            ctx.set(dut.x.payload, {"data": len(accepted) % 100 - 50, "first": 0,
                                    "last": len(accepted) // size == 1})
            _, _, ready = await ctx.tick().sample(dut.x.ready)
            if ready:
                accepted.append(len(accepted) % 100 - 50)
            if i == 50:
                assert len(accepted) == 2 * size
                assert ctx.get(dut.whole)
                assert (ctx.get(dut.first), ctx.get(dut.last)) == (1, 0)
                ctx.set(dut.start, 1)
            if i == 51:
                ctx.set(dut.start, 0)
                assert (ctx.get(dut.first), ctx.get(dut.last)) == (0, 1)
                ctx.set(dut.index, size - 1)
            if i == 53:
                assert ctx.get(dut.operands[0]) == (size - 1 - 50) << 2
                ctx.set(dut.release, 1)
            if i == 54:
                ctx.set(dut.release, 0)
        assert len(accepted) == 3 * size

    sim.add_testbench(send)
    sim.run()
