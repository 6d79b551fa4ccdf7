"""The design folder: integers, formats and float model on disk, held against hashes when read."""

import hashlib
import io
import json
from dataclasses import fields
from pathlib import Path

import numpy as np

from . import npz
from .activation import restore, to_plain
from .config import Config
from .design import Design
from .errors import RnnhwError
from .fixed import FixedFormat
from .quantized import QuantizedLayer, QuantizedModel
from .report import plain, to_json

FORMAT = "rnnhw design"
VERSION = 1


def _integers(quantized):
    """(what the integers mean, ready for JSON; the integers by name) of a quantised model."""
    arrays, layers = {}, []
    for i, q in enumerate(quantized.layers):
        for name, values in q.weights.items():
            arrays[f"{i}.{name}"] = values
        for name, values in q.bias.items():
            arrays[f"{i}.bias.{name}"] = values
        for name, values in q.constants.items():
            arrays[f"{i}.constant.{name}"] = values
        apart = {_acc_key(name): frac for name, frac in q.acc_fracs.items() if frac != q.acc_frac}
        layers.append({"kind": q.layer.kind, "input_size": q.layer.input_size,
                       "output_size": q.layer.output_size,
                       **({"activation": q.layer.activation} if q.layer.kind == "linear" else {}),
                       "acc_frac": q.acc_frac, "bias": list(q.bias), **apart,
                       "formats": {name: str(fmt) for name, fmt in q.formats.items()}})
    table = quantized.activation
    activation = table and to_plain(table)
    structure = {"last_step": quantized.model.last_step, **_graph(quantized.model),
                 "layers": layers,
                 "operands": {name: str(fmt) for name, fmt in quantized.operands.items()},
                 "shifts": dict(quantized.shifts), "activation": activation}
    return structure, {name: np.asarray(a, np.int64) for name, a in arrays.items()}


def _graph(model):
    """What a model is beyond a chain of layers that starts at zero state."""
    found = {} if model.chain else {"reads": model.reads, "outputs": model.outputs}
    reverse = [i for i, layer in enumerate(model.layers) if layer.reverse]
    return (found | ({"reverse": reverse} if reverse else {})
            | ({"head": model.head} if model.head != "none" else {}))


def _acc_key(name):
    """Key of the fraction bits of a matrix's accumulators, where not those of the input's."""
    return f"acc_frac_{name.removeprefix('weight_')}"


def digest(quantized):
    """SHA-256 over every integer and format, in hexadecimal."""
    structure, arrays = _integers(quantized)
    found = hashlib.sha256(json.dumps(structure, sort_keys=True).encode())
    for name, array in arrays.items():
        found.update(f"{name} {array.shape}".encode())
        found.update(array.astype("<i8").tobytes())
    return found.hexdigest()


def _file_digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check(text):
    """SHA-256 over the parts of ``design.json``, whatever their order and spacing."""
    parts = {key: text[key] for key in text if key not in ("format", "version", "check")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def write(design, folder):
    """Write ``design.json``, ``design.npz`` (integers) and ``model.npz`` into a folder that exists.

    Equal designs give equal bytes.
    """
    structure, arrays = _integers(design.quantized)
    config = {f.name: getattr(design.config, f.name) for f in fields(Config)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    folder = Path(folder)
    npz.save(design.model, folder / "model.npz")
    (folder / "design.npz").write_bytes(buffer.getvalue())
    text = plain({"hash": design.hash, "model_hash": _file_digest(folder / "model.npz"),
                  "config": config, **structure, "report": design.report})
    (folder / "design.json").write_text(
        to_json({"format": FORMAT, "version": VERSION, "check": _check(text), **text}))


def load_design(folder):
    """Read the folder that :meth:`Design.save` wrote.

    Raises
    ------
    RnnhwError
        If it is no design folder, of another version, or damaged: its integers, formats and float
        weights are held against the hashes it was saved with.
    """
    folder = Path(folder)
    if not (folder / "design.json").is_file():
        raise RnnhwError(f"{folder} is not a design folder (it has no design.json); "
                         "rnnhw quantize writes one.")
    try:
        text = json.loads((folder / "design.json").read_text())
    except ValueError:
        raise _damaged(folder, "design.json is not JSON") from None
    if not isinstance(text, dict) or text.get("format") != FORMAT:
        raise RnnhwError(f"{folder} is not a design folder (its design.json is something else); "
                         "rnnhw quantize writes one.")
    if text.get("version") != VERSION:
        raise RnnhwError(f"{folder} is of version {text.get('version')!r}, but this program reads "
                         f"version {VERSION}; quantize the model again.")
    if _check(text) != text.get("check"):
        raise _damaged(folder, "design.json is not the text that was saved")
    for name in ("design.npz", "model.npz"):
        if not (folder / name).is_file():
            raise _damaged(folder, f"{name} is missing")
    if _file_digest(folder / "model.npz") != text.get("model_hash"):
        raise _damaged(folder, "model.npz is not the file that was saved")
    model = npz.load(folder / "model.npz")
    try:
        with np.load(folder / "design.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        design = Design(_quantized(model, text, arrays), Config.from_dict(text["config"]))
        intact = design.hash == text["hash"]
    except RnnhwError as error:
        raise _damaged(folder, str(error).rstrip(".")) from None
    # whatever a reader of a foreign file stumbles on means the same thing here
    except Exception:
        raise _damaged(folder, "design.npz and design.json do not belong together") from None
    if not intact:
        raise _damaged(folder, "its integers do not match the hash they were saved with")
    return design


def _damaged(folder, why):
    return RnnhwError(f"The design folder {folder} is damaged: {why}; quantize the model again.")


def _quantized(model, text, arrays):
    """The quantised model of a design folder's parts; whatever is wrong raises."""
    layers = []
    for i, (layer, entry) in enumerate(zip(model.layers, text["layers"], strict=True)):
        formats = {name: FixedFormat.parse(fmt) for name, fmt in entry["formats"].items()}
        cell, frac = layer.description, entry["acc_frac"]
        layers.append(QuantizedLayer(
            layer=layer, weights={name: arrays[f"{i}.{name}"] for name in cell.matrix},
            bias={name: arrays[f"{i}.bias.{name}"] for name in entry["bias"]},
            constants={name: arrays[f"{i}.constant.{name}"] for name in cell.constants},
            formats=formats,
            acc_fracs={name: entry.get(_acc_key(name), frac) for name in cell.matrix}))
    table = text["activation"]
    table = table and restore(table)
    return QuantizedModel(
        model=model, layers=tuple(layers),
        operands={name: FixedFormat.parse(fmt) for name, fmt in text["operands"].items()},
        shifts=text["shifts"], activation=table, report=text["report"])
