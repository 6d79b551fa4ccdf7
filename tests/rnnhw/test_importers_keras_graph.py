"""Graphs of Keras: random ones, and what each of their means is in particular."""

import numpy as np
import pytest

from rnnhw.importers.keras import from_keras
from rnnhw.model import INPUT

from .keras_graphs import random_graph
from .keras_models import L, functional, keras, predict, read, sequential, shake
from .models import close, few_and_more

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SEQUENCES = {"return_sequences": True}
BACK = {"go_backwards": True}


@pytest.mark.parametrize("part", few_and_more(5, 20))
def test_random_graphs(tmp_path, part):
    for seed in range(8 * part, 8 * part + 8):
        model, x = random_graph(np.random.default_rng(seed))
        want = predict(model, x)
        limit = 1e-5 * max(1, np.abs(want).max())  # Keras computes in single floats
        for found in read(model, tmp_path):
            assert close(found.run(x), want) < limit, seed
        keras.utils.clear_session(free_memory=False)


def test_everything_is_drawn():
    """Within the random graphs that run each time."""
    kinds, values = set(), set()
    for seed in range(40):
        model, _ = random_graph(np.random.default_rng(seed))
        for entry in model.get_config()["layers"]:
            kinds.add(entry["class_name"])
            inner = [entry["config"], *(entry["config"].get(key, {}).get("config", {})
                                        for key in ("layer", "backward_layer", "cell")
                                        if entry["config"].get(key))]
            values |= {(key, value) for config in inner for key, value in config.items()
                       if isinstance(value, (str, bool))}
    assert kinds >= {"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "TimeDistributed", "Dense",
                     "Embedding", "BatchNormalization", "Activation", "ReLU", "Softmax", "Add",
                     "Average", "Multiply", "Subtract", "Concatenate"}
    assert values >= {(key, value) for key, found in {
        "merge_mode": ("concat", "sum", "ave", "mul"),
        "activation": ("tanh", "sigmoid", "relu", "linear", "hard_sigmoid", "softmax"),
        "recurrent_activation": ("sigmoid", "relu", "linear", "hard_sigmoid"),
        **dict.fromkeys(("return_sequences", "return_state", "go_backwards", "reset_after",
                         "use_bias", "unroll", "zero_output_for_mask"), (True, False)),
    }.items() for value in found}


def data(*shape, seed=5):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def agree(tmp_path, first, out, x):
    """The model read in three ways, each of which gives what Keras computes."""
    model = shake(keras.Model(first, out), np.random.default_rng(7))
    want, found = predict(model, x), read(model, tmp_path)
    for each in found:
        assert close(each.run(x), want) < 1e-5
    return found[0]


def test_two_directions(tmp_path):
    """The backward direction's last step is that at a sequence's first."""
    first = L.Input((6, 3))
    out = L.Bidirectional(L.LSTM(4), backward_layer=L.GRU(4, **BACK), name="it")(first)
    model = agree(tmp_path, first, out, data(2, 6, 3))
    assert [(layer.name, layer.kind, layer.reverse) for layer in model.layers] == [
        ("it.forward", "lstm", False), ("it.backward", "gru", True)]
    assert (model.reads, model.outputs, model.last_step) == (((INPUT,),) * 2, (0, 1), True)


def test_directions_with_the_first_one_backwards(tmp_path):
    first = L.Input((6, 3))
    for sequences in (False, True):
        both = L.Bidirectional(L.GRU(4, return_sequences=sequences, **BACK),
                               backward_layer=L.GRU(4, return_sequences=sequences))(first)
        out = L.GRU(2, **BACK)(both) if sequences else both
        agree(tmp_path, first, out, data(2, 6, 3))


def test_turned_sequences_are_followed(tmp_path):
    first = L.Input((6, 3))
    turned = L.BatchNormalization()(L.Dense(3)(L.LSTM(4, **SEQUENCES, **BACK)(first)))
    for layer, reverse in ((L.GRU(3), True), (L.GRU(3, **BACK), False),
                           (L.GRU(3, **SEQUENCES, **BACK), False),
                           (L.Bidirectional(L.GRU(3)), True)):
        model = agree(tmp_path, first, layer(turned), data(2, 6, 3))
        assert model.layers[0].reverse and model.layers[2].reverse == reverse
    joined = L.Add()([turned, L.SimpleRNN(3, **SEQUENCES, **BACK)(first)])
    agree(tmp_path, first, L.GRU(2)(joined), data(2, 6, 3))


@pytest.mark.parametrize("kind, at", [("LSTM", 3), ("GRU", 2), ("SimpleRNN", 2)])
def test_states_that_layers_end_with(tmp_path, kind, at):
    first = L.Input((6, 3))
    make = getattr(L, kind)
    y, h = make(4, return_state=True, **SEQUENCES)(first)[:2]
    agree(tmp_path, first, L.Concatenate()([h, L.GRU(2)(y)]), data(2, 6, 3))
    agree(tmp_path, first, L.Dense(2)(h), data(2, 6, 3))
    found = L.Bidirectional(make(4, return_state=True, **SEQUENCES))(first)
    out = L.Multiply()([found[1], found[at]])
    model = agree(tmp_path, first, out, data(2, 6, 3))
    assert model.last_step and [layer.kind for layer in model.layers][-1] == "multiply"


def test_one_layer_called_twice(tmp_path):
    first = L.Input((6, 3))
    layer, dense = L.GRU(3, name="it", **SEQUENCES), L.Dense(3)
    model = agree(tmp_path, first, L.GRU(2)(layer(dense(layer(first)))), data(2, 6, 3))
    assert [each.name for each in model.layers[::2]] == ["it", "it_call1"]
    assert np.array_equal(model.layers[0].weight_hh, model.layers[2].weight_hh)


