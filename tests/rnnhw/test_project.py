import numpy as np
import pytest

from rnnhw import npz
from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat
from rnnhw.project import resolve

NET = """
[model]
name = "net"
seed = 5
last_step = true
[[layers]]
kind = "gru"
input_size = 3
hidden_size = 8
reset_after = false
bias = 1
[[layers]]
kind = "linear"
output_size = 2
activation = "sigmoid"
[config]
weight_bits = 6
lanes = 4
[formats]
x = "8/5"
"""


@pytest.fixture
def toml(tmp_path):
    def write(text, name="net.toml"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)
    return write


def test_a_file_gives_model_and_config(toml):
    project = resolve(toml(NET))
    gru, linear = project.model.layers
    assert project.model.name == "net" and project.model.last_step
    assert (gru.kind, gru.input_size, gru.hidden_size) == ("gru_reset_before", 3, 8)
    assert not gru.bias_hh.any() and gru.bias_ih.all()
    assert (linear.input_size, linear.output_size, linear.activation) == (8, 2, "sigmoid")
    assert (project.config.weight_bits, project.config.lanes) == (6, 4)
    assert project.config.formats == {"x": FixedFormat(8, 5)}


def test_seeds_make_different_weights(toml):
    a = resolve(toml(NET)).model.layers[0].weight_ih
    b = resolve(toml(NET.replace("seed = 5", "seed = 6"))).model.layers[0].weight_ih
    assert (a != b).all()


def test_config_overrides_key_by_key(toml):
    over = toml('[model]\nlast_step = true\n[config]\nlanes = 12\n[formats]\nx = "8/3"\n', "o.toml")
    project = resolve("tiny", over)
    assert project.model.last_step and project.model.name == "tiny"
    assert (project.config.lanes, project.config.vector_lanes) == (12, 1)
    base = resolve(toml(NET), over)
    assert (base.config.weight_bits, base.config.lanes) == (6, 12)
    assert base.config.formats == {"x": FixedFormat(8, 3)}


def test_layers_are_replaced_as_a_whole(toml):
    over = toml('[[layers]]\nkind = "gru"\ninput_size = 2\nhidden_size = 5\n', "o.toml")
    assert [layer.kind for layer in resolve("stack", over).model.layers] == ["gru"]


@pytest.mark.parametrize("text, sentence", [
    ("a = = 1", r"net\.toml is not TOML: .*line 1"),
    ("\n\n[model\n", r"net\.toml is not TOML: .*line 3"),
    ("[engine]\n", r"unknown table \[engine\]; known are \[model\], \[\[layers\]\], \[config\]"),
    ("[model]\ntitle = 1\n", r"\[model\] of .* has the unknown key 'title'; known are name"),
    ("[config]\nlane = 1\n", r"\[config\] of .* has the unknown key 'lane'; known are weight_bits"),
    ("[config]\nlanes = '4'\n", r"lanes of \[config\] of .* must be a whole number, not '4'"),
    ("[config]\nlanes = true\n", r"lanes of \[config\] of .* must be a whole number, not True"),
    ("[config]\nactivation_error = 'x'\n", r"activation_error of .* must be a number, not 'x'"),
    ("[formats]\nx = 8\n", r"x of \[formats\] of .* must be text, not 8"),
    ("[model]\nlast_step = 1\n", r"last_step of \[model\] of .* must be true or false, not 1"),
    ("model = 3\n", r"\[model\] of .* must be a table, not 3"),
    ("[layers]\nkind = 'lstm'\n", r"must be written as \[\[layers\]\]"),
    ("[config]\nlanes = 4\n", r"has neither \[\[layers\]\] nor the key path"),
    ("[[layers]]\nkind = 'conv'\n", r"layer 0 .* is of kind 'conv'; lstm, gru, rnn, sru, qrnn"),
    ("[[layers]]\nkind = 'lstm'\nhidden_size = 2\n", r"layer 0 .* needs the key 'input_size'"),
    ("[[layers]]\nkind = 'lstm'\ninput_size = 2\n", r"layer 0 .* needs the key 'hidden_size'"),
    ("[[layers]]\nkind = 'lstm'\ninput_size = 2\nhidden_size = 0\n",
     r"hidden_size of layer 0 .* must be within 1\.\.65536, not 0"),
    ("[[layers]]\nkind = 'lstm'\ninput_size = 2\nhidden_size = 2\nreset_after = true\n",
     r"layer 0 .* has the unknown key 'reset_after'"),
    ("[[layers]]\nkind = 'linear'\ninput_size = 2\noutput_size = 2\nbias = 2\n",
     r"bias of layer 0 .* within 0\.\.1, not 2"),
    ("[[layers]]\nkind = 'linear'\ninput_size = 2\noutput_size = 2\nactivation = 'gelu'\n",
     r"has the activation 'gelu'; none, relu, sigmoid, tanh are supported"),
    ("[[layers]]\nkind='lstm'\ninput_size=2\nhidden_size=2\n"
     "[[layers]]\nkind='lstm'\ninput_size=3\nhidden_size=2\n",
     r"Layer 1 takes 3 inputs, but layer 0 gives 2 outputs"),
    ("[model]\nseed = -1\n[[layers]]\nkind='lstm'\ninput_size=2\nhidden_size=2\n",
     r"seed of \[model\] must be within"),
    ("[model]\npath = 'm.npz'\nseed = 1\n", r"has both path and seed"),
    ("[model]\npath = 'm.npz'\n[[layers]]\nkind='lstm'\n", r"has both path and layers"),
    (NET.replace('"8/5"', '"8.5"'), r"A format is written width/frac_bits, as 16/11, not '8.5'"),
    (NET.replace("= 6", "= 19"), r"weight_bits must be a whole number within 2\.\.18, not 19"),
])
def test_bad_files_are_refused(toml, text, sentence):
    with pytest.raises(RnnhwError, match=sentence):
        resolve(toml(text))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RnnhwError, match="b.toml is not TOML: it is not UTF-8 text"):
        resolve(str(tmp_path / "b.toml"))


