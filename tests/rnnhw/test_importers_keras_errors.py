import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.importers.keras import from_keras
from rnnhw.load import load

from .keras_models import L, keras, save, sequential

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SEQUENCES = {"return_sequences": True}


@keras.saving.register_keras_serializable(package="ours")
class Registered(L.Dense):
    pass


class Own(L.GRU):
    pass


@keras.saving.register_keras_serializable(package="ours")
class OwnLSTM(L.LSTM):
    pass


@keras.saving.register_keras_serializable(package="ours")
class OwnCell(L.GRUCell):
    pass


def bend(x):
    return x


LAYERS = [
    (lambda: L.Bidirectional(OwnLSTM(2), name="it"),
     r"^it\.forward \(Bidirectional\) wraps a OwnLSTM, which is not supported; LSTM, GRU, SimpleR"),
    (lambda: L.RNN(OwnCell(2), name="it"),
     r"^it \(RNN\) has a cell of the class OwnCell, which is not supported; LSTMCell, GRUCell, S"),
    (lambda: L.RNN([L.GRUCell(2), OwnCell(2)], name="it"), r"^it\.1 \(RNN\) has a cell of the cla"),
    (lambda: L.Bidirectional(L.LSTM(2, activation="elu"), name="it"),
     r"^it\.forward \(LSTM\) has activation='elu', which is not supported; activation='linear' or"),
    (lambda: L.Bidirectional(L.LSTM(2), "sum", name="it",
                             backward_layer=L.GRU(2, recurrent_activation="elu",
                                                  go_backwards=True)),
     r"^it\.backward \(GRU\) has recurrent_activation='elu', which is not supported; recurrent_ac"),
    (lambda: L.RNN([L.GRUCell(2), L.SimpleRNNCell(2, activation="elu")], name="it"),
     r"^it\.1 \(SimpleRNNCell\) has activation='elu', which is not supported"),
    (lambda: L.Masking(name="it"), r"^it is of the class Masking, which is not supported; leave it "
                                   r"out and give each sequence's length to run\."),
    (lambda: keras.Sequential([L.GRU(2)], name="it"),
     r"^it is of the class Sequential, which is not supported inside another model; put its"),
    (lambda: L.Conv1D(2, 3, name="it"), r"^it is of the class Conv1D, which is not supported; LST"),
    (lambda: L.LayerNormalization(name="it"), r"^it is of the class LayerNormalization, which is "),
    (lambda: L.UnitNormalization(name="it"), r"^it is of the class UnitNormalization, which is no"),
    (lambda: L.Flatten(name="it"), r"^it is of the class Flatten, which is not supported; LSTM, "),
    (lambda: L.Permute((2, 1), name="it"), r"^it is of the class Permute, which is not supported"),
    (lambda: L.TimeDistributed(L.LayerNormalization(), name="it"),
     r"^it \(TimeDistributed\) wraps a LayerNormalization, which is not supported; Dense, BatchNo"),
    (lambda: L.BatchNormalization(axis=1, name="it"),
     r"^it \(BatchNormalization\) has axis=1, which is not supported; axis=-1, the features, is\."),
    (lambda: L.GRU(2, return_sequences=True, go_backwards=True),
     r" gives a sequence turned in time, as go_backwards does; give its last step, or put it into"),
    (lambda: L.GlobalAveragePooling1D(name="it"), r"^it is of the class GlobalAveragePooling1D, "),
    (lambda: L.LeakyReLU(name="it"), r"^it is of the class LeakyReLU, which is not supported"),
    (lambda: L.Lambda(lambda x: x, name="it"), r"^it is of the class Lambda, which is not suppor"),
    (lambda: Registered(2, name="it"), r"^it is of the class ours>Registered, which is not one of "
                                       r"Keras's own; what it computes cannot be seen\."),
    (lambda: Own(2, name="it"), r"^it is of the class Own, which is not one of Keras's own; what"),
    (lambda: L.ReLU(6.0, name="it"),
     r"^it \(ReLU\) has max_value=6\.0, which is not supported; max_value=None is\."),
    (lambda: L.ReLU(negative_slope=0.1, name="it"), r"has negative_slope=0\.1, which is not supp"),
    (lambda: L.ReLU(threshold=0.5, name="it"), r"has threshold=0\.5, which is not supported; thr"),
    (lambda: L.Activation("gelu", name="it"),
     r"^it \(Activation\) has activation='gelu', which is not supported; activation='linear' or "
     r"'relu' or 'sigmoid' or 'tanh' or 'softmax' or 'log_softmax' is\."),
    (lambda: L.Dense(2, activation=bend, name="it"),
     r"^it \(Dense\) has activation='bend', which is not supported"),
    (lambda: L.Dense(2, activation=L.LeakyReLU(), name="it"), r"^it \(Dense\) has activation='Lea"),
    (lambda: L.LSTM(2, dtype="float16", recurrent_initializer="zeros", name="it"),
     r"^it \(LSTM\) has dtype='float16', which is not supported; dtype='float32' or 'float64' is"),
    (lambda: L.Dropout(0.2, dtype="float16", name="it"), r"^it \(Dropout\) has dtype='float16'"),
]


