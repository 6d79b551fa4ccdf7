"""Layers of every cell as files, in a CONFIG and as figures; refusals of what does not fit."""

import numpy as np
import pytest

import rnnhw
from examples.own_cell import MGU
from rnnhw import npz
from rnnhw.cells import CELLS, Cell, Matrix, Op, Product, Vector, register
from rnnhw.circulant import Circulant
from rnnhw.compress import compress
from rnnhw.config import Config
from rnnhw.costs import cost
from rnnhw.errors import RnnhwError
from rnnhw.model import Linear, Model, Recurrent, matrices
from rnnhw.project import from_tables
from rnnhw.quantize import quantize

from .variants import ALL, kinds, layer

OWN = [*ALL, ("mgu", {}, MGU)]
BY_KIND = {cell.kind: (family, options, cell) for family, options, cell in OWN}


@pytest.mark.parametrize("entry", OWN, ids=kinds(OWN))
@pytest.mark.parametrize("k", [None, 4])
def test_a_model_file_gives_the_layer_back(entry, k, tmp_path):
    rng = np.random.default_rng(0)
    model = Model(layers=[layer(entry, rng, 8, 8, 4, k=k)])
    npz.save(model, tmp_path / "m.npz")
    again = npz.load(tmp_path / "m.npz")
    assert again.layers[0].kind == entry[2].kind and again.layers[0].sizes == model.layers[0].sizes
    for name, values in model.layers[0].arrays.items():
        assert np.array_equal(again.layers[0].array(name), values)
    assert [c and c.block_size for _, _, c, _ in matrices(again.layers[0])] == \
        [k] * len(entry[2].matrices)


@pytest.mark.parametrize("entry", OWN, ids=kinds(OWN))
def test_a_design_folder_keeps_every_integer(entry, tmp_path):
    rng = np.random.default_rng(1)
    design = rnnhw.Design(quantize(Model(layers=[layer(entry, rng, 3, 4, 2)]), Config()), Config())
    design.save(tmp_path / "d")
    again = rnnhw.load_design(tmp_path / "d")
    assert again.hash == design.hash
    for name, codes in design.quantized.layers[0].constants.items():
        assert np.array_equal(again.quantized.layers[0].constants[name], codes)


@pytest.mark.parametrize("keys, kind, sizes", [
    ({"kind": "lstm", "proj_size": 3}, "lstm_projected", (5, 8, 3)),
    ({"kind": "lstm", "peepholes": "diagonal"}, "lstm_diagonal", (5, 8, 8)),
    ({"kind": "lstm", "peepholes": "full", "proj_size": 2, "input_forget": True},
     "lstm_coupled_full_projected", (5, 8, 2)),
    ({"kind": "rnn", "activation": "relu"}, "rnn_relu", (5, 8, 8)),
    ({"kind": "rnn"}, "rnn_tanh", (5, 8, 8)),
    ({"kind": "sru"}, "sru", (5, 8, 8)),
    ({"kind": "qrnn", "bias": 0}, "qrnn", (5, 8, 8)),
    ({"kind": "mgu"}, "mgu", (5, 8, 8))], ids=lambda v: v if isinstance(v, str) else "")
def test_layers_of_a_config(keys, kind, sizes):
    tables = {"layers": [{"input_size": 5, "hidden_size": 8, **keys}]}
    (found,) = from_tables(tables, "m.toml").model.layers
    assert found.kind == kind
    assert (found.input_size, found.hidden_size, found.output_size) == sizes
    again = from_tables(tables, "m.toml").model.layers[0]
    assert all(np.array_equal(again.array(name), found.array(name)) for name in found.arrays)
    assert found.weight_ih.any() and ("bias" not in keys or not found.bias_ih.any())


