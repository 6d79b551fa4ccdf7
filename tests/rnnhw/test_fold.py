"""Affine layers folded into their neighbors: what the model gives stays what it was."""

from dataclasses import replace

import numpy as np
import pytest

from rnnhw.circulant import Circulant
from rnnhw.importers.fold import affine, fold, normalization
from rnnhw.model import INPUT, Linear, Model

from .models import close, linear
from .variants import ALL, kinds, layer


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def norm(rng, size, name="norm"):
    return affine(rng.uniform(-2, 2, size), rng.uniform(-1, 1, size), name)


def check(model, at, left, rng, x=None):
    """Folding ``at`` leaves ``left`` layers and the outputs."""
    found = fold(model, at)
    assert len(found.layers) == left
    x = rng.normal(size=(2, 5, model.input_size)) if x is None else x
    assert close(found.run(x), model.run(x)) < 1e-12
    lengths = np.array([5, 3])
    assert close(found.run(x, lengths), model.run(x, lengths)) < 1e-12
    return found


@pytest.mark.parametrize("reverse", (False, True))
@pytest.mark.parametrize("entry", ALL, ids=kinds(ALL))
def test_into_the_layer_behind(entry, reverse, rng):
    first = layer(entry, rng, 3, 4, 2)
    first = replace(first, reverse=reverse, initial={"h": rng.normal(size=first.output_size)}
                    if "h" in first.description.states else None)
    # an SRU has no bias for W_c x, a filter none for the steps before, so the shift keeps the layer
    kept = first.cell == "sru" or first.filter_width > 1
    check(Model(layers=[norm(rng, 3), first]), [0], 2 if kept else 1, rng)
    check(Model(layers=[affine(rng.uniform(1, 2, 3), np.zeros(3)), first]), [0], 1, rng)


def test_into_the_linear_before_with_its_activation(rng):
    middle = affine(rng.uniform(-2, 2, 4), np.ones(4), activation="relu")
    found = check(Model(layers=[linear(rng, 3, 4), middle, linear(rng, 4, 2)]), [1], 2, rng)
    assert found.layers[0].activation == "relu"
    check(Model(layers=[linear(rng, 3, 4), norm(rng, 4)]), [1], 1, rng)
    check(Model(layers=[linear(rng, 3, 4, "tanh"), norm(rng, 4)]), [1], 2, rng)


def test_into_blocks_without_a_scale(rng):
    blocks = Linear(circulant=Circulant(rng.normal(size=(1, 1, 1, 4)), 4, 4))
    shifted = affine(np.ones(4), rng.normal(size=4), activation="tanh")
    [found] = check(Model(layers=[blocks, shifted]), [1], 1, rng).layers
    assert found.block_size == 4 and found.activation == "tanh"


def test_several_in_a_row(rng):
    check(Model(layers=[norm(rng, 3), norm(rng, 3), linear(rng, 3, 4)]), [0, 1], 1, rng)
    check(Model(layers=[norm(rng, 3), norm(rng, 3)]), [0, 1], 1, rng)


def test_into_the_embedding(rng):
    model = Model(layers=[norm(rng, 3), linear(rng, 3, 4, "tanh")],
                  embedding=rng.normal(size=(7, 3)))
    check(model, [0], 1, rng, rng.integers(7, size=(2, 5)))
    alone = Model(layers=[norm(rng, 3)], embedding=rng.normal(size=(7, 3)))
    check(alone, [0], 1, rng, rng.integers(7, size=(2, 5)))


def test_stays_where_it_has_no_place(rng):
    gru = layer(ALL[kinds(ALL).index("gru")], rng, 4, 4, 4)
    check(Model(layers=[gru, norm(rng, 4)]), [1], 2, rng)
    check(Model(layers=[gru, norm(rng, 4)], last_step=True), [1], 2, rng)
    blocks = Circulant(rng.normal(size=(1, 1, 1, 4)), 4, 4)
    check(Model(layers=[norm(rng, 4), Linear(circulant=blocks)]), [0], 2, rng)
    check(Model(layers=[Linear(circulant=blocks), norm(rng, 4)]), [1], 2, rng)
    blocks = layer(ALL[kinds(ALL).index("gru")], rng, 4, 4, 4, k=4)
    check(Model(layers=[norm(rng, 4), blocks]), [0], 2, rng)


def test_other_matrices_may_be_of_blocks(rng):
    gru = layer(ALL[kinds(ALL).index("gru")], rng, 3, 4, 4, k=[None, 4])
    found = check(Model(layers=[norm(rng, 3), gru]), [0], 1, rng)
    assert found.layers[0].block_hh == 4


def test_both_directions_and_a_residual(rng):
    lstm = ALL[kinds(ALL).index("lstm")]
    both = [layer(lstm, rng, 3, 4, 4) for _ in range(2)]
    layers = [norm(rng, 3), *both, norm(rng, 8), linear(rng, 11, 2)]
    model = Model(layers=layers, reads=((INPUT,), (0,), (0,), (1, 2), (3, INPUT)))
    check(model, [0, 3], 3, rng)
    # the input of the residual is the one in front of the norm, or the one behind it
    layers = [linear(rng, 3, 3), norm(rng, 3), linear(rng, 6, 2)]
    check(Model(layers=layers, reads=((INPUT,), (0,), (0, 1))), [1], 2, rng)
    check(Model(layers=layers, reads=((INPUT,), (0,), (1, 1))), [1], 2, rng)
    check(Model(layers=layers[:2], reads=((INPUT,), (0,)), outputs=(0, 1)), [1], 2, rng)


def test_normalization(rng):
    x, mean, weight, bias = rng.normal(size=(4, 3))
    variance = rng.uniform(0.5, 2, 3)
    scale, shift = normalization(mean, variance, 1e-3, weight, bias)
    wanted = weight * (x - mean) / np.sqrt(variance + 1e-3) + bias
    assert close(scale * x + shift, wanted) < 1e-12
    scale, shift = normalization(mean, variance, 1e-3)
    assert close(scale * x + shift, (x - mean) / np.sqrt(variance + 1e-3)) < 1e-12