@pytest.mark.parametrize("make, text", LAYERS)
def test_layers_that_are_refused(make, text):
    with pytest.raises(RnnhwError, match=text):
        from_keras(sequential(make(), shape=(5, 3)))


def tanh(x):
    return 2 * x


@pytest.mark.parametrize("make, text", [
    (lambda: L.Dense(2, activation=tanh, name="it"), r"^it \(Dense\) has activation='tanh' of "),
    (lambda: L.Activation(tanh, name="it"), r"^it \(Activation\) has activation='tanh' of "),
    (lambda: L.LSTM(2, activation=tanh, name="it"), r"^it \(LSTM\) has activation='tanh' of "),
    (lambda: L.RNN([L.GRUCell(2), L.GRUCell(2, recurrent_activation=tanh, name="c")], name="it"),
     r"^it\.stacked_rnn_cells\w*\.c \(GRUCell\) has recurrent_activation='tanh' of "),
    (lambda: L.TimeDistributed(L.Dense(2, activation=tanh, name="d"), name="it"),
     r"^it\.d \(Dense\) has activation='tanh' of "),
])
def test_functions_that_have_the_names_of_others(make, text):
    """A config says their name alone."""
    with pytest.raises(RnnhwError, match=text + r".*, which is not one of Keras's own; what it "):
        from_keras(sequential(make(), shape=(5, 3)))


def test_files_refuse_as_live_models_do(tmp_path):
    """Classes and options reach the same check from a file, with their module and without."""
    for make, text in LAYERS:
        model = sequential(make(), shape=(5, 3))
        if "Lambda" in text:
            continue  # Keras warns of files with code in them
        for name in ("m.keras", "m.h5"):
            # an old file has the name of a class, but not the module that it comes from
            own = r"^it is of the class (ours>Registered|Own), which is not "
            with pytest.raises(RnnhwError, match=own if "own; " in text else text):
                load(save(model, tmp_path / name))


def embedding(*more, shape=(5,), dtype="int32", before=()):
    first = value = L.Input(shape, dtype=dtype, name="in")
    for layer in before:
        value = layer(value)
    vectors = L.Embedding(7, 3, name="e")(value)
    return keras.Model(first, L.GRU(2)(L.Concatenate()([vectors, *(f(first) for f in more)])))


@pytest.mark.parametrize("make, text", [
    (lambda: embedding(dtype="float16"), r"^in \(InputLayer\) has dtype='float16', which is not sup"
                                         r"ported; dtype='float32' or 'float64' is, and whole nu"),
    (lambda: embedding(dtype="bool"), r"^in \(InputLayer\) has dtype='bool', which is not support"),
    (lambda: embedding(L.Embedding(9, 2, name="f")), r"^f \(Embedding\) is not the only one that re"
                                                     r"ads the model's input; give the model vec"),
    (lambda: embedding(dtype="float32", before=[L.Dense(5)]),
     r"^e \(Embedding\) is not the only one that reads the model's input"),
], ids=range(4))
def test_embeddings_that_are_refused(make, text):
    with pytest.raises(RnnhwError, match=text):
        from_keras(make())


