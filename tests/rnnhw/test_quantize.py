"""Choices of the quantiser, its report and all it refuses."""

import json
from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from rnnhw import calibrate, golden, reference
from rnnhw.activation import make_table
from rnnhw.compiler import lower
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat
from rnnhw.formats import cover, known_names
from rnnhw.model import Linear, Model, Recurrent
from rnnhw.quantize import quantize, report_text

from .chains import CELLS, chain, data


def quantized(kinds=("lstm",), sizes=(3, 4), scale=1.0, x_scale=1.0, last_step=False, **config):
    model = chain(kinds, sizes, np.random.default_rng(1), scale, last_step)
    return quantize(model, Config(**config), data(model, scale=x_scale))


def rare_peaks():
    """An LSTM whose c rarely reaches 4.1 and mostly stays within 1.5, and its data."""
    rng, n = np.random.default_rng(0), 6
    layer = Recurrent(cell="lstm", weight_ih=rng.normal(size=(4 * n, 3)),
                      weight_hh=rng.normal(size=(4 * n, n)) * 0.5,
                      bias_ih=np.concatenate([np.ones(2 * n), np.zeros(2 * n)]))
    return Model(layers=[layer]), rng.normal(size=(6, 150, 3))


# --- what a model gets ---------------------------------------------------------------------------

def test_defaults():
    q = quantized(("lstm", "gru", "gru_reset_before", "none"), (3, 4, 5, 3, 2))
    assert {k: str(v) for k, v in q.layers[0].formats.items() if k[0] != "w"} == {
        "pre": "16/11", "gate": "16/15", "c": "16/13", "h": "16/15"}
    assert {k: str(v) for k, v in q.layers[1].formats.items() if k[0] != "w"} == {
        "pre": "16/11", "pre_nx": "16/11", "pre_nh": "16/11", "s": "16/11", "gate": "16/15",
        "d": "16/14", "h": "16/15"}
    assert {k: str(v) for k, v in q.layers[2].formats.items() if k[0] != "w"} == {
        "pre": "16/11", "pre_n": "16/11", "gate": "16/15", "q": "16/15", "d": "16/14", "h": "16/15"}
    assert q.layers[3].formats["y"] == q.layers[3].formats["pre"] == q.output_format
    assert {str(q.operands[f"{i}.h"]) for i in range(3)} == {"8/7"}
    assert list(q.operands) == list(q.shifts) == ["x", "0.h", "1.h", "2.h", "2.q"]
    assert q.activation.error == 2.0**-10
    assert quantized(activation_bits=9).activation.error == 2.0**-12
    assert quantized(activation_error=2.0**-7).activation.error == 2.0**-7
    assert quantized(activation_kind="octave").activation == make_table(2.0**-10, "octave")
    assert quantized(activation_kind="hard_1/6").activation == make_table(kind="hard_1/6")


def test_weights_biases_and_inputs():
    q = quantized(("gru", "none"), (3, 4, 2))
    layer, gru = q.layers[0], q.layers[0].layer
    sums = {"r": gru.bias_ih[:4] + gru.bias_hh[:4], "z": gru.bias_ih[4:8] + gru.bias_hh[4:8],
            "nx": gru.bias_ih[8:], "nh": gru.bias_hh[8:]}
    assert list(layer.bias) == list(sums)
    for key, values in sums.items():
        assert layer.bias[key].dtype == np.int64
        assert layer.bias[key].tolist() == [
            floor(Fraction(v) * 2**layer.acc_frac + Fraction(1, 2)) for v in values]
    assert (layer.weight_ih == layer.formats["weight_ih"].quantize(gru.weight_ih)).all()
    x = data(q.model)
    assert q.input_format == FixedFormat(8, cover("x", x.min(), x.max(), 8))


@pytest.mark.parametrize("kind", [*CELLS, "sigmoid"])
@pytest.mark.parametrize("bits", range(2, 19))
def test_every_width_runs(kind, bits):
    state = max(8, bits)
    q = quantized((kind, "none"), (3, 4, 2), x_scale=2.0**-bits, weight_bits=bits,
                  activation_bits=bits, state_bits=state, cell_bits=26 - state)
    for name, fmt in q.operands.items():
        assert fmt.width == bits and bits + q.shifts[name] <= 18
    lower(q, 16, 2)            # refuses shifts below 0
    assert np.abs(q.layers[0].weight_ih).max() <= 1 << (bits - 1)
    assert q.report["sqnr_db"]["output"] > (0 if bits < 6 else 20)


