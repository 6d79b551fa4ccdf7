"""Keras's files: ``.keras`` archives and HDF5 files, read without Keras.

Each gives the network's description and a function ``weights(entry, names)``, which finds the
arrays of a layer's weights by the layer's entry in that description.
"""

import io
import json
import re
import zipfile
import zlib
from contextlib import ExitStack, contextmanager

from ..errors import RnnhwError

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# The folders of an archive are named by class, and within a layer by attribute.
FOLDERS = {"LSTM": ("lstm", "cell/"), "GRU": ("gru", "cell/"), "Dense": ("dense", ""),
           "TimeDistributed": ("time_distributed", "layer/")}


def _h5py(what):
    try:
        import h5py
    except ImportError:
        raise RnnhwError(f"{what} needs the package h5py; install it with: "
                         "pip install 'rnnhw[keras]'.") from None
    return h5py


def _json(label, what, text):
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise RnnhwError(f"{label} is damaged: its {what} is not a JSON object.")
    return content


def _names(group, key):
    """A list of names among the attributes of ``group``; Keras cuts a long one into parts."""
    parts = [group.attrs[key]] if key in group.attrs else []
    while f"{key}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{key}{len(parts)}"])
    return [n.decode() if isinstance(n, bytes) else str(n) for part in parts for n in part]


def _array(h5py, label, group, path):
    """A dataset of numbers inside the file itself."""
    data = group.get(path)
    if not isinstance(data, h5py.Dataset) or data.dtype.kind != "f":
        raise RnnhwError(f"{label} is damaged: {group.name}/{path} is not an array of floats.")
    if data.external or data.is_virtual:
        raise RnnhwError(f"{label} keeps {group.name}/{path} in another file, which is not "
                         "supported; save the model again.")
    return data


@contextmanager
def _legacy(h5py, label, path):
    """Of an HDF5 file: what ``model_config`` says, and weights by the names of their layers."""
    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise RnnhwError(f"{label} has no model_config: it holds weights without the network; "
                             "save the whole model with model.save(path).")

        def weights(entry, names):
            name = entry["config"]["name"]
            group = file.get(f"model_weights/{name}")
            if not isinstance(group, h5py.Group):
                raise RnnhwError(f"{label} holds no weights of the layer {name}; save the model "
                                 "again after building it.")
            # a name is that of the weight, and may have a number from TensorFlow's graph behind it
            found = {re.sub(r"(_\d+)?(:\d+)?$", "", n.split("/")[-1]): n
                     for n in _names(group, "weight_names")}
            if sorted(found) != sorted(names):
                raise RnnhwError(f"{label} holds {', '.join(found) or 'no weights'} of the layer "
                                 f"{name}, but {', '.join(names)} are needed.")
            return [_array(h5py, label, group, found[n]) for n in names]

        yield _json(label, "model_config", text), weights


def _folders(entries):
    """For each layer by name, the folders of it and of its weights; numbered within a class."""
    count, folders = {}, {}
    for entry in entries:
        kind = entry["class_name"]
        if kind in FOLDERS:
            folder, inner = FOLDERS[kind]
            k = count[kind] = count.get(kind, -1) + 1
            outer = f"layers/{folder}_{k}" if k else f"layers/{folder}"
            folders[entry["config"]["name"]] = outer, f"{outer}/{inner}vars"
    return folders


@contextmanager
def _archive(h5py, label, path):
    """Of a ``.keras`` archive: its ``config.json``, and weights by folders named by class."""
    with ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(path))
        for name in (CONFIG, WEIGHTS):
            if name not in archive.namelist():
                raise RnnhwError(f"{label} is a zip archive without {name}, which Keras 3 writes; "
                                 "save the model again with model.save(path).")
        network = _json(label, CONFIG, archive.read(CONFIG))
        file = stack.enter_context(h5py.File(io.BytesIO(archive.read(WEIGHTS)), "r"))

        def weights(entry, names):
            name = entry["config"]["name"]
            outer, folder = _folders(network["config"]["layers"])[name]
            group = file.get(folder)
            if not isinstance(group, h5py.Group):
                raise RnnhwError(f"{label} holds no weights of the layer {name} at {folder}, where "
                                 "Keras 3 writes them; save the model again, or as .h5.")
            # early versions of Keras 3 write no names
            owner = file.get(f"{outer}/vars")
            said = name if owner is None else owner.attrs.get("name", name)
            if said != name:
                raise RnnhwError(f"{label} is damaged: {folder} holds weights of the layer {said} "
                                 f"where those of {name} are needed.")
            if sorted(group) != [str(k) for k in range(len(names))]:
                raise RnnhwError(f"{label} holds {len(group)} weights of the layer {name}, but "
                                 f"{len(names)} ({', '.join(names)}) are needed; save the model "
                                 "again after building it.")
            return [_array(h5py, label, group, str(k)) for k in range(len(names))]

        yield network, weights


@contextmanager
def open_file(path):
    """The description and the weights of a Keras file, told apart by its first bytes.

    Raises
    ------
    RnnhwError
        If h5py is missing, or the file is of neither kind, cut or damaged, or lacks a part.
    """
    h5py = _h5py(f"Reading {path}")
    with open(path, "rb") as file:
        head = file.read(2)
    read = _archive if head == b"PK" else _legacy
    try:
        with read(h5py, str(path), path) as found:
            yield found
    except RnnhwError:
        raise
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile,
            zlib.error) as error:
        reason = (str(error).strip("'\" ").splitlines() or [type(error).__name__])[0]
        raise RnnhwError(f"{path} is not a file that Keras wrote, or it is cut or damaged: "
                         f"{reason.rstrip('.')}.") from None
