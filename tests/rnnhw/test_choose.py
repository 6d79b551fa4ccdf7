"""The compiler's choice of lanes under the user's limits."""

from dataclasses import replace

import numpy as np
import pytest

import rnnhw
from boards import limits
from rnnhw.bins import bin_lanes
from rnnhw.candidates import Candidate, lane_counts
from rnnhw.choose import SLICES, choose
from rnnhw.config import PLACEMENTS, Config
from rnnhw.errors import RnnhwError
from rnnhw.memories import lay_out, rams
from rnnhw.project import resolve
from rnnhw.quantize import quantize
from rnnhw.schedule import Schedule
from tests.configurations import Case


def quantized_of(config, layers=(("lstm", 16),), inputs=8, blocks=()):
    """A small network in integers."""
    case = Case("choice", inputs, layers, 8, 1, blocks=blocks)
    x = np.random.default_rng(0).normal(size=(2, 8, inputs))
    return quantize(case.model(), config, x)


def chosen(config, board=None, layers=(("lstm", 16),), inputs=8, blocks=()):
    """Program of a small network under ``config``."""
    return choose(quantized_of(config, layers, inputs, blocks), config,
                  limits(board) if board else None, config.clock_mhz)


def test_fast_lanes_are_taken_where_they_pay():
    program = chosen(Config(lanes=16))
    assert program.fast and program.lanes <= 16
    assert program.array_multipliers == program.lanes + 1
    plain = chosen(Config(lanes=16, fast_inner_product=False))
    assert not plain.fast and plain.array_multipliers == plain.lanes


def test_wide_numbers_take_plain_lanes():
    assert not chosen(Config(lanes=16, weight_bits=18)).fast


@pytest.mark.parametrize("total", [8, 11, 40])
def test_max_multipliers_counts_everything(total):
    program = chosen(Config(max_multipliers=total))
    assert program.total_multipliers <= total
    assert program.total_multipliers == program.lanes + program.fast + program.slices


def test_pipelines_follow_the_part():
    assert chosen(Config(lanes=8), "ulx3s-85f").deep
    assert not chosen(Config(lanes=4), "icebreaker").deep
    assert not chosen(Config(lanes=8)).deep
    assert chosen(Config(lanes=8, pipeline="deep")).deep
    assert not chosen(Config(lanes=8, pipeline="short"), "ulx3s-85f").deep


@pytest.mark.parametrize("layers", [(("lstm", 16),), (("linear", 6),)])
def test_throughput_has_no_effect_without_a_layer_to_place(layers):
    assert not chosen(Config(lanes=8, output_placement="throughput"), layers=layers).late


def test_throughput_takes_fewer_cycles_a_step_and_latency_answers_sooner():
    layers = (("gru", 16), ("linear", 5), ("linear", 3))
    sooner, faster = (chosen(Config(lanes=16, vector_lanes=2, output_placement=placement),
                             layers=layers) for placement in PLACEMENTS)
    assert chosen(Config(lanes=16, vector_lanes=2), layers=layers).rows == sooner.rows
    assert faster.late and not sooner.late
    assert Schedule(faster).cycles_per_step < Schedule(sooner).cycles_per_step
    assert Schedule(faster).latency_cycles >= Schedule(sooner).latency_cycles
    assert faster.weights.size == sooner.weights.size and len(faster.rows) == len(sooner.rows)


def test_a_deadline_holds_for_the_last_step_of_late_outputs():
    program = chosen(Config(deadline_us=5, clock_mhz=50.0, output_placement="throughput"),
                     layers=(("gru", 10), ("linear", 4)))
    assert program.late and Schedule(program).latency_cycles <= 250


@pytest.mark.parametrize("late", [False, True])
def test_the_bounds_of_a_candidate_hold(late):
    quantized = quantized_of(Config(), layers=(("lstm", 9), ("gru", 7), ("gru_reset_before", 5),
                                               ("linear", 3)))
    for fast in (False, True):
        for slices in (1, 2):
            for lanes in lane_counts(quantized, slices, 64):
                found = Candidate(quantized, lanes, slices, fast, False, late)
                issued = sum(row.count for row in found.program.ranges)
                assert found.issued == (issued, issued)
                assert found.weights == (len(found.program.weights),
                                              lanes * (1 + fast) * found.program.weight_bits)
                assert found.least_cycles <= found.schedule.cycles_per_step
                assert found.least_latency <= found.schedule.latency_cycles
                assert found.total_multipliers == found.program.total_multipliers


