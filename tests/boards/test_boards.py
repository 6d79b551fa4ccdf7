# amaranth: UnusedElaboratable=no
"""Every board elaborates with its pins, clock and PLL, and says what it offers."""

import re

import pytest
from amaranth.back import rtlil

import boards
from boards.bench import Harness
from boards.top import Top
from rnnhw.errors import RnnhwError

from .standin import Leaky


def prepared(name, clock_mhz=None):
    board = boards.get(name)
    model = Leaky()
    pll = board.pll(clock_mhz or board.limits.clock_mhz)
    top = Top(model.core(), identity=model.identity, clock_mhz=pll.clock_mhz, baud=1_000_000,
              pll=pll)
    return board.platform().prepare(top, name="top", emit_src=False).files


def parameters(text, cell):
    body = re.search(rf"^ *cell \\{cell} .*?^ *end$", text, re.M | re.S).group(0)
    return dict(re.findall(r"parameter (?:signed )?\\(\w+) (\S+)", body))


def test_ulx3s_elaborates():
    files = prepared("ulx3s-85f")
    pins = dict(re.findall(r'LOCATE COMP "(\w+)" SITE "(\w+)"', files["top.lpf"]))
    assert pins == {"clk25_0__io": "G2", "uart_0__rx__io": "M1", "uart_0__tx__io": "L4",
                    "led_0__io": "B2", "led_1__io": "C2", "led_2__io": "C1"}
    assert 'FREQUENCY NET "core_clock" 80000000.0 HZ' in files["top.lpf"]
    found = parameters(files["top.il"], "EHXPLLL")
    assert {k: found[k] for k in ("CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV", "FEEDBK_PATH")} == {
        "CLKI_DIV": "5", "CLKFB_DIV": "16", "CLKOP_DIV": "7", "FEEDBK_PATH": '"CLKOP"'}


def test_icebreaker_elaborates():
    files = prepared("icebreaker")
    pins = dict(re.findall(r"set_io (\w+) (\w+)", files["top.pcf"]))
    assert pins == {"clk12_0__io": "35", "uart_0__rx__io": "6", "uart_0__tx__io": "9",
                    "led_r_0__io": "11", "led_g_0__io": "37"}
    assert "set_frequency core_clock 24.0" in files["top.pcf"]
    found = parameters(files["top.il"], "SB_PLL40_PAD")
    assert {k: found[k] for k in ("DIVR", "DIVF", "DIVQ", "FILTER_RANGE")} == {
        "DIVR": "0", "DIVF": "63", "DIVQ": "5", "FILTER_RANGE": "1"}


def test_icebreaker_without_its_pll_runs_from_the_oscillator():
    text = prepared("icebreaker", 12.0)["top.il"]
    assert "SB_PLL40_PAD" not in text and "SB_GB_IO" in text


@pytest.mark.parametrize("name, pins, dividers", [
    ("tangnano9k", {"clk27_0__io": 52, "uart_0__rx__io": 18, "uart_0__tx__io": 17,
                    "led_0__io": 10, "led_1__io": 11, "led_2__io": 13},
     {"DEVICE": '"GW1NR-9C"', "FCLKIN": '"27"', "IDIV_SEL": "0", "FBDIV_SEL": "0",
      "ODIV_SEL": "32"}),
    ("tangnano20k", {"clk27_0__io": 4, "uart_0__rx__io": 70, "uart_0__tx__io": 69,
                     "led_0__io": 15, "led_1__io": 16, "led_2__io": 17},
     {"DEVICE": '"GW2AR-18C"', "FCLKIN": '"27"', "IDIV_SEL": "0", "FBDIV_SEL": "1",
      "ODIV_SEL": "16"})])
def test_tang_nano_elaborates(name, pins, dividers):
    files = prepared(name)
    found = re.findall(r'IO_LOC "(\w+)" (\d+);', files["top.cst"])
    assert {port: int(pin) for port, pin in found} == pins
    assert files["top.cst"].count("IO_TYPE=LVCMOS33") == 6
    found = parameters(files["top.il"], "rPLL")
    assert {key: found[key] for key in dividers} == dividers


def test_tang_nano_20k_has_its_buttons_and_all_lights():
    platform = boards.get("tangnano20k").platform()
    names = {(r.name, r.number): r.ios[0].names for r in platform.resources.values()
             if r.name in ("button", "led")}
    assert names == ({("button", 0): ["88"], ("button", 1): ["87"]}
                     | {("led", i): [str(15 + i)] for i in range(6)})


@pytest.mark.parametrize("name", boards.BENCHES)
def test_benches_have_no_platform_and_four_pins(name):
    assert boards.get(name).platform is None
    text = rtlil.convert(Harness(Leaky().core()), name="top")
    top = text[text.index("module \\top\n"):text.index("module \\top.core\n")]
    assert sorted(re.findall(r"wire width 1 (?:input|output) \d+ +\\(\w+)", top)) == [
        "clk", "rst", "si", "so"]


def test_limits():
    ulx3s, icebreaker = boards.limits("ulx3s-85f"), boards.limits("icebreaker")
    assert (ulx3s.multipliers, ulx3s.block_rams, ulx3s.block_ram_bits) == (156, 208, 18432)
    assert (icebreaker.multipliers, icebreaker.block_rams, icebreaker.luts) == (8, 30, 5280)
    assert (ulx3s.family, icebreaker.family) == ("ecp5", "ice40")
    nine, twenty = boards.limits("tangnano9k"), boards.limits("tangnano20k")
    assert (nine.luts, nine.registers, nine.block_rams, nine.multipliers) == (8640, 6480, 26, 20)
    assert (twenty.luts, twenty.registers) == (20736, 15552)
    assert (twenty.block_rams, twenty.multipliers) == (46, 48)
    assert {nine.family, twenty.family, boards.limits("bench-gw2a18").family} == {"gowin"}


def test_an_unknown_board_lists_the_known():
    for ask in (boards.get, boards.limits):
        with pytest.raises(RnnhwError, match=r"^There is no board 'arty'; known are ulx3s-85f, "
                                             r"icebreaker, tangnano9k, tangnano20k, "
                                             r"bench-ecp5-85f, bench-ice40up5k, bench-gw2a18\.$"):
            ask("arty")
