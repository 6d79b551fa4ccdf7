"""Random models for the tests, from a seeded generator."""

import numpy as np
import pytest

from rnnhw.model import GATES, Linear, Model, Recurrent


def recurrent(rng, kind, m, n, biases=True, **options):
    """A layer of ``kind`` (lstm, gru, gru_reset_before) whose weights are all different."""
    cell = "gru" if kind.startswith("gru") else kind
    rows = len(GATES[cell]) * n
    return Recurrent(cell=cell, weight_ih=rng.uniform(-1, 1, (rows, m)),
                     weight_hh=rng.uniform(-0.7, 0.7, (rows, n)),
                     bias_ih=rng.uniform(-1, 1, rows) if biases else None,
                     bias_hh=rng.uniform(-1, 1, rows) if biases else None,
                     reset_after=kind != "gru_reset_before", **options)


def linear(rng, m, n, activation="none", **options):
    return Linear(weight=rng.uniform(-1, 1, (n, m)), bias=rng.uniform(-1, 1, n),
                  activation=activation, **options)


def stack(rng, *kinds, sizes, last_step=False, name="model"):
    """A model of layers ``kinds``; an activation's name means a linear layer with it."""
    layers = [linear(rng, m, n, kind) if kind in ("none", "relu", "sigmoid", "tanh")
              else recurrent(rng, kind, m, n) for kind, m, n in zip(kinds, sizes, sizes[1:])]
    return Model(layers=layers, last_step=last_step, name=name)


def few_and_more(few, count):
    """Numbers below ``count`` for a test's parameter, of which ``few`` run each time."""
    return [pytest.param(k, marks=[pytest.mark.long] * (k >= few)) for k in range(count)]


def close(a, b):
    """Largest difference of two arrays of one shape."""
    assert np.shape(a) == np.shape(b)
    return np.abs(np.asarray(a) - np.asarray(b)).max()