def test_large_candidate_sums_are_covered():
    q = quantized(("gru",), (3, 6), scale=40)
    seen = q.report["tensors"]
    for key in ("pre_nx", "pre_nh"):
        fmt, t = q.layers[0].formats[key], seen[f"0.{key}"]
        assert max(-t["low"], t["high"]) > 16
        assert fmt.frac_bits == cover(key, t["low"], t["high"], 16) < 11
    # tanh and sigmoid are flat beyond 16: wider would only be coarser
    for key, frac in (("pre", min(11, q.layers[0].acc_frac)), ("s", 11)):
        t = seen[f"0.{key}"]
        assert t["format"] == f"16/{frac}" and t["flat"] and t["share"] > 0.01
        assert not any(f"0.{key} " in text for text in q.report["warnings"])


def test_linear_covers_with_a_bit_of_headroom():
    q = quantized(("none",), (3, 2))
    t = q.report["tensors"]["0.pre"]
    assert FixedFormat.parse(t["format"]).frac_bits == cover("", t["low"], t["high"], 16) - 1
    q = quantized(("none",), (3, 2), state_bits=8)
    t = q.report["tensors"]["0.pre"]
    assert FixedFormat.parse(t["format"]).frac_bits == cover("", t["low"], t["high"], 8)


def test_c_is_chosen_by_sqnr_of_h():
    model, x = rare_peaks()
    config = Config(weight_bits=12, activation_bits=12, cell_bits=12)
    q = quantize(model, config, x)
    tried = q.report["tried"]["0.c"]
    assert len(tried) > 1
    for text, db in tried.items():
        fixed = quantize(model, replace(config, formats={"0.c": text}), x)
        assert fixed.report["sqnr_db"]["0"] == pytest.approx(db)
        assert fixed.report["tried"] == {}
    chosen = str(q.layers[0].formats["c"])
    assert tried[chosen] >= max(tried.values()) - 0.5
    widest = FixedFormat.parse(next(iter(tried)))
    c = np.abs(reference.trace(model, x)["0.c"]).max()
    assert c <= (widest.max + 1) * widest.lsb < 2 * c
    # covering is not best here
    assert q.layers[0].formats["c"].frac_bits > widest.frac_bits


def test_words_that_would_pass_18_bits():
    model = chain(("lstm",), (3, 4), np.random.default_rng(1))
    layer = model.layers[0]
    model = Model(layers=[replace(layer, weight_ih=layer.weight_ih / 64)])
    q = quantize(model, Config(weight_bits=16, activation_bits=16), data(model))
    assert any("fraction bit" in text and "fits 18 bits" in text for text in q.report["notes"])
    assert max(16 + shift for shift in q.shifts.values()) == 18
    assert q.report["sqnr_db"]["0"] > 50


def test_sums_that_would_pass_48_bits():
    model = Model(layers=[Linear(weight=[[1e-7]], bias=[3e5])])
    x = np.full((1, 2, 1), 1e-4)
    q = quantize(model, Config(), x)
    assert any("so that sums fit 48 bits" in text for text in q.report["notes"])
    assert abs(q.layers[0].bias["y"][0]) < 1 << 47
    with pytest.raises(RnnhwError, match="Sums of layer 0 need more than 48 bits; fewer fraction "
                                         "bits in 0.weight_ih, or a smaller bias"):
        quantize(model, Config(formats={"0.weight_ih": "8/29"}), x)
    with pytest.raises(RnnhwError, match="Sums of layer 0 need more than 48 bits"):
        quantize(Model(layers=[Linear(weight=[[1.0]], bias=[1e308])]), Config(), x)


# --- data -----------------------------------------------------------------------------------------

def test_random_calibration_is_seeded_and_said():
    model = chain(("lstm", "none"), (3, 4, 2), np.random.default_rng(0))
    a, b, c = (quantize(model, Config(seed=seed)) for seed in (5, 5, 6))
    assert a.report == b.report != c.report
    assert a.report["calibration"] == {"random": True, "sequences": 4, "steps": 128, "seed": 5}
    assert "No calibration data were given" in a.report["warnings"][0]
    assert "random inputs, seed 5" in report_text(a.report)
    given = quantize(model, Config(), data(model))
    assert given.report["calibration"] == {"random": False, "sequences": 5, "steps": 60,
                                           "seed": None}
    assert given.report["warnings"] == []


