"""Bad input at the command line: one clear line, exit status 2, nothing left behind."""

import os
import subprocess
import sys

import numpy as np
import pytest

import rnnhw
from rnnhw import npz
from rnnhw.cli import main
from rnnhw.model import Linear, Model, Recurrent
from rnnhw.project import resolve
from rnnhw.verbs import VERBS

TINY = "[[layers]]\nkind = 'lstm'\ninput_size = 3\nhidden_size = 4\n"


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *argv):
    """The sentence of a command that must be refused and leave nothing."""
    before = sorted(os.listdir())
    status = main([str(a) for a in argv])
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert status == 2 and out == "" and "Traceback" not in err
    assert all(line.startswith("rnnhw: ") or not line.startswith(" ") for line in lines)
    assert sum(line.startswith("rnnhw: error: ") for line in lines) == 1
    assert lines[-1].startswith("rnnhw: error: ") and lines[-1].endswith(".")
    assert sorted(os.listdir()) == before
    return lines[-1].removeprefix("rnnhw: error: ")


@pytest.mark.parametrize("argv, sentence", [
    ([], "the following arguments are required: VERB; see rnnhw --help."),
    (["train"], "argument VERB: invalid choice: 'train' (choose from"),
    (["quantize", "tiny"], "arguments are required: -o/--output; see rnnhw quantize --help."),
    (["quantize", "tiny", "-o", "d", "--lanes", "3"], "unrecognized arguments: --lanes 3"),
    (["simulate", "tiny", "--simulator", "vcs"], "argument --simulator: invalid choice: 'vcs'"),
    (["simulate", "tiny", "--gaps", "1"], "--gaps must be within 0..0.95, not 1.0."),
    (["simulate", "tiny", "--stalls", "-1"], "--stalls must be within 0..0.95, not -1.0."),
    (["simulate", "tiny", "--seed", "-1"], "--seed must be at least 0, not -1."),
    (["simulate", "tiny", "--waves"], "--waves needs a folder to keep them in; add -o DIR."),
    (["simulate", "tiny", "--verilog", "none.v"],
     "none.v does not exist; the core.v that generate wrote is needed."),
    (["compress", "m.onnx", "--block-size", "8", "-o", "f"],
     "m.onnx does not exist; a model file, a TOML file"),
    (["compress", "tiny", "--block-size", "12", "-o", "f"],
     "block_size must be a power of two within 4..64, not 12."),
    (["compress", "tiny", "--fine-tune", "-1", "-o", "f"],
     "--fine-tune must be at least 0 epochs, not -1."),
    (["compress", "tiny", "--fine-tune", "2", "-o", "f"],
     "--fine-tune needs data with y; add --data X.npz."),
    (["compress", "tiny", "--fine-tune", "2", "--data", "x.npz", "--learning-rate", "0", "-o",
      "f"], "--learning-rate must be above 0, not 0.0."),
    (["compress", "tiny", "--seed", "-1", "-o", "f"], "--seed must be at least 0, not -1."),
    (["estimate", "none"], "There is no preset 'none'; known are lstm-128, lstm-128-plain"),
    (["estimate", "none.onnx"], "none.onnx does not exist; a model file, a TOML file"),
    (["estimate", "tiny", "--config", "none.toml"], "none.toml does not exist; a TOML file"),
    (["estimate", "tiny", "--board", "arty"], "There is no board 'arty'; known are ulx3s-85f"),
    (["build", "tiny", "-o", "b"], "build needs --board NAME, or the key board in [config]"),
    (["build", "tiny", "--board", "arty", "-o", "b"], "There is no board 'arty'; known are"),
    (["build", "tiny", "--board", "ulx3s-85f", "--clock", "0", "-o", "b"],
     "--clock must be above 0 MHz, not 0.0."),
    (["estimate", "tiny", "--clock", "-1"], "--clock must be above 0 MHz, not -1.0."),
    (["generate", "tiny", "--deadline-us", "0", "-o", "g"],
     "--deadline-us must be above 0 microseconds, not 0.0."),
    (["estimate", "tiny", "--deadline-us", "9"], "deadline_us is a time, which needs a clock: give "
     "a board, or a clock in MHz as clock_mhz or --clock."),
    (["estimate", "tiny", "--deadline-us", "0.1", "--clock", "100"],
     "The deadline of 0.1 us cannot be met: the best latency of a step is "),
    (["generate", "tiny", "--board", "icebreaker", "--clock", "900", "-o", "g"],
     "A clock of 900 MHz cannot be made on icebreaker; from its 12 MHz come "),
    (["run", "tiny", "--port", "p", "--input", "x.npz"], "tiny is not a design folder"),
    (["generate", ".", "-o", "g"], ". is not a design folder (it has no design.json)"),
    (["quantize", "model.h5", "-o", "d"], "model.h5 does not exist"),
    (["quantize", "tiny", "--calibration", "x.npz", "-o", "d"], "x.npz does not exist"),
])
def test_arguments(work, capsys, argv, sentence):
    assert sentence in refused(capsys, *argv)


