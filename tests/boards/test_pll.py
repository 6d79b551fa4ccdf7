"""PLL arithmetic: ranges, nearest not above, and the settings that the tools' own solvers find."""

import re
import subprocess

import numpy as np
import pytest

import boards
from boards.pll import Ecp5Pll, Gw1nr9Pll, Gw2ar18Pll, Ice40Pll
from rnnhw.errors import RnnhwError
from rnnhw.tools import require

REQUESTS = sorted({*np.linspace(16, 275, 50).round(2).tolist(), 16.0, 24.0, 24.01, 31.5, 48.0, 100})


@pytest.mark.parametrize("wanted", REQUESTS)
def test_ecp5_within_the_data_sheet_and_nearest_below(wanted):
    pll = Ecp5Pll.solve(25.0, wanted)
    assert 1 <= pll.reference <= 128 and 1 <= pll.feedback <= 128 and 1 <= pll.output <= 128
    assert 25.0 / pll.reference >= 3.125
    assert pll.clock_mhz == 25.0 * pll.feedback / pll.reference
    assert 400 <= pll.clock_mhz * pll.output <= 800
    reachable = [25.0 * f / r for r in range(1, 9) for f in range(1, 129)]
    assert pll.clock_mhz == max(f for f in reachable if f <= wanted + 1e-6)


@pytest.mark.parametrize("wanted", REQUESTS)
def test_ice40_within_the_data_sheet_and_nearest_below(wanted):
    pll = Ice40Pll.solve(12.0, wanted)
    if pll.divq == 0:
        assert pll.clock_mhz == 12.0 and wanted < 16.7
        return
    assert pll.divr == 0 and 0 <= pll.divf <= 127 and 1 <= pll.divq <= 6
    assert pll.clock_mhz == 12.0 * (pll.divf + 1) / 2**pll.divq
    assert 533 <= pll.vco_mhz <= 1066 and pll.filter_range == 1
    reachable = [12.0 * f / 2**q for q in range(1, 7) for f in range(1, 129)
                 if 533 <= 12.0 * f <= 1066 and 12.0 * f / 2**q >= 16]
    assert pll.clock_mhz == max(f for f in reachable if f <= wanted + 1e-6)


@pytest.mark.parametrize("solver, vco, low", [(Gw1nr9Pll, (400, 1200), 3.125),
                                              (Gw2ar18Pll, (500, 1250), 3.90625)])
@pytest.mark.parametrize("wanted", REQUESTS)
def test_gowin_within_the_data_sheet_and_nearest_below(solver, vco, low, wanted):
    pll = solver.solve(27.0, wanted)
    assert 1 <= pll.reference <= 64 and 1 <= pll.feedback <= 64
    assert 27.0 / pll.reference >= 3.0
    assert pll.clock_mhz == 27.0 * pll.feedback / pll.reference >= low
    assert pll.output in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
    assert vco[0] <= pll.vco_mhz == pll.clock_mhz * pll.output <= vco[1]
    reachable = [27.0 * f / r for r in range(1, 10) for f in range(1, 65)]
    assert pll.clock_mhz == max(f for f in reachable if f <= wanted + 1e-6)


def fields(program, *arguments):
    text = subprocess.run([require(program, "This test"), *arguments], capture_output=True,
                          text=True, check=True).stdout
    return {name.strip(): float(value) for name, value in
            re.findall(r"^ *([\w ]+?)(?:\[\d+\])?: +'?(?:b)?([\d.]+)", text, re.M)}, text


@pytest.mark.parametrize("mhz", [24.0, 31.5, 48.0, 60.0])
def test_ice40_as_icepll(mhz):
    pll = Ice40Pll.solve(12.0, mhz)
    _, text = fields("yowasp-icepll", "-i", "12", "-o", str(pll.clock_mhz))
    found = {name: int(value) for name, value in
             re.findall(r"(DIVR|DIVF|DIVQ|FILTER_RANGE): +(\d+)", text)}
    assert found == {"DIVR": pll.divr, "DIVF": pll.divf, "DIVQ": pll.divq,
                     "FILTER_RANGE": pll.filter_range}


