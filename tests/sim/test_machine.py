"""The check of what pip cannot bring, as a machine's own Python runs it."""

import subprocess
import sys
from pathlib import Path

import sim.machine

SCRIPT = Path(sim.machine.__file__)


def run(tmp_path, *arguments, prelude=""):
    """Run the script on a machine without programs; ``prelude`` is executed before it."""
    code = (f"{prelude}\nimport runpy, sys\nsys.argv = ['machine.py', *{arguments!r}]\n"
            f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')")
    return subprocess.run([sys.executable, "-S", "-c", code], env={"PATH": str(tmp_path)},
                          capture_output=True, text=True)


def test_complete_machine(tmp_path):
    (tmp_path / "make").write_text("#!/bin/sh\n")
    (tmp_path / "make").chmod(0o755)
    done = run(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert run(tmp_path, "--packages").stdout == "\n"


def test_one_line_installs_what_is_missing(tmp_path):
    version = "{}.{}".format(*sys.version_info[:2])
    bare = ("import importlib.util as u, os, ctypes\n"
            "find = u.find_spec\n"
            "u.find_spec = lambda name: None if name == 'ensurepip' else find(name)\n"
            "os.path.exists = lambda path: False\n"
            "def load(name): raise OSError\n"
            "ctypes.CDLL = load")
    done = run(tmp_path, prelude=bare)
    assert done.returncode == 1
    assert (f"\n    apt-get install make python{version}-venv libpython{version}\n"
            in done.stderr)
    done = run(tmp_path, "--packages", prelude=bare)
    assert done.stdout == f"make python{version}-venv libpython{version}\n"
    assert done.returncode == 0


def test_python_too_old(tmp_path):
    done = run(tmp_path, prelude="import sys; sys.version_info = (3, 9, 2)")
    assert done.returncode == 1
    assert "Python 3.11 or later is needed" in done.stderr and "is 3.9;" in done.stderr
