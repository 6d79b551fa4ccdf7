import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.presets import PRESETS, preset
from rnnhw.project import resolve


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_model_and_a_config(name):
    project = resolve(name)
    assert project.random_weights and project.model.name == name
    weights = np.concatenate([a.ravel() for layer in project.model.layers for a in (
        [layer.weight, layer.bias] if layer.kind == "linear" else
        [layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh])])
    assert len(np.unique(weights)) == len(weights)


def test_sizes_are_those_of_the_name():
    for name in ("lstm-40-128", "lstm-6-20", "lstm-16-64"):
        m, n = (int(part) for part in name.split("-")[1:])
        model = resolve(name).model
        assert (model.input_size, model.output_size) == (m, n)


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
