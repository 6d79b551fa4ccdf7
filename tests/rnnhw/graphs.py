"""Models that are no chain of layers that start at zero state, and checks of any of them."""

import numpy as np

import rnnhw
from gateware.testing import run_core
from rnnhw.config import Config
from rnnhw.layers import merged
from rnnhw.model import INPUT, Linear, Model, Recurrent
from rnnhw.network import schedule_of
from tests.gateware.test_core import ref_words, steps_of

ROWS = {"lstm": 4, "gru": 3, "rnn": 1}
IN = (INPUT,)


def cell(rng, kind, inputs, units, **options):
    rows = ROWS[kind] * units
    return Recurrent(kind, weight_ih=rng.normal(size=(rows, inputs)),
                     weight_hh=rng.normal(size=(rows, units)), bias_ih=rng.normal(size=rows),
                     **options)


def started(rng, kind, inputs, units, **options):
    """A layer that starts at a state drawn at random."""
    states = {"h": rng.uniform(-0.9, 0.9, units)}
    if kind == "lstm":
        states["c"] = rng.normal(size=units)
    return cell(rng, kind, inputs, units, initial=states, **options)


def both(rng, kind, inputs, units, other=None):
    return [cell(rng, kind, inputs, units),
            cell(rng, kind, inputs, other or units, reverse=True)]


def linear(rng, inputs, outputs, **options):
    return Linear(weight=rng.normal(size=(outputs, inputs)), **options)


def parallel(rng, **options):
    return Model(layers=[cell(rng, "lstm", 3, 4), cell(rng, "gru", 3, 5), linear(rng, 9, 2)],
                 reads=(IN, IN, (0, 1)), **options)


def two_outputs(rng):
    return Model(layers=[cell(rng, "lstm", 3, 4), cell(rng, "lstm", 3, 5)],
                 reads=(IN, IN), outputs=(0, 1))


def residual(rng):
    return Model(layers=[cell(rng, "lstm", 4, 4), merged("sum", 4), cell(rng, "gru", 4, 4),
                         merged("sum", 4)], reads=(IN, (INPUT, 0), (1,), (1, 2)))


def skipping(rng):
    return Model(layers=[cell(rng, "rnn", 3, 4), cell(rng, "gru", 4, 5), linear(rng, 12, 2)],
                 reads=(IN, (0,), (INPUT, 0, 1)), last_step=True)


def multiplied(rng):
    return Model(layers=[cell(rng, "lstm", 3, 5), cell(rng, "gru", 3, 5), merged("multiply", 5)],
                 reads=(IN, IN, (0, 1)))


def dense_front(rng):
    return Model(layers=[linear(rng, 3, 5, activation="tanh"), cell(rng, "lstm", 5, 3),
                         cell(rng, "gru", 8, 3)], reads=(IN, (0,), (0, 1)), outputs=(1, 2))


def one_row(rng):
    """A step that is not the last is a single vector row."""
    return Model(layers=[cell(rng, "rnn", 4, 2), linear(rng, 2, 1)], last_step=True)


def last(rng):
    return Model(layers=[*both(rng, "lstm", 3, 4), linear(rng, 8, 2)], reads=(IN, IN, (0, 1)),
                 last_step=True)


def backwards(rng):
    return Model(layers=[cell(rng, "gru", 3, 5, reverse=True)])


def side_by_side(rng):
    return Model(layers=both(rng, "gru", 3, 5, 4), reads=(IN, IN), outputs=(0, 1))


def every_step(rng):
    return Model(layers=[*both(rng, "lstm", 3, 4), linear(rng, 8, 2)], reads=(IN, IN, (0, 1)))


def stacked_last(rng):
    return Model(layers=[*both(rng, "lstm", 3, 4), *both(rng, "gru", 8, 3), linear(rng, 6, 2)],
                 reads=(IN, IN, (0, 1), (0, 1), (2, 3)), last_step=True)


def stacked(rng):
    return Model(layers=[*both(rng, "rnn", 3, 4), *both(rng, "gru", 8, 3)],
                 reads=(IN, IN, (0, 1), (0, 1)), outputs=(2, 3))


