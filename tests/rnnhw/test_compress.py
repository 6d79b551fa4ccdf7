"""Compression of models: which matrices, what is refused, the verb with its report."""

import json
import os

import numpy as np
import pytest

import rnnhw
from rnnhw import RnnhwError, npz
from rnnhw.circulant import Circulant
from rnnhw.cli import main
from rnnhw.compress import errors, plan
from rnnhw.model import Model

from .models import linear, recurrent
from .test_circulant import mixed


def model(name="small", last_step=True):
    rng = np.random.default_rng(0)
    return Model(layers=[recurrent(rng, "gru", 3, 16), recurrent(rng, "lstm", 16, 24),
                         linear(rng, 24, 2)], last_step=last_step, name=name)


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    npz.save(model(), "m.npz")
    rng = np.random.default_rng(1)
    x, lengths = rng.standard_normal((40, 6, 3)), rng.integers(1, 7, 40)
    y = model().run(x, lengths).argmax(axis=1)
    np.savez("x.npz", x=x, lengths=lengths, y=y)
    np.savez("t.npz", x=x[:9])
    return tmp_path


def run(capsys, *argv):
    status = main([str(a) for a in argv])
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    return status, found.out, " ".join(found.err.split())


def test_every_matrix_that_fits_is_projected():
    dense = model()
    small = rnnhw.compress(dense, block_size=8)
    assert [(a.block_ih, a.block_hh) for a in small.layers[:2]] == [(None, 8), (8, 8)]
    assert small.layers[2].block_size is None and small.last_step and small.name == "small"
    assert np.array_equal(small.layers[1].weight_hh,
                          Circulant.project(dense.layers[1].weight_hh, 4, 8).dense)
    assert np.array_equal(small.layers[0].weight_ih, dense.layers[0].weight_ih)
    assert np.array_equal(small.layers[1].bias_hh, dense.layers[1].bias_hh)


def test_matrices_and_block_sizes_may_be_chosen():
    small = rnnhw.compress(model(), 8, ["0.hh=16", "1", "1.ih=4"])
    assert [(a.block_ih, a.block_hh) for a in small.layers[:2]] == [(None, 16), (4, 8)]
    again = rnnhw.compress(rnnhw.compress(model(), 8, ["1.ih"]), 4, ["0.hh"])
    assert [(a.block_ih, a.block_hh) for a in again.layers[:2]] == [(None, 4), (8, None)]


def test_the_error_is_that_of_the_projection():
    dense, choices = model(), plan(model(), 8)
    rows = errors(dense, rnnhw.compress(dense, 8), choices)
    assert [r["matrix"] for r in rows] == ["0.weight_ih", "0.weight_hh", "1.weight_ih",
                                           "1.weight_hh", "2.weight"]
    w = dense.layers[1].weight_ih
    due = np.sqrt(np.sum((Circulant.project(w, 4, 8).dense - w) ** 2) / np.sum(w**2))
    assert rows[2]["relative_error"] == pytest.approx(due)
    assert rows[2]["stored_before"] == 8 * rows[2]["stored_after"] and rows[0]["why_dense"]
    circulant = rnnhw.compress(dense, 8)
    same = Model(layers=[recurrent(np.random.default_rng(0), "gru", 3, 16)])
    assert errors(same, same, plan(same, 8, ["0.hh"]))[1]["relative_error"] == 0
    assert circulant.layers[1].block_hh == 8


@pytest.mark.parametrize("make, text", [
    (lambda: rnnhw.compress(model(), 6), r"^block_size must be a power of two within 4\.\.64, not"),
    (lambda: rnnhw.compress(model(), 8, ["0.ih"]),
     r"^0\.weight_ih has 3 columns, which blocks of 8 would pad to 8, by more than a quarter; 7 to "
     r"8 would fit\.$"),
    (lambda: rnnhw.compress(model(), 8, ["3.hh"]),
     r"^layers has '3\.hh', which names no matrix of small; known are 0, 0\.ih, 0\.hh, 1, 1\.ih, "
     r"1\.hh, 2, each with =K for a block size of its own\.$"),
    (lambda: rnnhw.compress(model(), 8, ["1=12"]),
     r"^The block size of '1=12' must be a power of two within 4\.\.64, not 12\.$"),
    (lambda: rnnhw.compress(model(), 8, ["1=x"]),
     r"^The block size of '1=x' must be .* not 'x'\.$"),
    (lambda: rnnhw.compress(model(), 8, []),
     r"^No matrix of small becomes block-circulant: layers is empty\.$"),
    (lambda: rnnhw.compress(mixed(np.random.default_rng(0)), 4),
     r"^0\.weight_ih is block-circulant already \(blocks of 4\); give the dense model that it"),
    (lambda: rnnhw.compress(Model(layers=[linear(np.random.default_rng(0), 3, 3)]), 8),
     r"^No matrix of model becomes block-circulant: 0\.weight has 3 rows of a gate, which blocks"),
    (lambda: rnnhw.compress(model(), 8, fine_tune=1), r"^Fine-tuning needs data; give x and y\.$"),
])
def test_what_is_refused(make, text):
    with pytest.raises(RnnhwError, match=text):
        make()


