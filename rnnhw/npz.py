"""The project's own model file: an ``.npz`` of plain arrays with a JSON list of layers.

Keys: ``layers``, JSON text, a list with one object a layer: ``kind`` (a family of
:data:`rnnhw.cells.FAMILIES`, or linear), its sizes (``input_size``; ``hidden_size`` and, of a
projected lstm or of linear, ``output_size``) and options (``name``; of gru ``reset_after``; of lstm
``input_forget``; of rnn and linear ``activation``; ``reverse`` where it runs backwards); ``model``,
optional JSON text with ``name``, ``last_step`` and, where it is no chain, ``reads``, ``outputs``,
``inputs`` and ``head`` of :class:`rnnhw.model.Model`; optional ``embedding``; and for layer i
``<i>.weight_ih``, ``<i>.weight_hh``, ``<i>.bias_ih``, ``<i>.bias_hh`` and what else its cell has,
or ``<i>.weight``, ``<i>.bias``, in PyTorch's shapes and gate order. Biases may be left out, and so
may sizes and options, but what is written must agree with the arrays.

A block-circulant matrix has ``<i>.blocks_ih``, ``<i>.blocks_hh`` or ``<i>.blocks`` in place of the
weight, (gates, p, q, k), the first column of each block; the sizes must then be written. States
before the first step are ``<i>.initial.h`` and the like.
"""

import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .cells import FAMILIES, LINEAR
from .circulant import Circulant
from .errors import RnnhwError
from .files import write_file
from .model import Linear, Model, Recurrent, matrices

LATER = ("input_forget", "activations", "clip", "clip_hidden", "filter_width", "depth")
WORDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list",
         (int, float): "a number", (str, list): "a text or a list"}


def _circulant(key):
    return key.replace("weight", "circulant")


def _blocks(key):
    return key.replace("weight", "blocks")


def _known(kind):
    """Types of the keys of a layer's entry."""
    if kind == "linear":
        return {"name": str, "input_size": int, "output_size": int, "activation": str}
    family = FAMILIES[kind]
    sizes = {"input_size": int, "hidden_size": int}
    if any(cell.projected for _, cell in family.cells):
        sizes["output_size"] = int
    return {"name": str, **sizes, **family.types(), "reverse": bool}


def _describe(layer):
    kind = layer.kind if layer.kind == "linear" else layer.cell
    entry = {"kind": kind, **({"name": layer.name} if layer.name else {})}
    for key in [key for key in _known(kind) if key != "reverse"]:
        value = getattr(layer, key)
        if key == "output_size":
            said = value != layer.hidden_size
        else:
            # what was added later is left out where it says nothing
            said = key not in LATER or value != FAMILIES[kind].options[key]
        if key != "name" and said or kind == "linear" and key == "output_size":
            entry[key] = value
    if layer.reverse:
        entry["reverse"] = True
    return entry