@pytest.mark.parametrize("model, text, sentence", [
    ("lstm-16-64.npz", "block_size = 8", "block_size is 8, but the model's matrices are dense; "
     "rnnhw compress MODEL --block-size 8 makes a block-circulant one."),
    ("lstm-16-64.npz", "spectrum_bits = 12", "spectrum_bits is 12, but the model has no "
     "block-circulant matrix; leave it out, or make one with rnnhw compress MODEL --block-size K."),
    ("lstm-16-64.npz", "guard_bits = 2", "guard_bits is 2, but the model has no block-circulant"),
    ("small.npz", "block_size = 8", "block_size is 8, but the model has blocks of 16; leave it out "
     "or give that."),
])
def test_blocks_that_a_model_file_has_not(work, capsys, model, text, sentence):
    npz.save(resolve("lstm-16-64").model, "lstm-16-64.npz")
    assert main(["compress", "lstm-16-64.npz", "--block-size", "16", "-o", "small.npz"]) == 0
    capsys.readouterr()
    (work / "c.toml").write_text(f"[config]\n{text}\n")
    for verb in (["estimate"], ["quantize", "-o", "new"]):
        assert sentence in refused(capsys, *verb, model, "--config", "c.toml")


def test_compress_refuses_a_folder_as_its_file(work, capsys):
    os.mkdir("small.npz")
    assert refused(capsys, "compress", "lstm-16-64", "-o", "small.npz") == (
        "small.npz is a folder; name a file for the model, or a folder whose name does not end in "
        ".npz.")


