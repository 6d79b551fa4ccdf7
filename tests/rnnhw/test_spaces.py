"""What a core holds for spectra: figures of its engine, memories of the gateware, lost products."""

import re
from collections import Counter

import pytest

from rnnhw.candidates import Candidate
from rnnhw.compiler import lower
from rnnhw.errors import RnnhwError
from rnnhw.fourier import transform_cycles
from rnnhw.losses import CAUSES, losses, products
from rnnhw.schedule import Schedule
from rnnhw.spaces import Engine
from tests.configurations import CIRCULANT, Case

NETLISTS = ("circulant_stack", "circulant_classifier", "circulant_two_sizes_fast",
            "circulant_late_fast")


def case(name):
    return next(case for case in CIRCULANT if case.name == name)


def engine(slices=2, fast=False, products=4, spaces=1, plain=False):
    return Engine(slices, fast, False, products, spaces, plain)


def test_lanes_that_choose_or_add_take_a_cycle_more():
    assert engine().array == 6 and engine(fast=True).array == 7
    assert engine(products=3).array == engine(plain=True).array == engine(spaces=2).array == 7
    assert engine(products=3, spaces=0, plain=True).array == 6


@pytest.mark.parametrize("elements, spacing", [
    (16, 8), (8, 8), (40, 8), (15, 8), (13, 7), (29, 7), (26, 5), (57, 5), (33, 8)])
def test_pairs_are_as_far_apart_as_their_last_blocks_are_long(elements, spacing):
    """Of blocks of 8 in words of 2; the last of an odd number of blocks ends no pair."""
    assert engine().spacing(8, (elements, 8)) == spacing
    assert engine().spacing(8, (16,), x=True) == 16
    assert engine().spacing(8, (29,), x=True) == 13


def test_operands_wait_for_their_transform_and_for_xi():
    for k in (4, 8, 16, 32, 64):
        plain = engine().operand_cycles(k, (k,))
        assert plain == 1 + transform_cycles(k)
        assert engine(fast=True).operand_cycles(k, (k,)) >= plain
    assert engine().pair_multipliers(8, (16,)) == 0 < engine(fast=True).pair_multipliers(8, (16,))
    assert engine(fast=True).pair_multipliers(8, ()) == 0
    # 8 products a pair: of four words, in turn by one multiplier; of one word, by four
    found = [engine(slices, True).pair_multipliers(8, (16,)) for slices in (1, 2, 4, 8)]
    assert found == [1, 1, 2, 4]


@pytest.mark.parametrize("name", NETLISTS)
def test_the_gateware_has_the_memories_that_are_listed(name):
    from amaranth.back import rtlil

    from gateware.core import Core

    _, program = case(name).design()
    text = rtlil.convert(Core(program), name="core", emit_src=False)
    there = Counter((int(depth), int(width))
                    for width, depth in re.findall(r"memory width (\d+) size (\d+)", text))
    # tables and activations have bits that are always the same
    listed = [m for m in program.memories if m.group not in ("ranges", "rows", "activation")]
    assert {"spectra", "spectralbiases"} <= {m.group for m in listed}
    missing = Counter((m.depth, m.width) for m in listed)
    missing.subtract(there)
    assert max(missing.values()) == 0
    # and beside those the flags of the steps under way
    assert there.total() == len(program.memories) + 1


@pytest.mark.parametrize("case", CIRCULANT[::4], ids=lambda case: case.name)
def test_products_are_made_or_lost_to_a_named_cause(case):
    quantized, program = case.design()
    layers = zip(quantized.layers, quantized.model.on_last)
    plain = sum(weight.size for q, last in layers if not last
                for weight in (q.weight_ih, q.weight_hh) if weight is not None and weight.ndim == 2)
    assert program.dense_macs == plain
    made, cycles = products(program), Schedule(program).cycles_per_step
    lost = losses(program, cycles)
    assert tuple(lost) == CAUSES and min(lost.values()) >= 0
    every = program.array_multipliers * program.per_cycle * cycles
    assert sum(lost.values()) + float(made / every) == pytest.approx(1)
    assert 0 < made < every


@pytest.mark.parametrize("case", CIRCULANT[1::4], ids=lambda case: case.name)
def test_a_candidate_knows_its_program_before_it_is_lowered(case):
    quantized, program = case.design()
    found = Candidate(quantized, case.lanes, case.slices, case.fast, case.deep, case.late,
                      case.products)
    assert found.engine == program.engine
    assert found.pair_multipliers == program.pair_multipliers
    assert found.total_multipliers == program.total_multipliers
    assert found.weights == (len(program.weights), program.weight_width)
    assert found.issued == (sum(row.count for row in program.ranges if not row.on_last),
                            sum(row.count for row in program.ranges))
    schedule = Schedule(program)
    assert found.least_cycles <= schedule.cycles_per_step
    assert found.least_latency <= schedule.latency_cycles


@pytest.mark.parametrize("lanes, slices, products, text", [
    (55, 2, 4, r"^55 lanes in 2 slices are too few for this model; 56 are the least, or choose "
               r"fewer vector_lanes\.$"),
    (43, 8, 3, r"^43 lanes in 8 slices are too few for this model; 44 are the least, or choose "
               r"fewer vector_lanes\.$"),
    (56, 3, 4, r"^vector_lanes must divide circulant blocks of 8, which 3 does not\.$"),
    (112, 16, 4, r"^vector_lanes must divide circulant blocks of 8, which 16 does not\.$")])
def test_engines_that_cannot_be(lanes, slices, products, text):
    quantized, _ = Case("spectra", 8, (("lstm", 8),), 56, 2, blocks=(8,)).design()
    with pytest.raises(RnnhwError, match=text):
        lower(quantized, lanes, slices, products=products)