@pytest.mark.parametrize("keys, text", [
    ({"kind": "lstm", "proj_size": 9}, r"proj_size of layer 0 .* within 1..8, its hidden_size, no"),
    ({"kind": "lstm", "peepholes": "some"}, "peepholes of layer 0 .* be none, diagonal, full, not"),
    ({"kind": "gru", "proj_size": 2}, "layer 0 .* has the unknown key 'proj_size'"),
    ({"kind": "rnn", "activation": "sine"}, "activation 'sine' of layer 0 .* is not supported; Si"),
    ({"kind": "sru", "bias": 2}, "bias of layer 0 .* within 0..1, not 2")])
def test_a_config_refuses(keys, text):
    with pytest.raises(RnnhwError, match=text):
        from_tables({"layers": [{"input_size": 5, "hidden_size": 8, **keys}]}, "m.toml")


M, N, P = 7, 11, 5


@pytest.mark.parametrize("kind, products, multiplications, additions, nonlinear, weights, biases", [
    ("lstm", 4 * N * N + 4 * N * M, 3, 5, 5, 0, 4),
    ("lstm_full", 7 * N * N + 4 * N * M, 3, 5, 5, 0, 4),
    ("lstm_diagonal", 4 * N * N + 4 * N * M, 6, 8, 5, 3, 4),
    ("lstm_projected", 4 * N * P + 4 * N * M + N * P, 3, 5, 5, 0, 4),
    ("lstm_diagonal_projected", 4 * N * P + 4 * N * M + N * P, 6, 8, 5, 3, 4),
    ("gru", 3 * N * N + 3 * N * M, 3, 2, 3, 0, 0),
    ("gru_reset_before", 3 * N * N + 3 * N * M, 3, 2, 3, 0, 0),
    ("qrnn", 3 * N * M, 3, 2, 3, 0, 0),
    ("rnn_tanh", N * N + N * M, 0, 1, 1, 0, 1)])
def test_costs_are_those_of_the_survey(kind, products, multiplications, additions, nonlinear,
                                       weights, biases):
    found = cost(layer(BY_KIND[kind], np.random.default_rng(0), M, N, P))
    assert (found.macs, found.multiplications, found.additions, found.nonlinear, found.weights,
            found.biases) == (products, products + multiplications * N, products + additions * N,
                              nonlinear * N, products + weights * N, biases * N)


def test_an_sru_costs_its_skip_only_where_sizes_differ():
    rng = np.random.default_rng(0)
    arrays = dict(layer(BY_KIND["sru"], rng, N, N, N).arrays)
    with_skip = cost(Recurrent("sru", arrays=arrays))
    del arrays["weight_skip"]
    found = cost(Recurrent("sru", arrays=arrays))
    assert (found.multiplications, found.additions) == (3 * N * N + 6 * N, 3 * N * N + 8 * N)
    assert (found.weights, found.biases, found.nonlinear) == (3 * N * N + 2 * N, 2 * N, 2 * N)
    assert found.macs == 4 * N * N == with_skip.multiplications - 6 * N


def test_every_matrix_may_become_block_circulant():
    entry = BY_KIND["lstm_full_projected"]
    model = Model(layers=[layer(entry, np.random.default_rng(0), 8, 16, 8)])
    small = compress(model, 4, layers=["0", "0.hr=8"])
    assert {name: circulant.block_size for name, _, circulant, _ in matrices(small.layers[0])} == {
        "weight_ih": 4, "weight_hh": 4, "weight_ch": 4, "weight_hr": 8}
    assert [gates for *_, gates in matrices(small.layers[0])] == [4, 4, 3, 1]


RNG = np.random.default_rng(0)
LSTM = dict(layer(BY_KIND["lstm_diagonal_projected"], RNG, 3, 4, 2).arrays)
SRU = dict(layer(BY_KIND["sru"], RNG, 3, 4, 4).arrays)