@pytest.mark.parametrize("kinds, last_step", [(("lstm", "none"), True), (("gru", "relu"), False)])
def test_padding_never_counts(kinds, last_step):
    model = chain(kinds, (3, 4, 2), np.random.default_rng(0), last_step=last_step)
    x, lengths, labels = data(model, 6, 9), np.array([3, 9, 1, 5, 9, 2]), np.arange(6) % 2
    huge = x.copy()
    for k, length in enumerate(lengths):
        x[k, length:], huge[k, length:] = 0, 1e6
    a, b = (quantize(model, Config(), values, lengths, labels) for values in (x, huge))
    assert a.report == b.report
    assert a.report["calibration"]["steps"] == lengths.sum()
    assert a.report["tensors"]["x"]["total"] == 3 * lengths.sum()
    assert a.report["tensors"]["1.y"]["total"] == 2 * (6 if last_step else lengths.sum())


def test_one_sequence_without_batch():
    model = chain(("lstm",), (3, 4), np.random.default_rng(0))
    x = data(model, 1)
    assert quantize(model, Config(), x[0]).report == quantize(model, Config(), x).report


def test_chunks_do_not_change_the_result(monkeypatch):
    model = chain(("gru", "lstm", "none"), (3, 4, 3, 2), np.random.default_rng(0), last_step=True)
    x, lengths, labels = data(model, 11, 7), np.arange(11) % 7 + 1, np.arange(11) % 2
    whole = quantize(model, Config(), x, lengths, labels)
    monkeypatch.setattr(calibrate, "CHUNK_VALUES", 1)
    parts = quantize(model, Config(), x, lengths, labels)
    # float sums of other batch sizes differ in their last bits
    for key in ("sqnr_db", "tensors"):
        a, b = (q.report.pop(key) for q in (whole, parts))
        a, b = (v if key == "sqnr_db" else {(n, k): x for n, t in v.items() for k, x in t.items()
                                            if k != "format"} for v in (a, b))
        assert a == pytest.approx(b)
    assert whole.report == parts.report
    assert whole.operands == parts.operands and whole.layers[1].formats == parts.layers[1].formats


def test_sample_is_small_and_sorted():
    model = chain(("lstm",), (3, 4), np.random.default_rng(0))
    lengths = np.random.default_rng(1).integers(1, 400, 100)
    sample = calibrate.sample(model, data(model, 100, 400), lengths)
    assert sample.x.shape == (32, 256, 3)
    assert (np.diff(sample.lengths) <= 0).all() and sample.lengths.max() == 256
    assert sample.running[0] == 32 and sample.valid.sum() == sample.lengths.sum()


# --- report ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("last_step", [False, True])
def test_report_figures(last_step):
    model = chain(("lstm", "none"), (3, 8, 4), np.random.default_rng(0), 3, last_step)
    x, lengths = data(model, 40, 9), np.random.default_rng(2).integers(1, 10, 40)
    exact = model.run(x, lengths)
    last = exact if last_step else exact[np.arange(40), lengths - 1]
    labels = last.argmax(axis=1)
    labels[:10] = (labels[:10] + 1) % 4
    said = []
    q = quantize(model, Config(weight_bits=5, activation_bits=5), x, lengths, labels, said.append)
    y = q.output_format.to_float(golden.run(q, q.input_format.quantize(x), lengths))
    report = q.report
    assert report == json.loads(json.dumps(report))
    db = 10 * np.log10(np.sum(exact**2) / np.sum((y - exact) ** 2))
    assert report["sqnr_db"]["output"] == pytest.approx(db) == pytest.approx(report["sqnr_db"]["1"])
    got = (y if last_step else y[np.arange(40), lengths - 1]).argmax(axis=1)
    assert report["accuracy"] == {"float": 0.75, "fixed": np.mean(got == labels), "sequences": 40,
                                  "agreement": np.mean(got == last.argmax(axis=1))}
    assert report["accuracy"]["fixed"] != report["accuracy"]["float"]
    trace = reference.trace(model, x, lengths)
    h = trace["0.h"][np.arange(9) < lengths[:, None]]
    t = report["tensors"]["0.h"]
    assert (t["low"], t["high"], t["total"]) == (h.min(), h.max(), h.size)
    assert said[0] == f"Calibrating on 40 sequences ({lengths.sum()} steps)" and len(said) >= 2
    text = report_text(report)
    for wanted in ("accuracy, float", "75.00 %", f"{db:.1f} dB", "0.h_operand", "SQNR of layer 0"):
        assert wanted in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_targets_give_no_accuracy():
    model = chain(("lstm",), (3, 4), np.random.default_rng(0), last_step=True)
    x = data(model)
    assert quantize(model, Config(), x, labels=np.zeros((5, 4))).report["accuracy"] is None


