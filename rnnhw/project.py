"""What a command works on: a model file, a CONFIG (TOML file or preset), or a design folder."""

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from .config import Config
from .drawn import chain, checked
from .errors import RnnhwError
from .model import Model
from .presets import PRESETS, preset

TABLES = ("model", "layers", "config", "formats")
MODEL_KEYS = {"name": str, "last_step": bool, "seed": int, "path": str}
CONFIG_TYPES = {"activation_error": (int, float), "activation_kind": str, "board": str,
                "pipeline": str, "output_placement": str, "fast_inner_product": bool,
                "deadline_us": (int, float), "clock_mhz": (int, float)}
HARDWARE = ("lanes", "vector_lanes", "max_multipliers", "fast_inner_product", "pipeline",
            "output_placement", "deadline_us", "clock_mhz", "spectral_products", "max_length",
            "board")


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
    model = checked(f"[model] of {path}", tables.get("model", {}), MODEL_KEYS)
    if "path" in model:
        model["path"] = str(path.parent / model["path"])
    layers = tables.get("layers", [])
    if not isinstance(layers, list):
        raise RnnhwError(f"layers of {path} must be written as [[layers]], once for each layer.")
    known = {f.name: CONFIG_TYPES.get(f.name, int) for f in fields(Config) if f.name != "formats"}
    checked(f"[config] of {path}", tables.get("config", {}), known)
    formats = tables.get("formats", {})
    checked(f"[formats] of {path}", formats, dict.fromkeys(formats, str))
    return tables


def merge(base, over):
    """``base`` with the keys of ``over`` on top, table by table; layers are replaced as a whole."""
    merged = {**base}
    for name, value in over.items():
        merged[name] = value if name == "layers" else {**base.get(name, {}), **value}
    return merged


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
    built, reads, outputs = chain(layers, rng, block_size or 0)
    return Model(layers=built, reads=reads, outputs=outputs,
                 last_step=model.get("last_step", False),
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
