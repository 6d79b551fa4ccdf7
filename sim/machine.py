"""Says what this machine lacks that pip cannot bring; needs nothing but a Python to run.

``python3 sim/machine.py`` prints the one line that installs it and exits with 1, or prints nothing.
With ``--packages`` it prints the Debian packages alone and exits with 0.
"""

import ctypes
import importlib.util
import os
import shutil
import sys
import sysconfig

OLDEST = (3, 11)


def shared_library():
    """Whether this Python's shared library, which a simulator loads, can be found."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    version = "{}.{}".format(*sys.version_info[:2])
    names = [n for n in (name, f"libpython{version}.so.1.0") if ".so" in n]
    folders = [sysconfig.get_config_var("LIBDIR") or "", os.path.join(sys.base_prefix, "lib")]
    if any(os.path.exists(os.path.join(folder, n)) for folder in folders for n in names):
        return True
    for n in names:
        try:
            ctypes.CDLL(n)
            return True
        except OSError:
            pass
    return False


def missing():
    """Debian packages that this machine needs, in a fixed order."""
    version = "{}.{}".format(*sys.version_info[:2])
    packages = []
    if shutil.which("make") is None:
        packages.append("make")
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        packages.append(f"python{version}-venv")
    if not shared_library():
        packages.append(f"libpython{version}")
    return packages


def main(arguments):
    packages = missing()
    if arguments == ["--packages"]:
        print(" ".join(packages))
        return 0
    if sys.version_info < OLDEST:
        print("Python {}.{} or later is needed, but {} is {}.{}; name another with: "
              "make PYTHON=python3.11".format(*OLDEST, sys.executable, *sys.version_info[:2]),
              file=sys.stderr)
        return 1
    if packages:
        print("This machine lacks what pip cannot bring. Install it with:\n\n"
              "    apt-get install {}\n\nand run make again.".format(" ".join(packages)),
              file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
