"""The example of texts, on a file made here with the arrays of the published one."""

import importlib.util
import json
import re
import tarfile

import h5py
import numpy as np
import pytest

import rnnhw
from rnnhw.importers.keras_recurrent import from_cudnn

from .keras_models import L, keras, predict
from .models import close
from .scripts import ROOT, script

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
FOLDER = ROOT / "examples" / "textgen"
generator = script(FOLDER.name, "generator")


def write(folder, **changes):
    """Weights and vocabulary as the package has them; an array of None is left out."""
    rng = np.random.default_rng(1)
    with h5py.File(folder / generator.WEIGHTS, "w") as file:
        for name, shape in generator.SHAPES.items():
            value = rng.uniform(-1, 1, shape).astype(np.float32) * (1 if "emb" in name else 0.15)
            value = changes.get(name.split("/")[0], value)
            if value is not None:
                file[name] = value
    characters = ["<s>", *map(chr, range(32, 127)), *map(chr, range(160, 528))]
    found = {character: k + 1 for k, character in enumerate(characters)}
    (folder / generator.VOCABULARY).write_text(json.dumps(found))
    return folder


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write(tmp_path_factory.mktemp("textgenrnn"))


def test_equal_to_keras(package):
    """The embedding and both LSTMs with the same weights, and what stands behind them."""
    arrays, vocabulary = generator.network(package)
    assert len(vocabulary) == generator.CHARACTERS - 1
    first = L.Input((40,), dtype="int32")
    embedded = L.Embedding(465, 100)(first)
    one = L.LSTM(128, return_sequences=True)(embedded)
    two = L.LSTM(128, return_sequences=True)(one)
    steps = L.Concatenate()([embedded, one, two])
    found = L.Dot(1)([L.Softmax(axis=1)(L.Dense(1, use_bias=False)(steps)), steps])
    said = L.Dense(465, activation="softmax")(L.Flatten()(found))
    net, whole = keras.Model(first, L.Concatenate()([one, two])), keras.Model(first, said)
    weights = list(arrays.values())
    table, attention, kernel, bias, *rest = weights
    lstms = []
    for inputs, state, biases in (rest[:3], rest[3:]):
        lstms += [from_cudnn(inputs, 4), from_cudnn(state, 4), biases[:512] + biases[512:]]
    whole.set_weights([table, *lstms, attention, kernel, bias])
    model = generator.model(arrays)
    seen, said = generator.windows(["Hello, world", "a" * 50], vocabulary)
    assert seen.shape == (62, 40) and said.shape == (62,)
    h = model.run(seen)
    assert close(h, predict(net, seen)) < 1e-5
    assert close(generator.next_character(arrays, seen, h), predict(whole, seen)) < 1e-5


def test_windows():
    vocabulary = {"<s>": 9, "a": 1, "b": 2}
    seen, said = generator.windows(["ab", "a" * 41], vocabulary)
    assert seen[:2, 37:].tolist() == [[0, 0, 9], [0, 9, 1]] and not seen[:2, :37].any()
    assert said.tolist() == [1, 2] + [1] * 41
    assert seen[-1].tolist() == [1] * 40 and seen[-2].tolist() == [9] + [1] * 39


def test_quantized(package):
    arrays, vocabulary = generator.network(package)
    texts = ["Some text", "Another one", "And the third"]
    design, result = generator.quantize(arrays, vocabulary, texts, lambda sentence: None)
    assert (result["texts"], result["characters"]) == (2, 24)
    assert min(result["sqnr_db"].values()) > 40 and not list(generator.failures(result))
    assert len(result["text"]) == 2 and result["text"][0].startswith(generator.PREFIX)
    assert design.model.outputs == (0, 1)


def test_what_must_not_be():
    bad = {"sqnr_db": {"rnn_1": 41.0, "rnn_2": 39.0}, "same_character": 0.5, "bit_exact": False,
           "mismatch": "Word 3.", "cycles_simulated": [5], "cycles_estimated": [6]}
    assert list(generator.failures(bad)) == [
        "rnn_2 has an SQNR of 39.0 dB; 40 are needed.",
        "50.0 % of the characters are said alike; 99 % are needed.",
        "The simulation differs from the integers. Word 3.",
        "[5] cycles were simulated where [6] were estimated."]


def test_archive_and_what_is_missing(package, tmp_path):
    archive = tmp_path / "textgenrnn-2.0.0.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(package, "textgenrnn-2.0.0/textgenrnn")
    found, vocabulary = generator.network(archive)
    arrays, same = generator.network(package)
    assert vocabulary == same and all(np.array_equal(found[name], arrays[name]) for name in arrays)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(archive.read_bytes()[:1000])
    for path in (cut, tmp_path / "none.tar.gz", tmp_path):
        with pytest.raises(rnnhw.RnnhwError, match=rf"^{re.escape(str(path))} does not hold textgen"
                           r"rnn_weights\.hdf5 and textgenrnn_vocab\.json; give the source "):
            generator.network(path)
    for value in (None, np.zeros((465, 99), np.float32)):
        with pytest.raises(rnnhw.RnnhwError, match=r"^textgenrnn_weights\.hdf5 has no array embed"
                           r"ding/embedding/embeddings:0 of the shape \(465, 100\); give that "):
            generator.network(write(tmp_path, embedding=value))


def test_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(rnnhw.RnnhwError, match=r"^The network comes with the package textgenrnn==2"
                       r"\.0\.0; install it with pip install --no-deps textgenrnn==2\.0"):
        generator.network()


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("textgenrnn"), reason="needs textgenrnn")
def test_published_network(tmp_path, capsys):
    assert generator.main(["--fast", "-o", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "report.json").read_text())
    assert min(result["sqnr_db"].values()) > 50 and result["bits_per_character"][0] < 1.5
