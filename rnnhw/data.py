"""Sequences as users give them: arrays, and ``.npz`` files of ``x``, ``lengths``, ``y``."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import RnnhwError

KEYS = ("x", "lengths", "y")


@dataclass(frozen=True, eq=False)
class Data:
    """Sequences of one file.

    Parameters
    ----------
    x : float64 (seq_len, input_size) or (batch, seq_len, input_size)
    lengths : int64 (batch,) or None for whole sequences; padding stands at the end
    y : class integers (batch,) or targets in the output's shape, or None
    ignored : names of further arrays in the file, which are not read
    """

    x: np.ndarray
    lengths: np.ndarray | None = None
    y: np.ndarray | None = None
    ignored: tuple = ()


def check_rank(x, input_size, name="x"):
    """Refuse ``x`` unless (seq_len, input_size) or (batch, seq_len, input_size), not empty."""
    if x.ndim not in (2, 3):
        raise RnnhwError(f"{name} has shape {x.shape}, but (seq_len, {input_size}) or "
                         f"(batch, seq_len, {input_size}) is needed.")
    if x.shape[-1] != input_size:
        raise RnnhwError(f"{name} has {x.shape[-1]} features a step, but the model takes "
                         f"{input_size}.")
    if 0 in x.shape:
        raise RnnhwError(f"{name} is empty (shape {x.shape}); at least one sequence of one step "
                         "is needed.")


def check_values(x, input_size, name="x"):
    """``x`` as float64, of the right rank and size, without NaN or infinity."""
    try:
        x = np.asarray(x)
        if x.dtype.kind not in "fiub":
            raise TypeError
        x = x.astype(np.float64)
    except (TypeError, ValueError):
        raise RnnhwError(f"{name} is not an array of numbers (its type is "
                         f"{getattr(x, 'dtype', type(x).__name__)}).") from None
    check_rank(x, input_size, name)
    bad = int((~np.isfinite(x)).sum())
    if bad:
        raise RnnhwError(f"{name} holds {bad} values that are NaN or infinite; "
                         "every value must be finite.")
    return x


def check_indices(x, entries, name="x"):
    """``x`` as int64 (seq_len,) or (batch, seq_len), whole numbers below ``entries``."""
    x = np.asarray(x)
    if x.ndim not in (1, 2) or not x.size:
        raise RnnhwError(f"{name} has shape {x.shape}, but the model embeds whole numbers: "
                         "(seq_len,) or (batch, seq_len) is needed.")
    if x.dtype.kind not in "iu" and not (x.dtype.kind == "f" and (x == np.round(x)).all()):
        raise RnnhwError(f"{name} is of type {x.dtype}, but the model embeds whole numbers.")
    if x.min() < 0 or x.max() >= entries:
        raise RnnhwError(f"{name} reaches {x.min():g}..{x.max():g}, but the embedding has "
                         f"{entries} entries: 0..{entries - 1}.")
    return x.astype(np.int64)


def check_inputs(model, x, name="x"):
    """``x`` as ``model`` takes it: values, or, where it has an embedding, whole numbers."""
    if model.embedding is None:
        return check_values(x, model.input_size, name)
    return check_indices(x, len(model.embedding), name)


def check_codes(xi, input_size, fmt, name="xi"):
    """Integer codes ``xi`` as int64, of the right rank and size, within ``fmt``."""
    xi = np.asarray(xi)
    if xi.dtype.kind not in "iu":
        raise RnnhwError(f"{name} is of type {xi.dtype}, but integer codes are needed; "
                         "quantize_input makes them.")
    check_rank(xi, input_size, name)
    if xi.min() < fmt.min or xi.max() > fmt.max:
        raise RnnhwError(f"{name} reaches {xi.min()}..{xi.max()}, but the input format {fmt} "
                         f"holds {fmt.min}..{fmt.max}.")
    return xi.astype(np.int64)


def check_lengths(lengths, x, name="lengths"):
    """``lengths`` as int64 (batch,), each within 1..seq_len of ``x``; None stays None."""
    if lengths is None:
        return None
    lengths = np.asarray(lengths)
    if x.ndim != 3:
        raise RnnhwError(f"{name} goes with x of shape (batch, seq_len, {x.shape[-1]}), "
                         f"not {x.shape}.")
    if lengths.dtype.kind not in "iu":
        raise RnnhwError(f"{name} is of type {lengths.dtype}, but whole numbers are needed.")
    if lengths.shape != (x.shape[0],):
        raise RnnhwError(f"{name} has shape {lengths.shape}, but x has {x.shape[0]} sequences: "
                         f"({x.shape[0]},) is needed.")
    wrong = np.flatnonzero((lengths < 1) | (lengths > x.shape[1]))
    if wrong.size:
        raise RnnhwError(f"{name}[{wrong[0]}] is {lengths[wrong[0]]}, but a length must be within "
                         f"1..{x.shape[1]}.")
    return lengths.astype(np.int64)


def check_labels(y, model, x, name="y"):
    """``y`` if it is class integers (batch,) or targets in the output's shape; None stays None."""
    if y is None:
        return None
    y = np.asarray(y)
    if y.dtype.kind not in "fiu":
        raise RnnhwError(f"{name} is of type {y.dtype}, but class numbers or targets are needed.")
    batch = x.shape[:1] if x.ndim == 3 else ()
    targets = batch + (() if model.last_step else x.shape[-2:-1]) + (model.output_size,)
    if y.shape == targets:
        if not np.isfinite(y).all():
            raise RnnhwError(f"{name} holds values that are NaN or infinite; "
                             "every target must be finite.")
        return y
    if y.shape != batch or y.dtype.kind == "f":
        raise RnnhwError(f"{name} has shape {y.shape} and type {y.dtype}, but class integers of "
                         f"shape {batch} or targets of shape {targets} are needed.")
    if y.min() < 0 or y.max() >= model.output_size:
        raise RnnhwError(f"{name} has classes {y.min()}..{y.max()}, but the model gives "
                         f"{model.output_size} outputs: 0..{model.output_size - 1}.")
    return y


