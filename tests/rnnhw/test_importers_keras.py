import warnings

import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.importers.keras import from_keras

from .keras_models import L, functional, keras, predict, random_model, read, sequential, shake
from .models import close, few_and_more

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def equal(a, b):
    """Whether two models are the same in every weight and option."""
    def options(model):
        return (model.last_step, model.reads, model.outputs, model.head,
                [(p.kind, p.name, p.reverse, p.options if p.recurrent else p.activation)
                 for p in model.layers])

    return options(a) == options(b) and all(
        np.array_equal(p.array(name), q.array(name))
        for p, q in zip(a.layers, b.layers) for name in p.description.arrays)


@pytest.mark.parametrize("part", few_and_more(3, 10))
def test_random_models(tmp_path, part):
    for seed in range(12 * part, 12 * part + 12):
        model, x = random_model(np.random.default_rng(seed))
        want = predict(model, x)
        live, archive, legacy = read(model, tmp_path)
        assert close(live.run(x), want) < 1e-5, seed
        assert equal(live, archive) and equal(live, legacy), seed
        assert (archive.name, live.name) == ("m", model.name)
        keras.utils.clear_session(free_memory=False)


def test_every_kind_is_drawn():
    drawn = {kind: 0 for kind in ("Sequential", "Functional", "LSTM", "GRU", "Dense", "Activation",
                                  "TimeDistributed", "ReLU", "Dropout", "SpatialDropout1D",
                                  "reset before", "reset after", "last step", "no bias")}
    for seed in range(40):
        model, _ = random_model(np.random.default_rng(seed))
        for thing in (model, *model.layers):
            if type(thing).__name__ in drawn:
                drawn[type(thing).__name__] += 1
        drawn["reset before"] += any(not getattr(p, "reset_after", True) for p in model.layers)
        drawn["reset after"] += any(getattr(p, "reset_after", False) for p in model.layers)
        drawn["last step"] += any(not getattr(p, "return_sequences", True) for p in model.layers)
        drawn["no bias"] += any(not getattr(p, "use_bias", True) for p in model.layers)
    assert min(drawn.values()) >= 1, drawn


def test_gates_in_their_order():
    model = sequential(L.LSTM(2, return_sequences=True), L.GRU(3), shape=(4, 2))
    lstm, gru = (layer.get_weights() for layer in model.layers)
    got = from_keras(model).layers
    i, f, c, o = np.split(lstm[0], 4, 1)
    assert np.array_equal(got[0].weight_ih, np.concatenate([i.T, f.T, c.T, o.T]))
    z, r, h = np.split(gru[1], 3, 1)
    assert np.array_equal(got[1].weight_hh, np.concatenate([r.T, z.T, h.T]))
    z, r, h = np.split(gru[2][1], 3)
    assert np.array_equal(got[1].bias_hh, np.concatenate([r, z, h]))


def test_models_of_a_coarse_type_are_refused():
    first = L.Input((5, 3))
    model = keras.Sequential([first, L.LSTM(4)], name="net")
    model.dtype_policy = "float16"
    with pytest.raises(RnnhwError, match=r"^net has dtype='float16', which is not supported"):
        from_keras(model)
    model = sequential(L.Dense(4, name="d"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.quantize("int8")
    with pytest.raises(RnnhwError, match=r"^d \(Dense\) has dtype='QuantizedDTypePolicy'"):
        from_keras(model)


def test_dense_layers_alone_take_rows(tmp_path):
    model = sequential(L.Dense(4, activation="tanh"), L.Dense(2), shape=(3,))
    x = np.random.default_rng(8).standard_normal((6, 3)).astype(np.float32)
    for found in read(model, tmp_path):
        assert close(found.run(x), predict(model, x)) < 1e-5
        assert not found.last_step


def test_dense_behind_the_last_step_runs_for_it(tmp_path):
    model = functional([L.GRU(4), L.Dense(3), L.Dropout(0.2), L.Activation("sigmoid")], (None, 2))
    for found in read(shake(model, np.random.default_rng(9)), tmp_path):
        assert found.on_last == (False, True) and found.layers[1].activation == "sigmoid"


def test_built_without_an_input_layer(tmp_path):
    model = keras.Sequential([L.LSTM(4, return_sequences=True), L.Dense(2)])
    x = np.random.default_rng(10).standard_normal((2, 5, 3)).astype(np.float32)
    model(x)
    for found in read(shake(model, np.random.default_rng(11)), tmp_path):
        assert close(found.run(x), predict(model, x)) < 1e-5


def test_outputs_in_a_dict(tmp_path):
    first = L.Input((5, 3), name="a")
    model = shake(keras.Model({"a": first}, {"b": L.GRU(2)(first)}), np.random.default_rng(12))
    x = np.random.default_rng(13).standard_normal((2, 5, 3)).astype(np.float32)
    want = predict(model, {"a": x})["b"]
    assert all(close(found.run(x), want) < 1e-5 for found in read(model, tmp_path))