def test_saturations_are_reported():
    model, x = rare_peaks()
    x = x * 1.3
    q = quantize(model, Config(formats={"0.c": "16/14", "x": "8/5"}), x)
    codes, counts = np.floor(x * 32 + 0.5), {}
    golden.run(q, q.input_format.quantize(x), counts=counts)
    for name, (n, total, over) in (
            ("0.c", counts["0.c"]),
            ("x", (np.sum((codes > 127) | (codes < -128)), codes.size,
                   max(codes.max() - 127, -128 - codes.min())))):
        t = q.report["tensors"][name]
        assert (t["saturated"], t["total"], t["overshoot_lsb"]) == (n, total, over)
        assert t["share"] == n / total and over > 1
        assert any(text.startswith(f"{name} ({t['format']}): ") and f"{over:,.0f} LSB" in text
                   for text in q.report["warnings"])


def test_exact_layers_have_no_sqnr():
    model = Model(layers=[Linear(weight=[[0.5]])])
    q = quantize(model, Config(), np.array([[1.0], [-2.0], [0.25]]))
    assert q.report["sqnr_db"]["output"] is None and "exact" in report_text(q.report)


# --- refusals -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, fmt, text", [
    ("0.k", "8/4", "unknown tensor '0.k'; known are x, 0.weight_ih, 0.weight_hh, 0.pre, 0.gate, "
                   "0.c, 0.h, 0.h_operand, 1.weight_ih, 1.pre, 1.y.$"),
    ("x", "19/4", "Format 19/4 fixed for x is 19 bits wide; the engine takes 2..18 bits"),
    ("0.pre", "1/0", "is 1 bits wide; the engine takes 2..18 bits"),
    ("x", "8/9", r"Format 8/9 fixed for x holds -0.25..0.248047, but \d+\.?\d* % of its 180 values "
                 r"saturate and they reach -\d.*; 5 fraction bits would hold them"),
    ("0.weight_ih", "8/12", "Format 8/12 fixed for 0.weight_ih holds .* of its 48 values saturate"),
    ("0.h", "16/20", "fixed for 0.h holds .* % of its 240 values saturate"),
    ("0.h_operand", "8/12", "fixed for 0.h_operand holds .* % of its 240 values saturate"),
    ("0.pre", "16/17", "fixed for 0.pre holds .*saturate"),
    ("0.c", "16/30", "fixed for 0.c has 30 fraction bits, but 24 are the most beside the other "
                     "formats: a shift would be negative or a word too wide"),
    ("0.pre", "8/9", "fixed for 0.pre holds .*saturate"),
    ("0.pre", "16/1", "fixed for 0.pre has 1 fraction bits, but 2 are the least beside"),
    ("0.c", "16/19", "fixed for 0.c holds .* saturate"),
    ("0.c", "8/-1", "fixed for 0.c has -1 fraction bits, but 2 are the least"),
    ("0.gate", "16/16", "fixed for 0.gate holds -0.5..0.499985, but gates reach -1..1; 15 fraction "
                        "bits would hold them"),
    ("x", "8/-3", "Format 8/-3 fixed for x is so coarse that all its values round to 0, for they "
                  "reach -2.398..2.002; 5 fraction bits would hold them"),
    ("1.weight_ih", "8/-3", "8/-3 fixed for 1.weight_ih is so coarse that all its values round"),
    ("1.y", "16/18", "fixed for 1.y holds .* saturate"),
    ("1.y", "16/60", "fixed for 1.y has 60 fraction bits, but 28 are the most"),
])
def test_fixed_formats_refused(name, fmt, text):
    with pytest.raises(RnnhwError, match=text):
        quantized(("lstm", "none"), (3, 4, 2), formats={name: fmt})


