import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.presets import PRESETS, preset
from rnnhw.project import resolve


def stored(layer):
    """Weights and biases of a layer, of circulant matrices their blocks."""
    names = ("",) if layer.kind == "linear" else ("_ih", "_hh")
    for name in names:
        circulant = getattr(layer, f"circulant{name}")
        yield getattr(layer, f"weight{name}") if circulant is None else circulant.blocks
        yield getattr(layer, f"bias{name}")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_model_and_a_config(name):
    project = resolve(name)
    assert project.random_weights and project.model.name == name
    weights = np.concatenate([np.ravel(values) for layer in project.model.layers
                              for values in stored(layer)])
    assert len(np.unique(weights)) == len(weights)


def test_sizes_are_those_of_the_name():
    for name in ("lstm-40-128", "lstm-6-20", "lstm-16-64"):
        m, n = (int(part) for part in name.split("-")[1:])
        model = resolve(name).model
        assert (model.input_size, model.output_size) == (m, n)


def test_block_sizes_are_those_of_the_name():
    for name in ("lstm-128-k8", "gru-128-k16", "lstm-512-1024-k8", "lstm-512-1024-k16"):
        *sizes, k = name.split("-")[1:]
        layer, = resolve(name).model.layers
        assert layer.circulant_ih.block_size == layer.circulant_hh.block_size == int(k[1:])
        assert (layer.input_size, layer.output_size) == (int(sizes[0]), int(sizes[-1]))


def test_weights_are_the_same_every_time_and_within_bounds():
    a, b = (resolve("lstm-16-64").model.layers[0] for _ in range(2))
    assert (a.weight_hh == b.weight_hh).all()
    assert 0.12 < np.abs(a.weight_hh).max() <= 1 / 8


def test_a_changed_copy_does_not_change_the_preset():
    preset("tiny")["layers"][0]["hidden_size"] = 99
    assert resolve("tiny").model.output_size == 4


def test_an_unknown_preset_lists_the_known():
    with pytest.raises(RnnhwError, match="There is no preset 'lstm'; known are lstm-128, lstm-1"):
        preset("lstm")
