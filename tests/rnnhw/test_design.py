import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import rnnhw
from rnnhw import golden, report
from rnnhw.activation import KINDS
from rnnhw.errors import RnnhwError
from rnnhw.project import resolve
from rnnhw.quantize import report_text


def inputs(model, batch=3, seq_len=6, seed=1):
    return np.random.default_rng(seed).standard_normal((batch, seq_len, model.input_size))


def design_of(name):
    project = resolve(name)
    return rnnhw.compile(project.model, project.config, inputs(project.model, 8, 12))


@pytest.fixture(scope="module")
def designs():
    return {name: design_of(name) for name in ("tiny", "stack")}


@pytest.fixture
def saved(designs, tmp_path):
    designs["stack"].save(tmp_path / "d")
    return tmp_path / "d"


def test_run_is_run_int_in_floats(designs):
    for design in designs.values():
        x = inputs(design.model)
        xi = design.quantize_input(x)
        assert xi.dtype == np.int64 and xi.shape == x.shape
        yi = design.run_int(xi)
        assert yi.dtype == np.int64 and yi.shape == (3, 6, design.model.output_size)
        assert (design.run(x) == yi * 2.0 ** -design.output_format.frac_bits).all()
        assert (design.run(x[0]) == design.run(x)[0]).all()


def test_integers_are_near_the_float_model(designs):
    for design in designs.values():
        x = inputs(design.model)
        wanted = design.model.run(x)
        # 8-bit weights and operands: over 25 dB below the signal
        assert ((design.run(x) - wanted) ** 2).mean() < 10 ** -2.5 * (wanted ** 2).mean()


def test_outputs_past_a_length_are_zero(designs):
    design = designs["stack"]
    x = inputs(design.model)
    whole, cut = design.run(x), design.run(x, lengths=[6, 1, 3])
    assert (cut[0] == whole[0]).all() and (cut[2, :3] == whole[2, :3]).all()
    assert not cut[1, 1:].any() and not cut[2, 3:].any() and whole[1, 1:].any()


def test_state_continues_a_sequence(designs):
    design = designs["tiny"]
    x = inputs(design.model, 1)[0]
    _, after = golden.run(design.quantized, design.quantize_input(x[:4]), return_state=True)
    xi = design.quantize_input(x)
    assert (design.run_int(xi[4:], state=after) == design.run_int(xi)[4:]).all()
    floats = {key: design.quantized.layers[0].formats[key[2:]].to_float(value)
              for key, value in after.items()}
    assert (design.run(x[4:], state=floats) == design.run(x)[4:]).all()


def test_quantize_input_is_nearest_and_saturates(designs):
    design = designs["tiny"]
    fmt = design.input_format
    codes = np.array([[0.5, -0.5, 0.49], [1e9, -1e9, 3.0]])
    assert design.quantize_input(codes * fmt.lsb).tolist() == [[1, 0, 0], [fmt.max, fmt.min, 3]]
    assert fmt.width == design.config.activation_bits


@pytest.mark.parametrize("x, sentence", [
    (np.zeros(3), r"x has shape \(3,\), but \(seq_len, 3\) or \(batch, seq_len, 3\) is needed"),
    (np.zeros((2, 4)), r"x has 4 features a step, but the model takes 3"),
    (np.zeros((0, 3)), r"x is empty \(shape \(0, 3\)\)"),
    (np.full((2, 3), np.inf), r"x holds 6 values that are NaN or infinite"),
])
def test_quantize_input_refuses(designs, x, sentence):
    for call in (designs["tiny"].quantize_input, designs["tiny"].run, designs["tiny"].simulate):
        with pytest.raises(RnnhwError, match=sentence):
            call(x)


def test_compile_refuses_what_is_no_model_config_or_data(designs):
    model = designs["tiny"].model
    with pytest.raises(RnnhwError, match=r"compile takes a Model, not str; rnnhw\.load\(path"):
        rnnhw.compile("model.onnx")
    with pytest.raises(RnnhwError, match="config must be a Config, not dict"):
        rnnhw.compile(model, {"lanes": 4})
    with pytest.raises(RnnhwError, match="calibration has 4 features a step, but the"):
        rnnhw.compile(model, calibration=np.zeros((5, 4)))
    with pytest.raises(RnnhwError, match="calibration is empty"):
        rnnhw.compile(model, calibration=np.zeros((0, 5, 3)))
    with pytest.raises(RnnhwError, match="lengths and labels belong to calibration data"):
        rnnhw.compile(model, lengths=[1])


def test_states_are_refused_in_simulation(designs):
    with pytest.raises(RnnhwError, match="state= is not built yet in simulate"):
        designs["tiny"].simulate(np.zeros((2, 3)), state={"0.h": np.zeros(4)})


