"""Rules that formats follow: covering, least error, one scale for products, alignment."""

from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat
from rnnhw.formats import align, cover, flat_range, weight_frac
from rnnhw.quantize import quantize
from rnnhw.segments import segment_of

from .chains import CELLS, chain, data


@pytest.mark.parametrize("width", [2, 3, 8, 18])
def test_cover_is_the_most_fraction_bits(width):
    rng = np.random.default_rng(width)
    for _ in range(200):
        low, high = np.sort(rng.normal(size=2) * 10.0 ** rng.uniform(-5, 5))
        frac = cover("x", low, high, width)
        for f, fits in ((frac, True), (frac + 1, False)):
            codes = [floor(Fraction(v) * Fraction(2) ** f + Fraction(1, 2)) for v in (low, high)]
            assert (codes[0] >= -(1 << width - 1) and codes[1] < 1 << width - 1) == fits


def test_cover_of_nothing_and_of_extremes():
    assert cover("x", 0, 0, 8) == 7
    assert cover("x", 0, 1e-30, 8) == 40
    with pytest.raises(RnnhwError, match="x reaches 1e.20, which 8 bits hold only with fewer than"):
        cover("x", 0, 1e20, 8)


def test_weights_take_the_less_squared_error():
    rng = np.random.default_rng(0)
    chosen = []
    for k in range(60):
        values = rng.standard_t(4, 200) if k % 2 else rng.uniform(-1, 1, 200)
        values *= 10.0 ** rng.uniform(-2, 2)
        frac, covering = weight_frac("w", values, 6), cover("w", values.min(), values.max(), 6)

        error = {}
        for f in (covering, covering + 1):
            fmt = FixedFormat(6, f)
            error[f] = np.sum((fmt.to_float(fmt.quantize(values)) - values) ** 2)
        assert error[frac] == min(error.values())
        chosen.append(frac - covering)
    assert 0 < sum(chosen) < 60            # both happen


def test_flat_range():
    for frac in range(1, 18):
        r = flat_range(frac)
        assert 1 / (1 + np.exp(r)) < 2.0 ** -(frac + 1) <= np.exp(-r / 2)
    assert flat_range(15) == 16


@pytest.mark.parametrize("kinds", [("lstm", "gru", "gru_reset_before"), ("relu", "lstm", "lstm"),
                                   ("gru", "none", "gru", "tanh")], ids="-".join)
@pytest.mark.parametrize("bits", [4, 8, 14, 17, 18])
def test_products_have_one_scale(kinds, bits):
    rng = np.random.default_rng(bits)
    model = chain(kinds, [3, 4, 2, 5, 3][:len(kinds) + 1], rng, scale=3)
    # weights of very different size, so that shifts are needed
    layers = [replace(layer, weight_hh=layer.weight_hh * 2.0 ** rng.integers(-3, 4))
              if layer.kind in CELLS else layer for layer in model.layers]
    model = replace(model, layers=layers)
    q = quantize(model, Config(weight_bits=8, activation_bits=bits), data(model, scale=4))
    shifted = 0
    for i, layer in enumerate(q.layers):
        pairs = [("weight_ih", segment_of(q.model, i - 1))]
        if layer.weight_hh is not None:
            pairs.append(("weight_hh", f"{i}.h"))
        exact, codes = Fraction(0), 0
        for key, segment in pairs:
            fmt, weight, shift = q.operands[segment], layer.formats[key], q.shifts[segment]
            assert weight.frac_bits + fmt.frac_bits + shift == layer.acc_frac
            assert shift >= 0 and fmt.width + shift <= 18
            shifted += shift > 0
            row = getattr(layer, key)[0].tolist()
            operand = rng.integers(fmt.min, fmt.max + 1, len(row)).tolist()
            codes += sum(w * (v << shift) for w, v in zip(row, operand))
            exact += sum(w * Fraction(2) ** -weight.frac_bits * v * Fraction(2) ** -fmt.frac_bits
                         for w, v in zip(row, operand))
        assert Fraction(codes) * Fraction(2) ** -layer.acc_frac == exact
        if layer.layer.kind == "gru_reset_before":
            assert q.operands[f"{i}.q"] == q.operands[f"{i}.h"]
            assert q.shifts[f"{i}.q"] == q.shifts[f"{i}.h"]
    assert shifted or bits == 18
    heads = ["x"] + [f"{i}.y" for i in range(len(kinds) - 1) if kinds[i] not in CELLS]
    groups, group = [], ["x"]
    for i, kind in enumerate(kinds):
        if kind in CELLS:
            group.append(f"{i}.h")
        else:
            groups.append(group)
            group = [f"{i}.y"]
    groups += [group] if group[0] in q.shifts else []
    assert [g[0] for g in groups] == heads
    assert all(min(q.shifts[s] for s in g) == 0 for g in groups)


def formats(**texts):
    return {key: FixedFormat.parse(text) for key, text in texts.items()}


def test_align_shifts_along_a_chain():
    shifts, lost = align(["x", "a", "b"], [("x", "a", "ia", "ha"), ("a", "b", "ib", "hb")],
                         formats(x="8/4", a="8/7", b="8/7"),
                         formats(ia="8/7", ha="8/8", ib="8/9", hb="8/7"), (), [])
    # x: 4 + 7 against a: 7 + 8; then a: 7 + 9 against b: 7 + 7
    assert (shifts, lost) == ({"x": 4, "a": 0, "b": 2}, {})


@pytest.mark.parametrize("fixed, expected", [
    ((), {"a": 1, "ha": 1}),               # equal bits left: the operand, then the weights
    (("a",), {"ha": 2}),
    (("ha",), {"a": 2}),
])
def test_align_ends_at_18_bits(fixed, expected):
    assert align(["x", "a"], [("x", "a", "ia", "ha")], formats(x="16/12", a="16/15"),
                 formats(ia="16/7", ha="16/8"), fixed, []) == ({"x": 2, "a": 0}, expected)


def test_align_takes_from_the_wider():
    lost = align(["x", "a"], [("x", "a", "ia", "ha")], formats(x="14/0", a="14/13"),
                 formats(ia="10/7", ha="10/9"), (), [])[1]
    # 15 bits apart, 4 of them are room; 4 bits make a as narrow as ha, the rest is shared
    assert lost == {"a": 8, "ha": 3}
    with pytest.raises(RnnhwError, match="Operands of x, 14 bits wide, would need a left shift of "
                                         "15 bits, but words end at 18 bits; fix fewer fraction "
                                         "bits in one of ia, ha"):
        align(["x", "a"], [("x", "a", "ia", "ha")], formats(x="14/0", a="14/13"),
              formats(ia="10/7", ha="10/9"), ("a", "ha"), [])


def test_align_raises_for_a_table():
    shifts, _ = align(["x"], [], formats(x="4/0"), formats(w="4/1"), (), [("x", "w", 3)])
    assert shifts == {"x": 2}
    with pytest.raises(RnnhwError, match="Products of x and w have 0 . 1 fraction bits, but 3 are "
                                         "needed for their sums; scale the data down"):
        align(["x"], [], formats(x="17/0"), formats(w="4/1"), (), [("x", "w", 3)])