def save(model, path):
    """Write ``model`` to ``path``; equal models give equal bytes, and loading gives the model back.

    Raises
    ------
    RnnhwError
        If the file cannot be written.
    """
    layers = [_describe(layer) for layer in model.layers]
    options = {"name": model.name, "last_step": model.last_step}
    if not model.chain:
        options |= {"reads": model.reads, "outputs": model.outputs}
    if model.head != "none":
        options["head"] = model.head
    if model.inputs is not None:
        options["inputs"] = model.inputs
    arrays = {"layers": np.array(json.dumps(layers)), "model": np.array(json.dumps(options))}
    if model.embedding is not None:
        arrays["embedding"] = model.embedding
    for i, layer in enumerate(model.layers):
        circulant = {key: matrix for key, _, matrix, _ in matrices(layer) if matrix is not None}
        for key in _arrays(layer.description):
            if key in circulant:
                arrays[f"{i}.{_blocks(key)}"] = circulant[key].blocks
            else:
                arrays[f"{i}.{key}"] = getattr(layer, key)
        if layer.recurrent:
            arrays |= {f"{i}.initial.{key}": value for key, value in layer.initial.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    try:
        write_file(path, buffer.getvalue())
    except OSError as error:
        raise RnnhwError(f"{path} cannot be written: {error.strerror}.") from None


def _arrays(cell):
    """Names of a layer's arrays; a Linear layer's matrix is ``weight``."""
    return ("weight", "bias") if cell.kind == "linear" else cell.arrays


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


def _circulant_of(path, i, key, arrays, matrix, sizes):
    """The Circulant that the file holds of a matrix."""
    blocks = f"{i}.{_blocks(key)}"
    if f"{i}.{key}" in arrays:
        raise RnnhwError(f"{path} has both {i}.{key} and {blocks}; keep the one that is meant.")
    shape = [size if size in sizes or size != "output_size" else "hidden_size"
             for size in (matrix.rows, matrix.columns)]
    for name in shape:
        if name not in sizes:
            raise RnnhwError(f"layer {i} of {path} has {blocks} but no {name}; block-circulant "
                             "layers need their sizes, since blocks may be padded.")
    found, gates = _array(path, blocks, arrays), len(matrix.gates)
    if found.ndim != 4 or found.shape[0] != gates:
        raise RnnhwError(f"{blocks} of {path} has shape {found.shape}, but ({gates}, p, q, k) is "
                         "needed.")
    try:
        return Circulant(found, *(sizes[name] for name in shape))
    except RnnhwError as error:
        raise RnnhwError(f"{blocks} of {path}: {error}") from None


def _layer(path, i, table, arrays):
    where = f"layer {i} of {path}"
    if not isinstance(table, dict):
        raise RnnhwError(f"{where} must be an object with the key 'kind', not {table!r}.")
    table = dict(table)
    kind = table.pop("kind", None)
    kinds = [*FAMILIES, "linear"]
    if kind not in kinds:
        raise RnnhwError(f"{where} is of kind {kind!r}; {', '.join(kinds)} are supported.")
    known = _known(kind)
    _options(where, table, known)
    sizes = {key: table.pop(key) for key in known if key.endswith("size") and key in table}
    if kind == "linear":
        cell = LINEAR["none"]
    else:
        here = [key.replace("blocks", "weight", 1) for key in (
            name.split(".", 1)[1] for name in arrays if name.startswith(f"{i}."))]
        options = {key: value for key, value in table.items() if key in FAMILIES[kind].options}
        cell = FAMILIES[kind].pick(FAMILIES[kind].checked(options, where), here)
    values = {}
    optional = {vector.name for vector in cell.biases} | {m.name for m in cell.matrices
                                                          if m.identity}
    for key, matrix in zip(_arrays(cell), _matrices(cell)):
        if matrix is not None and f"{i}.{_blocks(key)}" in arrays:
            values[_circulant(key)] = _circulant_of(path, i, key, arrays, matrix, sizes)
        else:
            values[key] = _array(path, f"{i}.{key}", arrays, required=key not in optional)
    table["name"] = table.get("name") or str(i)
    initial = {key: _array(path, f"{i}.initial.{key}", arrays) for key in cell.states
               if f"{i}.initial.{key}" in arrays}
    layer = (Linear(**values, **table) if kind == "linear"
             else Recurrent(cell=kind, initial=initial, **values, **table))
    for key, size in sizes.items():
        if size != getattr(layer, key):
            raise RnnhwError(f"{where} declares {key} {size}, but its arrays have "
                             f"{getattr(layer, key)}.")
    return layer


def _matrices(cell):
    """For each of a cell's arrays, the Matrix that it is, or None."""
    return [cell.matrix.get(name) for name in cell.arrays]


def _check_reads(path, options):
    """Refuse reads and outputs that are no lists of whole numbers."""
    for key, lists in (("reads", options.get("reads")), ("outputs", [options.get("outputs", [])]),
                       ("inputs", [options.get("inputs", [])])):
        for found in lists or ():
            if not isinstance(found, list) or any(type(j) is not int for j in found):
                what = "sizes" if key == "inputs" else "numbers of layers"
                raise RnnhwError(f"{key} in the key 'model' of {path} must hold {what}, not "
                                 f"{found!r}.")


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
                            {"name": str, "last_step": bool, "head": str, "reads": list,
                             "outputs": list, "inputs": list})
    _check_reads(path, options)
    options["embedding"] = _array(path, "embedding", arrays, required=False)
    layers = [_layer(path, i, table, arrays) for i, table in enumerate(tables)]
    if arrays:
        raise RnnhwError(f"{path} has the unknown array {min(arrays)!r}; its {len(layers)} layers "
                         "have no place for it.")
    return Model(layers=layers, **options)
