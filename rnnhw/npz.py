"""The project's own model file: an ``.npz`` of plain arrays with a JSON list of layers.

Keys: ``layers``, JSON text, a list with one object a layer: ``kind`` (lstm, gru, linear), its sizes
(``input_size``; ``hidden_size`` or, of linear, ``output_size``) and options (``name``; of gru
``reset_after``; of linear ``activation``); ``model``, optional JSON text with ``name`` and
``last_step``; and for layer i ``<i>.weight_ih``, ``<i>.weight_hh``, ``<i>.bias_ih``,
``<i>.bias_hh`` or ``<i>.weight``, ``<i>.bias``, in PyTorch's shapes and gate order. Biases may be
left out, and so may sizes and options, but what is written must agree with the arrays.

A block-circulant matrix has ``<i>.blocks_ih``, ``<i>.blocks_hh`` or ``<i>.blocks`` in place of the
weight, (gates, p, q, k), the first column of each block; the sizes must then be written.
"""

import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .circulant import Circulant
from .errors import RnnhwError
from .files import write_file
from .model import GATES, Linear, Model, Recurrent, matrices

ARRAYS = {"lstm": ("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
          "gru": ("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
          "linear": ("weight", "bias")}
OPTIONS = {"lstm": {"name": str, "input_size": int, "hidden_size": int},
           "gru": {"name": str, "input_size": int, "hidden_size": int, "reset_after": bool},
           "linear": {"name": str, "input_size": int, "output_size": int, "activation": str}}
WORDS = {str: "a text", int: "a whole number", bool: "true or false"}


def _circulant(key):
    return key.replace("weight", "circulant")


def _blocks(key):
    return key.replace("weight", "blocks")


def _describe(layer):
    kind = layer.kind if layer.kind == "linear" else layer.cell
    names = [name for name in OPTIONS[kind] if name != "name" or layer.name]
    return {"kind": kind, **{name: getattr(layer, name) for name in names}}


def save(model, path):
    """Write ``model`` to ``path``; equal models give equal bytes, and loading gives the model back.

    Raises
    ------
    RnnhwError
        If the file cannot be written.
    """
    layers = [_describe(layer) for layer in model.layers]
    arrays = {"layers": np.array(json.dumps(layers)),
              "model": np.array(json.dumps({"name": model.name, "last_step": model.last_step}))}
    for i, (layer, entry) in enumerate(zip(model.layers, layers)):
        circulant = {key: matrix for key, _, matrix, _ in matrices(layer) if matrix is not None}
        for key in ARRAYS[entry["kind"]]:
            if key in circulant:
                arrays[f"{i}.{_blocks(key)}"] = circulant[key].blocks
            else:
                arrays[f"{i}.{key}"] = getattr(layer, key)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    try:
        write_file(path, buffer.getvalue())
    except OSError as error:
        raise RnnhwError(f"{path} cannot be written: {error.strerror}.") from None


def _read(path):
    """Arrays of the file by key."""
    if not Path(path).is_file():
        raise RnnhwError(f"{path} does not exist or is no file; an .npz model file is needed.")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, KeyError, AttributeError, TypeError,
            zipfile.BadZipFile, zlib.error, NotImplementedError):
        raise RnnhwError(f"{path} is not an .npz file of plain arrays, or it is cut; "
                         "rnnhw.npz.save writes one.") from None


def _json(path, key, arrays, kind, wanted):
    text = arrays.pop(key)
    try:
        value = json.loads(str(text[()]))
    except (ValueError, RecursionError):
        raise RnnhwError(f"The key {key!r} of {path} is not JSON text.") from None
    if not isinstance(value, kind):
        raise RnnhwError(f"The key {key!r} of {path} must hold {wanted}, "
                         f"not {type(value).__name__}.")
    return value


def _options(where, table, known):
    """``table`` after a check of its keys and of their types."""
    for key, value in table.items():
        if key not in known:
            raise RnnhwError(f"{where} has the unknown key {key!r}; known are {', '.join(known)}.")
        if not isinstance(value, known[key]) or known[key] is int and isinstance(value, bool):
            raise RnnhwError(f"{key} of {where} must be {WORDS[known[key]]}, not {value!r}.")
    return table


def _array(path, key, arrays, required=True):
    if key not in arrays:
        if required:
            raise RnnhwError(f"{path} has no array {key!r}; add it or take its layer off the list.")
        return None
    array = arrays.pop(key)
    if array.dtype.kind not in "fiu":
        raise RnnhwError(f"{key} of {path} is of type {array.dtype}, but numbers are needed.")
    return array


def _matrix(path, i, key, arrays, kind, sizes):
    """``{key: weight}`` or ``{circulant key: Circulant}`` of a layer's matrix."""
    blocks = f"{i}.{_blocks(key)}"
    if blocks not in arrays:
        return {key: _array(path, f"{i}.{key}", arrays)}
    if f"{i}.{key}" in arrays:
        raise RnnhwError(f"{path} has both {i}.{key} and {blocks}; keep the one that is meant.")
    rows = "output_size" if kind == "linear" else "hidden_size"
    shape = rows, rows if key == "weight_hh" else "input_size"
    for name in shape:
        if name not in sizes:
            raise RnnhwError(f"layer {i} of {path} has {blocks} but no {name}; block-circulant "
                             "layers need their sizes, since blocks may be padded.")
    found, gates = _array(path, blocks, arrays), len(GATES.get(kind, "1"))
    if found.ndim != 4 or found.shape[0] != gates:
        raise RnnhwError(f"{blocks} of {path} has shape {found.shape}, but ({gates}, p, q, k) is "
                         "needed.")
    try:
        return {_circulant(key): Circulant(found, *(sizes[name] for name in shape))}
    except RnnhwError as error:
        raise RnnhwError(f"{blocks} of {path}: {error}") from None


def _layer(path, i, table, arrays):
    where = f"layer {i} of {path}"
    if not isinstance(table, dict):
        raise RnnhwError(f"{where} must be an object with the key 'kind', not {table!r}.")
    table = dict(table)
    kind = table.pop("kind", None)
    if kind not in ARRAYS:
        raise RnnhwError(f"{where} is of kind {kind!r}; {', '.join(ARRAYS)} are supported.")
    _options(where, table, OPTIONS[kind])
    sizes = {key: table.pop(key) for key in OPTIONS[kind] if key.endswith("size") and key in table}
    values = {}
    for key in ARRAYS[kind]:
        values |= (_matrix(path, i, key, arrays, kind, sizes) if key.startswith("weight")
                   else {key: _array(path, f"{i}.{key}", arrays, required=False)})
    table["name"] = table.get("name") or str(i)
    layer = (Linear(**values, **table) if kind == "linear"
             else Recurrent(cell=kind, **values, **table))
    for key, size in sizes.items():
        if size != getattr(layer, key):
            raise RnnhwError(f"{where} declares {key} {size}, but its arrays have "
                             f"{getattr(layer, key)}.")
    return layer


def load(path):
    """Read a model file; no code in it is ever run.

    Raises
    ------
    RnnhwError
        If the file is missing, none or cut, if a key or array is missing, unknown or of another
        type, if shapes and declared sizes do not agree, or if weights are NaN or infinite.
    """
    arrays = _read(path)
    if "layers" not in arrays:
        found = ", ".join(sorted(arrays)) or "none"
        raise RnnhwError(f"{path} has no key 'layers' (it has {found}); layers holds the JSON list "
                         "of the model's layers.")
    tables = _json(path, "layers", arrays, list, "a list of layers")
    options = {"name": Path(path).stem, "last_step": False}
    if "model" in arrays:
        options |= _options(f"the key 'model' of {path}",
                            _json(path, "model", arrays, dict, "an object"),
                            {"name": str, "last_step": bool})
    layers = [_layer(path, i, table, arrays) for i, table in enumerate(tables)]
    if arrays:
        raise RnnhwError(f"{path} has the unknown array {min(arrays)!r}; its {len(layers)} layers "
                         "have no place for it.")
    return Model(layers=layers, **options)