def test_fine_tuning_needs_targets():
    pytest.importorskip("torch")
    with pytest.raises(RnnhwError, match=r"^Fine-tuning needs y, the classes or targets of x; "):
        rnnhw.compress(model(), 8, fine_tune=1, x=np.ones((2, 4, 3)))


def test_the_verb_writes_model_and_report(work, capsys):
    status, text, _ = run(capsys, "compress", "m.npz", "--block-size", "8", "--data", "x.npz",
                          "--test", "t.npz", "-o", "out")
    assert status == 0 and sorted(os.listdir("out")) == ["model.npz", "report.json", "report.txt"]
    assert (work / "out" / "report.txt").read_text() == text
    small = rnnhw.load("out/model.npz")
    assert [(a.block_ih, a.block_hh) for a in small.layers[:2]] == [(None, 8), (8, 8)]
    facts = json.loads((work / "out" / "report.json").read_text())
    with np.load("x.npz") as file:
        x, y, lengths = file["x"], file["y"], file["lengths"]
    right = np.mean(small.run(x, lengths).argmax(axis=1) == y)
    first, second = facts["measured"]
    assert (first["measure"], first["before"], first["projected"]) == ("accuracy", 1.0, right)
    before, after = model().run(x[:9]), small.run(x[:9])
    assert second["projected"] == pytest.approx(
        10 * np.log10(np.sum(before**2) / np.sum((after - before) ** 2)))
    assert facts["stored_after"] == sum(m["stored_after"] for m in facts["matrices"])
    for piece in ("100.00 %", f"{100 * right:.2f} %", "0.weight_ih stays dense: 0.weight_ih has 3 "
                  "columns", "SQNR against the model before on t.npz, 9 sequences"):
        assert piece in text
    again = run(capsys, "compress", "m.npz", "--data", "x.npz", "--test", "t.npz", "-o", "again",
                "--json")
    assert again[1] == (work / "again" / "report.json").read_text()
    for name in os.listdir("out"):
        assert (work / "out" / name).read_bytes() == (work / "again" / name).read_bytes()


def test_the_verb_fine_tunes(work, capsys):
    pytest.importorskip("torch")
    status, text, err = run(capsys, "compress", "m.npz", "--layers", "0.hh", "1=4", "--data",
                            "x.npz", "--fine-tune", "40", "--learning-rate", "0.03", "-o", "out")
    facts = json.loads((work / "out" / "report.json").read_text())
    measured = facts["measured"][0]
    assert status == 0 and "Training: epoch 40 of 40" in err
    assert measured["tuned"] > measured["projected"] and measured["trained_on"]
    assert "fine-tuned" in text and "the data it was fine-tuned on" in text
    small = rnnhw.load("out/model.npz")
    assert [(a.block_ih, a.block_hh, a.name) for a in small.layers[:2]] == [(None, 8, "0"),
                                                                            (4, 4, "1")]


def test_a_preset_and_outputs_over_steps(work, capsys):
    status, text, _ = run(capsys, "compress", "lstm-16-64", "--block-size", "16", "-o", "out")
    assert status == 0 and "20,480 before, 1,280 after (16.00 times fewer)" in text
    npz.save(model(last_step=False), "every.npz")
    _, text, _ = run(capsys, "compress", "every.npz", "--data", "x.npz", "-o", "every")
    assert "Accuracy on x.npz, 40 sequences" in text


@pytest.mark.parametrize("argv, sentence", [
    (["out/model.npz"], "error: 0.weight_hh is block-circulant already (blocks of 8); give the"),
    (["design"], "error: design is a design folder and already quantized; give the model it came"),
    (["m.npz", "--layers", "9"], "error: layers has '9', which names no matrix of small; known"),
    (["m.npz", "--data", "t.npz", "--fine-tune", "1"],
     "error: Fine-tuning needs y, the classes or targets of x; give data that have them."),
])
def test_the_verb_refuses(work, capsys, argv, sentence):
    pytest.importorskip("torch")
    run(capsys, "compress", "m.npz", "-o", "out", "--quiet")
    run(capsys, "quantize", "m.npz", "-o", "design", "--quiet")
    status, out, err = run(capsys, "compress", *argv, "-o", "new")
    assert status == 2 and sentence in err and out == "" and not os.path.exists("new")
