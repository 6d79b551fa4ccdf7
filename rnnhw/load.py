"""Models from files: one function for every kind, chosen by suffix."""

from pathlib import Path

from .errors import RnnhwError

KNOWN = ".onnx, .npz, .pt, .pth, .keras, .h5, .hdf5"


def load(path, trust=False):
    """Read a model from a file of ONNX, PyTorch (``.pt``, ``.pth``), Keras (``.keras``, ``.h5``,
    ``.hdf5``) or of our own (``.npz``, see :mod:`rnnhw.npz`).

    Parameters
    ----------
    path : path of the file
    trust : bool
        A ``.pt`` file is a pickled module, and loading one runs code that the file names; it is
        read only with ``trust``. Other kinds never run code.

    Raises
    ------
    RnnhwError
        If the file is missing, of another kind or faulty, or holds what is not supported.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in KNOWN.split(", "):
        raise RnnhwError(f"{path} has the suffix {suffix!r}, which names no known kind of model "
                         f"file; known are {KNOWN}.")
    if not path.exists():
        raise RnnhwError(f"{path} does not exist; a model file ({KNOWN}) is needed.")
    if not path.is_file():
        raise RnnhwError(f"{path} is a folder; a model file ({KNOWN}) is needed.")
    if suffix == ".npz":
        from . import npz

        return npz.load(path)
    if suffix == ".onnx":
        from .importers.onnx import from_onnx

        return from_onnx(path)
    if suffix in (".keras", ".h5", ".hdf5"):
        from .importers.keras import from_file

        return from_file(path)
    from .importers.torch import from_file

    return from_file(path, trust)
