import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.importers.keras import from_keras
from rnnhw.load import load

from .keras_models import L, functional, keras, save, sequential

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SEQUENCES = {"return_sequences": True}


@keras.saving.register_keras_serializable(package="ours")
class Registered(L.Dense):
    pass


class Own(L.GRU):
    pass


def bend(x):
    return x


class Net(keras.Model):
    def __init__(self):
        super().__init__(name="net")
        self.layer = L.Dense(2)

    def call(self, x):
        return self.layer(x)


LAYERS = [
    (lambda: L.Bidirectional(L.LSTM(2), name="it"),
     r"^it is of the class Bidirectional, which is not built yet; one direction is\."),
    (lambda: L.SimpleRNN(2, name="it"),
     r"^it is of the class SimpleRNN, which is not built yet; LSTM and GRU are\."),
    (lambda: L.Masking(name="it"), r"^it is of the class Masking, which is not supported; leave it "
                                   r"out and give each sequence's length to run\."),
    (lambda: L.Softmax(name="it"), r"^it is of the class Softmax, which is not supported; cut it "
                                   r"off, the arg max of its input is the same\."),
    (lambda: keras.Sequential([L.GRU(2)], name="it"),
     r"^it is of the class Sequential, which is not supported inside another model; put its"),
    (lambda: L.RNN(L.LSTMCell(2), name="it"),
     r"^it is of the class RNN, which is not supported; LSTM, GRU, Dense, TimeDistributed of D"),
    (lambda: L.Conv1D(2, 3, name="it"), r"^it is of the class Conv1D, which is not supported; LST"),
    (lambda: L.BatchNormalization(name="it"), r"^it is of the class BatchNormalization, which is "),
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
     r"'relu' or 'sigmoid' or 'tanh' is\."),
    (lambda: L.Activation("tanh", name="it"), r"^it \(Activation\) does not follow a Dense layer;"),
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


def test_embedding_and_images_are_refused():
    first = L.Input((5,), dtype="int32", name="in")
    with pytest.raises(RnnhwError, match=r"^in \(InputLayer\) has dtype='int32', which is not sup"):
        from_keras(keras.Model(first, L.GRU(2)(L.Embedding(7, 3)(first))))
    first = L.Input((5,), name="in")
    with pytest.raises(RnnhwError, match=r"^e is of the class Embedding, which is not supported; s"
                                         r"tart the model behind it and give it the vectors\."):
        from_keras(keras.Model(first, L.GRU(2)(L.Embedding(7, 3, name="e")(first))))
    with pytest.raises(RnnhwError, match=r"^in takes inputs of shape \(any, 4, 5, 3\); \(batch, ste"
                                         r"ps, features\), or \(batch, features\) for Dense lay"):
        first = L.Input((4, 5, 3), name="in")
        from_keras(keras.Model(first, L.Dense(2)(first)))


def two_inputs():
    a, b = L.Input((5, 3)), L.Input((5, 3))
    return keras.Model([a, b], L.GRU(2)(L.Add()([a, b])), name="net")


def two_outputs():
    first = L.Input((5, 3))
    return keras.Model(first, [L.GRU(2)(first), L.LSTM(2)(first)], name="net")


def branch():
    first = L.Input((5, 3))
    return keras.Model(first, L.Add(name="add")([L.Dense(3)(first), first]), name="net")


def shared():
    first, layer = L.Input((5, 3)), L.Dense(3, name="d")
    return keras.Model(first, layer(layer(first)), name="net")


def states(*names):
    first, h, c = L.Input((5, 3)), L.Input((2,)), L.Input((2,))
    states = dict.fromkeys(names, [h, c])
    out = L.LSTM(2, name="it")(first, *([] if names else [[h, c]]), **states)
    config = keras.Model([first, h, c], out, name="net").get_config()
    config["input_layers"] = config["input_layers"][:1]
    model = keras.Model(first, L.LSTM(2)(first))
    model.get_config = lambda: config
    return model


def called(layer, **options):
    first = L.Input((5, 3))
    return keras.Model(first, layer(first, **options))


def operation():
    first = L.Input((5, 3))
    return keras.Model(first, keras.ops.tanh(L.Dense(2)(first)))


@pytest.mark.parametrize("make, text", [
    (two_inputs, r"^net has 2 inputs; a model here is one chain of layers, from one input to one "),
    (two_outputs, r"^net has 2 outputs; a model here is one chain of layers"),
    (branch, r"^add \(Add\) takes 2 inputs; a model here is one chain"),
    (shared, r"^d \(Dense\) is called 2 times; a model here is one chain"),
    (states, r"^it \(LSTM\) takes 3 inputs; a model here is one chain"),
    (lambda: states("initial_state"), r"^it \(LSTM\) is called with initial_state, which is not "),
    (lambda: called(L.Dropout(0.5, name="it"), training=True),
     r"^it \(Dropout\) is called with training, which is not supported; its input alone is\."),
    (operation, r"^tanh\w* is of the class Tanh, which is not supported; LSTM, GRU"),
    (lambda: functional([L.GRU(2, return_state=True, name="it"), lambda out: out[1]], (5, 3)),
     r"takes output 1 of call 0 of the layer it; the first of the first is supported\."),
    (Net, r"^net is of the class Net, which is not one of Keras's own; what it computes cannot be"),
    (lambda: sequential(L.Dense(3, activation="relu"), L.Activation("tanh", name="it")),
     r"^it \(Activation\) follows another activation \(relu\); one after a Dense layer is suppo"),
    (lambda: sequential(L.GRU(3), L.ReLU(name="it")), r"^it \(ReLU\) does not follow a Dense lay"),
    (lambda: sequential(L.Dropout(0.2)), r" has no recurrent or Dense layer; at least one is nee"),
    (lambda: keras.Sequential([L.GRU(2, name="it")]),
     r"^it has 0 weights, but 3 \(kernel, recurrent_kernel, bias\) are needed; build the model fi"),
    (lambda: 5, r"^from_keras takes a Keras model, not int; of a file, rnnhw\.load takes the path"),
])
def test_models_that_are_refused(make, text):
    with pytest.raises(RnnhwError, match=text):
        from_keras(make())


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
