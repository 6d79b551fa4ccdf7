"""Block-circulant layers in integers: golden model, formats, shifts, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import spectra
from rnnhw import compile, fourier, golden, load_design
from rnnhw.circulant import Circulant
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat
from rnnhw.formats import cover
from rnnhw.measure import report_text
from rnnhw.model import Linear, Model
from rnnhw.quantize import quantize

from . import slow_golden
from .chains import CELLS, block_chain, chain, data

# kinds, sizes, block sizes
WHOLE = [(kind, k) for kind in (*CELLS, "relu") for k in (4, 8, 16, 32, 64)]
STACKS = [(("lstm", "none"), (7, 12, 4), ((4, 4), (4, None))),
          (("lstm", "tanh"), (8, 12, 5), ((4, 4), (None, None))),
          (("gru", "gru_reset_before", "lstm"), (8, 16, 7, 8), ((8, 8), (8, 8), (4, 4))),
          (("relu", "lstm", "sigmoid"), (8, 7, 8, 3), ((8, None), (8, 8), (None, None))),
          (("gru", "lstm"), (5, 8, 7), ((None, None), (8, 8))),
          (("none", "none"), (16, 16, 4), ((16, None), (4, None)))]
MIXED = [((kind,), (m, n), ((ih, hh),)) for kind in CELLS for m, n, ih, hh in
         ((5, 8, None, 8), (8, 7, 8, None), (16, 16, 16, 4), (12, 16, 4, 16))]
MIXED += [(("gru", "lstm", "none"), (5, 8, 7, 4), ((None, 4), (4, 8), (4, None))),
          (("gru_reset_before", "gru"), (8, 8, 7), ((8, None), (8, 4)))]


def equals_slow(model, config, seed, scale=1.0, steps=5):
    rng = np.random.default_rng(seed)
    q = quantize(model, config, rng.standard_normal((3, 6, model.input_size)) * scale)
    # all codes, also beyond what calibration saw
    xi = rng.integers(q.input_format.min, q.input_format.max + 1, (steps, model.input_size))
    xi[0] = q.input_format.min
    assert golden.run(q, xi).tolist() == slow_golden.run(q, xi)
    return q


@pytest.mark.parametrize("kind,k", WHOLE)
def test_layers_equal_the_slow_transcription(kind, k):
    rng = np.random.default_rng(k)
    for case in range(2):
        m, n = (k, k) if case else (2 * k, -(-k * 4 // 5))
        model = block_chain((kind,), (m, n), ((k, None if kind == "relu" else k),), rng,
                            scale=(1, 6)[case])
        config = Config(activation_bits=int(rng.integers(4, 17)), seed=case,
                        spectrum_bits=int(rng.integers(6, 19)),
                        guard_bits=(None, int(rng.integers(0, 9)))[case],
                        state_bits=int(rng.integers(12, 19)))
        q = equals_slow(model, config, case, scale=1 + 9 * case, steps=3)
        assert q.layers[0].block_sizes["weight_ih"] == k and q.layers[0].weight_ih.ndim == 4


@pytest.mark.parametrize("kinds,sizes,blocks", STACKS + MIXED)
@pytest.mark.parametrize("last_step", [False, True])
def test_stacks_equal_the_slow_transcription(kinds, sizes, blocks, last_step):
    last_step = last_step and any(kind in CELLS for kind in kinds)
    for case, config in enumerate((Config(), Config(activation_bits=14, weight_bits=12,
                                                    spectrum_bits=16, guard_bits=1))):
        rng = np.random.default_rng(case)
        model = block_chain(kinds, sizes, blocks, rng, scale=(1, 6)[case], last_step=last_step)
        q = equals_slow(model, config, case)
        for layer, (ih, hh) in zip(q.layers, blocks):
            of = layer.block_sizes
            assert (of["weight_ih"], of.get("weight_hh")) == (ih, hh)


def test_only_what_is_read_has_a_shift():
    rng = np.random.default_rng(0)
    model = block_chain(("gru", "gru_reset_before", "none"), (8, 8, 8, 4),
                        ((8, 8), (8, 4), (None, None)), rng)
    q = quantize(model, Config())
    assert list(q.shifts) == ["x/8", "0.h/8", "1.h", "1.h/4", "1.q/4"]
    assert q.segment_key("x", None) == "x" and q.segment_key("x", 8) == "x/8"
    for i, key in enumerate(("x/8", "0.h/8")):
        layer, segment = q.layers[i], key.split("/")[0]
        frac = layer.formats["weight_ih"].frac_bits + q.operands[segment].frac_bits
        assert layer.acc_frac == frac + q.shifts[key]
    split = q.layers[1]
    assert split.acc_frac_hh == (split.formats["weight_hh"].frac_bits
                                 + q.operands["1.h"].frac_bits + q.shifts["1.h/4"])


@pytest.mark.parametrize("kind", CELLS)
def test_one_scale_for_the_products_of_a_layer(kind):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        q = quantize(block_chain((kind,), (16, 8), ((8, 8),), rng, scale=1 + 5 * seed), Config(),
                     rng.standard_normal((2, 8, 16)) * 10.0 ** (seed - 1))
        layer = q.layers[0]
        assert layer.acc_frac == layer.acc_frac_hh == (
            layer.formats["weight_hh"].frac_bits + q.operands["0.h"].frac_bits + q.shifts["0.h/8"])


@pytest.mark.parametrize("k,bits,asked,guard", [
    (4, 8, None, 0), (4, 8, 2, 0), (8, 8, None, 3), (8, 8, 8, 6), (16, 10, None, 3),
    (16, 11, None, 2), (32, 8, None, 3), (64, 8, None, 3), (64, 10, None, 1), (64, 11, 5, 0),
    (8, 8, 0, 0)])
def test_guard_bits_are_lowered_where_words_end(k, bits, asked, guard):
    rng = np.random.default_rng(0)
    model = block_chain(("none",), (k, k), ((k, None),), rng)
    q = quantize(model, Config(activation_bits=bits, guard_bits=asked), data(model))
    assert q.report["guard_bits"] == {f"x/{k}": guard}
    assert q.operands["x"].width + q.shifts[f"x/{k}"] + k.bit_length() - 1 <= 17


@pytest.mark.parametrize("k,bits", [(4, 15), (8, 14), (16, 13), (32, 12), (64, 11)])
def test_operands_are_narrowed_where_spectra_would_pass_17_bits(k, bits):
    rng = np.random.default_rng(0)
    model = block_chain(("lstm",), (k, k), ((None, k),), rng)
    q = equals_slow(model, Config(activation_bits=18), 0, steps=2)
    assert q.operands["0.h"].width == bits and q.operands["x"].width == 18
    assert q.report["notes"][0] == (f"0.h_operand has {bits} bits instead of 18, so that spectra "
                                    f"of blocks of {k} fit 17 bits.")


def test_alignment_may_cost_fraction_bits():
    rng = np.random.default_rng(0)
    model = block_chain(("lstm",), (16, 16), ((16, 16),), rng)
    q = quantize(model, Config(activation_bits=13), data(model) * 8)
    lost = [note for note in q.report["notes"] if "so that a spectrum of blocks of 16" in note]
    assert lost and lost[0].endswith("with its shift fits 17 bits.")
    assert q.layers[0].acc_frac == (q.layers[0].formats["weight_ih"].frac_bits
                                    + q.operands["x"].frac_bits + q.shifts["x/16"])


def test_alignment_that_fixed_formats_forbid():
    rng = np.random.default_rng(0)
    model = block_chain(("gru",), (16, 16), ((16, 16),), rng)
    fixed = {"x": "13/4", "0.h_operand": "13/12", "0.weight_ih": "12/9", "0.weight_hh": "12/9"}
    with pytest.raises(RnnhwError, match="^Operands of x/16, 13 bits wide, would need a left shift "
                                         "of 8 bits, but words end at 13 bits; fix fewer"):
        quantize(model, Config(formats=fixed), data(model))


def test_blocks_of_four_with_whole_spectra_are_exact():
    """Blocks of integers have integer spectra, and a transform of 4 points does not round."""
    rng = np.random.default_rng(3)
    blocks = rng.integers(-40, 41, (1, 3, 5, 4)) / 64
    circulant, bias = Circulant(blocks, 12, 20), rng.integers(-64, 65, 12) / 64
    fixed = {"x": "8/5", "0.pre": "18/11", "0.y": "18/11"}
    x = rng.standard_normal((2, 9, 20))
    spectral, dense = (quantize(Model(layers=[layer]), config, x) for layer, config in (
        (Linear(circulant=circulant, bias=bias),
         Config(formats=fixed | {"0.weight_ih": "12/6", "0.pre_spectrum": "18/11"})),
        (Linear(weight=circulant.dense.copy(), bias=bias),
         Config(formats=fixed | {"0.weight_ih": "8/6"}))))
    xi = rng.integers(-128, 128, (50, 20))
    assert np.array_equal(spectral.layers[0].weight_ih[0], fourier.spectrum(blocks[0]) * 64)
    exact = xi @ dense.layers[0].weight_ih.T + dense.layers[0].bias["y"]
    assert np.array_equal(golden.run(dense, xi), exact)
    assert np.array_equal(golden.run(spectral, xi), exact)


def test_weights_are_spectra_of_the_float_blocks():
    rng = np.random.default_rng(5)
    model = block_chain(("gru",), (16, 16), ((8, 16),), rng)
    q = quantize(model, Config(spectrum_bits=10), data(model))
    for key in ("ih", "hh"):
        float_spectra = fourier.spectrum(getattr(model.layers[0], f"circulant_{key}").blocks)
        fmt = q.layers[0].formats[f"weight_{key}"]
        assert fmt == FixedFormat(10, cover("w", float_spectra.min(), float_spectra.max(), 10))
        assert np.array_equal(getattr(q.layers[0], f"weight_{key}"),
                              np.floor(float_spectra / fmt.lsb + 0.5))
    bias = model.layers[0].bias_ih[32:] / 2.0**-q.layers[0].acc_frac
    assert np.array_equal(q.layers[0].bias["nx"],
                          np.floor(fourier.spectrum(bias.reshape(2, 8)) + 0.5))


def test_a_few_large_spectra_saturate_where_that_errs_less():
    rng, found = np.random.default_rng(1), []
    for case in range(8):
        # a few components far beyond the others, by more and more beyond half a format's range
        blocks = rng.uniform(-1, 1, (1, 8, 8, 8)) / 8
        blocks[0, 0, 0, 0] += 8
        blocks *= (64 + 2 * case) / 64 / np.abs(fourier.spectrum(blocks)).max()
        values = fourier.spectrum(blocks)
        covering = cover("w", values.min(), values.max(), 8)
        errors = [np.square(fmt.to_float(fmt.quantize(values)) - values).sum()
                  for fmt in (FixedFormat(8, covering), FixedFormat(8, covering + 1))]
        q = quantize(Model(layers=[Linear(circulant=Circulant(blocks, 64, 64))]),
                     Config(spectrum_bits=8))
        found.append(q.layers[0].formats["weight_ih"].frac_bits - covering)
        assert found[-1] == (errors[1] < errors[0])
    assert set(found) == {0, 1}


def test_spectra_are_covered_with_a_bit_to_spare():
    rng = np.random.default_rng(6)
    for kind in CELLS:
        q = quantize(block_chain((kind,), (16, 12), ((4, 4),), rng), Config(spectrum_bits=16))
        for name, t in q.report["tensors"].items():
            if name.endswith("_spectrum"):
                fmt = FixedFormat.parse(t["format"])
                assert fmt.width == 18 and t["saturated"] == 0
                reached = max(-t["low"], t["high"]) / fmt.lsb
                assert reached < 2**16 and (
                    reached > 2**15 - 1 or fmt.frac_bits == q.layers[0].acc_frac)


def test_the_report_says_what_is_stored():
    model = block_chain(("lstm", "none"), (12, 16, 5), ((4, 8), (None, None)),
                        np.random.default_rng(7))
    report = quantize(model, Config(spectrum_bits=10), data(model)).report
    assert report["circulant"] == {
        "0.weight_ih": {"block_size": 4, "numbers": 4 * 4 * 3 * 4, "bits": 1920,
                        "dense_numbers": 4 * 16 * 12},
        "0.weight_hh": {"block_size": 8, "numbers": 4 * 2 * 2 * 8, "bits": 1280,
                        "dense_numbers": 4 * 16 * 16}}
    assert report["guard_bits"] == {"x/4": 0, "0.h/8": 3}
    text = report_text(report)
    assert "0.pre_x_spectrum  18/" in text and "0.weight_ih               4" in text
    assert "Guard bits of their operands, part of the shift:\n  x/4    0 bits" in text


@pytest.mark.parametrize("blocks", [(8, 8), (None, 4), (8, 4)])
def test_a_design_folder_keeps_spectra(blocks, tmp_path):
    model = block_chain(("gru_reset_before", "none"), (8, 8, 4), (blocks, (4, None)),
                        np.random.default_rng(8))
    design = compile(model, Config(spectral_products=3))
    design.save(tmp_path / "d")
    again = load_design(tmp_path / "d")
    xi = design.quantize_input(data(model))
    assert again.hash == design.hash and np.array_equal(again.run_int(xi), design.run_int(xi))
    assert again.quantized.layers[0].acc_frac_hh == design.quantized.layers[0].acc_frac_hh
    assert again.config.spectral_products == 3
    other = np.array(design.quantized.layers[1].weight_ih)
    other[0, 0, 0, 0] += 1
    layers = design.quantized.layers[0], replace(
        design.quantized.layers[1], weights={"weight_ih": other})
    changed = type(design)(replace(design.quantized, layers=layers), design.config)
    assert changed.hash != design.hash


def test_a_fixed_spectral_format_may_saturate_a_little():
    rng = np.random.default_rng(9)
    model = block_chain(("none",), (64, 64), ((8, None),), rng)
    values = fourier.spectrum(model.layers[0].circulant.blocks)
    covering = cover("w", values.min(), values.max(), 12)
    held = quantize(model, Config(formats={"0.weight_ih": f"12/{covering}"}), data(model))
    assert held.report["tensors"]["0.weight_ih"]["saturated"] == 0
    # one component beyond the format, of 512
    blocks = np.array(model.layers[0].circulant.blocks)
    blocks[0, 0, 0] += 0.6 * 2.0 ** (11 - covering) / 8
    model = Model(layers=[Linear(circulant=Circulant(blocks, 64, 64))])
    q = quantize(model, Config(formats={"0.weight_ih": f"12/{covering}"}), data(model))
    found = q.report["tensors"]["0.weight_ih"]
    assert found["saturated"] == 1 and found["total"] == 512 and found["overshoot_lsb"] > 1
    assert any(w.startswith("0.weight_ih (12/") for w in q.report["warnings"])


DENSE = chain(("gru",), (4, 4), np.random.default_rng(0))
BLOCKS = block_chain(("gru", "none"), (8, 8, 8), ((8, 8), (4, None)), np.random.default_rng(0))
APART = block_chain(("gru",), (8, 8), ((8, 4),), np.random.default_rng(0))


@pytest.mark.parametrize("model,config,sentence", [
    (DENSE, {"block_size": 8}, "^block_size is 8, but the model's matrices are dense; rnnhw "
     "compress MODEL --block-size 8 makes a block-circulant one.$"),
    (BLOCKS, {"block_size": 4}, "^block_size is 4, but the model has blocks of 8; leave it out or "
     "give that.$"),
    (APART, {"block_size": 16}, "^block_size is 16, but the model has blocks of 4 and 8; leave it"),
    (DENSE, {"spectrum_bits": 12}, "^spectrum_bits is 12, but the model has no block-circulant "
     "matrix; leave it out, or make one with rnnhw compress MODEL --block-size K.$"),
    (DENSE, {"guard_bits": 0}, "^guard_bits is 0, but the model has no block-circulant matrix;"),
    (DENSE, {"formats": {"0.pre_spectrum": "18/9"}}, "^formats has the unknown tensor "
     "'0.pre_spectrum'; known are x, 0.weight_ih, 0.weight_hh, 0.pre, 0.pre_nx, "),
    (BLOCKS, {"formats": {"0.pre_x_spectrum": "18/9"}}, "^formats has the unknown tensor"),
    (BLOCKS, {"formats": {"0.pre_spectrum": "16/9"}}, "^Format 16/9 fixed for 0.pre_spectrum is 16 "
     "bits wide, but drained spectra have 18 bits.$"),
    (BLOCKS, {"formats": {"0.pre_spectrum": "18/17"}}, "^Format 18/17 fixed for 0.pre_spectrum "
     r"holds -1..0.999992, but [0-9.]+ % of its 2048 values saturate"),
    (BLOCKS, {"formats": {"0.pre_spectrum": "18/30"}}, "^Format 18/30 fixed for 0.pre_spectrum has "
     "30 fraction bits, but [0-9]+ are the most beside the other formats"),
    (BLOCKS, {"formats": {"0.pre": "18/17", "0.pre_spectrum": "18/13"}}, "^Format 18/17 fixed for "
     "0.pre has 17 fraction bits, but 16 are the most beside the other formats: a shift would be"),
    (BLOCKS, {"formats": {"x": "15/10"}}, "^Format 15/10 fixed for x is 15 bits wide, but operands "
     "of blocks of 8 have at most 14, so that their spectra fit 17 bits.$"),
    (BLOCKS, {"formats": {"0.h_operand": "16/15"}}, "^Format 16/15 fixed for 0.h_operand is 16 "
     "bits wide, but operands of blocks of 8 have at most 14"),
    (BLOCKS, {"formats": {"0.weight_ih": "12/13"}}, "^Format 12/13 fixed for 0.weight_ih holds "
     r"-0.25..0.249878, but [0-9.]+ % of its 24 values saturate and they reach .*; 10 fraction "
     "bits would hold them.$"),
])
def test_refused(model, config, sentence):
    with pytest.raises(RnnhwError, match=sentence):
        quantize(model, Config(**config), data(model, 8, 16))


def test_block_size_of_the_model_may_be_stated():
    for size in (8, 4):
        assert quantize(APART, Config(block_size=size)).layers[0].block_sizes["weight_ih"] == 8
    linear = Model(layers=BLOCKS.layers[1:])
    assert quantize(linear, Config(block_size=4)).layers[0].block_sizes["weight_ih"] == 4


def test_sums_that_would_pass_48_bits_and_biases_that_do():
    rng = np.random.default_rng(2)
    model = block_chain(("none",), (8, 8), ((8, None),), rng)
    for bias, noted in ((1e7, True), (1.0, False)):
        large = Model(layers=[replace(model.layers[0], weight=None, bias=np.full(8, bias))])
        q = quantize(large, Config(spectrum_bits=18, activation_bits=14), data(model))
        note = [n for n in q.report["notes"] if n.endswith("so that sums fit 48 bits.")]
        assert bool(note) == noted and all(n.startswith("0.weight_ih lost ") for n in note)
    with pytest.raises(RnnhwError, match="^Sums of layer 0 need more than 48 bits; fewer fraction "
                                         "bits in 0.weight_ih, or a smaller bias, would do.$"):
        quantize(Model(layers=[replace(model.layers[0], weight=None, bias=np.full(8, 1e15))]),
                 Config(), data(model))


def test_integer_fallback_equals_float_products(monkeypatch):
    q = quantize(BLOCKS, Config(), data(BLOCKS))
    xi = np.random.default_rng(5).integers(-128, 128, (2, 8, 8))
    expected = golden.run(q, xi)
    monkeypatch.setattr(golden, "EXACT_FLOAT", 0)
    assert np.array_equal(golden.run(q, xi), expected)


def test_figures_asked_of_spectral_products():
    found = [dict(zip(spectra.HEADER, row)) for row in
             spectra.rows(sizes=((128, 128),), blocks=(8, 16))]
    assert len(found) == 8 and all(spectra.asked(row) for row in found)
    assert not spectra.failed(found)
    assert spectra.failed([found[0] | {"12 bits (dB)": 48.9}])
    assert spectra.failed([found[0] | {"10 bits (dB)": 38.9}])
    assert spectra.failed([found[0] | {"10 bits (dB)": 38.9, "peak": 40.0}])
