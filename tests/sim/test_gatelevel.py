"""The synthesized netlist under cocotb against the golden model, in every bit."""

import pytest

from rnnhw.errors import RnnhwError
from rnnhw.gatelevel import netlist
from rnnhw.simulate import simulate
from tests.configurations import CASES


@pytest.mark.slow
@pytest.mark.parametrize("family, name", [("ecp5", "fast_three_slices"), ("ecp5", "gru_before"),
                                          ("ice40", "lstm_ragged")])
def test_netlist_equals_golden(family, name, tmp_path):
    case = next(case for case in CASES if case.name == name)
    quantized, program = case.design()
    x = case.stimulus(quantized)
    path = netlist(program, family, tmp_path / "netlist")
    result = simulate(quantized, program, x, case.lengths, verilog=path, gaps=0.3, stalls=0.3)
    assert result.bit_exact, result.mismatch
    assert result.words_checked > 20


def test_unknown_family(tmp_path):
    _, program = CASES[0].design()
    with pytest.raises(RnnhwError, match=r"^The family 'xilinx' is unknown; known are ecp5, ice40"):
        netlist(program, "xilinx", tmp_path / "netlist")
    assert not (tmp_path / "netlist").exists()
