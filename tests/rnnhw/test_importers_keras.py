import inspect
import warnings

import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.importers.keras import from_keras

from .keras_models import L, functional, keras, predict, random_model, read, sequential, shake
from .models import close

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def equal(a, b):
    """Whether two models are the same in every weight and option."""
    keys = ("kind", "name", "weight", "bias", "activation", "weight_ih", "weight_hh", "bias_ih",
            "bias_hh")
    return a.last_step == b.last_step and len(a.layers) == len(b.layers) and all(
        np.array_equal(getattr(p, k, None), getattr(q, k, None))
        for p, q in zip(a.layers, b.layers) for k in keys)


@pytest.mark.parametrize("part", range(10))
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


EVERY = {  # every argument that Keras's layers share: values that must be exact
    "activity_regularizer": ["l2"], "trainable": [False], "autocast": [False], "name": ["other"],
    "input_shape": [(5, 3)], "input_dim": [3], "dtype": ["float32", "float64"],
}
EVERY_REFUSED = {"dtype": ["float16", "bfloat16", "mixed_float16"]}
KERNEL = {
    "units": [1, 7], "use_bias": [True, False],
    **{f"{w}_initializer": ["ones"] for w in ("kernel", "bias")},
    **{f"{w}_regularizer": ["l1"] for w in ("kernel", "bias")},
    **{f"{w}_constraint": ["non_neg"] for w in ("kernel", "bias")},
}
RECURRENT = {
    **EVERY, **KERNEL, "recurrent_initializer": ["ones"], "recurrent_regularizer": ["l1"],
    "recurrent_constraint": ["unit_norm"], "dropout": [0.3], "recurrent_dropout": [0.3],
    "seed": [5], "return_sequences": [True, False], "unroll": [True], "use_cudnn": [False],
    "zero_output_for_mask": [True], "activation": ["tanh"], "recurrent_activation": ["sigmoid"],
    "return_state": [False], "go_backwards": [False], "stateful": [False],
}
RECURRENT_REFUSED = {
    **EVERY_REFUSED, "return_state": [True], "go_backwards": [True], "stateful": [True],
    "activation": ["relu", "linear", None, "sigmoid", "hard_tanh", "elu"],
    "recurrent_activation": ["hard_sigmoid", "relu", "tanh", None],
}
OPTIONS = {
    "LSTM": (RECURRENT | {"unit_forget_bias": [True, False]}, RECURRENT_REFUSED),
    "GRU": (RECURRENT | {"reset_after": [True, False]}, RECURRENT_REFUSED),
    "Dense": (EVERY | KERNEL | {"activation": [None, "linear", "relu", "sigmoid", "tanh"],
                                "lora_rank": [None], "lora_alpha": [None],
                                "quantization_config": [None]},
              EVERY_REFUSED | {"activation": ["softmax", "gelu", "hard_sigmoid", "relu6"],
                               "lora_rank": [2]}),
}


