from dataclasses import replace
from fractions import Fraction

import pytest

import rnnhw
from rnnhw.costs import cost
from rnnhw.memories import rams
from rnnhw.project import resolve


@pytest.fixture(scope="module")
def designs():
    found = {}
    for name in ("tiny", "lstm-128", "spoken-digits"):
        project = resolve(name)
        found[name] = rnnhw.compile(project.model, project.config)
    return found


@pytest.mark.parametrize("memory, family, count", [
    ((1024, 18), "ecp5", 1), ((1024, 19), "ecp5", 2), ((512, 36), "ecp5", 1),
    ((513, 36), "ecp5", 2), ((2049, 9), "ecp5", 2), ((16384, 1), "ecp5", 1),
    ((1024, 512), "ecp5", 29), ((256, 16), "ice40", 1), ((256, 17), "ice40", 2),
    ((1024, 48), "ice40", 12), ((0, 48), "ice40", 0), ((512, 36), "gowin", 1),
    ((500, 256), "gowin", 8), ((1025, 18), "gowin", 2), ((16384, 2), "gowin", 2)])
def test_block_rams_of_one_memory(memory, family, count):
    assert rams([("m", *memory)], family) == count


def test_cycles_grow_by_cycles_per_step(designs):
    for design in designs.values():
        estimate = design.estimate()
        assert isinstance(estimate.cycles_per_step, Fraction)
        assert estimate.cycles(80) - estimate.cycles(60) == 20 * estimate.cycles_per_step
        assert estimate.latency_cycles < estimate.cycles(1)


def test_figures_of_a_model_follow_the_survey(designs):
    estimate = designs["lstm-128"].estimate()
    m = n = 128
    assert estimate.parameters == 4 * n * n + 4 * n * m + 4 * n
    assert estimate.operations == 2 * (4 * n * n + 4 * n * m) + 3 * n + 5 * n + 5 * n
    assert estimate.macs_per_step == 4 * n * (n + m)
    assert estimate.array_multipliers == 65     # the xi lane is one


def test_fast_lanes_of_the_large_lstm_never_wait(designs):
    estimate = designs["lstm-128"].estimate()
    assert estimate.effective_macs_per_multiplier_cycle >= 1.95
    assert estimate.macs_per_step / estimate.total_multipliers / estimate.cycles_per_step >= 1.88


def test_products_are_made_or_lost_to_a_named_cause(designs):
    for design in designs.values():
        for choices in ({}, {"fast_inner_product": False}, {"vector_lanes": 1}):
            estimate = design.with_hardware(**choices).estimate()
            made = estimate.effective_macs_per_multiplier_cycle / estimate.program.per_cycle
            assert sum(estimate.losses.values()) + made == pytest.approx(1)
            assert min(estimate.losses.values()) >= 0
            assert estimate.bound_cycles <= estimate.cycles_per_step
            assert estimate.effective_macs_over_all < estimate.effective_macs_per_multiplier_cycle


def test_each_loss_has_its_cause(designs):
    lost = designs["lstm-128"].estimate().losses
    assert lost == {cause: pytest.approx(1 / 65 if cause == "xi lane" else 0) for cause in lost}
    odd = designs["tiny"].estimate()              # 3 inputs make two pairs, 4 units make four
    macs, issued = 16 * (3 + 4), 4 * (2 + 2)
    assert odd.program.fast and odd.bound_cycles == 32     # eight instructions, four units
    slots = 5 * 2 * odd.cycles_per_step
    assert odd.losses["padding of rows"] == 0
    assert odd.losses["padding of pairs"] == pytest.approx(4 * 4 / slots)
    assert odd.losses["vector elements"] == pytest.approx(4 * 2 * (32 - issued) / slots)
    assert odd.losses["waiting"] == pytest.approx(
        1 - (macs + 4 * 4 + 8 * (32 - issued)) / slots - 1 / 5)


def test_times_need_a_clock_but_no_board(designs):
    plain = designs["tiny"].estimate()
    assert "times" not in plain.data() and "clock" not in plain.text()
    at = designs["tiny"].with_hardware(clock_mhz=20.0, deadline_us=50.0).estimate()
    times = at.data()["times"]
    assert times["latency_us"] == at.latency_cycles / 20 and times["deadline_met"]
    assert times["dense_gop_per_s"] == pytest.approx(
        2 * at.macs_per_step * 20 / float(at.cycles_per_step) / 1e3)
    assert "deadline of 50 us" in at.text() and "missed" not in at.text()


