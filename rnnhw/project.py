"""What a command works on: a model file, a CONFIG (TOML file or preset), or a design folder."""

import math
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from .cells import FAMILIES, PEEPHOLES
from .circulant import Circulant, check_block_size, check_padding, padded
from .config import Config
from .errors import RnnhwError
from .model import Linear, Model, Recurrent
from .presets import PRESETS, preset

TABLES = ("model", "layers", "config", "formats")
MODEL_KEYS = {"name": str, "last_step": bool, "seed": int, "path": str}
CONFIG_TYPES = {"activation_error": (int, float), "activation_kind": str, "board": str,
                "pipeline": str, "output_placement": str, "fast_inner_product": bool,
                "deadline_us": (int, float), "clock_mhz": (int, float)}
HARDWARE = ("lanes", "vector_lanes", "max_multipliers", "fast_inner_product", "pipeline",
            "output_placement", "deadline_us", "clock_mhz", "spectral_products", "board")
_WORDS = {str: "text", bool: "true or false", int: "a whole number", dict: "a table",
          (int, float): "a number", (int, list): "a number or a pair [input, recurrent]"}


@dataclass(frozen=True, eq=False)
class Project:
    """A model with its choices.

    Parameters
    ----------
    source : the argument it came from
    model : Model
    config : Config
    design : Design or None
        Set if ``source`` is a design folder: numbers are then fixed, hardware may still be chosen.
    random_weights : bool
        Whether the weights were drawn, not trained.
    """

    source: str
    model: Model
    config: Config
    design: object = None
    random_weights: bool = False


