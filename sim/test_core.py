"""The generated Verilog in cocotb: words, their number and their cycles, on the committed list."""

import numpy as np
import pytest

from rnnhw import golden
from rnnhw.schedule import Schedule
from rnnhw.simulate import simulate
from tests.configurations import CIRCULANT, DENSE, IN_COCOTB
from tests.simulators import needs_icarus


def check(case, folder, simulator):
    """Simulate ``case`` at full speed, then with gaps and stalls; hold it against both models."""
    quantized, program = case.design()
    xi, lengths = case.stimulus(quantized), np.array(case.lengths)
    expected = golden.run(quantized, xi, lengths)
    assert len(set(expected.ravel().tolist())) > 1
    total, each = Schedule(program).cycles_of(case.lengths)

    fast = simulate(quantized, program, xi, lengths, simulator=simulator, out_dir=folder)
    assert fast.mismatch is None and fast.bit_exact
    np.testing.assert_array_equal(fast.outputs, expected)
    assert fast.outputs.dtype == expected.dtype == np.int64
    assert (fast.cycles, fast.cycles_per_sequence) == (total, tuple(each))

    slow = simulate(quantized, program, xi, lengths, simulator=simulator, out_dir=folder,
                    gaps=0.5, stalls=0.5, seed=3, verilog=folder / "core.v")
    assert slow.mismatch is None and slow.bit_exact
    assert slow.words_checked == fast.words_checked
    assert slow.cycles >= total


@pytest.mark.slow
@pytest.mark.parametrize("case", IN_COCOTB, ids=lambda case: case.name)
def test_core_in_verilator(case, tmp_path):
    check(case, tmp_path, "verilator")


@needs_icarus
@pytest.mark.parametrize("case", [
    *DENSE[1:5:3], *(pytest.param(case, marks=pytest.mark.slow)
                     for case in DENSE[7::3] + CIRCULANT[3::18])],
    ids=lambda case: case.name)
def test_core_in_icarus(case, tmp_path):
    check(case, tmp_path, "icarus")