@pytest.mark.parametrize("mhz", [25.0, 75.0, 80.0, 100.0, 150.0])
def test_ecp5_as_ecppll(mhz):
    pll = Ecp5Pll.solve(25.0, mhz)
    found, _ = fields("yowasp-ecppll", "-i", "25", "-o", str(pll.clock_mhz))
    assert pll.clock_mhz == mhz
    assert found["Refclk divisor"] == pll.reference
    assert found["Feedback divisor"] == pll.feedback
    assert found["clkout0 divisor"] == pll.output
    assert found["VCO frequency"] == pll.vco_mhz


@pytest.mark.parametrize("solver, device", [(Gw1nr9Pll, "GW1NR-9 C6/I5"),
                                            (Gw2ar18Pll, "GW2AR-18 C8/I7")])
@pytest.mark.parametrize("mhz", [4.5, 27.0, 54.0, 60.0, 99.0, 148.5])
def test_gowin_as_gowin_pll(solver, device, mhz):
    pll = solver.solve(27.0, mhz)
    _, text = fields("gowin_pll", "-i", "27", "-o", str(mhz), "-d", device)
    found = {name: int(value) for name, value in re.findall(r"(\w+_SEL)\((\d+)\)", text)}
    assert pll.clock_mhz == mhz
    assert (found["IDIV_SEL"], found["FBDIV_SEL"]) == (pll.reference - 1, pll.feedback - 1)
    ranges = [tuple(map(float, bounds)) for bounds in
              re.findall(r"range: ([\d.]+)-([\d.]+) MHz", text)]
    assert ranges == [solver.PHASE, solver.CLOCK, solver.VCO]


@pytest.mark.parametrize("name, wanted, made", [
    ("tangnano9k", 27, 27.0), ("tangnano9k", 50, 49.5), ("tangnano9k", 3.4, 3.375),
    ("tangnano20k", 54, 54.0), ("tangnano20k", 60.5, 60.0), ("tangnano20k", 4.5, 4.5),
    ("ulx3s-85f", 80, 80.0), ("ulx3s-85f", 79.9, 79.16666666666667), ("ulx3s-85f", 3.2, 3.125),
    ("icebreaker", 24, 24.0), ("icebreaker", 24.7, 24.375), ("icebreaker", 15, 12.0),
    ("icebreaker", 12, 12.0)])
def test_clock_of_a_board(name, wanted, made):
    assert boards.get(name).pll(wanted).clock_mhz == pytest.approx(made, abs=1e-9)


@pytest.mark.parametrize("name, wanted, text", [
    ("ulx3s-85f", 500, r"^A clock of 500 MHz cannot be made on ulx3s-85f; from its 25 MHz come "
                       r"3\.125 to 400 MHz\.$"),
    ("ulx3s-85f", 0.5, r"^A clock of 0\.5 MHz cannot be made on ulx3s-85f"),
    ("icebreaker", 300, r"^A clock of 300 MHz cannot be made on icebreaker; from its 12 MHz come "
                        r"12 to 275 MHz\.$"),
    ("icebreaker", 11.9, r"^A clock of 11\.9 MHz cannot be made on icebreaker"),
    ("tangnano9k", 3.3, r"^A clock of 3\.3 MHz cannot be made on tangnano9k; from its 27 MHz come "
                        r"3\.375 to 594 MHz\.$"),
    ("tangnano20k", 700, r"^A clock of 700 MHz cannot be made on tangnano20k; from its 27 MHz "
                         r"come 4\.5 to 621 MHz\.$")])
def test_a_clock_out_of_range_is_refused(name, wanted, text):
    with pytest.raises(RnnhwError, match=text):
        boards.get(name).pll(wanted)
