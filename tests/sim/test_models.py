"""The models of cells against what Yosys infers them from: same RTL, same words, every cycle."""

import re

import pytest
from amaranth.hdl import signed, unsigned

from rnnhw.errors import RnnhwError
from rnnhw.gatelevel import with_models
from tests.simulators import needs_icarus

from .samples import Samples, compare

SHAPES = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}     # width -> depth of a DP16KD
PRODUCTS = {
    "both_signed": (signed(18), signed(18), 0, 0),
    "unsigned": (unsigned(18), unsigned(17), 1, 1),
    "behind": (signed(16), signed(18), 0, 1),
    "around": (signed(8), signed(9), 1, 1),
    "in_front": (signed(18), signed(11), 1, 0),
    "two_behind": (signed(17), signed(17), 1, 2),
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


@pytest.mark.slow
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_ecp5_memories_of_every_width(simulator, tmp_path):
    wrong, cells, absorbed, text = compare(Samples(memories("ram", SHAPES), {}, logic=False),
                                           "ecp5", tmp_path, simulator, cycles=2000)
    assert wrong == []
    assert cells["DP16KD"] == 12 and cells["TRELLIS_FF"] == 0
    assert absorbed == {"multiplier_outputs": 0, "multiplier_inputs": 0, "ram_outputs": 6}
    assert modes(text, "DATA_WIDTH_A", "DATA_WIDTH_B") == sorted(
        (str(width), str(width)) for width in SHAPES for _ in range(2))


@pytest.mark.slow
@needs_icarus
@pytest.mark.parametrize("kind, held", [("rom", 0), ("bytes", 0), ("held", 63)])
def test_ecp5_memories_of_every_kind(kind, held, tmp_path):
    """Those with a read enable keep their registers, which the RAM's enable would hold too."""
    wrong, cells, absorbed, _ = compare(Samples(memories(kind, (9, 18, 36)), {}, logic=False),
                                        "ecp5", tmp_path, "icarus", cycles=2000)
    assert wrong == []
    assert (cells["DP16KD"], cells["TRELLIS_FF"]) == (6, held)
    assert absorbed["ram_outputs"] == (0 if held else 3)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_ecp5_products_and_logic(simulator, tmp_path):
    wrong, cells, absorbed, _ = compare(Samples({}, PRODUCTS), "ecp5", tmp_path, simulator,
                                        cycles=1000)
    assert wrong == []
    assert cells["MULT18X18D"] == len(PRODUCTS)
    assert absorbed == {"multiplier_outputs": 4, "multiplier_inputs": 4, "ram_outputs": 0}
    assert {"LUT4", "PFUMX", "L6MUX21", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4"} <= set(cells)


@pytest.mark.slow
@needs_icarus
def test_ice40_memories_products_and_logic(tmp_path):
    wrong, cells, _, _ = compare(
        Samples(memories("ram", (9, 18)), {name: PRODUCTS[name] for name in ("around", "behind")}),
        "ice40", tmp_path, "icarus", cycles=500)
    assert wrong == []
    assert cells["SB_RAM40_4K"] > 0 and cells["SB_MAC16"] > 0


@needs_icarus
def test_a_word_read_while_written_comes_out_wrong(tmp_path):
    wrong, _, _, _ = compare(Samples(memories("ram", (36,)), {}, logic=False, collide=True),
                             "ecp5", tmp_path, "icarus", cycles=2000)
    assert wrong == ["ram36_0", "ram36_1"]


@needs_icarus
@pytest.mark.parametrize("edit, faulty", [
    (lambda text: re.sub(r"(\.INITVAL_07\(320'h[0-9a-f]*?)[0-9a-f]{4}(\))", r"\g<1>5a5a\2", text),
     ["rom18_1"]),
    (lambda text: text.replace('REG_OUTPUT_CLK("CLK0")', 'REG_OUTPUT_CLK("NONE")'), ["around"]),
    (lambda text: text.replace('REGMODE_A("OUTREG")', 'REGMODE_A("NOREG")'), ["rom18_1"])],
    ids=["contents", "multiplier register", "memory register"])
def test_a_fault_in_the_netlist_is_found(edit, faulty, tmp_path):
    samples = Samples(memories("rom", (18,), (1,)), {"around": PRODUCTS["around"]}, logic=False)
    wrong, _, _, text = compare(samples, "ecp5", tmp_path, "icarus", cycles=2000, edit=edit)
    assert wrong == faulty


def test_a_cell_without_a_model():
    with pytest.raises(RnnhwError, match=r"^The cell EHXPLLL of ecp5 has no model; the netlist "
                                         r"cannot be simulated\.$"):
        with_models("module m; endmodule\n", ["EHXPLLL", "LUT4"], "ecp5")
