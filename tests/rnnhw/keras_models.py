"""Keras models with random layers, weights and options, and the three ways to read them."""

import os
import warnings

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras  # noqa: E402

from rnnhw.importers.keras import from_keras  # noqa: E402
from rnnhw.load import load  # noqa: E402

L = keras.layers
ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh")
NOISE = (lambda: L.Dropout(0.3), lambda: L.SpatialDropout1D(0.3), lambda: L.GaussianNoise(0.3),
         lambda: L.GaussianDropout(0.3), lambda: L.AlphaDropout(0.3))


def shake(model, rng, scale=0.6):
    """``model`` with random weights, all different, biases too."""
    found = [rng.uniform(-scale, scale, w.shape) for w in model.weights]
    model.set_weights([np.abs(value) + 0.3 if "variance" in w.path else value
                       for w, value in zip(model.weights, found)])
    return model


def sequential(*layers, shape=(None, 3), seed=0):
    """A built Sequential model with random weights."""
    return shake(keras.Sequential([L.Input(shape), *layers]), np.random.default_rng(seed))


def functional(layers, shape):
    """A Functional model that is one chain."""
    first = value = L.Input(shape)
    for layer in layers:
        value = layer(value)
    return keras.Model(first, value)


def _recurrent(rng, sequences):
    options = {"return_sequences": sequences, "use_bias": bool(rng.integers(4)),
               "dropout": 0.2 * rng.integers(2), "recurrent_dropout": 0.2 * rng.integers(2),
               "unroll": False, "trainable": bool(rng.integers(4))}
    units = int(rng.integers(1, 21))
    if rng.integers(2):
        return L.LSTM(units, unit_forget_bias=bool(rng.integers(2)), **options)
    return L.GRU(units, reset_after=bool(rng.integers(2)), **options)


def _dense(rng, steps):
    """A Dense layer, its activation an option of it or a layer behind it."""
    name = ACTIVATIONS[rng.integers(4)]
    apart = rng.integers(2)
    dense = L.Dense(int(rng.integers(1, 21)), activation="linear" if apart else name,
                    use_bias=bool(rng.integers(4)))
    layers = [L.TimeDistributed(dense) if steps and rng.integers(2) else dense]
    if apart:
        layers.append(L.ReLU() if name == "relu" and rng.integers(2) else L.Activation(name))
    return layers


def random_model(rng):
    """A model of 1 to 3 layers with an input (batch, steps, features) for it."""
    kinds = rng.integers(0, 3, rng.integers(1, 4))  # a third of the layers are Dense
    last = kinds.nonzero()[0][-1] if kinds.any() else -1
    ends = bool(rng.integers(2))
    layers, steps = [], True
    for i, kind in enumerate(kinds):
        if not kind:
            layers += _dense(rng, steps)
        else:
            steps = not (ends and i == last)
            layers.append(_recurrent(rng, steps))
        if not rng.integers(4):
            layers.append(NOISE[rng.integers(5)]() if steps else L.Dropout(0.5))
    m, t = int(rng.integers(1, 21)), int(rng.integers(1, 9))
    shape = (t if rng.integers(2) else None, m)
    if rng.integers(2):
        model = functional(layers, shape)
    else:
        model = keras.Sequential([L.Input(shape), *layers])
    x = rng.standard_normal((int(rng.integers(1, 4)), t, m)).astype(np.float32)
    return shake(model, rng), x


def save(model, path):
    """Save ``model``; Keras warns of its HDF5 files, which are asked for here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def read(model, folder):
    """``model`` read live, from a ``.keras`` file and from an ``.h5`` file."""
    return (from_keras(model), load(save(model, folder / "m.keras")),
            load(save(model, folder / "m.h5")))


def predict(model, x):
    """What Keras itself computes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.predict(x, verbose=0)
