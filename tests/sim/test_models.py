"""The models of cells against what Yosys infers them from: same RTL, same words, every cycle."""

import re

import pytest
from amaranth.hdl import signed, unsigned

from rnnhw.errors import RnnhwError
from rnnhw.gatelevel import with_models
from tests.simulators import needs_icarus

from .samples import Samples, compare

SHAPES = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}    # width -> depth of a block RAM
PRODUCTS = {
    "both_signed": (signed(18), signed(18), 0, 0),
    "unsigned": (unsigned(18), unsigned(17), 1, 1),
    "behind": (signed(16), signed(18), 0, 1),
    "around": (signed(8), signed(9), 1, 1),
    "in_front": (signed(18), signed(11), 1, 0),
    "two_behind": (signed(17), signed(17), 1, 2),
}
SUMS = {
    "wide": (signed(16), signed(16), signed(30)),
    "narrow": (signed(16), signed(15), signed(31)),
    "widest": (signed(18), signed(18), signed(36)),
}
CELLS = {
    "ecp5": {"rams": ("DP16KD",), "multipliers": ("MULT18X18D",), "plain": ("TRELLIS_FF",),
             "widths": ("DATA_WIDTH_A", "DATA_WIDTH_B"),
             "logic": {"LUT4", "PFUMX", "L6MUX21", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4"}},
    "gowin": {"rams": ("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B"),
              "multipliers": ("MULT18X18", "MULT9X9"), "plain": ("DFF",),
              "widths": ("BIT_WIDTH_0", "BIT_WIDTH_1"),
              "logic": {"LUT4", "MUX2_LUT5", "MUX2_LUT6", "MUX2_LUT7", "ALU", "DFFRE", "DFFSE",
                        "RAM16SDP4"}},
}
SIMULATORS = [pytest.param("icarus", marks=needs_icarus), "verilator"]


def memories(kind, widths, registers=(0, 1)):
    """Memories that fill a block RAM, without and with a register behind the word."""
    return {f"{kind}{width}_{n}": (SHAPES[width], width, kind, n)
            for width in widths for n in registers}


def modes(text, *parameters):
    """Values of parameters in a netlist, one tuple an instance."""
    found = [re.findall(rf"\.{name}\((?:32'd)?\"?(\w+)\"?\)", text) for name in parameters]
    return sorted(zip(*found))


def count(cells, family, kind):
    return sum(cells[name] for name in CELLS[family][kind])


@pytest.mark.slow
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("family", CELLS)
def test_memories_of_every_width(family, simulator, tmp_path):
    widths = SHAPES if simulator == "icarus" else (2, 9, 36)
    wrong, cells, absorbed, text = compare(Samples(memories("ram", widths), {}, logic=False),
                                           family, tmp_path, simulator, cycles=1000)
    assert wrong == []
    assert count(cells, family, "rams") == 2 * len(widths)
    assert count(cells, family, "plain") == 0
    assert absorbed == {"multiplier_outputs": 0, "multiplier_inputs": 0,
                        "ram_outputs": len(widths)}
    assert modes(text, *CELLS[family]["widths"]) == sorted(
        (str(width), str(width)) for width in widths for _ in range(2))


@pytest.mark.slow
@needs_icarus
@pytest.mark.parametrize("family, kind, widths, held", [
    ("ecp5", "rom", (9, 18, 36), 0), ("ecp5", "bytes", (9, 18, 36), 0),
    ("ecp5", "held", (9, 18, 36), 63), ("ecp5", "two", (9, 18), 0),
    ("gowin", "rom", (4, 9, 18, 36), 0), ("gowin", "bytes", (9, 18, 36), 0),
    ("gowin", "held", (9, 18, 36), 63), ("gowin", "one", (2, 18, 36), 0),
    ("gowin", "two", (1, 9, 18), 0)])
def test_memories_of_every_kind(family, kind, widths, held, tmp_path):
    """Those with a read enable keep their registers, which the RAM's enable would hold too."""
    registers = (0,) if kind == "two" else (0, 1)
    wrong, cells, absorbed, _ = compare(
        Samples(memories(kind, widths, registers), {}, logic=False), family, tmp_path, "icarus",
        cycles=1000)
    assert wrong == []
    assert count(cells, family, "rams") == len(widths) * len(registers)
    assert count(cells, family, "plain") == held
    assert absorbed["ram_outputs"] == (0 if held or kind == "two" else len(widths))


@pytest.mark.slow
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("family", CELLS)
def test_products_and_logic(family, simulator, tmp_path):
    wrong, cells, absorbed, _ = compare(Samples({}, PRODUCTS), family, tmp_path, simulator,
                                        cycles=1000)
    assert wrong == []
    assert count(cells, family, "multipliers") == len(PRODUCTS)
    assert absorbed == {"multiplier_outputs": 4, "multiplier_inputs": 4, "ram_outputs": 0}
    assert CELLS[family]["logic"] <= set(cells)


@pytest.mark.slow
@needs_icarus
@pytest.mark.parametrize("family, kind, number", [
    ("ecp5", "MULT18X18D", 3), ("ice40", "SB_MAC16", 5), ("gowin", "MULT18X18", 3)])
def test_sums_of_products(family, kind, number, tmp_path):
    """Of 33, 32 and 37 bits, where a multiplier of iCE40 has an adder of 32."""
    wrong, cells, _, _ = compare(Samples({}, {}, SUMS, logic=False), family, tmp_path, "icarus",
                                 cycles=1000)
    assert wrong == []
    assert cells[kind] == number


@pytest.mark.slow
@needs_icarus
def test_ice40_memories_products_and_logic(tmp_path):
    wrong, cells, _, _ = compare(
        Samples(memories("ram", (9, 18)), {name: PRODUCTS[name] for name in ("around", "behind")}),
        "ice40", tmp_path, "icarus", cycles=500)
    assert wrong == []
    assert cells["SB_RAM40_4K"] > 0 and cells["SB_MAC16"] > 0


@needs_icarus
@pytest.mark.parametrize("family, width, cycles", [
    ("ecp5", 36, 2000), ("gowin", 36, 2000), ("gowin", 18, 20000)])
def test_a_word_read_while_written_comes_out_wrong(family, width, cycles, tmp_path):
    wrong, _, _, _ = compare(Samples(memories("ram", (width,)), {}, logic=False, collide=True),
                             family, tmp_path, "icarus", cycles=cycles)
    assert wrong == [f"ram{width}_0", f"ram{width}_1"]


@needs_icarus
@pytest.mark.parametrize("family, pattern, to, faulty", [
    ("ecp5", r"(\.INITVAL_07\(320'h[0-9a-f]*?)[0-9a-f]{4}(\))", r"\g<1>5a5a\2", "rom18_1"),
    ("ecp5", r'REG_OUTPUT_CLK\("CLK0"\)', 'REG_OUTPUT_CLK("NONE")', "around"),
    ("ecp5", r'REGMODE_A\("OUTREG"\)', 'REGMODE_A("NOREG")', "rom18_1"),
    ("gowin", r"(\.INIT_RAM_07\(288'h[0-9a-f]*?)[0-9a-f]{4}(\))", r"\g<1>5a5a\2", "rom18_1"),
    ("gowin", r"\.OUT_REG\(1'h1\)", ".OUT_REG(1'h0)", "around"),
    ("gowin", r"\.BREG\(1'h1\)", ".BREG(1'h0)", "around"),
    ("gowin", r"\.BSIGN\(\S+\)", ".BSIGN(1'h0)", "around"),
    ("gowin", r"\.READ_MODE\(1'h1\)", ".READ_MODE(1'h0)", "rom18_1")])
def test_a_fault_in_the_netlist_is_found(family, pattern, to, faulty, tmp_path):
    samples = Samples(memories("rom", (18,), (1,)), {"around": PRODUCTS["around"]}, logic=False)
    wrong, _, _, text = compare(samples, family, tmp_path, "icarus", cycles=2000,
                                edit=lambda text: re.sub(pattern, to, text))
    assert wrong == [faulty]


@pytest.mark.parametrize("cell, family", [("EHXPLLL", "ecp5"), ("rPLL", "gowin")])
def test_a_cell_without_a_model(cell, family):
    """A black box in a library of models is none."""
    with pytest.raises(RnnhwError, match=f"^The cell {cell} of {family} has no model; the netlist "
                                         r"cannot be simulated\.$"):
        with_models("module m; endmodule\n", [cell, "LUT4"], family)