def test_a_stateful_layer_starts_as_reset(tmp_path):
    model = keras.Sequential([L.Input(batch_shape=(2, 6, 3)), L.LSTM(4, stateful=True)])
    x = data(2, 6, 3)
    want = predict(shake(model, np.random.default_rng(1)), x)
    assert close(predict(model, x), want) > 1e-3  # a second call goes on
    assert all(close(found.run(x), want) < 1e-5 for found in read(model, tmp_path))


@pytest.mark.parametrize("layers, left, shape", [
    (lambda: [L.Dense(4), L.BatchNormalization(), L.GRU(2)], 2, (6, 3)),
    (lambda: [L.Dense(4), L.BatchNormalization(), L.ReLU(), L.GRU(2)], 2, (6, 3)),
    (lambda: [L.LSTM(4, **SEQUENCES), L.BatchNormalization(), L.GRU(2)], 2, (6, 3)),
    (lambda: [L.BatchNormalization(), L.GRU(2), L.BatchNormalization(), L.Dense(3)], 2, (6, 3)),
    (lambda: [L.GRU(2), L.BatchNormalization()], 2, (6, 3)),
    (lambda: [L.GRU(2), L.Activation("tanh"), L.Dense(3)], 3, (6, 3)),
    (lambda: [L.Embedding(9, 4), L.BatchNormalization(), L.GRU(2)], 1, (6,)),
])
def test_normalization_is_folded(tmp_path, layers, left, shape):
    model = shake(functional(layers(), shape), np.random.default_rng(9))
    x = data(2, *shape) if len(shape) == 2 else np.random.default_rng(5).integers(0, 9, (2, 6))
    for found in read(model, tmp_path):
        assert close(found.run(x), predict(model, x)) < 1e-5
        assert len(found.layers) == left


def test_an_embedding_read_by_several(tmp_path):
    first = L.Input((None,), dtype="int32")
    vectors = L.Embedding(9, 3)(first)
    out = L.Concatenate()([vectors, L.LSTM(4, **SEQUENCES)(vectors), vectors])
    x = np.random.default_rng(5).integers(0, 9, (2, 6))
    joined = L.Concatenate()([L.LSTM(4, **SEQUENCES)(vectors), vectors])
    agree(tmp_path, first, L.GRU(2)(joined), x)
    model = agree(tmp_path, first, out, x)  # what comes out is a layer's
    assert model.embedding.shape == (9, 3) and model.output_size == 10
    agree(tmp_path, first, L.Dense(2, activation="softmax")(L.Bidirectional(L.GRU(3))(out)), x)
    layer = L.Embedding(9, 3)
    agree(tmp_path, first, L.Add()([L.GRU(4)(layer(first)), L.LSTM(4)(layer(first))]), x)


def test_names_that_are_alike(tmp_path):
    """Weights are told apart by paths, in which names of layers may stand more than once."""
    first = L.Input((6, 3))
    both = L.Bidirectional(L.LSTM(2, name="forward_a"), name="forward_a")
    agree(tmp_path, first, both(first), data(2, 6, 3))
    both = L.Bidirectional(L.LSTM(2, return_sequences=True, name="net"), name="net")
    model = keras.Model(first, L.GRU(2, name="it")(both(first)), name="net")
    both.forward_layer.trainable = False  # its weights stand behind the others in a file
    want = predict(shake(model, np.random.default_rng(4)), data(2, 6, 3))
    assert all(close(found.run(data(2, 6, 3)), want) < 1e-5 for found in read(model, tmp_path))


@pytest.mark.parametrize("steps", (True, False))
def test_functions_of_the_outputs(tmp_path, steps):
    x = data(2, 6, 3)
    for layers in ([L.Dense(4, "softmax")], [L.Dense(4, "log_softmax"), L.Dropout(0.2)],
                   [L.Dense(4), L.Softmax()], [L.Activation("softmax")],
                   [L.Bidirectional(L.GRU(2, return_sequences=steps)), L.Softmax(axis=(-1,))]):
        first = [L.GRU(3, return_sequences=steps or isinstance(layers[0], L.Bidirectional))]
        model = shake(functional(first + layers, (6, 3)), np.random.default_rng(2))
        for found in read(model, tmp_path):
            assert close(found.run(x), predict(model, x)) < 1e-5
            assert found.head in ("softmax", "log_softmax") and found.last_step == (not steps)


def test_lengths_are_those_of_sequences_alone():
    first = L.Input((None, 3))
    both = L.Bidirectional(L.GRU(3, **SEQUENCES), "mul")(first)
    for out in (L.Add()([both, first]), L.Bidirectional(L.LSTM(2))(both)):
        model = from_keras(shake(keras.Model(first, out), np.random.default_rng(3)))
        x, lengths = data(3, 6, 3), np.array([6, 2, 4])
        y = model.run(x, lengths)
        for k, n in enumerate(lengths):
            alone = model.run(x[k, :n])
            assert close(y[k] if model.last_step else y[k, :n], alone) < 1e-12


def test_masks_that_nothing_makes_change_nothing(tmp_path):
    model = sequential(L.Bidirectional(L.GRU(3, zero_output_for_mask=True, **SEQUENCES)), L.LSTM(2))
    x = data(2, 6, 3)
    x[:, 3:] = 0  # what a Masking would take for one
    assert all(close(found.run(x), predict(model, x)) < 1e-5 for found in read(model, tmp_path))
