"""Random models with every option of ONNX's recurrent operators, against onnxruntime."""


import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.importers.onnx import from_onnx

from .onnx_dags import random_dag
from .onnx_sweep import FUNCTIONS, error, onnxruntime_of, random_model, with_free_c

FAST, ALL = range(40), range(40, 400)
OPTIONS = {
    "forward", "reverse", "bidirectional", "residual", "concat", "lengths",
    *(f"{op}.{key}" for op in ("LSTM", "GRU", "RNN") for key in (
        "direction", "hidden_size", "layout", "activations", "activation_alpha", "activation_beta",
        "clip", *map(str, range(6)))),
    "LSTM.input_forget", "LSTM.6", "LSTM.7", "GRU.linear_before_reset"}
OF_FUNCTIONS = {f"{op}.{name}" for op in ("LSTM", "GRU", "RNN") for name in FUNCTIONS}


def sweep(seeds):
    """Largest error over models of these seeds, and the options they had."""
    worst, options = 0, set()
    for seed in seeds:
        proto, feeds, last_step, seen = random_model(np.random.default_rng(seed))
        want, model = onnxruntime_of(proto, feeds), with_free_c(from_onnx(proto))
        got = model.run(feeds)
        assert list(got) == list(want)
        errors = [error(got[name], want[name]) for name in want]
        assert model.last_step == last_step
        y = model.run(feeds["x"].swapaxes(0, 1), feeds.get("lens"))
        errors.append(error(y, want["out"] if last_step else want["out"].swapaxes(0, 1)))
        assert max(errors) < 1e-5, (seed, errors)
        worst, options = max(worst, *errors), options | seen
    return worst, options


def test_some_random_models():
    worst, options = sweep(FAST)
    assert 0 < worst < 1e-5 and OPTIONS - options == set()


@pytest.mark.long
def test_random_models():
    """Rounding to float32 is what is left: sums of up to 40 products of values below 4."""
    worst, options = sweep(ALL)
    assert 0 < worst < 1e-5 and options >= OPTIONS | OF_FUNCTIONS


def dags(seeds):
    """Numbers of graphs that are taken and refused; each that is taken is exact."""
    taken = []
    for seed in seeds:
        proto, x, axis = random_dag(np.random.default_rng(seed))
        want = onnxruntime_of(proto, {"x": x})["out"]
        try:
            model = from_onnx(proto)
        except RnnhwError:
            taken.append(False)
            continue
        taken.append(True)
        assert error(model.run({"x": x})["out"], want) < 1e-5, seed
        assert model.last_step == (axis is None), seed
        want = want.swapaxes(0, 1) if axis == 0 else want
        assert error(model.run(x.swapaxes(0, 1)), want) < 1e-5, seed
    return sum(taken), len(taken)


def test_some_graphs_of_any_operators():
    taken, total = dags(range(40))
    assert total / 2 < taken < total


@pytest.mark.long
def test_graphs_of_any_operators():
    """Any operator behind any other: taken and exact in steps and last steps, or refused."""
    taken, total = dags(range(40, 1000))
    assert total / 2 < taken < total
