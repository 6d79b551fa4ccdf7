"""Chains of layers with weights of the size that training starts from."""

import numpy as np

from rnnhw.circulant import Circulant
from rnnhw.model import Linear, Model, Recurrent

CELLS = ("lstm", "gru", "gru_reset_before")


def recurrent(kind, m, n, rng, scale=1.0):
    gates, bound = (4 if kind == "lstm" else 3) * n, scale / np.sqrt(n)
    w_ih, w_hh, b_ih, b_hh = (rng.uniform(-bound, bound, shape)
                              for shape in ((gates, m), (gates, n), gates, gates))
    return Recurrent(cell=kind.removesuffix("_reset_before"), weight_ih=w_ih, weight_hh=w_hh,
                     bias_ih=b_ih, bias_hh=b_hh, reset_after=kind != "gru_reset_before")


def linear(m, n, rng, activation="none"):
    return Linear(weight=rng.uniform(-1, 1, (n, m)), bias=rng.uniform(-1, 1, n),
                  activation=activation)


def chain(kinds, sizes, rng, scale=1.0, last_step=False):
    layers = []
    for kind, m, n in zip(kinds, sizes, sizes[1:]):
        layers.append(recurrent(kind, m, n, rng, scale) if kind in CELLS
                      else linear(m, n, rng, kind))
    return Model(layers=layers, last_step=last_step)


def matrix(key, gates, rows, columns, k, bound, rng):
    """``{key: weight}`` or, for a block size, ``{circulant key: Circulant}``."""
    if k is None:
        return {key: rng.uniform(-bound, bound, (gates * rows, columns))}
    blocks = rng.uniform(-bound, bound, (gates, -(-rows // k), -(-columns // k), k))
    return {key.replace("weight", "circulant"): Circulant(blocks, rows, columns)}


def block_chain(kinds, sizes, blocks, rng, scale=1.0, last_step=False):
    """A chain whose layers have these block sizes, ``(input, recurrent)``, None for dense."""
    layers = []
    for kind, m, n, (ih, hh) in zip(kinds, sizes, sizes[1:], blocks):
        bound = scale / np.sqrt(n)
        if kind not in CELLS:
            layers.append(Linear(**matrix("weight", 1, n, m, ih, bound, rng), activation=kind,
                                 bias=rng.uniform(-1, 1, n)))
            continue
        gates = 4 if kind == "lstm" else 3
        layers.append(Recurrent(
            cell=kind.removesuffix("_reset_before"), reset_after=kind != "gru_reset_before",
            **matrix("weight_ih", gates, n, m, ih, bound, rng),
            **matrix("weight_hh", gates, n, n, hh, bound, rng),
            bias_ih=rng.uniform(-bound, bound, gates * n),
            bias_hh=rng.uniform(-bound, bound, gates * n)))
    return Model(layers=layers, last_step=last_step)


def data(model, batch=5, steps=12, scale=1.0, seed=0):
    """Normal inputs (batch, steps, input_size) for a model."""
    return np.random.default_rng(seed).standard_normal((batch, steps, model.input_size)) * scale