def read(path, model):
    """Read an ``.npz`` of sequences for ``model``.

    Raises
    ------
    RnnhwError
        If the file is missing or none, has no key ``x``, or its arrays do not fit.
    """
    path = Path(path)
    if not path.exists():
        raise RnnhwError(f"{path} does not exist; an .npz file with the key x is needed.")
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError
            unknown = sorted(key for key in file.files if key not in KEYS)
            arrays = {key: file[key] for key in KEYS if key in file.files}
    except (ValueError, OSError, EOFError, KeyError, AttributeError, TypeError,
            zipfile.BadZipFile, zlib.error, NotImplementedError):
        raise RnnhwError(f"{path} is not an .npz file of plain arrays, or it is cut; "
                         "numpy.savez(path, x=...) writes one.") from None
    if "x" not in arrays:
        raise RnnhwError(f"{path} has no key 'x' (it has {', '.join(unknown) or 'none'}); x holds "
                         "the sequences.")
    x = check_inputs(model, arrays["x"], f"x of {path}")
    steps = x if model.embedding is None else x[..., None]
    return Data(x, check_lengths(arrays.get("lengths"), steps, f"lengths of {path}"),
                check_labels(arrays.get("y"), model, steps, f"y of {path}"),
                tuple(unknown))


def random_inputs(model, batch=2, seq_len=8, seed=0):
    """Seeded standard normal inputs (batch, seq_len, input_size), for models without data; whole
    numbers (batch, seq_len) where the model has an embedding.
    """
    rng = np.random.default_rng(seed)
    if model.embedding is not None:
        return rng.integers(len(model.embedding), size=(batch, seq_len))
    return rng.standard_normal((batch, seq_len, model.input_size))
