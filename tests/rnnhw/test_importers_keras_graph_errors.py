"""Models whose graph, inputs, outputs or calls are refused."""

import pytest

from rnnhw.errors import RnnhwError
from rnnhw.importers.keras import from_keras

from .keras_models import L, functional, keras, sequential

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class Net(keras.Model):
    def __init__(self):
        super().__init__(name="net")
        self.layer = L.Dense(2)

    def call(self, x):
        return self.layer(x)


def two_inputs():
    a, b = L.Input((5, 3)), L.Input((5, 3))
    return keras.Model([a, b], L.GRU(2)(L.Add()([a, b])), name="net")


def two_outputs():
    first = L.Input((5, 3))
    return keras.Model(first, [L.GRU(2)(first), L.LSTM(2)(first)], name="net")


def joined(join, *makes):
    first = L.Input((5, 3))
    return keras.Model(first, join([make(first) for make in makes]), name="net")


def same(x):
    return x


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


def twice():
    first, layer = L.Input(batch_shape=(1, 5, 3)), L.GRU(3, stateful=True, name="it",
                                                        return_sequences=True)
    return keras.Model(first, L.Add()([layer(first), layer(L.Dense(3)(first))]))


def beside_what_is_embedded(both):
    """The input as it is beside what an LSTM makes of it, or between two of these."""
    first = L.Input((5,))
    value = L.LSTM(5)(L.Embedding(9, 3, name="e")(first))
    joined = L.Concatenate()([value, first, value] if both else [first, value])
    return keras.Model(first, L.Dense(2, name="it")(joined), name="net")


def operation():
    first = L.Input((5, 3))
    return keras.Model(first, keras.ops.tanh(L.Dense(2)(first)))


@pytest.mark.parametrize("make, text", [
    (two_inputs, r"^net has 2 inputs; a model here has one of each\."),
    (two_outputs, r"^net has 2 outputs; a model here has one of each\."),
    (states, r"^it \(LSTM\) takes 3 inputs; one, and no states to start from, is supported\."),
    (lambda: states("initial_state"), r"^it \(LSTM\) is called with initial_state, which is not "),
    (lambda: called(L.Dropout(0.5, name="it"), training=True),
     r"^it \(Dropout\) is called with training, which is not supported; its input alone is\."),
    (lambda: joined(L.Maximum(name="it"), same, L.GRU(3, return_sequences=True)),
     r"^it is of the class Maximum, which is not supported"),
    (lambda: joined(L.Dot(1, name="it"), same, same), r"^it is of the class Dot, which is not sup"),
    (lambda: joined(L.Concatenate(1, name="it"), same, same),
     r"^it \(Concatenate\) has axis=1, which is not supported; axis=-1, the features, is\."),
    (lambda: joined(L.Add(name="it"), same, L.Dense(1)),
     r"^it \(Add\) joins 3 and 1 features; two values or more of one size are supported\."),
    (lambda: joined(L.Add(name="it"), L.GRU(3, return_sequences=True), L.GRU(3)),
     r"^it \(Add\) joins sequences and last steps; set return_sequences alike in front of it\."),
    (lambda: joined(L.Add(name="it"), same, L.GRU(3, return_sequences=True, go_backwards=True)),
     r"^it \(Add\) joins sequences in the order of time and turned ones, which go_backwards gives"),
    (lambda: joined(lambda parts: L.GRU(2)(parts[0]), L.Dense(2, "softmax", name="it")),
     r"^it \(Dense\) has activation='softmax', which is supported where the model ends, but gru"),
    (lambda: joined(lambda parts: L.ReLU(name="r")(parts[0]), L.Softmax(name="it")),
     r"^it \(Softmax\) has activation='softmax', which is supported where the model ends, but r r"),
    (lambda: joined(lambda parts: L.Concatenate(name="c")(parts), L.Softmax(name="it"), same),
     r"^it \(Softmax\) has activation='softmax', which is supported where the model ends, but c r"),
    (lambda: joined(lambda parts: L.Softmax(name="r")(parts[0]), L.Softmax(name="it")),
     r"^it \(Softmax\) has activation='softmax', which is supported where the model ends, but r r"),
    (lambda: joined(lambda parts: keras.ops.maximum(*parts), same, same),
     r"^maximum\w* is of the class Maximum, which is not supported; LSTM"),
    (lambda: joined(lambda parts: parts[0] + 1.0, same),
     r"^add\w* \(Add\) is called with argument 1, which is not supported; its input alone is\."),
    (lambda: joined(lambda parts: keras.ops.softmax(parts[0], axis=1), same),
     r"^softmax\w* is the operation Softmax of keras\.ops, which is not supported; its layer is, "),
    (lambda: joined(lambda parts: keras.ops.average(*parts), same),
     r"^average\w* is the operation Average of keras\.ops, which is not supported; its layer is, "),
    (lambda: beside_what_is_embedded(False),
     r"^it reads the input as it is, which e embeds; all or none of what reads it may\."),
    (lambda: beside_what_is_embedded(True),
     r"^it reads the input as it is, which e embeds; all or none of what reads it may\."),
    (operation, r"^tanh\w* is of the class Tanh, which is not supported; LSTM, GRU"),
    (lambda: functional([L.LSTM(2, return_state=True, name="it"), lambda out: out[2]], (5, 3)),
     r" takes output 2 of the layer it, the cell state, which is not supported; its output, and t"),
    (lambda: functional([L.RNN([L.GRUCell(2), L.GRUCell(2)], return_state=True, name="it"),
                         lambda out: out[1]], (5, 3)),
     r" takes output 1 of the layer it, which is not supported; its output, and the state h that "),
    (twice, r"^it \(GRU\) is called more than once with stateful=True, which carries its state fr"),
    (Net, r"^net is of the class Net, which is not one of Keras's own; what it computes cannot be"),
    (lambda: sequential(L.Dropout(0.2)), r" has no recurrent or Dense layer; at least one is nee"),
    (lambda: keras.Sequential([L.GRU(2, name="it")]),
     r" holds no weights of the layer it, but kernel, recurrent_kernel, bias are needed; build th"),
    (lambda: 5, r"^from_keras takes a Keras model, not int; of a file, rnnhw\.load takes the path"),
])
def test_models_that_are_refused(make, text):
    with pytest.raises(RnnhwError, match=text):
        from_keras(make())