@pytest.mark.parametrize("text, sentence", [
    ("[config\n", "c.toml is not TOML: "),
    ("[config]\nlane = 4\n", "[config] of c.toml has the unknown key 'lane'; known are weight_"),
    ("[config]\nweight_bits = 1\n", "weight_bits must be a whole number within 2..18, not 1."),
    ("[config]\nactivation_error = 0.5\n", "activation_error must be within 2**-12..2**-6"),
    ("[config]\nactivation_kind = 'hard'\n",
     "activation_kind 'hard' is unknown; known are pwl, octave, table, ralut, hard_0.25, hard_0.2, "
     "hard_1/6."),
    ("[config]\nactivation_kind = 'hard_0.2'\nactivation_error = 0.001\n",
     "activation_error 0.001 does not go with activation_kind 'hard_0.2', which approximates "),
    ("[config]\nactivation_kind = 'ralut'\nactivation_error = 0.0003\n",
     "activation_kind 'ralut' needs 1794 ranges for an error of 0.0003, but 1024 are the most"),
    ("[config]\nfast_inner_product = \"yes\"\n",
     "fast_inner_product of [config] of c.toml must be true or false"),
    ("[config]\npipeline = \"long\"\n", "pipeline must be short or deep, or left out, not 'long'"),
    ("[config]\noutput_placement = \"late\"\n",
     "output_placement must be latency or throughput, not 'late'."),
    ("[config]\ndeadline_us = -1.5\n", "deadline_us must be above 0 microseconds, not -1.5."),
    ("[config]\nclock_mhz = 0\n", "clock_mhz must be above 0 MHz, not 0."),
    ("[config]\nlanes = 3\n", "No design keeps the limits: the nearest has 4 lanes and 1 vector "
     "lane, 5 multipliers in all; at most 3 lanes are allowed."),
    ("[config]\nweight_bits = 18\nboard = 'icebreaker'\n", "Products of 18-bit weights and "),
    ("[config]\nblock_size = 12\n", "block_size must be a power of two within 4..64, not 12."),
    ("[config]\nspectrum_bits = 1\n", "spectrum_bits must be a whole number within 2..18, not 1."),
    ("[config]\nspectral_products = 2\n", "spectral_products must be 3 or 4, or left out, not 2."),
    ("[config]\nguard_bits = 9\n", "guard_bits must be a whole number within 0..8, not 9."),
    ("[config]\nboard = 'arty'\n", "There is no board 'arty'; known are ulx3s-85f, icebreaker"),
    ("[formats]\n'0.zz' = '8/4'\n", "formats has the unknown tensor '0.zz'; known are x, 0.weight"),
    ("[formats]\nx = '8-4'\n", "A format is written width/frac_bits, as 16/11, not '8-4'."),
    ("[formats]\nx = '8/12'\n", "Format 8/12 fixed for x holds"),
    ("[formats]\n'0.h' = '99/4'\n", "A format's width must be within 1..64 bits, not 99."),
])
def test_toml(work, capsys, text, sentence):
    (work / "c.toml").write_text(text)
    assert sentence in refused(capsys, "generate", "tiny", "--config", "c.toml", "-o", "g")


@pytest.mark.parametrize("x, sentence", [
    (np.zeros((2, 4, 5)), "x of x.npz has 5 features a step, but the model takes 3."),
    (np.zeros((0, 4, 3)), "x of x.npz is empty (shape (0, 4, 3))"),
    (np.full((2, 4, 3), np.nan), "x of x.npz holds 24 values that are NaN or infinite"),
    (np.zeros(7), "x of x.npz has shape (7,), but (seq_len, 3) or (batch, seq_len, 3) is needed."),
])
def test_data(work, capsys, x, sentence):
    np.savez("x.npz", x=x)
    for verb in ("quantize", "generate"):
        assert sentence in refused(capsys, verb, "tiny", "--calibration", "x.npz", "-o", "d")
    assert sentence in refused(capsys, "simulate", "tiny", "--input", "x.npz", "-o", "d")


def test_data_that_are_no_npz(work, capsys):
    (work / "x.npz").write_bytes(b"x,y\n1,2\n")
    assert "x.npz is not an .npz file" in refused(
        capsys, "quantize", "tiny", "--calibration", "x.npz", "-o", "d")


def test_a_format_that_cannot_hold_its_data_says_how_much_saturates(work, capsys):
    np.savez("x.npz", x=4 * np.random.default_rng(0).standard_normal((4, 20, 3)))
    (work / "c.toml").write_text("[formats]\nx = '8/7'\n")
    sentence = refused(capsys, "quantize", "tiny", "--config", "c.toml", "--calibration", "x.npz",
                       "-o", "d")
    assert "Format 8/7 fixed for x holds -1..0.992188, but" in sentence
    assert "% of its 240 values saturate" in sentence


@pytest.mark.parametrize("name, content, sentence", [
    ("m.npz", b"PK\x03\x04", "m.npz is not an .npz file of plain arrays, or it is cut"),
    ("m.h5", b"", "m.h5 is not a file that Keras wrote, or it is cut or damaged"),
    ("m.csv", b"", "m.csv has the suffix '.csv', which names no known kind of model file"),
    ("m.toml", b"[[layers]]\n", "layer 0 of [[layers]] is of kind None; lstm, gru, rnn"),
])
def test_model_files(work, capsys, name, content, sentence):
    (work / name).write_bytes(content)
    assert sentence in refused(capsys, "quantize", name, "-o", "d")


