"""The netlist pass that turns on the registers of block RAMs and multipliers."""

import pytest

from boards.absorb import absorb

CLOCK = 2


def cell(kind, inputs, outputs, parameters=()):
    """A cell as Yosys' JSON has it; ports with one bit each."""
    ports = {**inputs, **outputs}
    return {"type": kind, "parameters": dict(parameters),
            "port_directions": {p: "input" if p in inputs else "output" for p in ports},
            "connections": {p: [bit] for p, bit in ports.items()}}


def register(d, q, **changes):
    """A plain register, or one with another parameter or pin."""
    parameters = {"CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"}
    pins = {"CLK": CLOCK, "LSR": "0", "DI": d}
    for key, value in changes.items():
        (parameters if key in parameters else pins)[key] = value
    return cell("TRELLIS_FF", pins, {"Q": q}, parameters)


def product(**changes):
    """A multiplier with a register in front of and behind every pin, as a flat module."""
    a, b, p = ([base + i for i in range(n)] for base, n in ((100, 18), (200, 18), (300, 36)))
    cells = {"mult": cell("MULT18X18D",
                          {**{f"A{i}": bit for i, bit in enumerate(a)},
                           **{f"B{i}": bit for i, bit in enumerate(b)}},
                          {f"P{i}": bit for i, bit in enumerate(p)})}
    for name, bits in (("a", a), ("b", b)):
        for i, bit in enumerate(bits):
            cells[f"{name}{i}"] = register(bit + 1000, bit)
    for i, bit in enumerate(p):
        cells[f"p{i}"] = register(bit, bit + 1000)
    for name, fields in changes.items():
        cells[name] = register(cells[name]["connections"]["DI"][0],
                               cells[name]["connections"]["Q"][0], **fields)
    ports = {"out": {"direction": "output", "bits": [bit + 1000 for bit in p]}}
    return {"cells": cells, "ports": ports}


def test_registers_around_a_multiplier_are_taken_in():
    module = product()
    assert absorb(module, "ecp5") == {"multiplier_outputs": 1, "multiplier_inputs": 1,
                                      "ram_outputs": 0}
    assert list(module["cells"]) == ["mult"]
    mult = module["cells"]["mult"]
    assert [mult["connections"][f"A{i}"] for i in range(18)] == [[1100 + i] for i in range(18)]
    assert [mult["connections"][f"P{i}"] for i in range(36)] == [[1300 + i] for i in range(36)]
    assert mult["connections"]["CLK0"] == [CLOCK]
    assert mult["parameters"] == dict.fromkeys(
        ("REG_INPUTA_CLK", "REG_INPUTB_CLK", "REG_OUTPUT_CLK"), "CLK0")


@pytest.mark.parametrize("pin, what", [("a3", "multiplier_inputs"), ("p7", "multiplier_outputs")])
@pytest.mark.parametrize("fields", [{"CEMUX": "CE", "CE": 9}, {"LSR": 8}, {"REGSET": "SET"},
                                    {"CLKMUX": "INV"}, {"CLK": 77}],
                         ids=["enable", "reset", "starts at 1", "falling edge", "other clock"])
def test_other_registers_stay(pin, what, fields):
    module = product(**{pin: fields})
    before = dict(module["cells"][pin]["connections"])
    assert absorb(module, "ecp5")[what] == 0
    assert module["cells"][pin]["connections"] == before


def test_an_output_with_a_second_user_stays():
    module = product()
    module["cells"]["user"] = cell("LUT4", {"A": 305}, {"Z": 5000})
    assert absorb(module, "ecp5")["multiplier_outputs"] == 0
    assert "p5" in module["cells"]


def test_an_input_register_with_a_second_user_is_doubled():
    module = product()
    module["cells"]["user"] = cell("LUT4", {"A": 104}, {"Z": 5000})
    module["ports"]["z"] = {"direction": "output", "bits": [5000]}
    assert absorb(module, "ecp5")["multiplier_inputs"] == 1
    assert module["cells"]["a4"]["connections"]["Q"] == [104]
    assert module["cells"]["mult"]["connections"]["A4"] == [1104]


def memory(**changes):
    """A block RAM with a register that has an enable behind every pin of port A."""
    cells = {"ram": cell("DP16KD", {"CLKA": CLOCK}, {f"DOA{i}": 100 + i for i in range(18)},
                         {"DATA_WIDTH_A": "10010", "REGMODE_A": "NOREG"})}
    for i in range(18):
        cells[f"q{i}"] = register(100 + i, 1100 + i, CEMUX="CE", CE=9)
    for name, fields in changes.items():
        cells[name] = register(*(cells[name]["connections"][pin][0] for pin in ("DI", "Q")),
                               **fields)
    ports = {"out": {"direction": "output", "bits": [1100 + i for i in range(18)]}}
    return {"cells": cells, "ports": ports}


