"""The golden model against a slow transcription, the float model and its own rules."""

import numpy as np
import pytest

from rnnhw import golden, reference
from rnnhw.activation import KINDS
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat
from rnnhw.model import Linear, Model
from rnnhw.quantize import quantize

from . import slow_golden
from .chains import CELLS, chain

CHAINS = [*((kind,) for kind in CELLS), ("none",), ("relu",), ("sigmoid",), ("tanh",),
          ("lstm", "gru"), ("relu", "gru_reset_before", "none"), ("gru", "tanh", "lstm", "sigmoid")]


@pytest.mark.parametrize("kinds", CHAINS, ids="-".join)
@pytest.mark.parametrize("last_step", [False, True])
def test_equals_slow_transcription(kinds, last_step):
    if last_step and not any(kind in CELLS for kind in kinds):
        last_step = False
    rng = np.random.default_rng(len(kinds))
    for case in range(6):
        model = chain(kinds, rng.integers(1, 5, len(kinds) + 1), rng,
                      scale=(0.5, 2, 12)[case % 3], last_step=last_step)
        bits = [int(b) for b in rng.integers(2, 19, 2)]
        states = [int(b) for b in rng.integers(8, 19, 2)]
        config = Config(weight_bits=bits[0], activation_bits=bits[1], state_bits=states[0],
                        cell_bits=states[1])
        q = quantize(model, config, rng.standard_normal((3, 6, model.input_size)) * (1 + 9 * case))
        # all codes, also beyond what calibration saw
        xi = rng.integers(q.input_format.min, q.input_format.max + 1, (7, model.input_size))
        assert golden.run(q, xi).tolist() == slow_golden.run(q, xi)


@pytest.mark.parametrize("activation", KINDS[1:])
def test_kinds_of_activation_equal_the_slow_transcription(activation):
    rng = np.random.default_rng(3)
    model = chain(("lstm", "tanh", "gru", "sigmoid"), (3, 4, 3, 4, 2), rng, scale=2)
    q = quantize(model, Config(activation_kind=activation), rng.standard_normal((3, 6, 3)))
    xi = rng.integers(q.input_format.min, q.input_format.max + 1, (20, 3))
    assert q.activation.kind == activation
    assert golden.run(q, xi).tolist() == slow_golden.run(q, xi)


@pytest.mark.parametrize("kind", CELLS)
def test_integer_fallback_equals_float_products(kind, monkeypatch):
    rng = np.random.default_rng(5)
    q = quantize(chain((kind, "none"), (3, 5, 2), rng), Config(weight_bits=16, activation_bits=16))
    xi = rng.integers(-2**15, 2**15, (2, 8, 3))
    expected = golden.run(q, xi)
    monkeypatch.setattr(golden, "EXACT_FLOAT", 0)
    assert (golden.run(q, xi) == expected).all()


def test_sums_beyond_63_bits_are_refused(monkeypatch):
    rng = np.random.default_rng(5)
    q = quantize(chain(("gru",), (3, 5), rng), Config())
    monkeypatch.setattr(golden, "EXACT_INT", 1 << 12)
    with pytest.raises(RnnhwError, match=r"Layer 0's sums may reach \d+, but exact sums end at"):
        golden.run(q, np.zeros((1, 3), np.int64))


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bits, least_db", [
    # n bits that cover Gaussian inputs' peaks carry about 6n - 8 dB; the loop and the weights take
    # some of it, and the table's 2**-12 ends it near 65 dB
    (8, 30), (12, 50), (16, 60)])
def test_near_the_float_model(kind, bits, least_db):
    rng = np.random.default_rng(bits)
    model = chain((kind,), (12, 24), rng)
    x = rng.standard_normal((4, 32, 12))
    q = quantize(model, Config(weight_bits=bits, activation_bits=bits), x)
    y, exact = q.output_format.to_float(golden.run(q, q.input_format.quantize(x))), model.run(x)
    db = 10 * np.log10(np.sum(exact**2) / np.sum((y - exact) ** 2))
    print(f"{kind} {bits} bits: {db:.1f} dB")
    assert db > least_db
    assert q.report["sqnr_db"]["output"] == pytest.approx(db)


@pytest.mark.parametrize("kinds, last_step", [(("lstm", "gru", "none"), False),
                                              (("gru_reset_before", "lstm", "relu", "none"), True),
                                              (("lstm",), True)])
def test_batch_and_lengths(kinds, last_step):
    rng = np.random.default_rng(2)
    model = chain(kinds, [3, 4, 5, 3, 2][:len(kinds) + 1], rng, last_step=last_step)
    q = quantize(model, Config())
    xi = rng.integers(-128, 128, (5, 9, 3))
    lengths = np.array([4, 9, 1, 9, 6])
    y = golden.run(q, xi, lengths)
    for k, length in enumerate(lengths):
        alone = golden.run(q, xi[k, :length])
        assert (y[k] == alone).all() if last_step else (y[k, :length] == alone).all()
        assert last_step or not y[k, length:].any()
    changed = xi.copy()
    changed[2, 1:] = 127       # padding
    assert (golden.run(q, changed, lengths) == y).all()


