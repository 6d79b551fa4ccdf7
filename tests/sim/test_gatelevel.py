"""The synthesized netlist under cocotb against the golden model, in every bit and every cycle."""

import re

import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.gatelevel import netlist
from rnnhw.schedule import Schedule
from rnnhw.simulate import simulate
from tests.configurations import CASES, Case
from tests.simulators import needs_icarus

# A C++ compiler takes long over a netlist: those for Verilator are as small as they can be.
SHORT = (2, 1)
FAST = Case("fast", 3, (("gru", 4),), 4, 2, SHORT, fast=True, deep=True)
SPECTRAL = Case("spectral", 4, (("linear", 4, "relu"), ("linear", 2)), 6, 1, SHORT, fast=True,
                deep=True, blocks=(4, None), config={"activation_bits": 6, "spectrum_bits": 8})
SMALL = {"plain": Case("plain", 3, (("lstm", 2),), 4, 1, SHORT), "fast": FAST,
         "last_step": Case("last_step", 5, (("gru", 4), ("linear", 6, "relu"), ("linear", 3)), 6, 2,
                           SHORT, fast=True, last_step=True),
         "before": Case("before", 4, (("gru_reset_before", 6),), 6, 2, SHORT),
         "spectral": SPECTRAL,
         "spectral_gru": Case("spectral_gru", 4, (("gru", 4), ("linear", 3)), 10, 2, SHORT,
                              fast=True, products=3, blocks=(4, None))}
# Deep enough that weights and row tables fill block RAMs.
LARGE = {"plain": Case("lstm_block_rams", 24, (("lstm", 24),), 4, 1, (1, 1)),
         "fast": Case("fast_block_rams", 24, (("lstm", 24),), 4, 1, (1, 1), fast=True, deep=True)}


def check(case, family, folder, simulator):
    """Simulate the netlist at full speed, then with gaps and stalls; returns its Verilog."""
    quantized, program = case.design()
    xi, lengths = case.stimulus(quantized), np.array(case.lengths)
    path = netlist(program, family, folder)
    total, each = Schedule(program).cycles_of(case.lengths)
    options = dict(verilog=path, simulator=simulator, out_dir=folder)
    fast = simulate(quantized, program, xi, lengths, **options)
    assert fast.mismatch is None and fast.bit_exact
    assert (fast.cycles, fast.cycles_per_sequence) == (total, tuple(each))
    slow = simulate(quantized, program, xi, lengths, gaps=0.3, stalls=0.3, seed=3, **options)
    assert slow.mismatch is None and slow.bit_exact and slow.words_checked == fast.words_checked
    return path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("family, name", [("ecp5", "spectral"), ("ice40", "plain"),
                                          ("gowin", "plain")])
def test_netlist_in_verilator(family, name, tmp_path):
    check(SMALL[name], family, tmp_path, "verilator")


@pytest.mark.slow
@needs_icarus
@pytest.mark.parametrize("family, name", [
    ("ecp5", "plain"), ("ecp5", "last_step"), ("ecp5", "fast"), ("ice40", "before"),
    ("ice40", "fast"), ("ice40", "spectral_gru"), ("gowin", "before")])
def test_netlist_in_icarus(family, name, tmp_path):
    check(SMALL[name], family, tmp_path, "icarus")


@pytest.mark.slow
@needs_icarus
@pytest.mark.parametrize("kind", LARGE)
def test_ecp5_netlist_with_registers_in_its_primitives(kind, tmp_path):
    case = LARGE[kind]
    text = check(case, "ecp5", tmp_path, "icarus")
    assert text.count('REGMODE_A("OUTREG")') + text.count('REGMODE_B("OUTREG")') >= 8
    assert text.count('.REG_INPUTA_CLK("CLK0")') == case.lanes + case.fast
    assert text.count('.REG_OUTPUT_CLK("CLK0")') == sum((case.lanes, case.fast, case.slices))


@pytest.mark.slow
@needs_icarus
def test_gowin_netlist_with_registers_in_its_primitives(tmp_path):
    text = check(Case("gowin_block_rams", 20, (("lstm", 20),), 4, 1, (2,), fast=True, deep=True),
                 "gowin", tmp_path, "icarus")
    assert len(re.findall(r"\.READ_MODE[01]?\(1'h1\)", text)) >= 2
    assert text.count(".AREG(1'h1)") == 4 + 1
    assert text.count(".OUT_REG(1'h1)") == 4 + 1 + 1


@pytest.mark.slow
@needs_icarus
def test_vector_lanes_with_sums_of_33_bits(tmp_path):
    check(Case("sums", 3, (("lstm", 4),), 4, 1), "ice40", tmp_path, "icarus")


@pytest.mark.slow
@needs_icarus
def test_a_fault_in_the_netlist_is_found(tmp_path):
    case = LARGE["plain"]
    quantized, program = case.design()
    path = netlist(program, "ecp5", tmp_path)
    text = path.read_text()
    assert '.REG_INPUTB_CLK("CLK0")' in text
    path.write_text(text.replace('.REG_INPUTB_CLK("CLK0")', '.REG_INPUTB_CLK("NONE")', 1))
    result = simulate(quantized, program, case.stimulus(quantized)[1, :1], simulator="icarus",
                      verilog=path)
    assert not result.bit_exact
    assert result.mismatch.startswith("Sequence 0, step 0, unit ")


def test_unknown_family(tmp_path):
    _, program = CASES[0].design()
    with pytest.raises(RnnhwError, match=r"^The family 'xilinx' is unknown; known are "
                                         r"ecp5, ice40, gowin"):
        netlist(program, "xilinx", tmp_path / "netlist")
    assert not (tmp_path / "netlist").exists()