def summed(rng):
    return Model(layers=[*both(rng, "lstm", 3, 4), merged("sum", 4), cell(rng, "lstm", 4, 3)],
                 reads=(IN, IN, (0, 1), (2,)))


def turning(rng):
    return Model(layers=[cell(rng, "lstm", 1, 3), cell(rng, "gru", 3, 3, reverse=True),
                         cell(rng, "rnn", 3, 1)])


def begun(rng):
    return Model(layers=[started(rng, "lstm", 3, 5), linear(rng, 5, 2)])


def begun_gru(rng):
    return Model(layers=[started(rng, "gru", 3, 5), linear(rng, 5, 2)])


def begun_before(rng):
    return Model(layers=[started(rng, "gru", 3, 5, reset_after=False), linear(rng, 5, 2)])


def begun_rnn(rng):
    return Model(layers=[started(rng, "rnn", 3, 5), linear(rng, 5, 2)])


def begun_both_ways(rng):
    return Model(layers=[started(rng, "lstm", 3, 4), started(rng, "gru", 3, 4, reverse=True)],
                 reads=(IN, IN), outputs=(0, 1))


GRAPHS = (one_row, parallel, two_outputs, residual, skipping, multiplied, dense_front)
BOTH_WAYS = (last, backwards, side_by_side, every_step, stacked_last, stacked, summed, turning)
BEGUN = (begun, begun_gru, begun_before, begun_rnn, begun_both_ways)
NAME = {"ids": lambda make: make.__name__}
LENGTHS = (5, 1, 2, 8)


def near_floats(make, db):
    """At 16 bits the integers come within 2^-6 of the floats, the SQNR of what comes out above db.
    """
    rng = np.random.default_rng(5)
    model = make(rng)
    x, lengths = rng.normal(size=(3, 8, model.input_size)), np.array([8, 5, 1])
    config = Config(weight_bits=16, activation_bits=16, state_bits=18)
    design = rnnhw.compile(model, config, x, lengths)
    assert design.report["sqnr_db"]["output"] > db
    assert np.abs(design.run(x, lengths) - model.run(x, lengths)).max() < 2.0**-6


def small(make, fast, slices):
    """``(design, x)`` of a model on a few lanes."""
    rng = np.random.default_rng(6)
    model = make(rng)
    design = rnnhw.compile(model, Config(lanes=24, vector_lanes=slices, fast_inner_product=fast,
                                         max_length=8))
    return design, rng.normal(size=(len(LENGTHS), max(LENGTHS), model.input_size))


def equal_in_gateware(make, fast, slices, gap=0.0, stall=0.0):
    """Every word of the core in Amaranth's simulator; its cycles where nothing waits."""
    design, x = small(make, fast, slices)
    xi = design.quantize_input(x)
    expected = ref_words(design.quantized, xi, LENGTHS, design.model.last_step)
    assert len(set(expected)) > 1
    run = run_core(design.program, steps_of(xi, LENGTHS), words=len(expected), gap=gap,
                   stall=stall)
    assert [word for word, _ in run.words] == expected
    size = design.program.output_size
    assert [end for _, end in run.words] == [i % size == size - 1 for i in range(len(expected))]
    if not gap and not stall:
        assert (run.y_cycles[-1] - run.x_cycles[0] + 1
                == schedule_of(design.program).cycles_of(LENGTHS)[0])


def equal_in_verilog(make, fast, slices):
    """Every word of the Verilog in Icarus, and its cycles; every word with gaps and stalls."""
    design, x = small(make, fast, slices)
    found = design.simulate(x, LENGTHS, simulator="icarus")
    assert found.bit_exact, found.mismatch
    total, each = schedule_of(design.program).cycles_of(LENGTHS)
    assert (found.cycles, list(found.cycles_per_sequence)) == (total, each)
    found = design.simulate(x, LENGTHS, simulator="icarus", gaps=0.3, stalls=0.4, seed=3)
    assert found.bit_exact, found.mismatch