@pytest.mark.parametrize("kind", CELLS)
def test_state_goes_on(kind):
    rng = np.random.default_rng(3)
    q = quantize(chain((kind, kind, "none"), (3, 4, 4, 2), rng), Config())
    xi = rng.integers(-128, 128, (3, 10, 3))
    lengths = np.array([10, 7, 4])
    whole, end = golden.run(q, xi, lengths, return_state=True)
    first, state = golden.run(q, xi[:, :4], return_state=True)
    rest, last = golden.run(q, xi[:2, 4:], lengths[:2] - 4,
                            state={key: value[:2] for key, value in state.items()},
                            return_state=True)
    assert (first == whole[:, :4]).all() and (rest == whole[:2, 4:]).all()
    assert sorted(end) == sorted(f"{i}.{s}" for i in (0, 1) for s in
                                 ("hc" if kind == "lstm" else "h"))
    for key, value in end.items():
        assert (value[:2] == last[key]).all() and (value[2] == state[key][2]).all()
    single, one = golden.run(q, xi[0], return_state=True)
    assert (single == whole[0]).all() and one["0.h"].shape == (4,)
    assert (golden.run(q, xi[0, :3], state=one)
            == golden.run(q, xi[:1, :3], state={k: v[None] for k, v in one.items()})[0]).all()


def test_counts():
    rng = np.random.default_rng(4)
    model = chain(("lstm", "none"), (2, 3, 2), rng, scale=8)
    x = rng.standard_normal((2, 6, 2))
    # c's format holds half of what c reaches, on purpose
    c_max = np.abs(reference.trace(model, x)["0.c"]).max()
    frac = 15 - int(np.ceil(np.log2(c_max))) + 1
    q = quantize(model, Config(formats={"0.c": f"16/{frac}"}), x)
    xi, lengths, counts = q.input_format.quantize(x), np.array([6, 2]), {}
    golden.run(q, xi, lengths, counts)
    n, total, worst = counts["0.c"]
    assert total == 8 * 3 and 0 < n < total and worst > 1
    for tensor, units in (("0.pre", 12), ("0.gate", 6 * 3), ("0.h", 3), ("0.h_operand", 3),
                          ("1.pre", 2), ("1.y", 2)):
        assert counts[tensor][1] == 8 * units
    # a second call adds
    golden.run(q, xi, lengths, counts)
    assert counts["0.c"] == (2 * n, 2 * total, worst)


def test_counts_of_saturations_are_exact():
    # one weight of 1: pre = x, so what saturates can be told by hand
    model = Model(layers=[Linear(weight=[[1.0]])])
    q = quantize(model, Config(weight_bits=8, state_bits=8, formats={"0.pre": "8/4"}),
                 np.linspace(-8, 7.9, 50).reshape(1, 50, 1))
    assert q.operands["x"] == FixedFormat(8, 4) and q.layers[0].formats["pre"] == FixedFormat(8, 4)
    counts = {}
    q.layers[0].bias["y"][:] = 3 << (q.layers[0].acc_frac - 4)
    y = golden.run(q, np.array([[127], [124], [125], [-128]]), counts=counts)
    assert y[:, 0].tolist() == [127, 127, 127, -125]
    assert counts["0.pre"] == (2, 4, 3)


@pytest.mark.parametrize("call, text", [
    (dict(state={"0.k": np.zeros((1, 3), int)}), "unknown name '0.k'; known are 0.h, 0.c, 1.h"),
    (dict(state={"0.h": np.zeros((2, 3), int)}), r"'0.h' has shape \(2, 3\) and type int64, but"),
    (dict(state={"0.h": np.zeros((1, 3))}), "type float64, but integers"),
    (dict(state={"0.c": np.full((1, 3), 40000)}), "'0.c' reaches 40000..40000, but its format"),
    (dict(lengths=[6]), r"lengths\[0\] is 6, but a length must be within 1..5"),
    (dict(xi=np.full((1, 5, 2), 200)), "reaches 200..200, but the input format 8/"),
    (dict(xi=np.zeros((1, 5, 2))), "integer codes are needed"),
    (dict(xi=np.zeros((1, 5, 3), int)), "3 features a step, but the model takes 2"),
    (dict(xi=np.zeros((1, 0, 2), int)), "xi is empty"),
])
def test_refusals(call, text):
    rng = np.random.default_rng(0)
    q = quantize(chain(("lstm", "gru"), (2, 3, 3), rng), Config())
    with pytest.raises(RnnhwError, match=text):
        golden.run(q, **({"xi": np.zeros((1, 5, 2), int)} | call))


def test_trace_names_every_layer():
    rng = np.random.default_rng(0)
    q = quantize(chain(("lstm", "relu", "none"), (2, 3, 4, 2), rng, last_step=True), Config())
    found = golden.trace(q, np.zeros((5, 6, 2), int))
    assert {key: value.shape for key, value in found.items()} == {
        "0.h": (5, 6, 3), "1.y": (5, 1, 4), "2.y": (5, 1, 2)}
