"""Files as Keras 2 writes them: directions, embedding, normalization, merges, cuDNN's layout."""

import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.importers.keras import from_keras
from rnnhw.load import load

from .keras_models import L, functional, keras, predict, save, shake
from .models import close
from .test_importers_keras_files import CELL, DENSE, TRAINING, entry, named, rezip, write

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
CELL = CELL | TRAINING | {"time_major": False}
GATED = CELL | {"unit_forget_bias": True}
PLAIN = {key: value for key, value in CELL.items() if key != "recurrent_activation"}


def data(*shape, seed=5):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def shaken(*layers, shape=(6, 3), seed=3):
    model = shake(functional(layers, shape), np.random.default_rng(seed))
    return model, [layer.get_weights() for layer in model.layers[1:]]


def first(**config):
    return entry("InputLayer", "in", batch_input_shape=[None, 6, 3], dtype="float32",
                 sparse=False, ragged=False, **config)


def sequential(*layers, shape=(None, 6, 3), dtype="float32"):
    start = entry("InputLayer", "start", batch_input_shape=list(shape), dtype=dtype, sparse=False)
    return {"class_name": "Sequential", "config": {"name": "old", "layers": [start, *layers]}}


def directions(weights, names, order=(0, 1), of="both"):
    """Arrays of a Bidirectional by path; ``order`` of the directions in the file."""
    half = len(weights) // 2
    parts = [named(f"{of}/{name}/cell/{{}}:0", weights[k * half:][:half])
             for k, name in enumerate(names)]
    return {key: value for k in order for key, value in parts[k].items()}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_bidirectional(tmp_path, order):
    """The directions are told by name: frozen weights stand behind the others."""
    for mode, name in (("concat", "lstm"), ("sum", "lstm"), ("ave", "lstm"), ("mul", "lstm"),
                       ("concat", "forward_lstm")):
        twin, (weights,) = shaken(L.Bidirectional(L.LSTM(4, return_sequences=True), mode))
        inner = entry("LSTM", name, **GATED | {"units": 4, "return_sequences": True})
        network = sequential(entry("Bidirectional", "both", layer=inner, merge_mode=mode))
        arrays = directions(weights, ("forward_lstm", "backward_lstm"), order)
        model = load(write(tmp_path / "old.h5", network, {"both": arrays}))
        x = data(2, 6, 3)
        assert close(model.run(x), predict(twin, x)) < 1e-5


def test_bidirectional_of_two_layers(tmp_path):
    twin, (weights,) = shaken(L.Bidirectional(
        L.GRU(4, reset_after=False), "ave", backward_layer=L.LSTM(4, go_backwards=True)))
    network = sequential(entry(
        "Bidirectional", "both", merge_mode="ave",
        layer=entry("GRU", "a", **CELL | {"units": 4, "reset_after": False}),
        backward_layer=entry("LSTM", "b", **GATED | {"units": 4, "go_backwards": True})))
    arrays = directions(weights, ("forward_a", "backward_b"), (1, 0))
    x = data(2, 6, 3)
    path = write(tmp_path / "old.h5", network, {"both": arrays})
    assert close(load(path).run(x), predict(twin, x)) < 1e-5
    arrays = directions(weights, ("a", "c"))
    with pytest.raises(RnnhwError, match=r"holds no weights of the layer both, but kernel, r"):
        load(write(path, network, {"both": arrays}))


def test_one_direction_with_sequences(tmp_path):
    _, (weights,) = shaken(L.Bidirectional(L.GRU(4, reset_after=False)))
    network = sequential(entry(
        "Bidirectional", "both", merge_mode="concat",
        layer=entry("GRU", "a", **CELL | {"units": 4}),
        backward_layer=entry("GRU", "b", **CELL | {"units": 4, "go_backwards": True,
                                                   "return_sequences": True})))
    arrays = directions(weights, ("forward_a", "backward_b"))
    with pytest.raises(RnnhwError, match=r"^both \(Bidirectional\) has return_sequences of one di"):
        load(write(tmp_path / "old.h5", network, {"both": arrays}))


