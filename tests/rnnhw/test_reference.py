import numpy as np
import pytest
import torch
from torch import nn

from rnnhw import reference
from rnnhw.errors import RnnhwError
from rnnhw.importers.torch import from_torch
from rnnhw.model import GATES, Model

from .models import close, recurrent, stack

KINDS = ["lstm", "gru", "gru_reset_before"]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_equals_pytorch(cell, seed):
    torch.manual_seed(seed)
    m, n = (int(s) for s in torch.randint(1, 12, (2,)))
    module = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](m, n, num_layers=1 + seed % 3,
                                                     bias=seed % 4 != 0, batch_first=True)
    x = torch.randn(3, 9, m)
    with torch.no_grad():
        want = module(x)[0].numpy()
    model = from_torch(module)
    assert close(model.run(x.numpy()), want) < 1e-5
    assert close(model.run(x[0].numpy()), want[0]) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_exchanged_gates_are_seen(kind):
    rng = np.random.default_rng(3)
    layer = recurrent(rng, kind, 5, 6)
    x = rng.standard_normal((2, 7, 5))
    y = Model(layers=[layer]).run(x)
    gates = len(GATES[layer.cell])
    for a in range(gates):
        for b in range(a):
            order = np.arange(gates)
            order[[a, b]] = b, a
            rows = np.arange(gates * 6).reshape(gates, 6)[order].reshape(-1)
            changed = type(layer)(cell=layer.cell, reset_after=layer.reset_after,
                                  **{key: getattr(layer, key)[rows] for key in
                                     ("weight_ih", "weight_hh", "bias_ih", "bias_hh")})
            assert close(Model(layers=[changed]).run(x), y) > 1e-3


def test_reset_before_and_after_differ():
    rng = np.random.default_rng(4)
    after = recurrent(rng, "gru", 5, 6)
    before = type(after)(cell="gru", reset_after=False, **{
        key: getattr(after, key) for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")})
    x = rng.standard_normal((2, 7, 5))
    assert close(Model(layers=[after]).run(x), Model(layers=[before]).run(x)) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_one_unit_by_hand(kind):
    """One unit and one input, by the equations in plain Python."""
    layer = recurrent(np.random.default_rng(5), kind, 1, 1)
    wi, wh, bi, bh = (getattr(layer, k).reshape(-1).tolist()
                      for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))

    def s(v):
        return 1 / (1 + np.exp(-v))

    h = c = 0.0
    want = []
    xs = [0.5, -1.25, 2.0]
    for x in xs:
        a = [x * wi[k] + bi[k] + h * wh[k] + bh[k] for k in range(len(wi))]
        if kind == "lstm":
            c = s(a[1]) * c + s(a[0]) * np.tanh(a[2])
            h = s(a[3]) * np.tanh(c)
        else:
            r, z = s(a[0]), s(a[1])
            nh = r * (wh[2] * h + bh[2]) if kind == "gru" else wh[2] * (r * h) + bh[2]
            h = (1 - z) * np.tanh(x * wi[2] + bi[2] + nh) + z * h
        want.append(h)
    y = Model(layers=[layer]).run(np.array(xs)[:, None])
    assert close(y[:, 0], want) < 1e-14


@pytest.mark.parametrize("last_step", [False, True])
def test_lengths_equal_sequences_alone(last_step):
    rng = np.random.default_rng(6)
    model = stack(rng, "lstm", "tanh", "gru", "relu", sizes=(4, 5, 3, 6, 2), last_step=last_step)
    x = rng.standard_normal((3, 8, 4))
    lengths = np.array([8, 1, 5])
    y = model.run(x, lengths)
    for k, length in enumerate(lengths):
        alone = model.run(x[k, :length])
        if last_step:
            assert y.shape == (3, 2) and close(y[k], alone) < 1e-14
        else:
            assert close(y[k, :length], alone) < 1e-14
            assert not y[k, length:].any()


def test_trace_holds_every_tensor():
    rng = np.random.default_rng(7)
    model = stack(rng, "lstm", "gru", "gru_reset_before", "sigmoid", sizes=(3, 4, 5, 6, 2))
    x = rng.standard_normal((2, 6, 3))
    lengths = np.array([6, 2])
    got = reference.trace(model, x, lengths)
    shapes = {"x": 3, "0.pre": 16, "0.c": 4, "0.h": 4, "1.pre": 10, "1.pre_nx": 5, "1.pre_nh": 5,
              "1.s": 5, "1.d": 5, "1.h": 5, "2.pre": 12, "2.pre_n": 6, "2.q": 6, "2.d": 6, "2.h": 6,
              "3.pre": 2, "3.y": 2}
    assert {key: value.shape for key, value in got.items()} == {
        key: (2, 6, n) for key, n in shapes.items()}
    assert all(not value[1, 2:].any() and value[1, :2].any() for value in got.values())
    assert np.array_equal(got["3.y"], model.run(x, lengths))
    r = reference.sigmoid(got["1.pre"][0, :, :5])
    assert close(got["1.s"][0], got["1.pre_nx"][0] + r * got["1.pre_nh"][0]) < 1e-14
    r = reference.sigmoid(got["2.pre"][0, 1:, :6])
    assert close(got["2.q"][0, 1:], r * got["2.h"][0, :-1]) < 1e-14


@pytest.mark.parametrize("x, lengths, text", [
    (np.zeros(3), None, r"x has shape \(3,\), but \(seq_len, 3\) or \(batch, seq_len, 3\) is need"),
    (np.zeros((4, 2)), None, r"x has 2 features a step, but the model takes 3\."),
    (np.zeros((1, 0, 3)), None, r"x is empty \(shape \(1, 0, 3\)\)"),
    (np.full((2, 3), np.nan), None, r"x holds 6 values that are NaN or infinite"),
    (np.zeros((2, 4, 3)), [4, 5], r"lengths\[1\] is 5, but a length must be within 1\.\.4\."),
    (np.zeros((2, 4, 3)), [4], r"lengths has shape \(1,\), but x has 2 sequences"),
])
def test_run_refuses(x, lengths, text):
    model = stack(np.random.default_rng(0), "gru", sizes=(3, 4))
    with pytest.raises(RnnhwError, match=text):
        model.run(x, lengths)


def test_large_pre_activations_do_not_overflow():
    model = stack(np.random.default_rng(8), "lstm", sizes=(2, 3))
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(model.run(np.full((4, 2), 1e6))).all()