def test_a_missing_config_is_refused(tmp_path):
    with pytest.raises(RnnhwError, match=r"c\.toml does not exist; a TOML file is needed"):
        resolve("tiny", tmp_path / "c.toml")


def test_what_is_neither_file_nor_preset_is_refused(tmp_path):
    with pytest.raises(RnnhwError, match=r"m\.onnx does not exist; .*\(presets: lstm-128, "):
        resolve(tmp_path / "m.onnx")
    with pytest.raises(RnnhwError, match="There is no preset 'nothing'; known are lstm-128"):
        resolve("nothing")


def test_a_preset_and_a_folder_of_one_name_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    with pytest.raises(RnnhwError, match=r"tiny is both a preset and a file or folder here; write "
                                         r"\./tiny for the latter or preset:tiny"):
        resolve("tiny")
    assert resolve("preset:tiny").model.output_size == 4
    with pytest.raises(RnnhwError, match="tiny is not a design folder"):
        resolve("./tiny")


def test_biases_and_bounds(toml):
    text = "[[layers]]\nkind = 'lstm'\ninput_size = 2\nhidden_size = 16\nbias = {}\n"
    none, one, two = (resolve(toml(text.format(n))).model.layers[0] for n in range(3))
    assert not none.bias_ih.any() and not none.bias_hh.any()
    assert one.bias_ih.all() and not one.bias_hh.any()
    assert two.bias_ih.all() and two.bias_hh.all()
    assert np.abs(two.weight_ih).max() <= 0.25


def test_a_path_is_relative_to_its_file(toml, tmp_path):
    npz.save(resolve("tiny").model, tmp_path / "m.npz")
    project = resolve(toml("[model]\npath = 'm.npz'\nname = 'mine'\n[config]\nlanes = 4\n"))
    assert project.model.name == "mine" and project.model.output_size == 4
    assert not project.random_weights and project.config.lanes == 4
    assert (project.model.layers[0].weight_hh == resolve("tiny").model.layers[0].weight_hh).all()
    with pytest.raises(RnnhwError, match=r"none\.npz does not exist; a model file"):
        resolve(toml("[model]\npath = 'none.npz'\n"))


def test_a_model_file_takes_config_and_formats_only(toml, tmp_path):
    npz.save(resolve("tiny").model, tmp_path / "m.npz")
    over = toml("[config]\nweight_bits = 5\n[formats]\nx = '8/3'\n", "o.toml")
    project = resolve(tmp_path / "m.npz", over)
    assert project.config.weight_bits == 5 and project.config.formats == {"x": FixedFormat(8, 3)}
    with pytest.raises(RnnhwError, match=r"o\.toml has \[model\], but .*m\.npz already is a model"):
        resolve(tmp_path / "m.npz", toml("[model]\nseed = 3\n", "o.toml"))