def test_embedding_and_normalization(tmp_path):
    """An Embedding that comes first tells the input's shape; the axes of Keras 2 are a list."""
    twin, (table, norm, rnn, each) = shaken(
        L.Embedding(9, 5), L.BatchNormalization(), L.SimpleRNN(4, return_sequences=True),
        L.TimeDistributed(L.BatchNormalization(scale=False)), shape=(6,))
    every = {"momentum": 0.99, "epsilon": 0.001, "center": True, "renorm": False, "fused": None}
    layers = [
        entry("Embedding", "e", batch_input_shape=[None, 6], input_dim=9, output_dim=5,
              input_length=6, mask_zero=False, embeddings_initializer=None,
              embeddings_regularizer=None, embeddings_constraint=None),
        entry("BatchNormalization", "n", axis=[2], scale=True, **every),
        entry("SimpleRNN", "r", **PLAIN | {"units": 4, "return_sequences": True}),
        entry("TimeDistributed", "td", layer=entry("BatchNormalization", "m", axis=[1],
                                                   scale=False, **every)),
    ]
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {"e": {"e/embeddings:0": table[0]},
               "n": {f"n/{name}:0": value for name, value in zip(names, norm)},
               "r": named("r/simple_rnn_cell/{}:0", rnn),
               "td": {f"td/{name}:0": value for name, value in zip(names[1:], each)}}
    network = {"class_name": "Sequential", "config": {"name": "old", "layers": layers}}
    path = write(tmp_path / "old.h5", network, weights)
    x = np.random.default_rng(5).integers(0, 9, (2, 6))
    assert close(load(path).run(x), predict(twin, x)) < 1e-5
    layers[0]["config"]["mask_zero"] = True
    with pytest.raises(RnnhwError, match=r"^e \(Embedding\) has mask_zero=True, which is not suppor"
                                         r"ted; mask_zero=False is; give each sequence's length"):
        load(write(path, network, weights))


def test_merges(tmp_path):
    start = L.Input((6, 3))
    rnn, dense = L.GRU(3, return_sequences=True, reset_after=False), L.Dense(2, "softmax")
    value = rnn(start)
    out = dense(L.Concatenate()([L.Average()([value, start]), L.Multiply()([value, start])]))
    twin = shake(keras.Model(start, out), np.random.default_rng(3))
    network = {"class_name": "Functional", "config": {"name": "old", "layers": [
        first(),
        entry("GRU", "r", [["in", 0, 0, {}]], **CELL | {"units": 3, "return_sequences": True}),
        entry("Average", "a", [["r", 0, 0, {}], ["in", 0, 0, {}]]),
        entry("Multiply", "m", [["r", 0, 0, {}], ["in", 0, 0, {}]]),
        entry("Concatenate", "c", [["a", 0, 0, {}], ["m", 0, 0, {}]], axis=-1),
        entry("Dense", "d", [["c", 0, 0, {}]], **DENSE | {"units": 2, "activation": "softmax"}),
    ], "input_layers": [["in", 0, 0]], "output_layers": [["d", 0, 0]]}}
    weights = {"r": named("r/gru_cell/{}:0", rnn.get_weights()),
               "d": {f"d/{n}:0": w for n, w in zip(("kernel", "bias"), dense.get_weights())}}
    model = load(write(tmp_path / "old.h5", network, weights))
    x = data(2, 6, 3)
    assert close(model.run(x), predict(twin, x)) < 1e-5 and model.head == "softmax"


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_hard_sigmoid_is_of_its_version(tmp_path, kind):
    """0.2 x + 0.5 of Keras 2, x / 6 + 0.5 of Keras 3, both cut to 0..1."""
    key = "activation" if kind == "SimpleRNN" else "recurrent_activation"
    own = {"SimpleRNN": PLAIN, "LSTM": GATED, "GRU": CELL}[kind] | {"units": 4, key: "hard_sigmoid"}
    options = {"reset_after": False} if kind == "GRU" else {}

    def early(x):
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    x, path = 3 * data(2, 6, 3), tmp_path / "old.h5"
    for version, function in (("2.1.5", early), ("2.13.1", early), ("3.4.0", "hard_sigmoid")):
        twin, (weights,) = shaken(getattr(L, kind)(4, **{key: function}, **options))
        network = sequential(entry(kind, "it", **own))
        arrays = {"it": named("it/cell/{}:0", weights)}
        found = load(write(path, network, arrays, version))
        assert close(found.run(x), predict(twin, x)) < 1e-5, version
    for version in ("", "unknown"):
        with pytest.raises(RnnhwError, match=rf"^it has {key}='hard_sigmoid', which Keras 2 and 3 c"
                                             r"ompute differently, and nothing says which of "):
            load(write(path, network, arrays, version))


