import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.model import Linear, Model, Recurrent

from .models import linear, recurrent, stack

W = np.ones((8, 3)), np.ones((8, 2))


def layer(**over):
    return Recurrent(**{"cell": "lstm", "weight_ih": W[0], "weight_hh": W[1], "name": "a", **over})


@pytest.mark.parametrize("over, text", [
    ({"cell": "conv"}, r"Layer 'a' is of kind 'conv'; lstm, gru, rnn, sru, qrnn"),
    ({"weight_hh": np.ones(8)}, r"a\.weight_hh has shape \(8,\), but \(any, any\) is needed\."),
    ({"weight_hh": np.ones((6, 2))},
     r"a\.weight_hh has shape \(6, 2\), but \(8, 2\) is needed\."),
    ({"weight_ih": np.ones((6, 3))},
     r"a\.weight_ih has shape \(6, 3\), but \(8, any\) is needed\."),
    ({"weight_hh": np.ones((0, 0))}, r"a\.weight_hh has no columns; hidden_size must be at least"),
    ({"weight_ih": np.ones((8, 0))}, r"a\.weight_ih has no columns; input_size must be at least 1"),
    ({"bias_hh": np.ones(6)}, r"a\.bias_hh has shape \(6,\), but \(8\) is needed\."),
    ({"bias_ih": [np.nan] + 7 * [0.0]},
     r"a\.bias_ih holds 1 values that are NaN or infinite; export the model again"),
])
def test_recurrent_refuses(over, text):
    with pytest.raises(RnnhwError, match=text):
        layer(**over)


@pytest.mark.parametrize("over, text", [
    ({"activation": "softmax"}, r"Layer 'b' has the activation 'softmax'; none, relu, sigmoid, "),
    ({"weight": np.ones((0, 3))}, r"b\.weight has shape \(0, 3\); no size may be 0\."),
    ({"bias": np.ones(3)}, r"b\.bias has shape \(3,\), but \(2\) is needed\."),
    ({"weight": np.full((2, 3), np.inf)}, r"b\.weight holds 6 values that are NaN or infinite"),
])
def test_linear_refuses(over, text):
    with pytest.raises(RnnhwError, match=text):
        Linear(**{"weight": np.ones((2, 3)), "name": "b", **over})


def test_model_refuses():
    rng = np.random.default_rng(0)
    with pytest.raises(RnnhwError, match=r"Model 'm' has no layers; at least one is needed\."):
        Model(layers=(), name="m")
    with pytest.raises(RnnhwError, match=r"Layer 1 takes 5 inputs, but layer 0 gives 4 outputs\."):
        Model(layers=[recurrent(rng, "gru", 3, 4), linear(rng, 5, 2)])
    with pytest.raises(RnnhwError, match=r"gives its last step only, but has no recurrent layer"):
        Model(layers=[linear(rng, 5, 2)], last_step=True)
    with pytest.raises(RnnhwError, match=r"'model' did not come from an ONNX graph; give an array"):
        Model(layers=[linear(rng, 5, 2)]).run({"x": np.zeros((1, 5))})


def test_kind_sizes_and_last_layers():
    model = stack(np.random.default_rng(0), "tanh", "lstm", "gru_reset_before", "gru", "relu",
                  sizes=(3, 4, 5, 6, 7, 2), last_step=True)
    assert [layer.kind for layer in model.layers] == ["linear", "lstm", "gru_reset_before", "gru",
                                                      "linear"]
    assert (model.input_size, model.output_size) == (3, 2)
    assert model.on_last == (False, False, False, False, True)


def test_weights_are_read_only_copies():
    weight = np.ones((2, 3))
    made = Linear(weight=weight)
    weight[0, 0] = 5
    assert made.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        made.weight[0, 0] = 2
