"""Layers as a CONFIG's [[layers]] describe them, with random weights."""

import math
from dataclasses import replace

from .cells import FAMILIES, PEEPHOLES
from .circulant import Circulant, check_block_size, check_padding, padded
from .errors import RnnhwError
from .layers import DIRECTIONS
from .model import INPUT, Linear, Recurrent

_WORDS = {str: "text", bool: "true or false", int: "a whole number", dict: "a table",
          (int, float): "a number", list: "a list", (str, list): "a text or a list",
          (int, list): "a number or a pair [input, recurrent]"}


def checked(where, table, known):
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
            **family.types(), "bias": int, "name": str, "block_size": (int, list),
            "direction": str}


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


def chain(tables, rng, block_size):
    """``(layers, what each of them reads)`` of [[layers]], each behind the one before it.

    A ``bidirectional`` one is two layers, forwards and backwards, read side by side.
    """
    found, reads, before, inputs = [], [], (INPUT,), None
    for index, table in enumerate(tables):
        ways = [False]
        if isinstance(table, dict) and "direction" in table and table.get("kind") in FAMILIES:
            direction = table["direction"]
            if direction not in DIRECTIONS:
                raise RnnhwError(f"direction of layer {index} of [[layers]] must be "
                                 f"{', '.join(DIRECTIONS)}, not {direction!r}.")
            ways = DIRECTIONS[direction]
            table = {key: value for key, value in table.items() if key != "direction"}
        here = [layer(index, table, inputs, rng, block_size) for _ in ways]
        here = [replace(part, reverse=True) if way else part for part, way in zip(here, ways)]
        reads += [before] * len(here)
        before = tuple(range(len(found), len(found) + len(here)))
        found += here
        inputs = sum(part.output_size for part in here)
    return found, reads, before


def layer(index, table, inputs, rng, block_size):
    """Layer ``index`` of ``table`` with random weights; ``inputs`` is the layer before's size.

    ``block_size`` is that of a recurrent layer without one of its own, 0 for dense.
    """
    where = f"layer {index} of [[layers]]"
    if not isinstance(table, dict):
        raise RnnhwError(f"{where} must be a table, not {table!r}.")
    kind, kinds = table.get("kind"), (*FAMILIES, "linear")
    if kind not in kinds:
        raise RnnhwError(f"{where} is of kind {kind!r}; {', '.join(kinds)} are supported.")
    checked(where, {k: v for k, v in table.items() if k != "kind"}, layer_keys(kind))
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
    options = family.checked(_given_options(kind, table), where)
    peepholes = table.get("peepholes", "none")
    if peepholes not in PEEPHOLES:
        raise RnnhwError(f"peepholes of {where} must be {', '.join(PEEPHOLES)}, not "
                         f"{peepholes!r}.")
    names = {"none": [], "diagonal": ["peephole"], "full": ["weight_ch"]}[peepholes]
    return family.pick(options, [*names, *["weight_hr"] * bool(table.get("proj_size", 0))])
