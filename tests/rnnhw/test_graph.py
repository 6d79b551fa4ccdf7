"""Models that are no chain of layers: what each reads, both directions, first states, heads."""

import json
from dataclasses import replace

import numpy as np
import pytest

import rnnhw
from rnnhw import npz
from rnnhw.errors import RnnhwError
from rnnhw.layers import merged
from rnnhw.model import INPUT, Linear, Model, Recurrent
from rnnhw.reference import trace


def lstm(rng, inputs, units, **options):
    return Recurrent("lstm", weight_ih=rng.normal(size=(4 * units, inputs)),
                     weight_hh=rng.normal(size=(4 * units, units)),
                     bias_ih=rng.normal(size=4 * units), **options)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def both(rng):
    """Two directions, and a linear layer over both."""
    layers = [lstm(rng, 3, 4), lstm(rng, 3, 5, reverse=True),
              Linear(weight=rng.normal(size=(2, 9)))]
    return Model(layers=layers, reads=((INPUT,), (INPUT,), (0, 1)))


def test_reverse_layer_is_the_layer_on_turned_sequences(rng):
    layer = lstm(rng, 3, 4)
    x = rng.normal(size=(2, 6, 3))
    lengths = np.array([6, 4])
    found = Model(layers=[replace(layer, reverse=True)]).run(x, lengths)
    for row, n in enumerate(lengths):
        wanted = Model(layers=[layer]).run(x[row, :n][::-1])[::-1]
        assert np.allclose(found[row, :n], wanted, atol=1e-12)
        assert not found[row, n:].any()


def test_both_directions_are_read_side_by_side(both, rng):
    x = rng.normal(size=(6, 3))
    forward, backward = (Model(layers=[layer]).run(x) for layer in both.layers[:2])
    wanted = np.concatenate([forward, backward], axis=1) @ both.layers[2].weight.T
    assert np.allclose(both.run(x), wanted, atol=1e-12)


def test_last_step_of_a_reverse_layer_is_the_first_of_the_sequence(both, rng):
    x = rng.normal(size=(2, 6, 3))
    lengths = np.array([6, 3])
    found = replace(both, last_step=True).run(x, lengths)
    for row, n in enumerate(lengths):
        forward, backward = (Model(layers=[layer]).run(x[row, :n]) for layer in both.layers[:2])
        wanted = np.concatenate([forward[-1], backward[0]]) @ both.layers[2].weight.T
        assert np.allclose(found[row], wanted, atol=1e-12)


def test_initial_state_continues_a_sequence(rng):
    layer = lstm(rng, 3, 4)
    x = rng.normal(size=(7, 3))
    whole = Model(layers=[layer])
    found = trace(whole, x)
    state = {"h": found["0.h"][0, 3], "c": found["0.c"][0, 3]}
    rest = Model(layers=[replace(layer, initial=state)])
    assert np.allclose(rest.run(x[4:]), whole.run(x)[4:], atol=1e-12)


@pytest.mark.parametrize("kind, function", [
    ("sum", lambda a, b: a + b), ("average", lambda a, b: (a + b) / 2),
    ("difference", lambda a, b: a - b), ("multiply", lambda a, b: a * b)])
def test_merged(kind, function, rng):
    x = rng.normal(size=(6, 3))
    layers = [lstm(rng, 3, 4), lstm(rng, 3, 4, reverse=True)]
    model = Model(layers=[*layers, merged(kind, 4)], reads=((INPUT,), (INPUT,), (0, 1)))
    a, b = (Model(layers=[layer]).run(x) for layer in layers)
    assert np.allclose(model.run(x), function(a, b), atol=1e-12)


def test_residual(rng):
    layers = [lstm(rng, 4, 4), merged("sum", 4)]
    model = Model(layers=layers, reads=((INPUT,), (INPUT, 0)))
    x = rng.normal(size=(5, 4))
    assert np.allclose(model.run(x), x + Model(layers=layers[:1]).run(x), atol=1e-12)
    assert model.behind == (False, True)


def test_embedding_takes_whole_numbers(rng):
    layer, table = lstm(rng, 3, 4), rng.normal(size=(10, 3))
    model = Model(layers=[layer], embedding=table)
    codes = rng.integers(10, size=(2, 6))
    assert np.allclose(model.run(codes), Model(layers=[layer]).run(table[codes]), atol=1e-12)
    assert model.run(codes[0]).shape == (6, 4)
    with pytest.raises(RnnhwError, match=r"x reaches -1\.\.3, but the embedding has 10 entries"):
        model.run(np.array([3, -1]))
    with pytest.raises(RnnhwError, match="x has shape .*, but the model embeds whole numbers"):
        model.run(np.zeros((2, 6, 3), int))
    with pytest.raises(RnnhwError, match="x is of type float64, but the model embeds whole"):
        model.run(np.array([0.5]))