def test_save_and_load_give_the_same_integers(designs, saved):
    design, loaded = designs["stack"], rnnhw.load_design(saved)
    assert sorted(p.name for p in saved.iterdir()) == ["design.json", "design.npz", "model.npz"]
    x = inputs(design.model)
    xi = design.quantize_input(x)
    assert (loaded.quantize_input(x) == xi).all()
    assert (loaded.run_int(xi, [6, 2, 1]) == design.run_int(xi, [6, 2, 1])).all()
    assert (loaded.model.run(x) == design.model.run(x)).all()
    assert loaded.hash == design.hash and loaded.config == design.config
    assert loaded.input_format == design.input_format
    assert loaded.program.weights.tolist() == design.program.weights.tolist()
    assert loaded.report == json.loads(json.dumps(report.plain(design.report)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_activation_is_saved(kind, tmp_path):
    project = resolve("tiny")
    design = rnnhw.compile(project.model, replace(project.config, activation_kind=kind),
                           inputs(project.model, 4, 8))
    design.save(tmp_path / "d")
    loaded = rnnhw.load_design(tmp_path / "d")
    assert loaded.quantized.activation == design.quantized.activation
    assert loaded.quantized.activation.kind == loaded.config.activation_kind == kind
    xi = design.quantize_input(inputs(design.model))
    assert (loaded.run_int(xi) == design.run_int(xi)).all()
    assert f"tanh, sigmoid ({kind})" in report_text(loaded.report)


def test_saved_bytes_are_the_same_every_time(designs, saved, tmp_path):
    design_of("stack").save(tmp_path / "again")
    for path in saved.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_hash_changes_with_any_integer(designs):
    quantized = designs["tiny"].quantized
    layer = quantized.layers[0]
    weights = layer.weight_ih.copy()
    weights[3, 1] ^= 1
    layer = replace(layer, weights=layer.weights | {"weight_ih": weights})
    flipped = replace(quantized, layers=(layer,))
    hashes = {d.hash for d in (designs["tiny"], designs["stack"],
                               rnnhw.Design(flipped, designs["tiny"].config))}
    assert len(hashes) == 3
    assert rnnhw.Design(quantized, rnnhw.Config()).hash == designs["tiny"].hash


def test_hardware_may_be_chosen_again(designs):
    design = designs["tiny"]
    other = design.with_hardware(lanes=16)
    assert other.hash == design.hash and other.program.lanes > design.program.lanes


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm, sentence", [
    (lambda d: shutil.rmtree(d), r"d is not a design folder \(it has no design\.json\)"),
    (lambda d: (d / "design.json").unlink(), r"d is not a design folder \(it has no design"),
    (lambda d: (d / "design.json").write_text("{}"), r"its design\.json is something else"),
    (lambda d: (d / "design.json").write_text('{"format": "rnnhw des'),
     r"d is damaged: design\.json is not JSON"),
    (lambda d: (d / "design.json").write_bytes(b"\xff"), r"design\.json is not JSON"),
    (lambda d: (d / "design.json").write_text('{"format": "rnnhw design", "version": 9}'),
     r"is of version 9, but this program reads version 1"),
    (lambda d: (d / "design.npz").unlink(), r"d is damaged: design\.npz is missing"),
    (lambda d: flip(d / "design.npz"), r"d is damaged: .*; quantize the model again"),
    (lambda d: flip(d / "model.npz"), r"d is damaged: model\.npz is not the file that was saved"),
    (lambda d: (d / "design.npz").write_bytes(b""), r"d is damaged: "),
    (lambda d: (d / "design.json").write_text(
        (d / "design.json").read_text().replace('"last_step": false', '"last_step": true')),
     r"d is damaged: design\.json is not the text that was saved"),
])
def test_a_damaged_folder_is_refused(saved, harm, sentence):
    harm(saved)
    with pytest.raises(RnnhwError, match=sentence):
        rnnhw.load_design(saved)


def test_integers_of_another_design_are_refused(saved, designs, tmp_path):
    arrays = dict(np.load(saved / "design.npz"))
    arrays["0.weight_ih"][0, 0] ^= 1
    np.savez_compressed(saved / "design.npz", **arrays)
    with pytest.raises(RnnhwError, match="its integers do not match the hash they were saved with"):
        rnnhw.load_design(saved)
    designs["tiny"].save(tmp_path / "tiny")
    shutil.copy(tmp_path / "tiny" / "design.npz", saved / "design.npz")
    with pytest.raises(RnnhwError, match="d is damaged: "):
        rnnhw.load_design(saved)
