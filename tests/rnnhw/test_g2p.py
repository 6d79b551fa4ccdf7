"""The grapheme-to-phoneme example, on a checkpoint made here with the published one's shapes."""

import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import rnnhw

from .scripts import ROOT, script

FOLDER = ROOT / "examples" / "g2p"
encoder = script(FOLDER.name, "encoder")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(1)
    arrays = {name: rng.uniform(-1, 1, shape).astype(np.float32) * (1 if "emb" in name else 0.12)
              for name, shape in encoder.SHAPES.items()}
    arrays["fc_b"][encoder.END] += 0.5      # words of many lengths
    found = tmp_path_factory.mktemp("g2p") / "checkpoint20.npz"
    np.savez(found, **arrays)
    return found


@pytest.fixture(scope="module")
def arrays(path):
    return encoder.checkpoint(path)


def phones(arrays, word, model):
    """What torch's cells say, one phone after the other."""
    import torch

    def array(name):
        return torch.as_tensor(arrays[name])

    cells = {}
    for part in ("enc", "dec"):
        cells[part] = torch.nn.GRUCell(256, 256, dtype=torch.float64)
        cells[part].load_state_dict({f"{kind}_{side}": array(f"{part}_{short}_{side}")
                                     for kind, short in (("weight", "w"), ("bias", "b"))
                                     for side in ("ih", "hh")})
    with torch.no_grad():
        h = torch.zeros(1, 256, dtype=torch.float64)
        for letter in word:
            h = cells["enc"](array("enc_emb")[[3 + ord(letter) - ord("a")]], h)
        h = cells["enc"](array("enc_emb")[[2]], h)
        np.testing.assert_allclose(model.run(*encoder.embed(arrays, [word])), h.numpy(), atol=1e-9)
        said, last = [], 2
        while len(said) < 20:
            h = cells["dec"](array("dec_emb")[[last]], h)
            last = int((h @ array("fc_w").T + array("fc_b")).argmax())
            if last == 3:
                break
            said.append(encoder.PHONES[last])
    return said


def test_names():
    assert len(encoder.LETTERS) == 29 and len(set(encoder.PHONES)) == len(encoder.PHONES) == 74
    assert encoder.SHAPES["enc_w_ih"] == (768, 256) and encoder.SHAPES["fc_w"] == (74, 256)


def test_words():
    words = (FOLDER / "words.txt").read_text().split()
    assert len(words) > 500 and words == sorted(set(words))
    assert all(re.fullmatch("[a-z]+", word) for word in words)
    assert set("".join(words[::3])) == set("abcdefghijklmnopqrstuvwxyz")
    assert set(encoder.SIMULATED) <= set(words)


def test_encoder_and_decoder_match_torch(arrays):
    words = ["a", "quiz", "jackdaws"]
    model = encoder.encoder(arrays)
    assert model.last_step and (model.input_size, model.output_size) == (256, 256)
    found = encoder.decode(arrays, model.run(*encoder.embed(arrays, words)))
    assert found == [phones(arrays, word, model) for word in words]
    assert any(found)


def test_decode_ends_words_apart(arrays):
    state = np.random.default_rng(2).uniform(-1, 1, (40, 256))
    said = encoder.decode(arrays, state)
    lengths = {len(one) for one in said}
    assert min(lengths) == 0 and max(lengths) == 20 and len(lengths) > 5
    assert said == [encoder.decode(arrays, one[None])[0] for one in state]


@pytest.mark.parametrize("a, b, count", [("", "", 0), ("abc", "", 3), ("abc", "abc", 0),
                                         ("kitten", "sitting", 3), ("ab", "ba", 2)])
def test_edits(a, b, count):
    assert encoder.edits(a, b) == encoder.edits(b, a) == count


