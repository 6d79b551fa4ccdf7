import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rnnhw
from rnnhw import npz
from rnnhw.cli import Progress, main, parser
from rnnhw.drawn import layer_keys
from rnnhw.project import MODEL_KEYS, resolve
from rnnhw.simulate import SIMULATORS
from rnnhw.tools import find
from rnnhw.verbs import VERBS

# Icarus needs no compiler run, which is most of a short simulation's time
SIMULATOR = "icarus" if find("iverilog") else "verilator"
SMALL = """
[model]
name = "small"
last_step = true
[[layers]]
kind = "gru"
input_size = 3
hidden_size = 5
[[layers]]
kind = "linear"
output_size = 2
[config]
lanes = 4
vector_lanes = 1
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder to work in, with a network and sequences for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x=rng.standard_normal((12, 6, 3)), y=rng.integers(0, 2, 12),
             lengths=rng.integers(1, 7, 12))
    return tmp_path


def run(capsys, *argv):
    """Exit status, stdout and stderr of a command that must succeed or be not bit exact."""
    status = main([str(a) for a in argv])
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    return status, found.out, found.err


def words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_every_option_states_its_default(verb, capsys):
    argv = ["--help"] if verb is None else [verb, "--help"]
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: rnnhw")
    top = parser()
    if verb is not None:
        top = next(a for a in top._actions if a.nargs == "A...").choices[verb]
    for action in top._actions:
        if action.option_strings and action.dest != "help":
            assert re.search(r"\(default: (%\(default\)s|[^()]+)\)$", action.help), action.dest


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out == f"rnnhw {rnnhw.__version__}\n"


def test_importing_loads_no_framework_and_no_hardware():
    code = ("import sys, rnnhw, rnnhw.cli, rnnhw.verbs;"
            "print(*(m for m in ('amaranth', 'cocotb', 'gateware', 'boards', 'onnx', 'torch')"
            " if m in sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_public_names_are_there():
    for name in rnnhw.__all__:
        assert callable(getattr(rnnhw, name)), name
    importlib.import_module("rnnhw.load")
    assert callable(rnnhw.load)


def test_presets_and_boards(capsys):
    status, text, _ = run(capsys, "presets")
    assert status == 0 and "lstm-128" in text and "spoken-digits" in text
    facts = json.loads(run(capsys, "presets", "--json")[1])
    assert facts["lstm-40-128"]["layers"][0]["input_size"] == 40
    status, text, _ = run(capsys, "boards")
    assert status == 0 and "ulx3s-85f" in text and "icebreaker" in text
    assert json.loads(run(capsys, "boards", "--json")[1])["icebreaker"]["multipliers"] == 8


def test_quantize_writes_a_design_folder(small, capsys):
    status, text, err = run(capsys, "quantize", "small.toml", "--calibration", "x.npz", "-o", "d")
    assert status == 0 and "random" not in words(err).replace("random weights", "")
    assert sorted(os.listdir("d")) == ["design.json", "design.npz", "model.npz", "report.json",
                                       "report.txt"]
    assert (small / "d" / "report.txt").read_text() == text
    design = rnnhw.load_design("d")
    report = json.loads((small / "d" / "report.json").read_text())
    assert report["hash"] == design.hash and report["input_format"] == str(design.input_format)
    for tensor in ("0.h", "0.pre", "1.y"):
        assert tensor in text
    assert sorted(os.listdir(small)) == ["d", "small.toml", "x.npz"]


def test_json_is_the_report_that_is_written(small, capsys):
    _, text, _ = run(capsys, "quantize", "small.toml", "--calibration", "x.npz", "-o", "d",
                     "--json")
    assert text == (small / "d" / "report.json").read_text()
    json.loads(text)
    for argv in (["estimate", "d"], ["estimate", "small.toml", "--board", "ulx3s-85f"],
                 ["estimate", "tiny", "-o", "e"]):
        _, text, _ = run(capsys, *argv, "--json")
        assert json.loads(text)["cycles_per_step"] > 0
    assert text == (small / "e" / "report.json").read_text()


def test_outputs_are_the_same_bytes_every_time(small, capsys):
    for out in ("a", "b"):
        run(capsys, "quantize", "small.toml", "--calibration", "x.npz", "-o", out)
        run(capsys, "estimate", "small.toml", "--calibration", "x.npz", "-o", f"{out}/e")
    for name in ("design.json", "design.npz", "model.npz", "report.json", "report.txt",
                 "e/report.json", "e/report.txt"):
        assert (small / "a" / name).read_bytes() == (small / "b" / name).read_bytes(), name


def test_without_calibration_the_report_and_the_terminal_say_so(small, capsys):
    _, text, err = run(capsys, "quantize", "small.toml", "-o", "d")
    assert "no calibration data: formats come from seeded random inputs" in err
    assert "small.toml has random weights" in err
    assert "random" in text


def test_accuracy_comes_with_labels(small, capsys):
    _, text, _ = run(capsys, "quantize", "small.toml", "--calibration", "x.npz", "-o", "d")
    assert "accuracy" in text.lower()


def test_config_goes_on_top(small, capsys):
    (small / "c.toml").write_text("[config]\nlanes = 8\n")
    for source in ("tiny", "small.toml"):
        base = json.loads(run(capsys, "estimate", source, "--json")[1])
        more = json.loads(run(capsys, "estimate", source, "--config", "c.toml", "--json")[1])
        assert base["lanes"] == 4 < more["lanes"] <= 8
        assert more["cycles_per_step"] < base["cycles_per_step"]


def test_hardware_of_a_design_folder_may_be_chosen(small, capsys):
    run(capsys, "quantize", "small.toml", "-o", "d")
    (small / "c.toml").write_text("[config]\nlanes = 8\n")
    facts = json.loads(run(capsys, "estimate", "d", "--config", "c.toml", "--json")[1])
    assert 4 < facts["lanes"] <= 8


def test_estimate_equals_the_schedule_and_names_the_board(small, capsys):
    _, text, _ = run(capsys, "estimate", "lstm-128", "--board", "ulx3s-85f")
    facts = json.loads(run(capsys, "estimate", "lstm-128", "--board", "ulx3s-85f", "--json")[1])
    assert facts["macs_per_step"] == 4 * 128 * 256
    assert facts["array_multipliers"] == 65 and facts["total_multipliers"] == 67
    assert facts["parameters"] == 4 * 128 * 256 + 4 * 128
    assert facts["effective_macs_per_multiplier_cycle"] == pytest.approx(
        facts["macs_per_step"] / (65 * facts["cycles_per_step"]))
    at = facts["board"]
    assert at["fits"] and "GOP/s" in text and "ulx3s-85f" in text
    assert at["gop_per_s"] == pytest.approx(
        facts["operations"] / facts["cycles_per_step"] * at["clock_mhz"] / 1e3)


def test_a_deadline_takes_the_cheapest_design(small, capsys):
    def facts(*more):
        return json.loads(run(capsys, "estimate", "small.toml", "--json", *more)[1])

    fastest = facts("--clock", "20")
    latency = fastest["times"]["latency_us"]
    (small / "c.toml").write_text("[config]\nlanes = 64\n")
    relaxed = facts("--clock", "20", "--deadline-us", f"{2 * latency}", "--config", "c.toml")
    tight = facts("--clock", "20", "--deadline-us", f"{latency - 0.05}", "--config", "c.toml")
    assert relaxed["total_multipliers"] <= fastest["total_multipliers"] < tight["total_multipliers"]
    for found in (relaxed, tight):
        assert found["times"]["deadline_met"]
        assert found["times"]["latency_us"] == found["latency_cycles"] / 20
    assert run(capsys, "generate", "small.toml", "--clock", "20", "--deadline-us", f"{2 * latency}",
               "--board", "icebreaker", "-o", "g")[0] == 0
    assert json.loads((small / "g" / "report.json").read_text())["estimate"]["board"][
        "deadline_met"]


def test_ignored_arrays_are_named(small, capsys):
    x = np.load("x.npz")["x"]
    np.savez("more.npz", x=x, speaker=np.zeros(12))
    _, _, err = run(capsys, "quantize", "small.toml", "--calibration", "more.npz", "-o", "d")
    assert "more.npz has further arrays that are not read: speaker" in err


def test_quiet_shows_no_progress(small, capsys):
    assert run(capsys, "quantize", "small.toml", "-o", "d", "--quiet")[2] == ""


def test_progress_on_a_terminal_is_one_line_and_goes_away():
    class Terminal(list):
        write = list.append

        def isatty(self):
            return True

        def flush(self):
            pass

    terminal = Terminal()
    progress = Progress(terminal)
    progress("one long line")
    progress("two")
    progress.note("stays")
    assert "".join(terminal) == (
        "\rone long line\rtwo          \r" + " " * 3 + "\rrnnhw: stays\n")


def test_generate_writes_the_core(small, capsys):
    status, text, err = run(capsys, "generate", "small.toml", "-o", "out")
    assert status == 0 and "no calibration data" in err
    assert sorted(os.listdir("out")) == ["README.md", "core.v", "report.json", "report.txt"]
    assert "module rnnhw_core" in (small / "out" / "core.v").read_text()
    assert (small / "out" / "report.txt").read_text() == text and "random" in text
    first = {p.name: p.read_bytes() for p in (small / "out").iterdir()}
    run(capsys, "generate", "small.toml", "-o", "out")
    assert first == {p.name: p.read_bytes() for p in (small / "out").iterdir()}


@pytest.mark.slow
def test_simulate_compares_every_word(small, capsys):
    run(capsys, "quantize", "small.toml", "--calibration", "x.npz", "-o", "d")
    status, text, _ = run(capsys, "simulate", "d", "--input", "x.npz", "--simulator", SIMULATOR,
                          "--waves", "-o", "s", "--json")
    facts = json.loads(text)
    assert status == 0 and facts["bit_exact"] and facts["mismatch"] is None
    assert facts["words_checked"] == 12 * 2 and facts["sequences"] == 12
    assert facts["cycles"] == facts["cycles_estimated"]
    assert sorted(os.listdir("s")) == ["outputs.npz", "report.json", "report.txt",
                                       f"waves{SIMULATORS[SIMULATOR]}"]
    design = rnnhw.load_design("d")
    given = np.load("x.npz")
    expected = design.run_int(design.quantize_input(given["x"]), given["lengths"])
    assert (np.load("s/outputs.npz")["y"] == expected).all()


@pytest.mark.slow
def test_simulating_a_core_with_one_weight_bit_flipped_exits_with_1(small, capsys):
    run(capsys, "generate", "small.toml", "-o", "out")
    core = small / "out" / "core.v"
    argv = ["simulate", "small.toml", "--input", "x.npz", "--verilog", core,
            "--simulator", SIMULATOR]
    assert run(capsys, *argv)[0] == 0

    def flip(found):
        digits = {"d": 10, "h": 16}[found[3]]
        value = int(found[4], digits) ^ 1 << 6
        return f"{found[1]}{found[2]}'d{value};"

    text, count = re.subn(r"(weights\[0\] = )(\d+)'([dh])([0-9a-f]+);", flip, core.read_text())
    assert count == 1
    core.write_text(text)
    status, text, err = run(capsys, *argv)
    assert status == 1 and re.search(r"bit exact +no", text)
    assert re.search(r"rnnhw: not bit exact: Sequence \d+, step \d, unit \d: expected", err)


@pytest.mark.slow
def test_simulating_the_netlist(small, capsys):
    status, text, _ = run(capsys, "simulate", "small.toml", "--input", "x.npz", "--gate-level",
                          "ice40", "--simulator", SIMULATOR, "-o", "g")
    assert status == 0 and re.search(r"bit exact +yes", text)
    assert re.search(r"netlist of +ice40", text)
    assert json.loads((small / "g" / "report.json").read_text())["gate_level"] == "ice40"
    assert "SB_LUT4" in (small / "g" / "netlist.v").read_text()


@pytest.mark.parametrize("argv, sentence", [
    (["--gate-level", "xilinx"], "The family 'xilinx' is unknown; known are ecp5, ice40, gowin"),
    (["--gate-level", "ecp5", "--verilog", "small.toml"],
     "--gate-level ecp5 synthesizes the core itself; --verilog does not go with it.")])
def test_gate_level_refusals(small, capsys, argv, sentence):
    status, text, err = run(capsys, "simulate", "small.toml", "--input", "x.npz", *argv)
    assert status == 2 and text == ""
    assert err.startswith(f"rnnhw: error: {sentence}")


def test_interrupt_leaves_nothing_and_exits_with_130(small, capsys, monkeypatch):
    from rnnhw import verbs

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(verbs, "compile", interrupted)
    status, _, err = run(capsys, "quantize", "small.toml", "-o", "d")
    assert status == 130 and err.endswith("rnnhw: interrupted\n")
    assert sorted(os.listdir(small)) == ["small.toml", "x.npz"]


def test_a_reader_that_leaves_early_is_no_error(small):
    command = f"{sys.executable} -m rnnhw presets | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True,
                          cwd=os.path.dirname(os.path.dirname(rnnhw.__file__)))
    assert done.returncode == 0 and done.stderr == "" and done.stdout.startswith("preset")


def readme(pattern):
    """Matches of ``pattern`` in the README, which must have some."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    found = re.findall(pattern, text, re.M | re.S)
    assert found
    return found


