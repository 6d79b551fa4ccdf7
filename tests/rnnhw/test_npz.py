import json

import numpy as np
import pytest

from rnnhw import npz
from rnnhw.errors import RnnhwError
from rnnhw.model import Model

from .models import linear, recurrent, stack


def saved(path, **changes):
    """A good file's arrays with ``changes`` (None takes a key away), written to ``path``."""
    model = stack(np.random.default_rng(0), "gru", "relu", sizes=(3, 4, 2))
    npz.save(model, path)
    arrays = {**np.load(path), **{key.replace("_dot_", "."): v for key, v in changes.items()}}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_round_trip_is_exact(tmp_path):
    rng = np.random.default_rng(1)
    model = Model(layers=[recurrent(rng, "lstm", 3, 4, name="first"),
                          recurrent(rng, "gru", 4, 5, biases=False),
                          recurrent(rng, "gru_reset_before", 5, 6), linear(rng, 6, 2, "tanh")],
                  last_step=True, name="digits")
    path = tmp_path / "a.npz"
    npz.save(model, path)
    again = npz.load(path)
    assert (again.name, again.last_step) == ("digits", True)
    assert [layer.kind for layer in again.layers] == [layer.kind for layer in model.layers]
    assert [layer.name for layer in again.layers] == ["first", "1", "2", "3"]
    assert again.layers[3].activation == "tanh"
    x = rng.standard_normal((2, 5, 3))
    assert np.array_equal(again.run(x), model.run(x))
    npz.save(model, tmp_path / "b.npz")
    assert (tmp_path / "b.npz").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_sizes_options_and_biases_may_be_left_out(tmp_path):
    rng = np.random.default_rng(2)
    path = tmp_path / "small.npz"
    ih, hh = rng.standard_normal((12, 3)), rng.standard_normal((12, 4))
    np.savez(path, layers=json.dumps([{"kind": "gru"}]), **{"0.weight_ih": ih, "0.weight_hh": hh})
    model = npz.load(path)
    assert (model.name, model.last_step, model.layers[0].kind) == ("small", False, "gru")
    assert np.array_equal(model.layers[0].weight_ih, ih)
    assert not model.layers[0].bias_ih.any() and not model.layers[0].bias_hh.any()


LAYERS = [{"kind": "gru", "input_size": 3, "hidden_size": 4}, {"kind": "linear"}]


@pytest.mark.parametrize("changes, text", [
    ({"layers": None}, r"m\.npz has no key 'layers' \(it has 0\.bias_hh, 0\.bias_ih, .*model\)"),
    ({"layers": "[{"}, r"The key 'layers' of .*m\.npz is not JSON text\."),
    ({"layers": np.arange(3)}, r"The key 'layers' of .*m\.npz is not JSON text\."),
    ({"layers": '{"kind": "gru"}'}, r"'layers' of .* must hold a list of layers, not dict\."),
    ({"layers": "[1, 2]"}, r"layer 0 of .* must be an object with the key 'kind', not 1\."),
    ({"layers": "[]", "model": None}, r"has the unknown array '0\.bias_hh'; its 0 layers have no"),
    ({"layers": '[{"kind": "conv"}]'},
     r"layer 0 of .* is of kind 'conv'; lstm, gru, rnn, sru, qrnn"),
    ({"layers": json.dumps([{**LAYERS[0], "units": 4}, LAYERS[1]])},
     r"layer 0 of .* has the unknown key 'units'; known are name, input_size, hidden_size, res"),
    ({"layers": json.dumps([{**LAYERS[0], "reset_after": 1}, LAYERS[1]])},
     r"reset_after of layer 0 of .* must be true or false, not 1\."),
    ({"layers": json.dumps([{**LAYERS[0], "input_size": 3.0}, LAYERS[1]])},
     r"input_size of layer 0 of .* must be a whole number, not 3\.0\."),
    ({"layers": json.dumps([{**LAYERS[0], "hidden_size": 5}, LAYERS[1]])},
     r"layer 0 of .* declares hidden_size 5, but its arrays have 4\."),
    ({"layers": json.dumps([LAYERS[0], {"kind": "linear", "activation": "softmax"}])},
     r"Layer '1' has the activation 'softmax'; none, relu, sigmoid, tanh are supported\."),
    ({"model": '{"last": true}'}, r"the key 'model' of .* has the unknown key 'last'; known are "),
    ({"model": '{"last_step": "yes"}'}, r"last_step of the key 'model' of .* must be true or fal"),
    ({"model": '{"reads": [[-1], 0]}'}, r"reads in the key 'model' of .* must hold numbers of layer"
                                        r"s, not 0\."),
    ({"model": '{"outputs": [true]}'}, r"outputs in the key 'model' of .* must hold numbers of laye"
                                       r"rs, not \[True\]\."),
    ({"model": "[]"}, r"The key 'model' of .* must hold an object, not list\."),
    ({"0_dot_weight_hh": None}, r"m\.npz has no array '0\.weight_hh'; add it or take its layer"),
    ({"1_dot_weight": None}, r"m\.npz has no array '1\.weight'; add it"),
    ({"0_dot_weight_hh": np.ones((9, 4))}, r"0\.weight_hh has shape \(9, 4\), but \(12, 4\) is"),
    ({"0_dot_weight_ih": np.full((12, 3), np.nan)}, r"0\.weight_ih holds 36 values that are NaN"),
    ({"0_dot_weight_ih": np.full((12, 3), "a")}, r"0\.weight_ih of .* is of type <U1, but numbers"),
    ({"1_dot_weight": np.ones((2, 5)), "layers": json.dumps(LAYERS)},
     r"Layer 1 takes 5 inputs, but layer 0 gives 4 outputs\."),
    ({"2_dot_weight": np.ones((2, 5))}, r"m\.npz has the unknown array '2\.weight'; its 2 layers"),
])
def test_load_refuses(tmp_path, changes, text):
    with pytest.raises(RnnhwError, match=text):
        npz.load(saved(tmp_path / "m.npz", **changes))


def test_load_refuses_what_is_no_npz(tmp_path):
    good = saved(tmp_path / "good.npz").read_bytes()
    path = tmp_path / "bad.npz"
    for data in (b"", b"hello", good[:200], good[:-30], good[:len(good) // 2]):
        path.write_bytes(data)
        with pytest.raises(RnnhwError, match=r"bad\.npz is not an \.npz file of plain arrays, or"):
            npz.load(path)
    with open(path, "wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(RnnhwError, match=r"bad\.npz is not an \.npz file of plain arrays, or"):
        npz.load(path)
    with pytest.raises(RnnhwError, match=r"none\.npz does not exist or is no file; an \.npz"):
        npz.load(tmp_path / "none.npz")


def test_load_runs_no_pickles(tmp_path):
    path = saved(tmp_path / "m.npz", layers=np.array([{"kind": "gru"}], object))
    with pytest.raises(RnnhwError, match=r"m\.npz is not an \.npz file of plain arrays"):
        npz.load(path)


def test_save_refuses_a_missing_folder(tmp_path):
    model = stack(np.random.default_rng(0), "gru", sizes=(3, 4))
    with pytest.raises(RnnhwError, match=r"m\.npz cannot be written: No such file or directory\."):
        npz.save(model, tmp_path / "none" / "m.npz")