def test_inputs_with_features_are_not_embedded():
    first = L.Input((5, 3), dtype="int32")
    model = keras.Model(first, L.Embedding(7, 3, name="e")(first))
    with pytest.raises(RnnhwError, match=r"^e \(Embedding\) takes inputs with features, but \(batc"
                                         r"h, steps\) of whole numbers is supported\."):
        from_keras(model)


def test_an_input_that_is_embedded_and_read_as_it_is():
    first = L.Input((5,), name="in")
    parts = [L.GRU(2)(L.Embedding(7, 3, name="e")(first)), L.Dense(2, name="d")(first)]
    out = L.Concatenate()(parts)
    with pytest.raises(RnnhwError, match=r"^d reads the input as it is, which e embeds; all or no"):
        from_keras(keras.Model(first, out))


def test_whole_numbers_and_images_are_refused():
    first = L.Input((5, 2), dtype="int32", name="in")
    with pytest.raises(RnnhwError, match=r"^in \(InputLayer\) has dtype='int32', which is not sup"):
        from_keras(keras.Model(first, L.GRU(2)(first)))
    with pytest.raises(RnnhwError, match=r"^in takes inputs of shape \(any, 4, 5, 3\); \(batch, ste"
                                         r"ps, features\), or \(batch, features\) for Dense lay"):
        first = L.Input((4, 5, 3), name="in")
        from_keras(keras.Model(first, L.Dense(2)(first)))


@pytest.mark.parametrize("change, text", [
    ({"warp": 3}, r"^it \(LSTM\) has the option warp=3, which is not known and may change the resu"
                  r"lt; leave it out\."),
    ({"warp": {"class_name": "Warp", "config": {}}}, r"has the option warp='Warp', which is not "),
    ({"warp": {}}, r"has the option warp='an object', which is not known"),
    ({"time_major": True}, r"^it \(LSTM\) has time_major=True, which is not supported; time_major"
                           r"=False is\."),
    ({"units": None}, r"^it \(LSTM\) has no option units; Keras 2 and 3 write it, so save the mod"),
    ({"use_bias": None}, r"^it \(LSTM\) has no option use_bias"),
    ({"units": "many"}, r"^it \(LSTM\) has units='many'; a whole number of at least 1 is needed"),
    ({"units": 0}, r"^it \(LSTM\) has units=0; a whole number of at least 1 is needed\."),
    ({"name": "other"}, r"^net does not describe a network as Keras 2 or 3 does: KeyError 'other'"),
])
def test_descriptions_that_are_refused(change, text):
    model = keras.Sequential([L.Input((5, 3)), L.LSTM(2, name="it")], name="net")
    config = model.get_config()
    layer = config["layers"][1]["config"]
    layer.update(change)
    for key in [key for key, value in change.items() if value is None]:
        del layer[key]
    model.get_config = lambda: config
    with pytest.raises(RnnhwError, match=text):
        from_keras(model)


def test_steps_that_are_gone():
    model = keras.Sequential([L.Input((5, 3)), L.LSTM(2, **SEQUENCES), L.GRU(2, name="it")])
    config = model.get_config()
    config["layers"][1]["config"]["return_sequences"] = False
    model.get_config = lambda: config
    with pytest.raises(RnnhwError, match=r"^it \(GRU\) takes \(batch, steps, features\), but what c"
                                         r"omes before it has no steps; set return_sequences=True"):
        from_keras(model)


def test_shapes_and_values_of_weights():
    model = sequential(L.GRU(2, name="it", reset_after=False), L.Dense(2))
    good = model.layers[0].get_weights()
    for k, shape, text in (
            (0, (4, 6), r"^it\.kernel has shape \(4, 6\), but \(3, 6\) is needed\."),
            (1, (2, 8), r"^it\.recurrent_kernel has shape \(2, 8\), but \(2, 6\) is needed\."),
            (2, (2, 6), r"^it\.bias has shape \(2, 6\), but \(6,\) is needed\.")):
        wrong = [np.zeros(shape) if i == k else w for i, w in enumerate(good)]
        model.layers[0].get_weights = lambda wrong=wrong: wrong
        with pytest.raises(RnnhwError, match=text):
            from_keras(model)
    good[1][1, 2] = np.nan
    model.layers[0].get_weights = lambda: good
    with pytest.raises(RnnhwError, match=r"^it\.weight_hh holds 1 values that are NaN or infinite"):
        from_keras(model)