def test_a_clock_that_was_lowered_may_miss_the_deadline(designs):
    design = designs["tiny"].with_hardware(board="ulx3s-85f", deadline_us=2.0)
    assert design.estimate().data()["board"]["deadline_met"]
    built = design.estimate(clock_mhz=25.0)
    assert not built.data()["board"]["deadline_met"] and "missed" in built.text()


def test_the_clock_is_one_that_the_board_makes(designs):
    design = designs["tiny"].with_hardware(board="icebreaker", clock_mhz=20.1)
    assert 19 < design.clock_mhz <= 20.1
    assert design.estimate().data()["board"]["clock_mhz"] == design.clock_mhz
    assert designs["tiny"].with_hardware(board="bench-ecp5-85f", clock_mhz=161.5).clock_mhz == 161.5


def test_plain_lanes_of_the_large_lstm_never_wait(designs):
    plain = designs["lstm-128"].with_hardware(fast_inner_product=False, vector_lanes=1)
    assert plain.estimate().array_multipliers == 64
    assert plain.estimate().effective_macs_per_multiplier_cycle >= 0.99


def test_layers_of_the_last_step_are_no_part_of_a_step(designs):
    design = designs["spoken-digits"]
    estimate = design.estimate()
    gru, linear = design.model.layers
    assert estimate.macs_per_step == cost(gru).macs
    assert estimate.operations == cost(gru).operations + cost(linear).operations
    assert estimate.effective_macs_per_multiplier_cycle <= 2


def test_memory_bits_hold_weights_and_biases(designs):
    design = designs["lstm-128"]
    estimate = design.estimate()
    assert estimate.memory_bits >= 8 * 4 * 128 * 256
    assert estimate.block_rams * 18432 >= estimate.memory_bits


@pytest.mark.parametrize("kind, memory", [
    ("pwl", (32, 31)), ("octave", (25, 31)), ("table", (3913, 12)), ("ralut", None),
    ("hard_0.2", None)])
def test_memories_hold_the_activation_table(kind, memory):
    project = resolve("tiny")
    config = replace(project.config, activation_kind=kind)
    program = rnnhw.compile(project.model, config).program
    assert [m[1:] for m in program.memories if m.group == "activation"] == (
        [(*memory, True)] * program.slices if memory else [])


def test_boards_say_what_fits(designs):
    for board, fits in (("ulx3s-85f", True), ("icebreaker", False)):
        estimate = designs["lstm-128"].estimate(board)
        at = estimate.data()["board"]
        assert at["fits"] is fits
        assert at["at_most_available"]["multipliers"][0] == estimate.total_multipliers
        assert board in estimate.text() and "GOP/s" in estimate.text()
    assert designs["tiny"].estimate("icebreaker").data()["board"]["fits"] in (True, None)
    assert "board" not in designs["tiny"].estimate().data()


def test_times_of_what_was_built_are_at_its_clock(designs):
    usual, built = (designs["tiny"].estimate("ulx3s-85f", mhz) for mhz in (None, 50.0))
    at = built.data()["board"]
    assert at["clock_mhz"] == 50 and "fits" not in at and "fits" not in built.text()
    assert at["step_us"] == float(built.cycles_per_step) / 50
    assert at["latency_us"] == built.latency_cycles / 50
    assert usual.data()["board"]["clock_mhz"] != 50


def test_a_board_of_the_config_counts(designs):
    assert designs["tiny"].with_hardware(board="icebreaker").estimate().board == "icebreaker"


@pytest.mark.parametrize("seq_len", [0, -1, 2.5, "3"])
def test_lengths_are_whole_numbers(designs, seq_len):
    with pytest.raises(rnnhw.RnnhwError, match="seq_len must be a whole number of at least 1, not"):
        designs["tiny"].estimate().cycles(seq_len)


def test_an_unknown_board_lists_the_known(designs):
    with pytest.raises(rnnhw.RnnhwError, match="There is no board 'arty'; known are ulx3s-85f"):
        designs["tiny"].estimate("arty")