def test_hard_sigmoid_of_an_archive(tmp_path):
    model, _ = shaken(L.LSTM(4, recurrent_activation="hard_sigmoid"))
    x, path = 3 * data(2, 6, 3), save(model, tmp_path / "m.keras")
    for found in (load(path), from_keras(model)):
        assert close(found.run(x), predict(model, x)) < 1e-5
    rezip(path, **{"metadata.json": b'{"keras_version": "2.13.1"}'})
    assert close(load(path).run(x), predict(model, x)) > 1e-3
    rezip(path, **{"metadata.json": None})
    with pytest.raises(RnnhwError, match=r" has recurrent_activation='hard_sigmoid', which Keras"):
        load(path)


def to_cudnn(kernel, gates):
    """A matrix of LSTM or GRU as the classes for cuDNN hold it, number by number."""
    inputs, units = kernel.shape[0], kernel.shape[1] // gates
    found = np.zeros_like(kernel)
    for gate in range(gates):
        flat = [kernel[row, gate * units + unit] for unit in range(units) for row in range(inputs)]
        for k, value in enumerate(flat):
            found[k // units, gate * units + k % units] = value
    return found


@pytest.mark.parametrize("kind, gates", [("LSTM", 4), ("GRU", 3)])
def test_layout_of_cudnn(tmp_path, kind, gates):
    twin, ((kernel, recurrent, bias), back) = shaken(
        getattr(L, kind)(4, return_sequences=True),
        L.Bidirectional(getattr(L, kind)(3, go_backwards=False)))
    more = {"unit_forget_bias": True} if kind == "LSTM" else {}
    unlike = TRAINING | more | {
        "return_state": False, "go_backwards": False, "stateful": False}
    inner = entry(f"CuDNN{kind}", "b", **unlike | {"units": 3, "return_sequences": False})
    network = sequential(
        entry(f"CuDNN{kind}", "a", **unlike | {"units": 4, "return_sequences": True}),
        entry("Bidirectional", "both", layer=inner, merge_mode="concat"))
    rng = np.random.default_rng(1)

    def cudnn(kernel, recurrent, bias):
        # two biases, which an LSTM only has the sum of
        both = np.ravel(bias) if kind == "GRU" else rng.uniform(-1, 1, (2, len(bias)))
        if kind == "LSTM":
            both = np.concatenate([both[0], bias - both[0]])
        return [to_cudnn(kernel, gates), to_cudnn(recurrent, gates), both]

    weights = {"a": named("a/{}:0", cudnn(kernel, recurrent, bias)),
               "both": directions(cudnn(*back[:3]) + cudnn(*back[3:]), ("forward_b", "backward_b"))}
    x = data(2, 6, 3)
    model = load(write(tmp_path / "old.h5", network, weights))
    assert close(model.run(x), predict(twin, x)) < 1e-5


def dense(name, *nodes):
    return entry("Dense", name, *([node, 0, 0, {}] for node in nodes), **DENSE | {"units": 3})


def functional_of(*layers, end):
    return {"class_name": "Functional", "config": {
        "name": "old", "layers": [first(), *layers], "input_layers": [["in", 0, 0]],
        "output_layers": [end]}}


@pytest.mark.parametrize("network, text", [
    (functional_of(dense("a", "in"), dense("b", "in"), end=["a", 0, 0]),
     r"old\.h5 has the layer b, which its output does not need; leave it out\."),
    (functional_of(dense("a", "in"), end=["a", 2, 0]),
     r"old\.h5 takes call 2 of the layer a, which is called 1 times\."),
    (functional_of(dense("a", "b"), dense("b", "a"), end=["a", 0, 0]),
     r"old\.h5 is damaged: its layer a takes what it gives\."),
    ({"class_name": "Sequential", "config": {"name": "old", "layers": [
        entry("Activation", "it", activation="tanh")]}},
     r"^it \(Activation\) is the first layer, and nothing says how many features it takes; save"),
    (sequential(entry("TimeDistributed", "it", layer=dense("d")), shape=(None, 3)),
     r"^it \(TimeDistributed\) takes \(batch, steps, features\), but what comes before"),
    (sequential(entry("RNN", "it", **{key: False for key in ("return_sequences", "unroll")},
                      cell=entry("StackedRNNCells", "cells", cells=[]))),
     r"^it \(RNN\) has no cells; at least one is needed\."),
])
def test_networks_that_are_refused(tmp_path, network, text):
    layers = network["config"]["layers"]
    weights = {layer["config"]["name"]: {
        f"a/{name}:0": value for name, value in (("kernel", np.ones((3, 3))), ("bias", np.ones(3)))}
        for layer in layers}
    with pytest.raises(RnnhwError, match=text):
        load(write(tmp_path / "old.h5", network, weights))