def test_quantize(arrays):
    config = rnnhw.Config(weight_bits=8, activation_bits=8)
    words = (FOLDER / "words.txt").read_text().split()[:60]
    design, result = encoder.quantize(arrays, config, words, lambda sentence: None)
    assert (result["calibration_words"], result["words"]) == (20, 40)
    assert result["sqnr_db"] > 25
    changed = result["changed"]
    assert result["same_phones"] == 1 - len(changed) / 40 and not set(changed) & set(words[::3])
    assert design.model.layers[0].hidden_size == 256


def test_checkpoint_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(rnnhw.RnnhwError, match=r"comes with the package g2p-en==2\.1\.0; install "
                       r"it with: pip install --no-deps g2p-en==2\.1\.0\."):
        encoder.checkpoint()


def test_checkpoint_of_the_package(path, monkeypatch):
    (path.parent / "g2p_en").mkdir()
    (path.parent / "g2p_en" / "__init__.py").write_text("raise ImportError('not to be imported')")
    (path.parent / "g2p_en" / "checkpoint20.npz").write_bytes(path.read_bytes())
    monkeypatch.syspath_prepend(path.parent)
    assert encoder.checkpoint().keys() == encoder.SHAPES.keys()


def test_checkpoint_refuses_other_files(arrays, tmp_path):
    text = tmp_path / "text.npz"
    text.write_text("no archive")
    for missing in (text, tmp_path / "none.npz"):
        with pytest.raises(rnnhw.RnnhwError, match=rf"{missing.name} cannot be read as an \.npz "
                           r"file; give checkpoint20\.npz of g2p-en==2\.1\.0\."):
            encoder.checkpoint(missing)
    np.savez(tmp_path / "less.npz", **{k: v for k, v in arrays.items() if k != "enc_b_hh"})
    with pytest.raises(rnnhw.RnnhwError, match=r"less\.npz lacks the array enc_b_hh"):
        encoder.checkpoint(tmp_path / "less.npz")
    np.savez(tmp_path / "other.npz", **arrays | {"fc_b": np.zeros(73)})
    with pytest.raises(rnnhw.RnnhwError, match=r"other\.npz has the array fc_b with shape \(73,\), "
                       r"but \(74,\) is needed; give checkpoint20\.npz of g2p-en==2\.1\.0\."):
        encoder.checkpoint(tmp_path / "other.npz")


def test_failures():
    good = {"bit_exact": True, "mismatch": None, "cycles_simulated": [5, 7],
            "cycles_estimated": [5, 7], "same_phones": 0.95}
    assert encoder.failures(good) == []
    assert encoder.failures(good | {"bit_exact": False, "mismatch": "Sequence 0 differs."}) == [
        "The simulation differs from the integers. Sequence 0 differs."]
    assert encoder.failures(good | {"cycles_simulated": [5, 8]}) == [
        "[5, 8] cycles were simulated where [5, 7] were estimated."]
    assert encoder.failures(good | {"same_phones": 0.94}) == [
        "94.0 % of the words keep their phones; 95 % are needed."]


def test_main_says_one_sentence(tmp_path):
    done = subprocess.run([sys.executable, str(FOLDER / "encoder.py"), "--checkpoint",
                           str(tmp_path / "none.npz"), "-o", str(tmp_path / "out")], cwd=ROOT,
                          env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True,
                          text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("encoder: ") and "cannot be read" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_main_fast(path, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(encoder, "SIMULATED", ("toe", "ox"))
    monkeypatch.setattr(encoder, "CONFIG", replace(encoder.CONFIG, lanes=32))
    encoder.main(["--checkpoint", str(path), "--fast", "-o", str(tmp_path)])
    assert (tmp_path / "report.txt").read_text() == capsys.readouterr().out
    result = json.loads((tmp_path / "report.json").read_text())
    assert result["bit_exact"] and result["words_checked"] == 2 * 2 * 256
    assert result["cycles_simulated"] == result["cycles_estimated"]
    assert rnnhw.load_design(tmp_path / "design").model.output_size == 256
