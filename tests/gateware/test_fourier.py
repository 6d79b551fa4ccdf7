# amaranth: UnusedElaboratable=no
"""The transform pipelines against the integer FFT; twiddle products as planned sums."""

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator

from gateware.constmul import ONE, digits, plan
from gateware.fourier import Forward, Inverse
from rnnhw.fourier import irfft, rfft, transform_cycles, twiddle

SIZES = [4, 8, 16, 32, 64]


def blocks(k, width, random):
    """Extreme blocks, every sign pattern of a bin among them, and random ones."""
    low, high = -1 << (width - 1), (1 << (width - 1)) - 1
    turns = 2 * np.pi * np.outer(np.arange(k), np.arange(k)) / k
    signs = np.concatenate([np.cos(turns), np.sin(turns), np.cos(turns) + np.sin(turns),
                            np.ones((1, k)), np.eye(k) - 0.5, random.normal(size=(20, k))])
    return np.concatenate([np.where(signs > 0, high, low), np.where(signs > 0, low, high),
                           random.integers(low, high + 1, (40, k)), np.zeros((1, k), int)])


def outputs(unit, source, result, given, cycles):
    """Blocks that leave ``unit``, each ``cycles`` behind the one of ``given`` that entered."""
    found = []
    sim = Simulator(unit)
    sim.add_clock(1e-6)

    async def drive(ctx):
        for i in range(len(given) + cycles):
            for word, value in zip(source, given[min(i, len(given) - 1)]):
                ctx.set(word, int(value))
            if i >= cycles:
                found.append([ctx.get(word) for word in result])
            await ctx.tick()

    sim.add_testbench(drive)
    sim.run()
    return np.array(found)


@pytest.mark.parametrize("width", [3, 11])
@pytest.mark.parametrize("k", SIZES)
def test_forward_equals_rfft_on_a_block_each_cycle(k, width):
    given = blocks(k, width, np.random.default_rng(k))
    unit = Forward(k, width)
    got = outputs(unit, unit.points, unit.components, given, transform_cycles(k))
    assert (got == rfft(given)).all()


@pytest.mark.parametrize("width", [3, 18])
@pytest.mark.parametrize("k", SIZES)
def test_inverse_equals_irfft_on_a_block_each_cycle(k, width):
    given = blocks(k, width, np.random.default_rng(k))
    unit = Inverse(k, width)
    got = outputs(unit, unit.components, unit.points, given, transform_cycles(k))
    assert (got == irfft(given)).all()


@pytest.mark.parametrize("kind", [Forward, Inverse])
def test_transforms_have_no_multiplier(kind):
    text = rtlil.convert(kind(16, 11))
    assert "cell $add" in text and "cell $mul" not in text


@pytest.mark.parametrize("value", [*range(-70, 70), 724, 1023, -683])
def test_digits_sum_to_the_value_and_no_two_are_adjacent(value):
    found = digits(value)
    assert sum(sign << shift for shift, sign in found) == value
    shifts = [shift for shift, _ in found]
    assert all(b - a > 1 for a, b in zip(shifts, shifts[1:]))


@pytest.mark.parametrize("n, j", [(n, j) for n in (8, 16, 32, 64) for j in range(1, n // 4)])
def test_planned_sums_make_the_twiddle_product_in_fewer_additions_than_digits(n, j):
    c, s = twiddle(n, j)
    additions, results = plan(((c, -s), (s, c)), 512, 4)
    random = np.random.default_rng(n + j)
    re, im = random.integers(-1 << 20, 1 << 20, (2, 50))
    values, ages = {ONE: 1, 0: re, 1: im}, {ONE: 0, 0: 0, 1: 0}
    for pair in additions:
        number = len(values) - 1
        values[number] = sum(term.sign * ((values[term.symbol] << term.shift) + term.plus)
                             for term in pair)
        ages[number] = 1 + max(ages[term.symbol] for term in pair)
    got = [values[term.symbol] << term.shift for term in results]
    assert (got[0] == c * re - s * im + 512).all()
    assert (got[1] == s * re + c * im + 512).all()
    assert max(ages.values()) <= 4
    assert len(additions) < 2 * (len(digits(c)) + len(digits(s)))
