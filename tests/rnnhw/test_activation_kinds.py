"""Every kind of activation over every input code, against float and against its definition."""

import json
import math

import numpy as np
import pytest

from rnnhw.activation import (
    HARD,
    KINDS,
    MAX_RANGES,
    make_table,
    restore,
    to_plain,
)
from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat

from . import slow_golden

OUT = FixedFormat(16, 15)
BITS = range(6, 13)
TABLES = [(kind, 2.0**-bits) for kind in ("octave", "table", "ralut") for bits in BITS
          if kind != "ralut" or bits <= 10]
INPUTS = [FixedFormat.parse(fmt) for fmt in
          ("16/2", "16/5", "16/8", "16/11", "16/12", "16/15", "18/2", "18/13", "12/8", "8/4")]
SLOPES = {"hard_0.25": 0.25, "hard_0.2": 0.2, "hard_1/6": 1 / 6}


def every(kind):
    """The kind's table at a middling error."""
    return make_table(None if kind in HARD else 2.0**-8, kind)


def errors(table, fmt, tanh, sigmoid, out=OUT):
    """Largest errors against two float functions over all codes of ``fmt``."""
    codes = np.arange(fmt.min, fmt.max + 1)
    x = fmt.to_float(codes)
    return (np.abs(out.to_float(table.tanh(codes, fmt.frac_bits, out)) - tanh(x)).max(),
            np.abs(out.to_float(table.sigmoid(codes, fmt.frac_bits, out)) - sigmoid(x)).max())


def true_sigmoid(x):
    return 0.5 + 0.5 * np.tanh(x / 2)


@pytest.mark.parametrize("kind, error", TABLES)
def test_every_code(kind, error):
    table = make_table(error, kind)
    assert table.distance == {"tanh": error, "sigmoid": error / 2 + 2.0**-16}
    found = [errors(table, fmt, np.tanh, true_sigmoid) for fmt in INPUTS]
    worst = np.max(found, axis=0)
    print(f"{kind} {error}: {worst / OUT.lsb} LSB")
    assert worst[0] <= error and worst[1] <= error / 2 + 2.0**-16
    # a bound that is far off would not be worth stating
    assert worst[0] > error / 2


@pytest.mark.parametrize("kind", HARD)
def test_hard_against_its_own_definition_over_every_code(kind):
    table, slope = make_table(kind=kind), SLOPES[kind]

    def hard_tanh(x):
        return np.clip(x, -1, 1)

    def hard_sigmoid(x):
        return np.clip(slope * x + 0.5, 0, 1)

    assert table.error == 2.0**-15
    for fmt in INPUTS:
        assert max(errors(table, fmt, hard_tanh, hard_sigmoid)) <= 2.0**-15
    # 12/11 and 8/7 outputs are as near as their own LSB allows
    for out in (FixedFormat(12, 11), FixedFormat(8, 7)):
        assert max(errors(table, INPUTS[3], hard_tanh, hard_sigmoid, out)) <= out.lsb


@pytest.mark.parametrize("kind", HARD)
def test_hard_tanh_and_its_quarter_sigmoid_are_exact_but_for_the_rounding(kind):
    table, fmt = make_table(kind=kind), FixedFormat(16, 11)
    codes = np.arange(fmt.min, fmt.max + 1)
    tanh = np.clip(codes << 4, -(1 << 15), (1 << 15) - 1)
    assert (table.tanh(codes, 11, OUT) == tanh).all()
    if kind == "hard_0.25":
        sigmoid = np.clip((codes << 2) + (1 << 14), 0, (1 << 15) - 1)
        assert (table.sigmoid(codes, 11, OUT) == sigmoid).all()


@pytest.mark.parametrize("kind, tanh, sigmoid", [
    ("hard_0.25", 0.2384, 0.1192), ("hard_0.2", 0.2384, 0.0759), ("hard_1/6", 0.2384, 0.0692)])
