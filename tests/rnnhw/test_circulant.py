"""Block-circulant matrices: expansion, projection, models, files, costs, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rnnhw import npz
from rnnhw.circulant import BLOCK_SIZES, Circulant, check_block_size
from rnnhw.costs import cost
from rnnhw.errors import RnnhwError
from rnnhw.model import GATES, Linear, Model, Recurrent

from .models import recurrent


def random_circulant(rng, gates, rows, columns, k):
    shape = gates, -(-rows // k), -(-columns // k), k
    return Circulant(rng.standard_normal(shape), rows, columns)


def circulant_layer(rng, kind, m, n, k, **options):
    """A recurrent layer whose two matrices are block-circulant."""
    cell = "gru" if kind.startswith("gru") else kind
    gates = len(GATES[cell])
    return Recurrent(cell=cell, circulant_ih=random_circulant(rng, gates, n, m, k),
                     circulant_hh=random_circulant(rng, gates, n, n, k),
                     bias_ih=rng.standard_normal(gates * n), bias_hh=rng.standard_normal(gates * n),
                     reset_after=kind != "gru_reset_before", **options)


@pytest.mark.parametrize("k", BLOCK_SIZES)
def test_dense_follows_the_definition_and_convolves(k):
    rng = np.random.default_rng(k)
    c = random_circulant(rng, 2, 2 * k, 3 * k, k)
    for g in range(2):
        for row in (0, 1, k - 1, k, 2 * k - 1):
            for column in (0, k - 1, k + 1, 3 * k - 1):
                assert (c.dense[g * 2 * k + row, column]
                        == c.blocks[g, row // k, column // k, (row % k - column % k) % k])
    x = rng.standard_normal((3, k))
    spectra = np.fft.rfft(c.blocks) * np.fft.rfft(x)
    y = np.fft.irfft(spectra.sum(axis=2), k).reshape(-1)
    assert np.abs(y - c.dense @ x.reshape(-1)).max() < 1e-12 * k


@pytest.mark.parametrize("rows, columns, k", [(8, 8, 4), (13, 30, 8), (15, 7, 4), (52, 60, 64)])
def test_projection_is_least_squares_and_keeps_circulant_matrices(rows, columns, k):
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((3 * rows, columns))
    c = Circulant.project(weight, 3, k)
    assert (c.rows, c.columns, c.block_size, c.dense.shape) == (rows, columns, k, weight.shape)
    # the gradient of the squared error by every stored value is zero at the least squares solution
    best = np.sum((c.dense - weight) ** 2)
    for place in rng.integers(0, c.blocks.size, 20):
        unit = np.zeros(c.blocks.size)
        unit[place] = 1
        direction = Circulant(unit.reshape(c.blocks.shape), rows, columns).dense
        assert abs(np.sum((c.dense - weight) * direction)) < 1e-9
        assert np.sum((c.dense + 1e-3 * direction - weight) ** 2) >= best
    again = Circulant.project(c.dense, 3, k)
    assert np.allclose(again.dense, c.dense, atol=1e-14)


def test_diagonals_without_an_entry_are_zero():
    c = Circulant.project(np.ones((4, 4)), 1, 4)
    assert np.array_equal(c.blocks, np.ones((1, 1, 1, 4)))
    # of the last block of 4 there are 2 x 2 entries, none with d = 2
    cut = Circulant.project(np.ones((10, 10)), 1, 4).blocks[0, 2, 2]
    assert np.array_equal(cut, [1, 1, 0, 1])


def test_blocks_are_copied_and_read_only():
    blocks = np.ones((1, 1, 1, 4))
    c = Circulant(blocks, 4, 4)
    blocks[...] = 2
    assert c.dense.sum() == 16
    for array in (c.blocks, c.dense):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize("make, text", [
    (lambda: check_block_size(12), r"^block_size must be a power of two within 4\.\.64, not 12\.$"),
    (lambda: check_block_size(8.0), r"^block_size must be a power of two within 4\.\.64, not 8\.0"),
    (lambda: check_block_size(True), r"^block_size must be a power .*, not True\.$"),
    (lambda: Circulant.project(np.ones((8, 8)), 1, 2), r"^block_size must be .* not 2\.$"),
    (lambda: Circulant(np.ones((1, 1, 1, 128)), 128, 128),
     r"^The size of circulant blocks must be a power of two within 4\.\.64, not 128\.$"),
    (lambda: Circulant(np.ones((1, 2, 4)), 4, 4),
     r"^Circulant blocks have shape \(1, 2, 4\), but \(gates, p, q, k\) is needed\.$"),
    (lambda: Circulant(np.ones((1, 2, 2, 4)), 8, 9),
     r"^Circulant blocks have shape .*, which does not go with 9 columns: 3 blocks of 4 would\.$"),
    (lambda: Circulant(np.full((1, 2, 2, 4), np.inf), 8, 8),
     r"^Circulant blocks hold 16 values that are NaN or infinite; every value must be finite\.$"),
    (lambda: Circulant.project(np.ones((40, 10)), 4, 8, name="0.weight_ih"),
     r"^0\.weight_ih has 10 rows of a gate, which blocks of 8 would pad to 16, by more than a "
     r"quarter; 13 to 16 or blocks of 4 would fit\.$"),
    (lambda: Circulant.project(np.ones((64, 12)), 4, 16, name="0.weight_ih"),
     r"^0\.weight_ih has 12 columns, which blocks of 16 would pad to 16, by more than a quarter; "
     r"13 to 16 or blocks of 4 would fit\.$"),
    (lambda: Circulant.project(np.ones((16, 3)), 4, 4),
     r"^The matrix has 3 columns, which .* by more than a quarter; 4 to 4 would fit\.$"),
    (lambda: Circulant.project(np.ones((10, 8)), 4, 4),
     r"^The matrix has shape \(10, 8\), which is not 4 gates of equal size\.$"),
])
def test_what_is_refused(make, text):
    with pytest.raises(RnnhwError, match=text):
        make()


def test_padding_up_to_a_quarter_is_taken():
    assert Circulant.project(np.ones((64, 13)), 4, 16).blocks.shape == (4, 1, 1, 16)


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_reset_before"])
def test_a_circulant_layer_runs_as_its_dense_one(kind):
    rng = np.random.default_rng(1)
    layer = circulant_layer(rng, kind, 7, 12, 4)
    dense = Recurrent(cell=layer.cell, weight_ih=layer.weight_ih, weight_hh=layer.weight_hh,
                      bias_ih=layer.bias_ih, bias_hh=layer.bias_hh, reset_after=layer.reset_after)
    assert (layer.input_size, layer.hidden_size, layer.kind) == (7, 12, kind)
    assert (layer.block_ih, layer.block_hh) == (4, 4)
    assert (dense.block_ih, dense.block_hh) == (None, None)
    x = rng.standard_normal((2, 5, 7))
    assert np.array_equal(Model(layers=[layer]).run(x), Model(layers=[dense]).run(x))
    again = replace(layer, name="other")
    assert again.circulant_hh is layer.circulant_hh and again.name == "other"


def test_one_matrix_may_stay_dense():
    rng = np.random.default_rng(2)
    layer = Recurrent(cell="gru", weight_ih=rng.standard_normal((24, 3)),
                      circulant_hh=random_circulant(rng, 3, 8, 8, 8))
    assert (layer.block_ih, layer.block_hh, layer.input_size) == (None, 8, 3)
    linear = Linear(circulant=random_circulant(rng, 1, 8, 12, 4), activation="tanh")
    assert (linear.block_size, linear.output_size, linear.input_size) == (4, 8, 12)
    assert replace(linear, activation="relu").block_size == 4


RNG = np.random.default_rng(3)
HH = random_circulant(RNG, 4, 8, 8, 4)


@pytest.mark.parametrize("make, text", [
    (lambda: Recurrent(cell="lstm", weight_ih=np.ones((32, 3))),
     r"^lstm\.weight_hh is missing; give weight_hh or circulant_hh\.$"),
    (lambda: Linear(), r"^linear\.weight is missing; give weight or circulant\.$"),
    (lambda: Recurrent(cell="lstm", weight_ih=np.ones((32, 3)), weight_hh=HH.dense.copy(),
                       circulant_hh=HH),
     r"^lstm\.weight_hh is given both dense and block-circulant; give weight_hh or circulant_hh"),
    (lambda: Recurrent(cell="lstm", weight_ih=np.ones((32, 3)), circulant_hh=HH.dense),
     r"^lstm\.circulant_hh is a ndarray, but a rnnhw\.circulant\.Circulant is needed\.$"),
    (lambda: Recurrent(cell="gru", weight_ih=np.ones((24, 3)), circulant_hh=HH),
     r"^gru\.weight_hh is block-circulant with 4 gates of \(8, 8\), but 3 of \(8, 8\) are needed"),
    (lambda: Recurrent(cell="lstm", circulant_hh=HH,
                       circulant_ih=random_circulant(RNG, 4, 12, 8, 4)),
     r"^lstm\.weight_ih is block-circulant with 4 gates of \(12, 8\), but 4 of \(8, 8\) are need"),
    (lambda: Linear(circulant=HH),
     r"^linear\.weight is block-circulant with 4 gates of \(8, 8\), but 1 of \(8, 8\) are needed"),
])
def test_layers_refuse(make, text):
    with pytest.raises(RnnhwError, match=text):
        make()


def test_parameters_count_what_is_stored():
    rng = np.random.default_rng(4)
    layer = circulant_layer(rng, "lstm", 13, 24, 8)
    dense = recurrent(rng, "lstm", 13, 24)
    found, full = cost(layer), cost(dense)
    assert found.weights == 4 * 3 * (2 + 3) * 8 and full.weights == 4 * 24 * (13 + 24)
    assert found.parameters == found.weights + found.biases
    assert (found.macs, found.operations) == (full.macs, full.operations)
    assert cost(Linear(circulant=random_circulant(rng, 1, 16, 32, 16))).weights == 32


def mixed(rng):
    return Model(layers=[circulant_layer(rng, "lstm", 7, 12, 4, name="first"),
                         replace(recurrent(rng, "gru", 12, 16),
                                 weight_hh=None, circulant_hh=random_circulant(rng, 3, 16, 16, 16)),
                         Linear(circulant=random_circulant(rng, 1, 7, 16, 8), activation="relu")],
                 name="mixed", last_step=True)


def test_a_file_keeps_blocks_exactly(tmp_path):
    model = mixed(np.random.default_rng(5))
    npz.save(model, tmp_path / "a.npz")
    again = npz.load(tmp_path / "a.npz")
    npz.save(again, tmp_path / "b.npz")
    npz.save(npz.load(tmp_path / "b.npz"), tmp_path / "c.npz")
    assert (tmp_path / "b.npz").read_bytes() == (tmp_path / "c.npz").read_bytes()
    for layer, found in zip(model.layers[:2], again.layers):
        assert np.array_equal(layer.circulant_hh.blocks, found.circulant_hh.blocks)
    with np.load(tmp_path / "a.npz") as file:
        assert "0.weight_ih" not in file.files and file["0.blocks_ih"].shape == (4, 3, 2, 4)
        assert "1.weight_ih" in file.files and file["1.blocks_hh"].shape == (3, 1, 1, 16)
    assert [layer.block_hh for layer in again.layers[:2]] == [4, 16]
    assert again.layers[2].block_size == 8 and again.layers[1].block_ih is None
    x = np.random.default_rng(6).standard_normal((3, 4, 7))
    assert np.array_equal(model.run(x), again.run(x))


@pytest.mark.parametrize("key, value, text", [
    ("0.weight_ih", np.ones((48, 7)),
     r"a\.npz has both 0\.weight_ih and 0\.blocks_ih; keep the one that is meant\."),
    ("0.blocks_ih", np.ones((3, 3, 2, 4)),
     r"0\.blocks_ih of .*a\.npz has shape \(3, 3, 2, 4\), but \(4, p, q, k\) is needed\."),
    ("0.blocks_ih", np.ones((4, 3, 2, 6)),
     r"0\.blocks_ih of .*a\.npz: The size of circulant blocks must be a power of two"),
    ("0.blocks_ih", np.full((4, 3, 2, 4), "a"),
     r"0\.blocks_ih of .*a\.npz is of type <U1, but numbers are needed\."),
    ("layers", json.dumps([{"kind": "lstm", "input_size": 7}, {"kind": "gru"}, {"kind": "linear"}]),
     r"layer 0 of .*a\.npz has 0\.blocks_ih but no hidden_size; block-circulant layers need their"),
])
def test_files_refuse(tmp_path, key, value, text):
    path = tmp_path / "a.npz"
    npz.save(mixed(np.random.default_rng(7)), path)
    np.savez(path, **{**np.load(path), key: value})
    with pytest.raises(RnnhwError, match=text):
        npz.load(path)