def test_registers_with_an_enable_are_taken_in_behind_a_memory():
    module = memory()
    assert absorb(module, "ecp5")["ram_outputs"] == 1
    assert list(module["cells"]) == ["ram"]
    ram = module["cells"]["ram"]
    assert ram["connections"]["OCEA"] == [9] and ram["parameters"]["REGMODE_A"] == "OUTREG"
    assert [ram["connections"][f"DOA{i}"] for i in range(18)] == [[1100 + i] for i in range(18)]


@pytest.mark.parametrize("fields", [{}, {"CEMUX": "CE", "CE": 10}], ids=["none", "another"])
def test_registers_of_two_enables_stay(fields):
    assert absorb(memory(q5=fields), "ecp5")["ram_outputs"] == 0


def test_a_family_without_such_registers_is_left_alone():
    module = product()
    assert set(absorb(module, "ice40").values()) == {0}
    assert len(module["cells"]) == 73


@pytest.mark.parametrize("tied", [False, True], ids=["constants", "cells that drive constants"])
def test_registers_around_a_gowin_multiplier_are_taken_in(tied):
    low, high = (8, 9) if tied else ("0", "1")
    a, b, y = ([base + i for i in range(n)] for base, n in ((100, 18), (200, 18), (300, 36)))
    inputs, pins = {"A": a, "B": b, "CLK": [low], "CE": [low], "RESET": [low]}, {"DOUT": y}
    mult = cell("MULT18X18", dict.fromkeys(inputs), dict.fromkeys(pins))
    cells = {"mult": mult | {"connections": inputs | pins}}
    a[17] = low
    for bit in (*a[:17], *b):
        cells[f"in{bit}"] = cell("DFF", {"CLK": CLOCK, "D": bit + 1000}, {"Q": bit})
    for bit in y:
        cells[f"out{bit}"] = cell("DFF", {"CLK": CLOCK, "D": bit}, {"Q": bit + 1000})
    if tied:
        cells["low"], cells["high"] = cell("GND", {}, {"G": low}), cell("VCC", {}, {"V": high})
    module = {"cells": cells,
              "ports": {"out": {"direction": "output", "bits": [bit + 1000 for bit in y]}}}
    assert absorb(module, "gowin") == {"multiplier_outputs": 1, "multiplier_inputs": 1,
                                       "ram_outputs": 0}
    assert list(cells) == (["mult", "low", "high"] if tied else ["mult"])
    found = cells["mult"]
    assert found["connections"]["A"] == [*range(1100, 1117), low]
    assert found["connections"]["DOUT"] == list(range(1300, 1336))
    assert [found["connections"][pin] for pin in ("CLK", "CE", "RESET")] == [[CLOCK], ["1"], ["0"]]
    assert found["parameters"] == dict.fromkeys(("AREG", "BREG", "OUT_REG"), "1")


@pytest.mark.parametrize("port, pin, value, taken", [
    ("A", None, None, 1), ("B", None, None, 1), ("B", "CEB", 7, 0), ("A", "RESETA", 7, 0),
    ("B", "CEA", 7, 1)])
def test_registers_behind_a_port_of_a_shared_gowin_ram_are_taken_in(port, pin, value, taken):
    inputs = {"CLKA": CLOCK, "CLKB": CLOCK, "OCEA": "1", "OCEB": "1", "CEA": "1", "CEB": "1",
              "RESETA": "0", "RESETB": "0"}
    if pin:
        inputs[pin] = value
    ram = cell("DPX9B", inputs, dict.fromkeys(("DOA", "DOB")))
    ram["connections"] |= {"DOA": list(range(100, 118)), "DOB": list(range(200, 218))}
    base = {"A": 100, "B": 200}[port]
    cells = {"ram": ram} | {f"out{i}": cell("DFF", {"CLK": CLOCK, "D": base + i}, {"Q": 300 + i})
                            for i in range(18)}
    module = {"cells": cells,
              "ports": {"out": {"direction": "output", "bits": list(range(300, 318))}}}
    assert absorb(module, "gowin")["ram_outputs"] == taken
    assert len(cells) == 1 + 18 * (not taken)
    assert ram["parameters"] == ({f"READ_MODE{'AB'.index(port)}": "1"} if taken else {})
    assert ram["connections"][f"DO{port}"] == list(range(300, 318) if taken else
                                                   range(base, base + 18))
