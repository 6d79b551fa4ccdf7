"""Random models with every option of ONNX's recurrent operators, against onnxruntime."""

import numpy as np
import pytest

from rnnhw.importers.onnx import from_onnx

from .models import close
from .onnx_sweep import onnxruntime_of, random_model

FAST, ALL = range(40), range(40, 400)
OPTIONS = {
    "forward", "reverse", "bidirectional", "residual", "concat", "lengths",
    *(f"{op}.{key}" for op in ("LSTM", "GRU", "RNN") for key in (
        "direction", "hidden_size", "layout", *map(str, range(6)))),
    "LSTM.input_forget", "LSTM.6", "LSTM.7", "GRU.linear_before_reset", "RNN.activations"}


def sweep(seeds):
    """Largest error over models of these seeds, and the options they had."""
    worst, options = 0, set()
    for seed in seeds:
        proto, feeds, last_step, seen = random_model(np.random.default_rng(seed))
        want, model = onnxruntime_of(proto, feeds), from_onnx(proto)
        got = model.run(feeds)
        assert list(got) == list(want)
        errors = [close(got[name], want[name]) for name in want]
        assert model.last_step == last_step
        y = model.run(feeds["x"].swapaxes(0, 1), feeds.get("lens"))
        errors.append(close(y, want["out"] if last_step else want["out"].swapaxes(0, 1)))
        assert max(errors) < 1e-5, (seed, errors)
        worst, options = max(worst, *errors), options | seen
    return worst, options


def test_some_random_models():
    worst, options = sweep(FAST)
    assert 0 < worst < 1e-5 and OPTIONS - options == set()


@pytest.mark.slow
def test_random_models():
    """Rounding to float32 is what is left: sums of up to 40 products of values below 4."""
    worst, options = sweep(ALL)
    assert 0 < worst < 1e-5 and options >= OPTIONS