def test_distance_of_hard_functions_from_the_true_ones(kind, tanh, sigmoid):
    table = make_table(kind=kind)
    assert table.distance == pytest.approx({"tanh": tanh, "sigmoid": sigmoid}, abs=5e-5)
    worst = np.max([errors(table, fmt, np.tanh, true_sigmoid) for fmt in INPUTS], axis=0)
    stated = np.array(list(table.distance.values()))
    assert (worst <= stated).all() and (worst > stated - 2.0**-13).all()


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_definition(kind):
    table, rng = every(kind), np.random.default_rng(0)
    for fmt in map(FixedFormat.parse, ("16/2", "16/11", "18/15", "10/4", "8/2")):
        codes = np.concatenate([rng.integers(fmt.min, fmt.max + 1, 300),
                                [fmt.min, fmt.max, -1, 0, 1]])
        for out in map(FixedFormat.parse, ("16/15", "8/7", "12/10")):
            for sigmoid in (False, True):
                got = (table.sigmoid if sigmoid else table.tanh)(codes, fmt.frac_bits, out)
                assert got.tolist() == [slow_golden.activate(table, int(x), fmt.frac_bits, out,
                                                             sigmoid) for x in codes]


def test_octaves_need_fewer_entries_than_equal_segments():
    for bits in BITS:
        octave, uniform = make_table(2.0**-bits, "octave"), make_table(2.0**-bits)
        assert octave.entries <= uniform.entries
        assert bits < 7 or octave.entries < uniform.entries


def test_octave_entries_follow_each_other():
    table = make_table(2.0**-12, "octave")
    m = np.arange(1 << 12)
    entry = table.entry(m, 0)
    assert (np.diff(entry) >= 0).all() and (np.diff(entry) <= 1).all()
    assert entry[0] == 0 and entry[-1] == table.entries - 1
    # each octave's segments are twice as wide as those of the one before
    widths = np.bincount(entry)[:-1].tolist()
    size = 2**table.mantissa_bits
    assert widths == [2 ** max(0, i // size - 1) for i in range(len(widths))]


def test_words_are_few_and_short():
    for bits in BITS:
        table = make_table(2.0**-bits, "table")
        # a segment twice as wide spans over twice the error around 0, where tanh is steepest
        assert math.tanh(2.0 ** (1 - table.segment_bits)) > 2 * (2.0**-bits - 2.0**-16)
        assert table.slopes == (0,) * table.entries
        assert table.intercepts[-1] == 1 << 16
        assert table.word_bits == bits + 2 and table.memory == (table.entries, bits + 2)


def test_ranges_are_few():
    for bits in range(6, 11):
        table = make_table(2.0**-bits, "ralut")
        limit = 2.0**-bits - 2.0**-16
        # tanh climbs by at most twice the limit over a range; words and grid cost up to a quarter
        assert 0.5 / limit - 1 < table.entries <= 0.5 / limit * 1.25
        assert table.starts[0] == 0 and (np.diff(table.starts) > 0).all()
        assert (np.diff(table.intercepts) > 0).all()
        assert table.intercepts[0] == 0 and table.intercepts[-1] == 1 << 16
        assert table.entries <= MAX_RANGES and table.memory is None


def test_zero_stays_zero():
    for kind in KINDS:
        if kind == "table":
            continue
        table = every(kind)
        assert table.tanh(0, 11, OUT) == 0 and table.sigmoid(0, 11, OUT) == 1 << 14


def test_gates_saturate_at_their_last_code():
    for kind in KINDS:
        table = every(kind)
        assert table.tanh(32767, 11, OUT) == 32767 and table.sigmoid(32767, 11, OUT) == 32767
        assert table.tanh(-32768, 11, OUT) <= -32767 and table.sigmoid(-32768, 11, OUT) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_back(kind):
    table = every(kind)
    again = restore(json.loads(json.dumps(to_plain(table))))
    assert again == table and type(again) is type(table) and again.kind == kind


@pytest.mark.parametrize("arguments, sentence", [
    ((2.0**-8, "spline"), r"activation_kind 'spline' is unknown; known are pwl, octave, table, "
     r"ralut, hard_0\.25, hard_0\.2, hard_1/6\."),
    ((2.0**-8, "hard_0.2"), r"activation_error 0\.00390625 does not go with activation_kind "
     r"'hard_0\.2', which approximates nothing; leave it out\."),
    ((2.0**-11, "ralut"), r"activation_kind 'ralut' needs 1094 ranges for an error of 0\.000488, "
     r"but 1024 are the most; an activation_error of 2\*\*-10 or more, or activation_kind 'pwl', "
     r"would do\."),
    ((0.1, "octave"), r"A table's error must be within 2\*\*-12\.\.2\*\*-6, not 0\.1\."),
    ((None, "table"), r"A table's error must be within 2\*\*-12\.\.2\*\*-6, not None\."),
])
def test_refusals(arguments, sentence):
    with pytest.raises(RnnhwError, match=sentence):
        make_table(*arguments)
