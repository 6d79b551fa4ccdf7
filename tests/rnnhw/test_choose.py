"""The compiler's choice of lanes under the user's limits."""

import numpy as np
import pytest

from boards import limits
from rnnhw.choose import choose
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.quantize import quantize
from tests.configurations import Case


def chosen(config, board=None, layers=(("lstm", 16),), inputs=8):
    """Program of a small network under ``config``."""
    case = Case("choice", inputs, layers, 8, 1)
    x = np.random.default_rng(0).normal(size=(2, 8, inputs))
    quantized = quantize(case.model(), config, x)
    return choose(quantized, config, limits(board) if board else None)


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


@pytest.mark.parametrize("config, board, text", [
    (dict(max_multipliers=4), None,
     r"^No design keeps the limits: this model needs at least 4 lanes and 1 vector lanes, 5 "
     r"multipliers; at most 4 lanes and 4 multipliers are allowed\.$"),
    (dict(weight_bits=18, fast_inner_product=True), None,
     r"^fast_inner_product adds weights and operands, 19 bits here \(alignment included\), but a "
     r"multiplier takes 18; plain lanes, fast_inner_product = false, can carry them\.$"),
    (dict(weight_bits=17), "icebreaker",
     r"^Products of 17-bit weights and \d+-bit operands \(alignment included\) need more than the "
     r"16-bit multipliers of iCE40UP5K-SG48; use fewer bits\.$"),
])
def test_limits_that_no_design_keeps(config, board, text):
    with pytest.raises(RnnhwError, match=text):
        chosen(Config(**config), board)
