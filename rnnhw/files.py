"""Outputs that appear whole or not at all."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .errors import RnnhwError


def _staging(target):
    """A new folder beside ``target``, or beside its first existing parent."""
    parent = target.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise RnnhwError(f"{target} cannot be written: {parent} is a file, not a folder.")
    try:
        return Path(tempfile.mkdtemp(prefix=".rnnhw-", dir=parent))
    except OSError as error:
        raise RnnhwError(f"{target} cannot be written: {error.strerror}.") from None


@contextmanager
def output_folder(path):
    """Yield a new folder whose files move to ``path`` at the end, or vanish if the body raises.

    A folder that is already there keeps its other files; those of the same names are replaced.

    Raises
    ------
    RnnhwError
        If a file stands where the folder, or a folder where one of its files, would go.
    """
    target = Path(os.path.abspath(path))
    if target.exists() and not target.is_dir():
        raise RnnhwError(f"{path} is a file; name a folder for the outputs.")
    staging = _staging(target)
    try:
        staging.chmod(0o777 & ~_umask())
        yield staging
        files = sorted(p.relative_to(staging) for p in staging.rglob("*") if p.is_file())
        for name in files:
            if (target / name).is_dir():
                raise RnnhwError(f"{target / name} is a folder where a file goes; move it away.")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging, target)
            return
        for name in files:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / name, target / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_file(path, data):
    """Write bytes or text to ``path`` under a temporary name first, then rename."""
    data = data.encode() if isinstance(data, str) else data
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