def test_gru_chain_formats_refused():
    with pytest.raises(RnnhwError, match="0.d has 0 fraction bits, but 2 are the least beside"):
        quantized(("gru",), (3, 4), formats={"0.d": "16/0", "0.h": "16/15", "0.gate": "16/13"})
    with pytest.raises(RnnhwError, match="0.h_operand has 15 fraction bits, but 7 are the most"):
        quantized(("gru",), (3, 4), formats={"0.h": "8/7", "0.h_operand": "16/15"})


def test_fixed_formats_are_kept():
    fixed = {"x": "10/6", "0.weight_ih": "9/9", "0.weight_hh": "6/5", "0.pre": "14/9",
             "0.gate": "12/11", "0.c": "18/15", "0.h": "17/15", "0.h_operand": "9/8",
             "1.weight_ih": "4/3", "1.pre": "17/11", "1.y": "12/8"}
    q = quantized(("lstm", "none"), (3, 4, 2), formats=fixed)
    assert sorted(fixed) == sorted(known_names(q.model))
    for name, text in fixed.items():
        assert q.report["tensors"][name]["format"] == text
    assert str(q.operands["0.h"]) == "9/8" and str(q.output_format) == "12/8"
    lower(q, 8, 2)


def test_mild_saturation_of_a_fixed_format_is_allowed():
    q = quantized(("gru",), (3, 6), scale=40, formats={"0.pre": "16/11"})
    assert q.report["tensors"]["0.pre"]["share"] > 0.2       # beyond 16, where sigmoid is flat
    with pytest.raises(RnnhwError, match="0.pre holds -4..3.99988, but .* % of its 720 values"):
        quantized(("gru",), (3, 6), scale=40, formats={"0.pre": "16/13"})


@pytest.mark.parametrize("x, more, text", [
    (np.zeros((0, 5, 3)), {}, "calibration is empty"),
    (np.zeros((2, 0, 3)), {}, "calibration is empty"),
    (np.full((2, 5, 3), np.nan), {}, "calibration holds 30 values that are NaN or infinite"),
    (np.full((2, 5, 3), -np.inf), {}, "30 values that are NaN or infinite"),
    (np.zeros((2, 5, 4)), {}, "calibration has 4 features a step, but the model takes 3"),
    (np.zeros(5), {}, r"calibration has shape \(5,\), but \(seq_len, 3\) or"),
    (np.zeros((1, 2, 5, 3)), {}, r"calibration has shape \(1, 2, 5, 3\), but"),
    (np.array([["a"] * 3]), {}, "calibration is not an array of numbers"),
    (np.zeros((2, 5, 3)), {"lengths": [5, 6]}, r"lengths\[1\] is 6, but a length must be within"),
    (np.zeros((2, 5, 3)), {"lengths": [5]}, r"lengths has shape \(1,\), but x has 2 sequences"),
    (np.zeros((2, 5, 3)), {"labels": [0, 4]}, "labels has classes 0..4, but the model gives 4"),
    (np.zeros((2, 5, 3)), {"labels": [0]}, r"labels has shape \(1,\) and type int64, but"),
    (None, {"labels": [0]}, "lengths and labels belong to calibration data, but none is given"),
    (None, {"lengths": [1]}, "lengths and labels belong to calibration data, but none is given"),
])
def test_data_refused(x, more, text):
    model = chain(("lstm",), (3, 4), np.random.default_rng(0))
    with pytest.raises(RnnhwError, match=text):
        quantize(model, Config(), x, **more)


def test_zero_data_and_zero_weights():
    model = Model(layers=[Recurrent(cell="gru", weight_ih=np.zeros((6, 3)),
                                    weight_hh=np.zeros((6, 2)))])
    q = quantize(model, Config(), np.zeros((2, 4, 3)))
    assert not golden.run(q, np.full((2, 4, 3), 127)).any()


def test_data_too_large_for_an_activation():
    model = chain(("gru",), (3, 4), np.random.default_rng(0), scale=1e4)
    with pytest.raises(RnnhwError, match="fraction bits, but 2 are needed for their sums; scale "
                                         "the data down, use fewer activation_bits or"):
        quantize(model, Config(weight_bits=4, activation_bits=18),
                 data(model, scale=1e9))