def test_model_weights_that_are_not_finite(work, capsys):
    model = Model(layers=(Linear(weight=np.ones((2, 3))),))
    npz.save(model, "m.npz")
    arrays = dict(np.load("m.npz"))
    arrays["0.weight"] = np.full((2, 3), np.inf)
    np.savez("m.npz", **arrays)
    assert "holds 6 values that are NaN or infinite" in refused(
        capsys, "quantize", "m.npz", "-o", "d")


def test_onnx_files(work, capsys):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    (work / "no.onnx").write_bytes(b"this is no model")
    assert "no.onnx" in refused(capsys, "quantize", "no.onnx", "-o", "d")
    value = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 2, 3]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Selu", ["x"], ["y"], name="odd")], "g",
                              value[:1], value[1:])
    onnx.save(helper.make_model(graph), "selu.onnx")
    sentence = refused(capsys, "quantize", "selu.onnx", "-o", "d")
    assert "Selu" in sentence and "odd" in sentence
    content = (work / "selu.onnx").read_bytes()
    (work / "cut.onnx").write_bytes(content[:len(content) // 2])
    assert "cut.onnx" in refused(capsys, "quantize", "cut.onnx", "-o", "d")


def test_torch_files_need_trust(work, capsys):
    (work / "m.pt").write_bytes(b"PK\x03\x04")
    assert "--trust" in refused(capsys, "quantize", "m.pt", "-o", "d")


def test_a_design_folder_is_not_quantized_again(work, capsys):
    assert main(["quantize", "tiny", "-o", "d", "--quiet"]) == 0
    capsys.readouterr()
    assert "d is a design folder and already quantized" in refused(
        capsys, "quantize", "d", "-o", "e")
    np.savez("x.npz", x=np.zeros((2, 3)))
    assert "--calibration does not go with it" in refused(
        capsys, "generate", "d", "--calibration", "x.npz", "-o", "e")
    (work / "c.toml").write_text("[config]\nweight_bits = 4\n")
    assert "weight_bits is settled in the design folder d; only lanes, vector_lanes" in refused(
        capsys, "estimate", "d", "--config", "c.toml")
    (work / "c.toml").write_text(TINY)
    assert "c.toml has [layers], but d already is a model" in refused(
        capsys, "estimate", "d", "--config", "c.toml")
    (work / "d" / "design.npz").write_bytes(b"")
    assert "The design folder d is damaged" in refused(capsys, "estimate", "d")


def test_a_file_in_the_way_of_the_outputs(work, capsys):
    (work / "d").write_text("mine")
    for verb in ("quantize", "generate", "simulate", "estimate"):
        assert "d is a file; name a folder for the outputs." in refused(
            capsys, verb, "tiny", "-o", "d")
    assert (work / "d").read_text() == "mine"


def test_a_design_that_does_not_fit_is_refused_before_place_and_route(work, capsys):
    model = Model(layers=(Recurrent(
        cell="lstm", weight_ih=np.random.default_rng(0).standard_normal((256, 64)),
        weight_hh=np.random.default_rng(1).standard_normal((256, 64))),))
    npz.save(model, "big.npz")
    sentence = refused(capsys, "build", "big.npz", "--board", "icebreaker", "-o", "b")
    assert "block RAM" in sentence and "30" in sentence


def test_a_missing_package_says_what_to_install(work):
    (work / "m.onnx").write_bytes(b"x")
    code = ("import sys; sys.modules['onnx'] = None\n"
            "from rnnhw.cli import main; sys.exit(main(['quantize', 'm.onnx', '-o', 'd']))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(
                              rnnhw.__file__))})
    assert done.returncode == 2
    assert done.stderr == ("rnnhw: error: Reading m.onnx needs the package onnx; install it with: "
                           "pip install 'rnnhw[onnx]'.\n")


def test_what_is_no_keras_model_is_refused_from_python():
    with pytest.raises(rnnhw.RnnhwError, match="from_keras takes a Keras model, not NoneType; of"):
        rnnhw.from_keras(None)
    assert set(VERBS) == {"quantize", "generate", "simulate", "build", "estimate", "compress",
                          "run", "boards", "presets"}
