"""The commands on block-circulant models, from a dense one to a simulated core."""

import json
import os
import re

import numpy as np
import pytest

import rnnhw
from rnnhw import npz
from rnnhw.presets import Preset
from rnnhw.project import resolve
from tests.rnnhw.test_cli import SIMULATOR, run, words

CIRCULANT = """[model]
name = "blocks"
last_step = true
[[layers]]
kind = "gru"
input_size = 7
hidden_size = 16
[[layers]]
kind = "linear"
output_size = 2
"""


@pytest.fixture
def blocks(tmp_path, monkeypatch):
    """A folder with a dense network that blocks of 8 fit, its model file and sequences."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dense.toml").write_text(CIRCULANT)
    model = resolve("dense.toml").model
    npz.save(model, "dense.npz")
    x = np.random.default_rng(0).standard_normal((12, 6, 7))
    np.savez(tmp_path / "x.npz", x=x, y=model.run(x).argmax(axis=1))
    (tmp_path / "lanes.toml").write_text(
        "[config]\nspectrum_bits = 11\nspectral_products = 4\nvector_lanes = 2\n")
    return tmp_path


def test_a_dense_model_goes_to_a_block_circulant_core(blocks, capsys):
    status, text, _ = run(capsys, "compress", "dense.npz", "--data", "x.npz", "-o", "small.npz")
    assert status == 0 and "projected, not trained" in text and not os.path.isdir("small.npz")
    assert sorted(os.listdir()) == ["dense.npz", "dense.toml", "lanes.toml", "small.npz", "x.npz"]
    assert rnnhw.load("small.npz").layers[0].block_hh == 8
    _, text, _ = run(capsys, "quantize", "small.npz", "--calibration", "x.npz", "--config",
                     "lanes.toml", "-o", "d")
    stored, dense = 3 * 2 * 3 * 8, 3 * 16 * (7 + 16)
    for line in (f"weights stored 176 numbers, {11 * stored + 8 * 32:,} bits",
                 f"dense, they would be {dense + 32:,} numbers, {8 * (dense + 32):,} bits",
                 "0.weight_ih 8 48 528 336", "x/8 3 bits", "accuracy, float"):
        assert line in words(text)
    facts = json.loads((blocks / "d" / "report.json").read_text())
    assert facts["weights"] == {"numbers": 176, "bits": 11 * stored + 256,
                                "dense_numbers": dense + 32, "dense_bits": 8 * (dense + 32)}
    assert facts["circulant"]["0.weight_hh"]["block_size"] == 8
    assert facts["guard_bits"] == {"x/8": 3, "0.h/8": 3}
    figures = json.loads(run(capsys, "estimate", "d", "--json")[1])
    assert (figures["block_sizes"], figures["products_per_bin"]) == ([8], 4)
    assert figures["macs_per_step"] == dense
    run(capsys, "generate", "d", "-o", "v")
    page = (blocks / "v" / "README.md").read_text()
    assert (f"{dense + 32} multiply-accumulates a step of the dense matrices that its "
            "block-circulant ones stand for.") in words(page)
    rows = figures["lanes"] // 14
    assert (f"Circulant blocks of 8 are multiplied as spectra, by block rows of 14 lanes: {rows} "
            "at once.") in words(page)
    status, text, _ = run(capsys, "simulate", "d", "--input", "x.npz", "--verilog", "v/core.v",
                          "--simulator", SIMULATOR)
    assert status == 0 and "bit exact yes" in words(text)
    assert re.search(r"cycles (\S+) cycles estimated, no gaps or stalls \1 ", words(text))


def test_presets_name_their_blocks(capsys, monkeypatch):
    layers = ({"kind": "lstm", "input_size": 16, "hidden_size": 16, "block_size": [4, 8]},
              {"kind": "gru", "hidden_size": 16}, {"kind": "linear", "output_size": 2})
    of = {"mixed": Preset("mixed", layers, config={"spectrum_bits": 10}),
          "all": Preset("all", layers[1:], config={"block_size": 16}),
          "none": Preset("none", layers[1:])}
    monkeypatch.setattr("rnnhw.verbs.PRESETS", of)
    lines = [line.split(maxsplit=2)[2] for line in run(capsys, "presets")[1].splitlines()[2:]]
    assert lines == ["8 bit    k=4,8, 10 bit", "8 bit    k=16, 12 bit", "8 bit    -"]


def test_bits_of_weights_are_those_of_every_matrix(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_text("""[[layers]]
kind = "lstm"
input_size = 4
hidden_size = 8
proj_size = 4
peepholes = "full"
block_size = 4
""")
    run(capsys, "quantize", "p.toml", "-o", "d")
    facts = json.loads((tmp_path / "d" / "report.json").read_text())["weights"]
    numbers = (4 * 8 * 4 + 4 * 8 * 4 + 3 * 8 * 8 + 4 * 8) // 4
    assert facts["numbers"] == numbers and facts["bits"] == 12 * numbers
    assert facts["dense_numbers"] == 4 * numbers and facts["dense_bits"] == 8 * 4 * numbers