@pytest.mark.parametrize("layers", [(("lstm", 16),), (("gru", 10), ("linear", 4))])
def test_a_deadline_takes_the_cheapest_of_all_designs(layers):
    quantized = quantized_of(Config(), layers=layers)
    every = [Candidate(quantized, lanes, slices, fast, False) for fast in (False, True)
             for slices in SLICES for lanes in lane_counts(quantized, slices, 4096)]
    latencies = sorted({c.schedule.latency_cycles for c in every})
    for most in (latencies[0], latencies[len(latencies) // 2], latencies[-1]):
        program = choose(quantized, Config(deadline_us=most / 50), clock_mhz=50.0)
        met = [c for c in every if c.schedule.latency_cycles <= most]
        assert Schedule(program).latency_cycles <= most
        assert (program.total_multipliers, rams(program.memories)) == min(
            (c.total_multipliers, rams(c.program.memories)) for c in met)
    text = (rf"^The deadline of 0\.5 us cannot be met: the best latency of a step is "
            rf"{latencies[0] / 50:.4g} us, {latencies[0]} cycles at 50 MHz, with \d+ lanes and \d+ "
            r"multipliers; allow more time\.$")
    with pytest.raises(RnnhwError, match=text):
        choose(quantized, Config(deadline_us=0.5), clock_mhz=50.0)


def test_a_deadline_keeps_the_limits():
    relaxed = chosen(Config(deadline_us=100, clock_mhz=10.0))
    assert relaxed.total_multipliers == 5 and not relaxed.fast
    tight = chosen(Config(deadline_us=12, clock_mhz=10.0, vector_lanes=2))
    assert tight.slices == 2 and 5 < tight.total_multipliers
    assert Schedule(tight).latency_cycles <= 120
    with pytest.raises(RnnhwError, match=r"with 8 lanes and 10 multipliers under "
                                         r"max_multipliers = 10; allow more time or lift a limit"):
        chosen(Config(deadline_us=12, clock_mhz=10.0, max_multipliers=10))
    with pytest.raises(RnnhwError, match=r"^deadline_us is a time, which needs a clock: give a "
                                         r"board, or a clock in MHz as clock_mhz or --clock\.$"):
        chosen(Config(deadline_us=12))


def test_a_board_short_of_multipliers_makes_those_of_vector_lanes_from_logic():
    program = chosen(Config(lanes=8, fast_inner_product=False), "icebreaker")
    assert program.array_multipliers == 8 and program.total_multipliers == 9
    limited = chosen(Config(max_multipliers=8, fast_inner_product=False), "icebreaker")
    assert limited.total_multipliers <= 8


def test_a_memory_of_weights_that_fits_is_taken():
    quantized = quantized_of(Config(), layers=(("lstm", 128),), inputs=128)
    board = limits("ulx3s-85f")
    lanes = {count: choose(quantized, Config(lanes=90), replace(board, block_rams=count)).lanes
             for count in (208, 60)}
    # 88 lanes read 768 words of 1408 bits, 79 block RAMs; 64 fill 57 without waste
    assert lanes == {208: 88, 60: 64}


def test_the_fastest_design_that_fits_a_board_is_taken():
    project = resolve("spoken-digits-small")
    board = limits("icebreaker")
    design = rnnhw.compile(project.model, project.config)
    found = {}
    for count in (30, 28, 24):
        there = replace(board, block_rams=count)
        program = choose(design.quantized, Config(), there)
        assert lay_out(program, there).block_rams <= count
        assert program.array_multipliers <= 8
        found[count] = program.fast, program.lanes, Schedule(program).cycles_per_step
    assert found[30] == (True, 6, 754)
    assert found[30][2] <= found[28][2] <= found[24][2]
    with pytest.raises(RnnhwError, match=r"^No design of this model fits iCE40UP5K-SG48: the "
                                         r"nearest, with \d+ lanes and \d+ multipliers in all, "
                                         r"needs \d+ block RAMs of 12; use fewer weight bits, a "
                                         r"smaller model or a larger part\.$"):
        choose(design.quantized, Config(), replace(board, block_rams=12))
    with pytest.raises(RnnhwError, match=r"^No design of this model fits iCE40UP5K-SG48: the "):
        choose(design.quantized, Config(deadline_us=1000), replace(board, block_rams=12), 24.0)
    slow = choose(design.quantized, Config(deadline_us=200), board, 24.0)
    assert slow.total_multipliers < 8 and lay_out(slow, board).block_rams <= 30


@pytest.mark.parametrize("config, board, text", [
    (dict(max_multipliers=4), None,
     r"^No design keeps the limits: the nearest has 4 lanes and 1 vector lane, 5 multipliers in "
     r"all; at most 64 lanes and 4 multipliers are allowed\.$"),
    (dict(lanes=6, vector_lanes=2, fast_inner_product=True), None,
     r"^No design keeps the limits: the nearest has 8 lanes and 2 vector lanes, 11 multipliers in "
     r"all; at most 6 lanes are allowed\.$"),
    (dict(vector_lanes=4), "icebreaker",
     r"^No design keeps the limits: the nearest has 16 lanes and 4 vector lanes, 20 multipliers "
     r"in all; at most 64 lanes and 8 multipliers in the array are allowed\.$"),
    (dict(weight_bits=18, fast_inner_product=True), None,
     r"^fast_inner_product adds weights and operands, 19 bits here \(alignment included\), but a "
     r"multiplier takes 18; plain lanes, fast_inner_product = false, can carry them\.$"),
    (dict(weight_bits=17), "icebreaker",
     r"^Products of 17-bit weights and \d+-bit operands \(alignment included\) need more than the "
     r"16-bit multipliers of iCE40UP5K-SG48; plain lanes carry up to 16 bits there, fast ones up "
     r"to 15, so use fewer\.$"),
])
def test_limits_that_no_design_keeps(config, board, text):
    with pytest.raises(RnnhwError, match=text):
        chosen(Config(**config), board)


@pytest.mark.parametrize("choices, products, fast", [
    (dict(lanes=60), 3, False), (dict(spectral_products=4), 4, False),
    (dict(fast_inner_product=True), 4, True),
    (dict(fast_inner_product=True, spectral_products=3, guard_bits=1), 3, True)])
def test_circulant_blocks_take_the_lanes_that_carry_them(choices, products, fast):
    program = chosen(Config(**choices), blocks=(8,))
    assert (program.products, program.fast) == (products, fast)
    assert program.lanes % len(bin_lanes(8, products)) == 0 and 8 % program.slices == 0
    assert program.array_multipliers == program.lanes + program.pair_multipliers
    assert (program.pair_multipliers > 0) == fast


def test_products_of_bins_are_of_circulant_blocks():
    text = (r"^spectral_products = 3 is of block-circulant layers, but the model has none; leave "
            r"it out, or make some with: rnnhw compress MODEL --block-size 8\.$")
    with pytest.raises(RnnhwError, match=text):
        chosen(Config(spectral_products=3))


@pytest.mark.parametrize("config, board, text", [
    (dict(vector_lanes=3), None,
     r"^vector_lanes must divide circulant blocks of 8, which 3 does not\.$"),
    (dict(lanes=43), None,
     r"^No design keeps the limits: the nearest has 44 lanes and 1 vector lane, 45 multipliers in "
     r"all; at most 43 lanes are allowed\.$"),
    (dict(lanes=43, spectral_products=4), None,
     r"^No design keeps the limits: the nearest has 56 lanes and 1 vector lane, 57 multipliers in "
     r"all; at most 43 lanes are allowed\.$"),
    (dict(spectrum_bits=18, spectral_products=3), None,
     r"^Products of 19-bit weights and 17-bit operands \(alignment included\) need more than the "
     r"18-bit multipliers of the engine; plain lanes carry up to 18 bits there, fast ones up to "
     r"17, so use fewer\.$"),
    (dict(spectrum_bits=18, fast_inner_product=True), None,
     r"^fast_inner_product adds weights and operands, 19 bits here \(alignment included\), but a "
     r"multiplier takes 18; plain lanes, fast_inner_product = false, can carry them\.$"),
    (dict(spectrum_bits=17), "icebreaker",
     r"^Products of 17-bit weights and 17-bit operands \(alignment included\) need more than the "
     r"16-bit multipliers of iCE40UP5K-SG48; "),
])
def test_limits_that_no_circulant_design_keeps(config, board, text):
    with pytest.raises(RnnhwError, match=text):
        chosen(Config(**config), board, blocks=(8,))