def arguments(kind):
    """Names of all arguments that a class of Keras takes, and that its bases do."""
    return {name for base in getattr(L, kind).__mro__ if base.__module__.startswith("keras.")
            and base.__name__ not in ("Operation", "KerasSaveable", "TorchLayer")
            for name, p in inspect.signature(base.__init__).parameters.items()
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self", "cell"}


def one_layer(kind, **options):
    """A model of one layer over 5 steps of 3 features."""
    options = {"units": 4} | options
    if kind == "TimeDistributed":
        options.pop("units")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        layer = getattr(L, kind)(**options)
        return shake(keras.Sequential([L.Input((5, 3)), layer]), np.random.default_rng(3))


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_option_is_exact(tmp_path, kind):
    exact, _ = OPTIONS[kind]
    assert arguments(kind) <= set(exact)
    x = np.random.default_rng(4).standard_normal((2, 5, 3)).astype(np.float32)
    for key, values in exact.items():
        for value in values:
            model = one_layer(kind, **{key: value})
            want = predict(model, x)
            for found in read(model, tmp_path):
                assert close(found.run(x), want) < 1e-5, (key, value)


def started(kind):
    return {} if kind == "Dense" else {"recurrent_initializer": "zeros"}


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_option_is_refused_where_it_is_not_exact(kind):
    for key, values in OPTIONS[kind][1].items():
        for value in values:
            first = L.Input(batch_shape=(1, 5, 3))  # states need the batch's size
            # half floats have no orthogonal initializer
            out = getattr(L, kind)(4, name="it", **started(kind), **{key: value})(first)
            model = keras.Model(first, out[0] if isinstance(out, (list, tuple)) else out)
            shown = "linear" if value is None else value
            with pytest.raises(RnnhwError, match=rf"^it \({kind}\) has {key}={shown!r}, which is "
                                                 rf"not (supported|built yet); {key}=.* is"):
                from_keras(model)


def test_options_of_time_distributed(tmp_path):
    assert arguments("TimeDistributed") == {"layer", *EVERY} - {"input_shape", "input_dim"}
    x = np.random.default_rng(5).standard_normal((2, 5, 3)).astype(np.float32)
    for options in ({}, {"trainable": False}, {"autocast": False}, {"activity_regularizer": "l2"},
                    {"input_shape": (5, 3)}, {"dtype": "float32"}):
        model = one_layer("TimeDistributed", layer=L.Dense(4, activation="relu"), **options)
        want = predict(model, x)
        assert all(close(found.run(x), want) < 1e-5 for found in read(model, tmp_path)), options
    for layer, text in ((L.Dense(2, activation="softmax", name="in"),
                         r"td\.in \(Dense\) has activation='softmax', which is not supported; .* "
                         r"is; cut softmax off, the arg max of its input is the same"),
                        (L.Activation("relu"), r"td \(TimeDistributed\) wraps a Activation, which"
                                               r" is not supported; a Dense is\."),
                        (L.Dense(2, dtype="float16", name="in"),
                         r"td\.in \(Dense\) has dtype='float16'")):
        with pytest.raises(RnnhwError, match=text):
            from_keras(sequential(L.TimeDistributed(layer, name="td")))
    with pytest.raises(RnnhwError, match=r"^td \(TimeDistributed\) has dtype='mixed_bfloat16'"):
        from_keras(sequential(L.TimeDistributed(L.Dense(2), dtype="mixed_bfloat16", name="td")))


def test_options_of_the_input(tmp_path):
    every = {"batch_size": 2, "dtype": "float64", "sparse": False, "ragged": False, "name": "in",
             "optional": True, "shape": (5, 3)}
    own = set(inspect.signature(L.InputLayer.__init__).parameters) - {"self", "kwargs"}
    assert own == {*every, "batch_shape", "input_tensor"}
    x = np.random.default_rng(6).standard_normal((2, 5, 3)).astype(np.float32)
    inputs = [L.Input(**{"shape": (None, 3), key: value}) for key, value in every.items()]
    inputs += [L.Input(batch_shape=(None, 5, 3)), L.Input(tensor=L.Input((5, 3)))]
    for first in inputs:
        model = shake(keras.Model(first, L.GRU(4)(first)), np.random.default_rng(7))
        want = predict(model, x)
        assert all(close(found.run(x), want) < 1e-5 for found in read(model, tmp_path)), first
    for dtype in ("int32", "float16", "bool"):
        first = L.Input((5, 3), dtype=dtype, name="in")
        with pytest.raises(RnnhwError, match=rf"^in \(InputLayer\) has dtype={dtype!r}, which is "
                                             r"not supported; dtype='float32' or 'float64' is\."):
            from_keras(keras.Model(first, L.Dense(4)(first)))
    for key in ("sparse", "ragged"):
        network = keras.Sequential([L.Input((5, 3), name="in"), L.LSTM(4)])
        config = network.get_config()
        config["layers"][0]["config"][key] = True
        network.get_config = lambda config=config: config  # other backends have such tensors
        with pytest.raises(RnnhwError, match=rf"^in \(InputLayer\) has {key}=True, which is not su"
                                             rf"pported; {key}=False is\."):
            from_keras(network)


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