def test_readme_commands_are_ones_that_parse():
    commands = readme(r"^    (rnnhw [^\n]*)")
    assert {shlex.split(c, comments=True)[1] for c in commands} >= set(VERBS)
    for command in commands:
        parser().parse_args(shlex.split(command, comments=True)[1:])


def test_readme_toml_is_one_that_resolves(tmp_path):
    (tmp_path / "my.toml").write_text(readme(r"```toml\n(.*?)```")[0])
    project = resolve(tmp_path / "my.toml")
    assert [layer.output_size for layer in project.model.layers] == [64, 10]
    keys = set(re.findall(r"^(\w+) =", (tmp_path / "my.toml").read_text(), re.M))
    assert keys >= set(MODEL_KEYS) - {"path"} | set(layer_keys("gru")) - {"name"}


def test_pages_of_dense_models_speak_of_no_blocks(small, capsys):
    _, text, _ = run(capsys, "quantize", "small.toml", "--calibration", "x.npz", "-o", "d")
    assert "weights stored" not in text and "block" not in text
    facts = json.loads((small / "d" / "report.json").read_text())["weights"]
    assert facts["numbers"] == facts["dense_numbers"] == 3 * 5 * 8 + 10
    assert facts["bits"] == facts["dense_bits"] == 8 * facts["numbers"]
    run(capsys, "generate", "d", "-o", "v")
    page = (small / "v" / "README.md").read_text()
    assert page.endswith("130 multiply-accumulates a step.\n") and "irculant" not in page


@pytest.mark.slow
def test_readme_python_runs(small, monkeypatch):
    """The README's lines as they stand, but for the part that places and routes."""
    code = readme(r"```python\n(.*?)```")[0].split("report = ")[0]
    x = np.random.default_rng(0).standard_normal((4, 5, 3))
    np.savez("x.npz", x=x)
    npz.save(resolve("small.toml").model, "model.npz")
    exec(code.replace("model.onnx", "model.npz").replace("verilator", SIMULATOR), {})
    assert (small / "out" / "verilog" / "core.v").is_file()
    assert rnnhw.load_design("out/design").model.output_size == 2
