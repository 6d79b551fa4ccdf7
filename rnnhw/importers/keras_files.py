"""Keras's files: ``.keras`` archives and HDF5 files, read without Keras.

Each gives the network's description, a function ``weights(entry, names, part)``, which finds the
arrays of a layer's weights by the layer's entry in that description, and the first number of the
version of Keras that wrote it, or None.
"""

import io
import json
import re
import zipfile
import zlib
from contextlib import ExitStack, contextmanager

from ..errors import RnnhwError

CONFIG, WEIGHTS, ABOUT = "config.json", "model.weights.h5", "metadata.json"


def snake(name):
    """Name of the folder of a class in an archive."""
    name = re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


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


def pick(label, held, entry, names, part, hint):
    """Of the weights of a layer, ``(path, array)`` each, the arrays of a part, by their names.

    Raises
    ------
    RnnhwError
        If the part has others than these.
    """
    own, found = entry["config"]["name"], []
    for path, array in held:
        *owners, name = path.split("/")
        if own in owners:
            owners = owners[owners.index(own) + 1:]
        if all(set(owners) & set(known) for known in part.owners):
            # behind the name of a weight there may be a number of TensorFlow's graph
            found.append((re.sub(r"(_\d+)?(:\d+)?$", "", name), array))
    if sorted(name for name, _ in found) != sorted(names):
        raise RnnhwError(f"{label} holds {', '.join(n for n, _ in found) or 'no weights'} of the "
                         f"layer {own}, but {', '.join(names)} are needed; {hint}.")
    return [dict(found)[name] for name in names]


def _version(text):
    """The first number of a version of Keras; None where there is none."""
    text = text.decode() if isinstance(text, bytes) else str(text)
    found = re.match(r"\d+", text)
    return found and int(found[0])


@contextmanager
def _legacy(h5py, label, path):
    """Of an HDF5 file: ``model_config``, weights by the names of their layers, and version."""
    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise RnnhwError(f"{label} has no model_config: it holds weights without the network; "
                             "save the whole model with model.save(path).")

        def weights(entry, names, part):
            name = entry["config"]["name"]
            group = file.get(f"model_weights/{name}")
            if not isinstance(group, h5py.Group):
                raise RnnhwError(f"{label} holds no weights of the layer {name}; save the model "
                                 "again after building it.")
            held = [(n, n) for n in _names(group, "weight_names")]
            paths = pick(label, held, entry, names, part, "save the model after building it")
            return [_array(h5py, label, group, path) for path in paths]

        yield (_json(label, "model_config", text), weights,
               _version(file.attrs.get("keras_version", "")))


def _folder(entries, name):
    """The folder of a layer; those of one class are numbered."""
    count = {}
    for entry in entries:
        folder = snake(entry["class_name"])
        k = count[folder] = count.get(folder, -1) + 1
        if entry["config"]["name"] == name:
            return f"layers/{folder}_{k}" if k else f"layers/{folder}"
    raise KeyError(name)


@contextmanager
def _archive(h5py, label, path):
    """Of a ``.keras`` archive: ``config.json``, weights by folders named by class, and version."""
    with ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(path))
        for name in (CONFIG, WEIGHTS):
            if name not in archive.namelist():
                raise RnnhwError(f"{label} is a zip archive without {name}, which Keras 3 writes; "
                                 "save the model again with model.save(path).")
        network = _json(label, CONFIG, archive.read(CONFIG))
        about = {}
        if ABOUT in archive.namelist():
            about = _json(label, ABOUT, archive.read(ABOUT))
        file = stack.enter_context(h5py.File(io.BytesIO(archive.read(WEIGHTS)), "r"))

        def weights(entry, names, part):
            name = entry["config"]["name"]
            outer = _folder(network["config"]["layers"], name)
            folder = "/".join(filter(None, (outer, part.folder, "vars")))
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

        yield network, weights, _version(about.get("keras_version", ""))


@contextmanager
def open_file(path):
    """Description, weights and version of a Keras file, whose kind its first bytes tell.

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