@pytest.mark.parametrize("last_step", (False, True))
@pytest.mark.parametrize("head", ("softmax", "log_softmax", "argmax"))
def test_head(head, last_step, rng):
    layers = [lstm(rng, 3, 4), Linear(weight=rng.normal(size=(5, 4)))]
    plain = Model(layers=layers, last_step=last_step)
    x = rng.normal(size=(2, 6, 3))
    y, found = plain.run(x), replace(plain, head=head).run(x)
    if head == "argmax":
        assert np.array_equal(found[..., 0], y.argmax(axis=-1))
        return
    soft = np.exp(y) / np.exp(y).sum(axis=-1, keepdims=True)
    assert np.allclose(found, np.log(soft) if head == "log_softmax" else soft, atol=1e-12)


def test_file_keeps_a_graph(both, rng, tmp_path):
    layers = [both.layers[0], replace(both.layers[1], initial={"c": rng.normal(size=5)}),
              both.layers[2]]
    model = Model(layers=layers, reads=both.reads, outputs=(2, 0), head="softmax",
                  embedding=rng.normal(size=(7, 3)), name="graph")
    npz.save(model, tmp_path / "m.npz")
    found = npz.load(tmp_path / "m.npz")
    codes = rng.integers(7, size=(2, 5))
    assert np.array_equal(found.run(codes), model.run(codes))
    assert (found.reads, found.outputs, found.head) == (model.reads, model.outputs, model.head)
    npz.save(found, tmp_path / "named.npz")
    npz.save(npz.load(tmp_path / "named.npz"), tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "named.npz").read_bytes()


def test_parts_of_an_input_are_read_apart(rng, tmp_path):
    layers = [lstm(rng, 2, 3), lstm(rng, 4, 3, reverse=True)]
    model = Model(layers=layers, reads=((-1,), (-2,)), outputs=(0, 1), inputs=(2, 4))
    x = rng.normal(size=(2, 5, 6))
    parts = [Model(layers=[layer]).run(part)
             for layer, part in zip(layers, (x[..., :2], x[..., 2:]))]
    assert np.allclose(model.run(x), np.concatenate(parts, axis=-1), atol=1e-12)
    npz.save(model, tmp_path / "parts.npz")
    assert np.array_equal(npz.load(tmp_path / "parts.npz").run(x), model.run(x))
    with pytest.raises(RnnhwError, match="has layers that read a part of its input"):
        rnnhw.compile(model)


@pytest.mark.parametrize("change, sentence", [
    ({"reads": ((INPUT,), (INPUT,))}, "has 2 entries, but there are 3 layers"),
    ({"reads": ((INPUT,), (2,), (0, 1))}, r"Layer 1 reads \(2,\), but layers in front of it"),
    ({"reads": ((INPUT,), (INPUT,), ())}, r"Layer 2 reads \(\), but layers in front of it"),
    ({"reads": ((INPUT,), (INPUT,), (0,))}, "Nothing of model 'model' reads layer 1"),
    ({"reads": ((INPUT,), (INPUT,), (0, 1, 1))}, r"what it reads, \(0, 1, 1\), gives 14 outputs"),
    ({"outputs": (3,)}, r"outputs of model 'model' are \(3,\), but layers within 0\.\.2"),
    ({"head": "hardmax"}, "head of model 'model' is 'hardmax'"),
])
def test_refusals(change, sentence, both):
    with pytest.raises(RnnhwError, match=sentence):
        replace(both, **change)


def test_unknown_initial_state_is_refused(rng):
    with pytest.raises(RnnhwError, match="has the initial state 'k', but lstm has h, c"):
        lstm(rng, 3, 4, initial={"k": np.zeros(4)})
    with pytest.raises(RnnhwError, match=r"lstm.initial h has shape \(3,\), but \(4\) is needed"):
        lstm(rng, 3, 4, initial={"h": np.ones(3)})


def test_training_refuses_what_it_does_not_know(both):
    training = pytest.importorskip("rnnhw.training", exc_type=RnnhwError)
    with pytest.raises(RnnhwError, match="is more than a chain of layers that run forwards"):
        training.to_torch(both)


def test_file_keeps_a_projected_layer_that_runs_backwards(rng, tmp_path):
    layer = Recurrent("lstm", weight_ih=rng.normal(size=(12, 2)),
                      weight_hh=rng.normal(size=(12, 1)), weight_hr=rng.normal(size=(1, 3)),
                      reverse=True)
    npz.save(Model(layers=[layer]), tmp_path / "m.npz")
    x = rng.normal(size=(5, 2))
    assert np.array_equal(npz.load(tmp_path / "m.npz").run(x), Model(layers=[layer]).run(x))


@pytest.mark.parametrize("key, value, sentence", [
    ("reads", [[-1], 0], "reads in the key 'model' of .* must hold numbers of layers, not 0"),
    ("outputs", ["0"], r"outputs in the key 'model' of .* must hold numbers of layers, not \['0'"),
    ("inputs", [2.5], r"inputs in the key 'model' of .* must hold sizes, not \[2\.5\]")])
def test_files_of_graphs_are_checked(key, value, sentence, both, tmp_path):
    npz.save(both, tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as file:
        arrays = dict(file)
    options = json.loads(str(arrays["model"][()])) | {key: value}
    np.savez(tmp_path / "m.npz", **(arrays | {"model": np.array(json.dumps(options))}))
    with pytest.raises(RnnhwError, match=sentence):
        npz.load(tmp_path / "m.npz")
