# amaranth: UnusedElaboratable=no
"""The sums over pairs of spectral blocks against NumPy, at every time that they can be read."""

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator

from gateware.pairsums import PairSums
from rnnhw.bins import bin_lanes, combined, factors, pair_cycles, pair_factors, pair_multipliers

WIDTH = 9


def schedule(k, spacing, slots, random):
    """``(cycle, odd, first, slot, block)`` of blocks, the seconds ``spacing`` cycles apart or more.

    Slots take turns with one to four pairs each; some pairs leave a gap, some sums end with a block
    that gets no partner.
    """
    low, high = -1 << (WIDTH - 1), (1 << (WIDTH - 1)) - 1

    def block():
        return np.full(k, low) if random.random() < 0.2 else random.integers(low, high + 1, k)

    found, second = [], 1
    for turn in range(5 * slots):
        for pair in range(random.integers(1, 5)):
            after = 1 + max((cycle for cycle, *_ in found), default=-1)
            second = max(second + spacing, after + 1) + (random.random() < 0.3) * 7
            found.append((int(random.integers(after, second)), 0, random.integers(2),
                          random.integers(slots), block()))
            found.append((second, 1, pair == 0, turn % slots, block()))
        if random.random() < 0.3:
            found.append((second + 1, 0, 0, 0, block()))
    return found


def totals(blocks, k, products, cycles):
    """slot -> ``(cycle from which it is read, exact sums)``, in order."""
    lanes = [lane.operand for lane in bin_lanes(k, products)]
    found, former, total = {}, None, None
    for cycle, odd, first, slot, block in blocks:
        if odd:
            made = [factors(former, terms) * factors(block, terms) for terms in lanes]
            made = np.stack([sum(sign * made[lane] for lane, sign in terms)
                             for terms in combined(k, products)])
            total = made if first else total + made
            found.setdefault(slot, []).append((cycle + cycles, total))
        else:
            former = block
    return found


def wrapped(numbers, bits):
    """Signed numbers modulo ``2**bits``."""
    return (numbers + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


@pytest.mark.parametrize("k, products, spacing, slots, acc_width", [
    (4, 4, 8, 2, 24), (4, 3, 2, 3, 24), (4, 4, 1, 2, 16),
    (8, 4, 16, 1, 24), (8, 3, 16, 2, 24), (8, 3, 4, 2, 18), (8, 4, 3, 3, 24),
    (16, 4, 32, 2, 24), (16, 3, 32, 2, 24), (16, 3, 8, 3, 20), (16, 4, 4, 2, 24)])
def test_sums_equal_numpy_whenever_they_are_read(k, products, spacing, slots, acc_width):
    random = np.random.default_rng(k + spacing + products)
    cycles = pair_cycles(k, products, spacing)
    blocks = schedule(k, spacing, slots, random)
    events = {cycle: event for cycle, *event in blocks}
    assert len(events) == len(blocks)
    seconds = [cycle for cycle, odd, *_ in blocks if odd]
    assert min(np.diff(seconds)) == max(spacing, 2)
    exact = totals(blocks, k, products, cycles)
    wanted = {slot: [(cycle, list(wrapped(total, acc_width))) for cycle, total in values]
              for slot, values in exact.items()}
    wraps = any(max(abs(total)) >> (acc_width - 1) for values in exact.values()
                for _, total in values)
    assert wraps == (acc_width <= 20)
    unit = PairSums(k=k, products=products, width=WIDTH, acc_width=acc_width, slots=slots,
                    spacing=spacing)
    length = max(events) + cycles + 3
    read = random.integers(slots, size=length)
    for slot, values in sorted(wanted.items()):
        for cycle, _ in values:
            # the cycle before it is complete, or the first one
            read[cycle - random.integers(2)] = slot
    sim = Simulator(unit)
    sim.add_clock(1e-6)
    checked = {}

    async def drive(ctx):
        for now in range(length):
            odd, first, slot, block = events.get(now, (0, 1, 0, random.integers(-9, 9, k)))
            ctx.set(unit.valid, now in events)
            for signal, value in ((unit.odd, odd), (unit.first, first), (unit.slot, slot),
                                  (unit.read_slot, read[now])):
                ctx.set(signal, int(value))
            for word, value in zip(unit.block, block):
                ctx.set(word, int(value))
            if now >= 2:
                slot = read[now - 2]
                known = [(cycle, value) for cycle, value in wanted.get(slot, [])
                         if cycle <= now - 2]
                if known:
                    assert [ctx.get(word) for word in unit.sums] == known[-1][1], (now, slot)
                    checked[slot, known[-1][0]] = True
            await ctx.tick()

    sim.add_testbench(drive)
    sim.run()
    assert len(checked) > len(seconds) // 2


@pytest.mark.parametrize("products, spacing, count", [(4, 32, 1), (3, 32, 2), (4, 4, 4), (3, 4, 6)])
def test_the_gateware_has_as_many_multipliers_as_stated(products, spacing, count):
    assert pair_multipliers(16, products, spacing) == count
    unit = PairSums(k=16, products=products, width=WIDTH, acc_width=24, slots=2, spacing=spacing)
    assert rtlil.convert(unit).count("cell $mul") == count


@pytest.mark.parametrize("k", [4, 8, 16, 32, 64])
@pytest.mark.parametrize("products", [3, 4])
def test_multipliers_have_time_for_every_distinct_factor(k, products):
    distinct = len(pair_factors(k, products))
    assert distinct == (k if products == 4 else 3 * k // 2 - 1)
    for spacing in range(1, 2 * k + 1):
        count = pair_multipliers(k, products, spacing)
        assert count == max(-(-distinct // spacing), -(-distinct // 16))
        assert distinct <= count * (pair_cycles(k, products, spacing) - 6)
        assert pair_cycles(k, products, spacing) - 6 <= min(spacing, 16)
