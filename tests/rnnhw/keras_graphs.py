"""Keras models with random graphs over all that the importer takes: directions, merges, cells."""

import numpy as np

from .keras_models import NOISE, L, keras, shake

FUNCTIONS = ("tanh", "sigmoid", "relu", "linear", "hard_sigmoid")
KINDS = ("LSTM", "GRU", "SimpleRNN")


def chance(rng, share):
    return bool(rng.random() < share)


def pick(rng, values):
    return values[rng.integers(len(values))]


def functions(rng, kind):
    """Functions of a cell, its own mostly."""
    found = {}
    if chance(rng, 0.4):
        found["activation"] = pick(rng, FUNCTIONS)
    if kind != "SimpleRNN" and chance(rng, 0.3):
        found["recurrent_activation"] = pick(rng, FUNCTIONS)
    return found


def cell_options(rng, kind):
    found = {"use_bias": chance(rng, 0.7), **functions(rng, kind)}
    if kind == "GRU":
        found["reset_after"] = chance(rng, 0.5)
    if kind == "LSTM":
        found["unit_forget_bias"] = chance(rng, 0.5)
    return found


def units(rng):
    return int(rng.integers(1, 13))


def recurrent(rng, n, **options):
    """A recurrent layer of ``n`` units, perhaps an RNN of cells."""
    options = {"unroll": chance(rng, 0.2), "zero_output_for_mask": chance(rng, 0.2)} | options
    if chance(rng, 0.2):
        sizes = [units(rng) for _ in range(rng.integers(3))] + [n]
        cells = []
        for size in sizes:
            kind = pick(rng, KINDS)
            cells.append(getattr(L, f"{kind}Cell")(size, **cell_options(rng, kind)))
        return L.RNN(cells if len(cells) > 1 else cells[0], **options)
    kind = pick(rng, KINDS)
    return getattr(L, kind)(n, dropout=0.2 * rng.integers(2), **cell_options(rng, kind), **options)


def bidirectional(rng, n, **options):
    """Two directions, of one kind or of two."""
    mode, other = pick(rng, ("concat", "sum", "ave", "mul")), None
    first = recurrent(rng, n, **options)
    if chance(rng, 0.5):  # Keras takes both to have the size of the first
        other = recurrent(rng, n, go_backwards=True, **options)
    return L.Bidirectional(first, mode, backward_layer=other)


def alone(rng, n):
    """A layer without a state, over steps or over the last one."""
    return pick(rng, (
        lambda: L.Dense(n, activation=pick(rng, ("linear", "relu", "sigmoid", "tanh"))),
        lambda: L.BatchNormalization(center=chance(rng, 0.7), scale=chance(rng, 0.7)),
        lambda: L.Activation(pick(rng, ("relu", "tanh", "sigmoid", "linear"))),
        lambda: L.ReLU()))()


def merge(rng, value, others):
    """``value`` joined with one or two of ``others``, or with itself."""
    found = [value] + [pick(rng, others) for _ in range(rng.integers(1, 3))]
    kind = pick(rng, ("Add", "Average", "Multiply", "Subtract", "Concatenate"))
    if kind == "Concatenate":
        return L.Concatenate()(found)
    found = found[:2] if kind == "Subtract" else found
    size = value.shape[-1]
    found = [each if each.shape[-1] == size else L.Dense(size)(each) for each in found]
    if len(found) == 2 and kind in ("Add", "Multiply") and chance(rng, 0.3):
        return found[0] + found[1] if kind == "Add" else found[0] * found[1]
    return getattr(L, kind)()(found)


def over_steps(rng, value, before):
    """One more layer over sequences."""
    choice = rng.integers(7)
    if choice == 0:
        return recurrent(rng, units(rng), return_sequences=True)(value)
    if choice in (1, 6):
        return bidirectional(rng, units(rng), return_sequences=True)(value)
    if choice == 2:  # there and back
        value = recurrent(rng, units(rng), return_sequences=True, go_backwards=True)(value)
        if chance(rng, 0.5):
            value = alone(rng, units(rng))(value)
        return recurrent(rng, units(rng), return_sequences=True, go_backwards=True)(value)
    if choice == 3:
        return merge(rng, value, before)
    layer = alone(rng, units(rng))
    value = L.TimeDistributed(layer)(value) if choice == 4 else layer(value)
    return pick(rng, NOISE)()(value) if chance(rng, 0.2) else value


def last_step(rng, value):
    """What a sequence ends with."""
    choice = rng.integers(4)
    if choice == 0:
        return recurrent(rng, units(rng), go_backwards=chance(rng, 0.3))(value)
    if choice == 1:
        return bidirectional(rng, units(rng))(value)
    kind = pick(rng, KINDS)
    layer = getattr(L, kind)(units(rng), return_state=True, return_sequences=chance(rng, 0.5),
                             **cell_options(rng, kind))
    if choice == 2 or kind == "SimpleRNN":
        out, h = layer(value)[:2]
    else:
        out, h = (layer := L.Bidirectional(layer))(value)[0:4:3 if kind == "LSTM" else 2]
    if len(out.shape) == 3:
        out = L.SimpleRNN(units(rng), go_backwards=chance(rng, 0.5))(out)
    return L.Concatenate()([h, out])


def random_graph(rng):
    """A Functional model with an input for it."""
    t, m = int(rng.integers(1, 8)), units(rng)
    batch = int(rng.integers(1, 4))
    if chance(rng, 0.4):
        entries = int(rng.integers(2, 20))
        first = L.Input((t,), dtype="int32")
        value = L.Embedding(entries, m)(first)
        x = rng.integers(0, entries, (batch, t))
    else:
        first = value = L.Input((t, m))
        x = rng.standard_normal((batch, t, m)).astype(np.float32)
    before = [value]
    for _ in range(rng.integers(1, 4)):
        value = over_steps(rng, value, before)
        before.append(value)
    if chance(rng, 0.6):
        value = last_step(rng, value)
        if chance(rng, 0.5):
            value = merge(rng, value, [value])
        if chance(rng, 0.4):
            value = alone(rng, units(rng))(value)
    else:
        value = recurrent(rng, units(rng), return_sequences=True)(value)
    if chance(rng, 0.5):
        head = pick(rng, ("softmax", "linear", "tanh", "log_softmax"))
        value = L.Dense(units(rng), activation=head)(value)
    elif chance(rng, 0.2):
        value = L.Softmax()(value)
    return shake(keras.Model(first, value), rng, 0.4), x
