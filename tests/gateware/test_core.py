"""The core in Amaranth's simulator against the golden model, in every bit, and its cycles."""

from dataclasses import replace

import numpy as np
import pytest

from gateware.testing import run_core
from rnnhw import golden
from rnnhw.memories import cut
from rnnhw.schedule import Schedule
from tests.configurations import CASES, CIRCULANT, DENSE

GAPS = ((0.7, 0.0), (0.0, 0.8), (0.5, 0.5))


def steps_of(x, lengths):
    """Steps to send, sequence after sequence."""
    return [(x[i, t], t == 0, t == n - 1) for i, n in enumerate(lengths) for t in range(n)]


def ref_words(quantized, x, lengths, last_step):
    """Expected y words, in order."""
    y = golden.run(quantized, x, lengths)
    if last_step:
        return y.reshape(-1).tolist()
    return np.concatenate([y[i, :n].reshape(-1) for i, n in enumerate(lengths)]).tolist()


@pytest.mark.parametrize("case", [
    pytest.param(case, marks=pytest.mark.slow if "k64" in case.name else ()) for case in CASES],
    ids=lambda case: case.name)
def test_core_equals_golden_and_schedule(case):
    quantized, program = case.design()
    x = case.stimulus(quantized)
    expected = ref_words(quantized, x, case.lengths, case.last_step)
    assert len(set(expected)) > 1
    run = run_core(program, steps_of(x, case.lengths), words=len(expected))
    assert [word for word, _ in run.words] == expected
    size = program.output_size
    assert [last for _, last in run.words] == [i % size == size - 1 for i in range(len(expected))]
    assert (run.y_cycles[-1] - run.x_cycles[0] + 1
            == Schedule(program).cycles_of(case.lengths)[0])


@pytest.mark.parametrize("case, gap, stall", [
    *((case, *gaps) for case in DENSE[1::4] for gaps in GAPS),
    *((case, *GAPS[i % 3]) for i, case in enumerate(CIRCULANT[1::4]))],
    ids=lambda value: getattr(value, "name", value))
def test_core_with_gaps_and_stalls(case, gap, stall):
    quantized, program = case.design(seed=5)
    x = case.stimulus(quantized, seed=5)
    expected = ref_words(quantized, x, case.lengths, case.last_step)
    run = run_core(program, steps_of(x, case.lengths), words=len(expected), gap=gap, stall=stall)
    assert [word for word, _ in run.words] == expected


@pytest.mark.parametrize("case", [case for case in DENSE[::5] + CIRCULANT[12::16]
                                  if "one_unit" not in case.name],
                         ids=lambda case: case.name)
def test_weights_cut_into_short_memories_are_the_same(case):
    quantized, program = case.design()
    shapes = ((4, 2), (2, 4))
    assert len(cut("weights", *program.memories[0][1:3], shapes)) > 1
    x = case.stimulus(quantized)
    expected = ref_words(quantized, x, case.lengths, case.last_step)
    run = run_core(program, steps_of(x, case.lengths), words=len(expected), ram_shapes=shapes,
                   styles=[{"weights0": "logic", "ranges": "logic", "x": "logic"}])
    assert [word for word, _ in run.words] == expected
    assert (run.y_cycles[-1] - run.x_cycles[0] + 1
            == Schedule(program).cycles_of(case.lengths)[0])


@pytest.mark.parametrize("name", ["gru_classifier", "lstm_stack", "late_lstm", "late_three_layers",
                                  "late_fast_deep", "late_few_blocks"])
def test_latency_of_the_last_step_on_an_idle_core(name):
    case = next(case for case in CASES if case.name == name)
    quantized, program = case.design()
    x = case.stimulus(quantized)[:1]
    expected = ref_words(quantized, x[:, :2], [2], case.last_step)
    run = run_core(program, steps_of(x, [2]), words=len(expected), pause=3000)
    assert [word for word, _ in run.words] == expected
    assert run.y_cycles[-1] - run.x_cycles[-1] == Schedule(program).latency_cycles
    assert program.late == name.startswith("late")


@pytest.mark.parametrize("name", ["late_one_step_sequences", "late_three_layers"])
def test_late_outputs_whatever_the_flags_of_a_step(name):
    """A first step behind one not marked last, and steps that go on behind one that was."""
    case = next(case for case in CASES if case.name == name)
    quantized, program = case.design()
    x = case.stimulus(quantized)[0, :3]
    whole = golden.run(quantized, x[None]).reshape(-1).tolist()
    flags = ((True, False), (False, False), (False, False), (True, True), (False, True),
             (False, False), (True, False), (False, True))
    elements = [x[i % 3] for i in range(8)]
    steps = [(part, *flag) for part, flag in zip(elements, flags)]
    size = program.output_size
    run = run_core(program, steps, words=8 * size)
    assert [word for word, _ in run.words] == 2 * whole + whole[:2 * size]
    assert len(set(whole)) > size


def test_state_is_kept_until_a_step_marked_first():
    case = next(case for case in CASES if case.name == "lstm_ragged")
    quantized, program = case.design()
    x = case.stimulus(quantized)[:1]
    steps = [(x[0, t], False, False) for t in range(4)]
    whole = golden.run(quantized, x[:, :4]).reshape(-1).tolist()
    run = run_core(program, steps + [(x[0, 0], True, False)], words=len(whole) + 5)
    words = [word for word, _ in run.words]
    assert words[:len(whole)] == whole
    assert words[len(whole):] == whole[:5]


def test_every_kind_of_lane_gives_the_same_words():
    """One model's spectra on 4 and on 3 products a bin, plain and fast."""
    found, circulant = [], next(case for case in CASES if case.name == "circulant_short_last_block")
    for products in (4, 3):
        for fast in (False, True):
            case = replace(circulant, products=products, fast=fast,
                           lanes=12 if products == 4 else 10)
            quantized, program = case.design()
            x = case.stimulus(quantized)
            assert program.engine.lanes(4) == (6 if products == 4 else 5)
            found.append(run_core(program, steps_of(x, case.lengths), words=21).words)
    assert found[0] == found[1] == found[2] == found[3]
    assert len(set(found[0])) > 7
