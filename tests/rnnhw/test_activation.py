"""The activation table against float tanh and sigmoid, over every input code."""

import numpy as np
import pytest

from rnnhw.activation import INTERCEPT_FRAC, MAX_ENTRIES, SLOPE_FRAC, make_table
from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat

OUT = FixedFormat(16, 15)
ERRORS = [2.0**-bits for bits in range(6, 13)]


def all_codes(fmt):
    return np.arange(fmt.min, fmt.max + 1)


def worst(values, exact, out, label):
    """Largest error as a value; printed in LSB with the mean."""
    error = np.abs(out.to_float(values) - exact)
    print(f"{label}: max {error.max() / out.lsb:.2f}, mean {error.mean() / out.lsb:.2f} LSB")
    return error.max()


def slow(table, x, in_frac, out, sigmoid):
    """The definition, on Python integers, one code at a time."""
    k = 1 if sigmoid else 0
    s = in_frac + k - table.segment_bits
    if s >= 0:
        m = (~x if x < 0 else x) >> s
    else:
        m = ~(x << -s) if x < 0 else x << -s
    i = min(m, len(table.slopes) - 1)
    c = -table.intercepts[i] if x < 0 else table.intercepts[i]
    total = x * table.slopes[i] + c * 2 ** (in_frac - (1 if sigmoid else 2))
    t = in_frac + (16 if sigmoid else 14) - out.frac_bits
    y = (total + (2**t >> 1)) // 2**t + (2 ** (out.frac_bits - 1) if sigmoid else 0)
    return min(max(y, out.min), out.max)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("fmt", ["16/2", "16/5", "16/8", "16/11", "16/12", "16/15", "18/2", "18/13",
                                 "12/8", "8/4"])
def test_every_code(error, fmt):
    fmt = FixedFormat.parse(fmt)
    table, x = make_table(error), fmt.to_float(all_codes(fmt))
    codes = all_codes(fmt)
    label = f"{error} {fmt}"
    assert worst(table.tanh(codes, fmt.frac_bits, OUT), np.tanh(x), OUT, f"tanh {label}") <= error
    # half the line's error, and rounding to 16/15
    bound = error / 2 + 2.0**-16
    exact = 0.5 + 0.5 * np.tanh(x / 2)
    assert worst(table.sigmoid(codes, fmt.frac_bits, OUT), exact, OUT, f"sigmoid {label}") <= bound


@pytest.mark.parametrize("out", ["8/7", "12/11", "18/17", "17/15", "16/14"])
def test_other_outputs(out):
    # rounding adds half an LSB, saturating +1.0 at most one
    out, fmt, table = FixedFormat.parse(out), FixedFormat(16, 11), make_table(2.0**-10)
    codes = all_codes(fmt)
    bound = max(2.0**-10 + out.lsb / 2, out.lsb)
    assert worst(table.tanh(codes, 11, out), np.tanh(fmt.to_float(codes)), out, str(out)) <= bound


@pytest.mark.parametrize("error", ERRORS)
def test_equals_the_definition(error):
    table, rng = make_table(error), np.random.default_rng(0)
    for fmt in map(FixedFormat.parse, ("16/2", "16/11", "18/15", "10/4", "8/2")):
        codes = np.concatenate([rng.integers(fmt.min, fmt.max + 1, 300),
                                [fmt.min, fmt.max, -1, 0, 1]])
        for out in map(FixedFormat.parse, ("16/15", "8/7", "12/10")):
            for sigmoid in (False, True):
                got = (table.sigmoid if sigmoid else table.tanh)(codes, fmt.frac_bits, out)
                assert got.tolist() == [slow(table, int(x), fmt.frac_bits, out, sigmoid)
                                        for x in codes]


@pytest.mark.parametrize("error", [*ERRORS, 2.0**-8 * 0.7, 3e-4])
def test_contents(error):
    table = make_table(error)
    assert len(table.slopes) == len(table.intercepts) <= MAX_ENTRIES
    assert all(0 <= b <= 1 << SLOPE_FRAC for b in table.slopes) and table.slopes[-1] == 0
    assert all(0 <= c < 1 << INTERCEPT_FRAC for c in table.intercepts)
    assert list(table.slopes) == sorted(table.slopes, reverse=True)


def test_coarsest():
    # twice the segment width cannot do: the best line on [a, b] errs by w**2 * max|f''| / 16
    for error in ERRORS:
        width = 2.0 ** (1 - make_table(error).segment_bits)
        a = np.arange(0, 2, width)
        x = a[:, None] + np.linspace(0, width, 2001)
        chord = (np.tanh(x[:, -1]) - np.tanh(x[:, 0])) / width
        gap = np.tanh(x) - chord[:, None] * x
        assert ((gap.max(axis=1) - gap.min(axis=1)) / 2).max() > error - 2.0**-16


def test_zero_and_limits():
    for error in ERRORS:
        table = make_table(error)
        assert table.tanh(0, 11, OUT) == 0 and table.sigmoid(0, 11, OUT) == 1 << 14
        assert table.tanh(32767, 11, OUT) == 32767 and table.sigmoid(32767, 11, OUT) == 32767
        assert table.tanh(-32768, 11, OUT) <= -32767 and table.sigmoid(-32768, 11, OUT) == 0


def test_cached_and_keeps_shape():
    assert make_table(2.0**-10) is make_table(2.0**-10)
    assert make_table(2.0**-10).tanh(np.zeros((2, 3, 4), np.int64), 11, OUT).shape == (2, 3, 4)


@pytest.mark.parametrize("error", [2.0**-13, 0.1, 0, -1])
def test_error_refused(error):
    with pytest.raises(RnnhwError, match=r"error must be within 2\*\*-12..2\*\*-6, not"):
        make_table(error)


@pytest.mark.parametrize("in_frac, out_frac", [(1, 8), (2, 17)])
def test_formats_refused(in_frac, out_frac):
    with pytest.raises(ValueError, match=f"not {in_frac} and {out_frac}"):
        make_table(2.0**-8).tanh(0, in_frac, FixedFormat(18, out_frac))
