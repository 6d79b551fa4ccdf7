"""Chains of layers with weights of the size that training starts from."""

import numpy as np

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


def data(model, batch=5, steps=12, scale=1.0, seed=0):
    """Normal inputs (batch, steps, input_size) for a model."""
    return np.random.default_rng(seed).standard_normal((batch, steps, model.input_size)) * scale
