"""Formats, quantisation and the one narrowing operation, against exact fractions."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat, requantize, round_shift


def test_limits_and_text():
    fmt = FixedFormat.parse("16/11")
    assert (fmt.width, fmt.frac_bits, fmt.min, fmt.max) == (16, 11, -32768, 32767)
    assert (str(fmt), fmt.lsb) == ("16/11", 2.0**-11)
    assert FixedFormat(8, -3).lsb == 8.0


@pytest.mark.parametrize("text", ["16", "16/x", "", "1/2/3", None])
def test_parse_refuses(text):
    with pytest.raises(RnnhwError, match="written width/frac_bits, as 16/11, not"):
        FixedFormat.parse(text)


@pytest.mark.parametrize("width", [0, 65, -1])
def test_width_refused(width):
    with pytest.raises(RnnhwError, match=f"width must be within 1..64 bits, not {width}"):
        FixedFormat(width, 0)


@given(st.integers(-2**60, 2**60), st.integers(0, 40))
def test_round_shift_is_half_up(value, shift):
    assert round_shift(value, shift) == floor(Fraction(value, 1 << shift) + Fraction(1, 2))


def test_round_shift_refuses_left():
    with pytest.raises(ValueError, match="must not be negative, not -1"):
        round_shift(1, -1)


@given(st.integers(-2**40, 2**40), st.integers(0, 30), st.integers(2, 18))
def test_requantize_saturates(value, shift, width):
    fmt = FixedFormat(width, 0)
    exact = floor(Fraction(value, 1 << shift) + Fraction(1, 2))
    assert requantize(value, shift, fmt) == min(max(exact, -(1 << width - 1)), (1 << width - 1) - 1)


@given(st.floats(-300, 300), st.integers(2, 18), st.integers(-4, 20))
def test_quantize_is_nearest_half_up(value, width, frac):
    fmt = FixedFormat(width, frac)
    exact = floor(Fraction(value) * Fraction(2) ** frac + Fraction(1, 2))
    assert fmt.quantize(value) == min(max(exact, fmt.min), fmt.max)


def test_round_trip():
    fmt = FixedFormat(10, 6)
    codes = np.arange(fmt.min, fmt.max + 1)
    assert (fmt.quantize(fmt.to_float(codes)) == codes).all()