@pytest.mark.parametrize("cell, arrays, over, text", [
    ("lstm", LSTM, {"peephole": np.ones(8)}, r"lstm.peephole has shape \(8,\), but \(12\) is need"),
    ("lstm", LSTM, {"weight_hr": np.ones((2, 5))}, r"weight_hh has shape \(16, 2\), but \(20, 2\)"),
    ("lstm", LSTM, {"weight_hr": np.ones((3, 4))}, r"weight_hh has shape \(16, 2\), but \(16, 3\)"),
    ("lstm", LSTM, {"weight_ch": np.ones((12, 4))}, "has the array 'weight_ch', which lstm does n"),
    ("lstm", LSTM, {"peephole": np.full(12, np.nan)}, "lstm.peephole holds 12 values that are NaN"),
    ("lstm", LSTM, {"weight_hh": None}, "lstm.weight_hh is missing; give weight_hh or circulant_h"),
    ("lstm", LSTM, {"weight_xy": np.ones(3)}, "has the array 'weight_xy', which lstm does not tak"),
    ("lstm", LSTM, {"reset_after": False}, "has the option reset_after=False, which lstm does not"),
    ("lstm", LSTM, {"input_forget": 3}, "input_forget of layer 'lstm' must be False or True, not "),
    ("rnn", {}, {"activation": "sine"}, "activation 'sine' of layer 'rnn' is not supported; Si"),
    ("sru", SRU, {"peephole": None}, r"sru.peephole is missing; an array of shape \(8,\) is neede"),
    ("sru", SRU, {"weight_skip": None}, "sru.weight_skip is missing; give weight_skip or circulan"),
    ("sru", SRU, {"weight_ih": np.ones((7, 3))}, "weight_ih has 7 rows, which is not 3 gates of e"),
])
def test_a_layer_refuses(cell, arrays, over, text):
    with pytest.raises(RnnhwError, match=text):
        Recurrent(cell, **(arrays | over))


def test_a_projection_is_block_circulant_with_one_gate():
    blocks = Circulant(RNG.uniform(-1, 1, (2, 1, 2, 4)), 4, 8)
    with pytest.raises(RnnhwError, match=r"weight_hr is block-circulant with 2 gates of \(4, 8\), "
                                         "but 1 of"):
        Recurrent("lstm", circulant_hr=blocks, weight_ih=np.ones((32, 3)),
                  weight_hh=np.ones((32, 4)))


def test_other_cells_are_not_trained():
    from rnnhw import training

    model = Model(layers=[layer(BY_KIND["lstm_diagonal"], RNG, 3, 4, 2)])
    with pytest.raises(RnnhwError, match="is of the cell lstm_diagonal, which cannot be trained h"):
        training.to_torch(model)


BOTH = ("weight_ih", "weight_hh")
GOOD = dict(
    kind="mine", matrices=(Matrix("weight_ih", "a", "input_size"), Matrix("weight_hh", "a")),
    biases=(Vector("bias_ih", "a"),), vectors=(Vector("scale", ("v",)),),
    products=(Product("a", ("x", "h"), BOTH),),
    ops=(Op("t", "a", fn="tanh"), Op("h", "t", "v", "h'", fmt="h")),
    formats={"pre": "table", "gate": "gate", "h": "sum"})


