import numpy as np
import pytest

from rnnhw.costs import cost

from .models import linear, recurrent, stack

RNG = np.random.default_rng(0)
M, N = 5, 7


@pytest.mark.parametrize("layer, counts", [
    (recurrent(RNG, "lstm", M, N), (4*N*N + 4*N*M + 3*N, 4*N*N + 4*N*M + 5*N, 5*N,
                                    4*N*N + 4*N*M, 4*N, 4*N)),
    (recurrent(RNG, "gru", M, N), (3*N*N + 3*N*M + 3*N, 3*N*N + 3*N*M + 2*N, 3*N,
                                   3*N*N + 3*N*M, 0, 4*N)),
    (recurrent(RNG, "gru_reset_before", M, N), (3*N*N + 3*N*M + 3*N, 3*N*N + 3*N*M + 2*N, 3*N,
                                                3*N*N + 3*N*M, 0, 3*N)),
    (linear(RNG, M, N), (N*M, N*M, 0, N*M, N, N)),
    (linear(RNG, M, N, "sigmoid"), (N*M, N*M, N, N*M, N, N)),
])
def test_formulas(layer, counts):
    c = cost(layer)
    assert (c.multiplications, c.additions, c.nonlinear, c.weights, c.biases,
            c.bias_values) == counts
    assert c.macs == c.weights
    assert c.operations == c.multiplications + c.additions + c.nonlinear
    assert c.parameters == c.weights + c.biases
    assert c.stored == c.weights + c.bias_values


def test_macs_are_the_elements_of_the_matrices():
    layer = recurrent(RNG, "lstm", M, N)
    assert cost(layer).macs == layer.weight_ih.size + layer.weight_hh.size


def test_model_is_the_sum_of_its_layers():
    model = stack(RNG, "lstm", "gru", "relu", sizes=(3, 4, 5, 2), last_step=True)
    parts = [cost(layer) for layer in model.layers]
    assert cost(model) == parts[0] + parts[1] + parts[2]
    assert cost(model).macs == 4 * 4 * 7 + 3 * 5 * 9 + 10