def _checked(where, table, known):
    """``table`` if it is one and its keys and types are ``known``."""
    if not isinstance(table, dict):
        raise RnnhwError(f"{where} must be a table, not {table!r}.")
    for key, value in table.items():
        if key not in known:
            raise RnnhwError(f"{where} has the unknown key {key!r}; known are {', '.join(known)}.")
        kind = known[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise RnnhwError(f"{key} of {where} must be {_WORDS[kind]}, not {value!r}.")
    return table


def read_toml(path):
    """The tables of a CONFIG file.

    Raises
    ------
    RnnhwError
        If the file is missing or no TOML (with the line), or has unknown tables or keys.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise RnnhwError(f"{path} does not exist; a TOML file is needed.") from None
    except OSError as error:
        raise RnnhwError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise RnnhwError(f"{path} is not TOML: it is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise RnnhwError(f"{path} is not TOML: {error}.") from None
    for key in tables:
        if key not in TABLES:
            raise RnnhwError(f"{path} has the unknown table [{key}]; known are "
                             "[model], [[layers]], [config], [formats].")
    model = _checked(f"[model] of {path}", tables.get("model", {}), MODEL_KEYS)
    if "path" in model:
        model["path"] = str(path.parent / model["path"])
    layers = tables.get("layers", [])
    if not isinstance(layers, list):
        raise RnnhwError(f"layers of {path} must be written as [[layers]], once for each layer.")
    known = {f.name: CONFIG_TYPES.get(f.name, int) for f in fields(Config) if f.name != "formats"}
    _checked(f"[config] of {path}", tables.get("config", {}), known)
    formats = tables.get("formats", {})
    _checked(f"[formats] of {path}", formats, dict.fromkeys(formats, str))
    return tables


def merge(base, over):
    """``base`` with the keys of ``over`` on top, table by table; layers are replaced as a whole."""
    merged = {**base}
    for name, value in over.items():
        merged[name] = value if name == "layers" else {**base.get(name, {}), **value}
    return merged


def layer_keys(kind):
    """Keys of a layer of [[layers]] and their types."""
    if kind == "linear":
        return {"input_size": int, "output_size": int, "activation": str, "bias": int, "name": str,
                "block_size": int}
    family = FAMILIES[kind]
    extra = {}
    if any(cell.projected for _, cell in family.cells):
        extra["proj_size"] = int
    if kind == "lstm":
        extra["peepholes"] = str
    return {"input_size": int, "hidden_size": int, **extra,
            **{key: type(value) for key, value in family.options.items()}, "bias": int,
            "name": str, "block_size": (int, list)}


def _weights(rng, shape, size):
    """Uniform within +-1/sqrt(size), as PyTorch starts its layers."""
    bound = 1 / math.sqrt(size)
    return rng.uniform(-bound, bound, shape)


def _matrix(rng, key, shape, size, k, where):
    """``{key: weight}`` of a dense matrix (gates, rows, columns), or of a block-circulant one.

    The numbers of both are drawn alike, so that a row of either has as large a sum.
    """
    gates, rows, columns = shape
    if k is None:
        return {key: _weights(rng, (gates * rows, columns), size)}
    check_padding(rows, columns, k, f"{key} of {where}")
    blocks = _weights(rng, (gates, padded(rows, k) // k, padded(columns, k) // k, k), size)
    return {key.replace("weight", "circulant"): Circulant(blocks, rows, columns)}


def _block_sizes(value, where):
    """Sizes of input and recurrent blocks, None where 0 (dense), of a number or a pair."""
    pair = value if isinstance(value, list) else [value, value]
    if len(pair) != 2:
        raise RnnhwError(f"block_size of {where} must be a number or a pair [input, recurrent], "
                         f"not {value!r}.")
    return [None if k == 0 and not isinstance(k, bool)
            else check_block_size(k, f"block_size of {where}, where not 0 (dense),") for k in pair]


def _layer(index, table, inputs, rng, block_size):
    """Layer ``index`` of ``table`` with random weights; ``inputs`` is the layer before's size.

    ``block_size`` is that of a recurrent layer without one of its own, 0 for dense.
    """
    where = f"layer {index} of [[layers]]"
    if not isinstance(table, dict):
        raise RnnhwError(f"{where} must be a table, not {table!r}.")
    kind, kinds = table.get("kind"), (*FAMILIES, "linear")
    if kind not in kinds:
        raise RnnhwError(f"{where} is of kind {kind!r}; {', '.join(kinds)} are supported.")
    _checked(where, {k: v for k, v in table.items() if k != "kind"}, layer_keys(kind))
    size = "output_size" if kind == "linear" else "hidden_size"
    if inputs is None and "input_size" not in table:
        raise RnnhwError(f"{where} needs the key 'input_size', for it is the first.")
    if size not in table:
        raise RnnhwError(f"{where} needs the key {size!r}.")
    m, n = table.get("input_size", inputs), table[size]
    for key, value in (("input_size", m), (size, n)):
        if not 1 <= value <= 65536:
            raise RnnhwError(f"{key} of {where} must be within 1..65536, not {value}.")
    cell = None if kind == "linear" else _cell(where, kind, table)
    most = 1 if kind == "linear" else len(cell.biases)
    bias = table.get("bias", most)
    if not 0 <= bias <= most:
        raise RnnhwError(f"bias of {where} is the number of bias vectors, within 0..{most}, "
                         f"not {bias}.")
    name = table.get("name", "")
    if kind == "linear":
        k, _ = _block_sizes(table.get("block_size", 0), where)
        return Linear(**_matrix(rng, "weight", (1, n, m), m, k, where),
                      bias=_weights(rng, n, m) if bias else None,
                      activation=table.get("activation", "none"), name=name)
    p = table.get("proj_size", 0) or n
    if not 1 <= p <= n:
        raise RnnhwError(f"proj_size of {where} must be within 1..{n}, its hidden_size, not {p}.")
    ih, hh = _block_sizes(table.get("block_size", block_size), where)
    sizes = {"input_size": m, "hidden_size": n, "output_size": p if cell.projected else n}
    arrays, left = {}, bias
    for name in cell.arrays:
        if name in cell.matrix:
            matrix = cell.matrix[name]
            k = ih if matrix.columns == "input_size" else hh
            if not matrix.identity or m != n:
                arrays |= _matrix(rng, name, (len(matrix.gates), sizes[matrix.rows],
                                              sizes[matrix.columns]), n, k, where)
            continue
        vector = next(v for v in (*cell.biases, *cell.vectors) if v.name == name)
        if vector in cell.vectors or left:
            arrays[name] = _weights(rng, len(vector.gates) * sizes[vector.size], n)
            left -= vector in cell.biases
    return Recurrent(cell=kind, **arrays, name=table.get("name", ""),
                     options=_given_options(kind, table))


def _given_options(kind, table):
    return {key: table[key] for key in FAMILIES[kind].options if key in table}


def _cell(where, kind, table):
    """The cell that a recurrent layer's keys ask for."""
    family = FAMILIES[kind]
    options = family.options | _given_options(kind, table)
    for key, value in options.items():
        if value not in family.values(key):
            raise RnnhwError(f"{key} of {where} must be "
                             f"{' or '.join(map(repr, family.values(key)))}, not {value!r}.")
    peepholes = table.get("peepholes", "none")
    if peepholes not in PEEPHOLES:
        raise RnnhwError(f"peepholes of {where} must be {', '.join(PEEPHOLES)}, not "
                         f"{peepholes!r}.")
    names = {"none": [], "diagonal": ["peephole"], "full": ["weight_ch"]}[peepholes]
    return family.pick(options, [*names, *["weight_hr"] * bool(table.get("proj_size", 0))])


def _model(tables, where, trust, block_size):
    """The model that ``tables`` describe, and whether its weights were drawn."""
    model, layers = tables.get("model", {}), tables.get("layers", [])
    if "path" in model:
        from .load import load

        extra = [key for key in ("last_step", "seed") if key in model]
        if layers or extra:
            raise RnnhwError(f"{where} has both path and {'layers' if layers else extra[0]}; the "
                             "file of path settles the layers and what comes out.")
        loaded = load(model["path"], trust=trust)
        return replace(loaded, name=model.get("name", loaded.name)), False
    if not layers:
        raise RnnhwError(f"{where} has neither [[layers]] nor the key path in [model]; "
                         "one of them is needed.")
    seed = model.get("seed", 0)
    if not 0 <= seed < 2**63:
        raise RnnhwError(f"seed of [model] must be within 0..{2**63 - 1}, not {seed}.")
    rng = np.random.default_rng(seed)
    built, inputs = [], None
    for index, table in enumerate(layers):
        built.append(_layer(index, table, inputs, rng, block_size or 0))
        inputs = built[-1].output_size
    return Model(layers=tuple(built), last_step=model.get("last_step", False),
                 name=model.get("name", Path(where).stem)), True


def make_config(tables):
    """Config of the tables [config] and [formats]."""
    return Config.from_dict({**tables.get("config", {}), "formats": tables.get("formats", {})})


def from_tables(tables, where, trust=False):
    """Project of a CONFIG's tables; ``where`` names it in errors."""
    config = make_config(tables)
    model, drawn = _model(tables, where, trust, config.block_size)
    return Project(where, model, config, random_weights=drawn)


def _path_or_preset(text):
    """(path or None, preset name or None) of a command's argument."""
    if text.startswith("preset:"):
        return None, text.removeprefix("preset:")
    path = Path(text)
    if text in PRESETS:
        if path.exists():
            raise RnnhwError(f"{text} is both a preset and a file or folder here; write ./{text} "
                             f"for the latter or preset:{text} for the preset.")
        return None, text
    if path.exists():
        return path, None
    if path.suffix or "/" in text:
        raise RnnhwError(f"{text} does not exist; a model file, a TOML file, a design folder or a "
                         f"preset is needed (presets: {', '.join(PRESETS)}).")
    return None, text


def resolve(text, config=None, trust=False):
    """Project of ``text``: a model file, a TOML file, a preset's name or a design folder.

    Parameters
    ----------
    config : path of a TOML file whose keys go on top, or None
    trust : whether a ``.pt`` file may be unpickled

    Raises
    ------
    RnnhwError
        If there is no such thing, or ``config`` has tables that do not go with it.
    """
    path, name = _path_or_preset(str(text))
    over = read_toml(config) if config is not None else {}
    if path is None:
        return from_tables(merge(preset(name), over), name, trust)
    if path.suffix == ".toml" and path.is_file():
        return from_tables(merge(read_toml(path), over), str(path), trust)
    for key in ("model", "layers"):
        if key in over:
            raise RnnhwError(f"{config} has [{key}], but {text} already is a model; only [config] "
                             "and [formats] go with it.")
    if path.is_dir():
        from .folder import load_design

        design = load_design(path)
        for key in [*over.get("config", {}), *(["formats"] if over.get("formats") else [])]:
            if key not in HARDWARE:
                raise RnnhwError(f"{key} is settled in the design folder {text}; only "
                                 f"{', '.join(HARDWARE)} may still be chosen.")
        design = design.with_hardware(**over.get("config", {}))
        return Project(str(text), design.model, design.config, design)
    from .load import load

    return Project(str(text), load(path, trust=trust), make_config(over))