@pytest.mark.parametrize("over, text", [
    ({"formats": {"pre": "tabel", "gate": "gate", "h": "sum"}}, "has the rule 'tabel' for the for"),
    ({"formats": {"gate": "gate", "h": "sum"}}, "drains a in the format 'pre', which has no rule"),
    ({"matrices": (Matrix("weight_ih", "a", "inputs"), GOOD["matrices"][1])},
     "gives weight_ih the size 'inputs'; known are input_size, hidden_size, output_size"),
    ({"products": (Product("a", ("x", "h"), ("weight_ih", "weight_xx")),)},
     "multiplies by 'weight_xx', but its matrices are weight_ih, weight_hh"),
    ({"products": (Product("b", ("x", "h"), BOTH),)}, "has no gate 'b' in weight_ih, whose gates"),
    ({"products": (Product("a", ("x", "h"), BOTH[:1]),)}, "needs one matrix for each operand of a"),
    ({"products": (Product("a", ("x", "h"), BOTH, gate_names="aa"),)}, "one gate for each sum of "),
    ({"products": (GOOD["products"][0],) * 2}, "sums 'a' twice; each sum needs a name of its own"),
    ({"products": (Product("a", ("x", "h"), BOTH, biases=("bias",)),)}, "adds 'bias' to a, which "),
    ({"ops": (Op("t", "a", fn="sine"), GOOD["ops"][1])}, "has the function 'sine'; known are mac,"),
    ({"ops": (Op("t", "a", "v", fn="tanh"), GOOD["ops"][1])}, "tanh of t more than one operand; o"),
    ({"ops": (Op("t", "a", fmt="tt"), GOOD["ops"][1])}, "keeps t in the format 'tt', which has no"),
    ({"ops": (Op("h", "v", "a", fmt="h"),)}, "reads a for h from the drain, which only a may befo"),
    ({"ops": (Op("t", "a", fn="tanh"), Op("h", "t", "w", fmt="h"))}, "reads w for h before it is "),
    ({"ops": (Op("t", "a", fn="tanh"), Op("h", "t", "w'", fmt="h"))}, "reads w', but no op writes"),
    ({"ops": (GOOD["ops"][0], GOOD["ops"][0], GOOD["ops"][1])}, "reads a for t from the drain, wh"),
    ({"ops": (*GOOD["ops"], GOOD["ops"][1])}, "writes h twice; each value needs a name of its own"),
    ({"ops": (Op("h", "v", fmt="h"),)}, "takes nothing from the drain, but its products give a, i"),
    ({"ops": (Op("h", "a", fn="tanh"),)}, "keeps h in the format 'gate'; what is kept or multipli"),
    ({"ops": (Op("t", "a", fn="tanh", fmt="h"), GOOD["ops"][1])}, "keeps h in the format 'h'; wha"),
    ({"ops": (*GOOD["ops"], Op("u", "h'", "v"))},
     "reads h' for u when h may be there in its place already; u must come before h[.]"),
    ({"ops": (Op("u", "h'", "v"), Op("h", "a", fn="tanh", fmt="h"))},
     "in its place already; u must come before h, and from the drain as well[.]"),
    ({"reach": {"z": 1.0}}, "gives 'z' a reach, which is none of its formats"),
    ({"output": "y"}, "has no op that writes y"),
    ({"vectors": (Vector("scale", ("v", "pre")),)}, "both a constant and a value or format 'pre'"),
    ({"vectors": (Vector("scale", ("v",), "output_size"),),
      "matrices": (*GOOD["matrices"], Matrix("weight_hr", "a", rows="output_size"))},
     "makes h of values of different sizes, hidden_size and output_size"),
    ({"products": (*GOOD["products"], Product("b", ("x", "h"), ("weight_2", "weight_3"))),
      "matrices": (*GOOD["matrices"], Matrix("weight_2", "b", "input_size"),
                   Matrix("weight_3", "b")),
      "ops": (GOOD["ops"][0], Op("u", "b", fn="tanh"), GOOD["ops"][1])},
     "multiplies the same operands by different matrices in different sums; stack the matrices"),
])
def test_a_description_that_contradicts_itself_is_refused(over, text):
    Cell(**GOOD)
    with pytest.raises(RnnhwError, match=f"^Cell 'mine' .*{text}"):
        Cell(**(GOOD | over))


def test_what_register_refuses():
    with pytest.raises(RnnhwError, match="register takes a rnnhw.cells.Cell, not str"):
        register("mgu")
    with pytest.raises(RnnhwError, match="There is a cell 'lstm' already; give yours another name"):
        register(Cell(**(GOOD | {"kind": "lstm"})))
    with pytest.raises(RnnhwError, match="Cell 'mine' has no matrix with input_size columns, so n"):
        register(Cell(**(GOOD | {"products": (Product("a", ("h",), BOTH[1:]),),
                                 "matrices": GOOD["matrices"][1:]})))
    assert register(MGU) is MGU and CELLS["mgu"] is MGU
    with pytest.raises(RnnhwError, match="Layer 'mine' is of kind 'mine'; lstm, gru, rnn, sru, qr"):
        Recurrent("mine")
    assert Linear(weight=[[1.0]]).description is CELLS["linear"]
