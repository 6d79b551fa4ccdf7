"""The float reference: the layers' equations in float64, one step after the other."""

import numpy as np

from .data import check_lengths, check_values
from .model import Recurrent


def sigmoid(x):
    """Logistic function, ``1/2 + tanh(x/2)/2``, which overflows nowhere."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


ACTIVATE = {"none": lambda x: x, "relu": lambda x: np.maximum(x, 0), "sigmoid": sigmoid,
            "tanh": np.tanh}


def check_input(model, x, lengths=None):
    """Input of ``model`` as (float64 (batch, seq_len, input_size), int64 (batch,) lengths).

    Takes (seq_len, input_size) or (batch, seq_len, input_size); without ``lengths`` every sequence
    has seq_len steps.

    Raises
    ------
    RnnhwError
        On another rank, another number of features, no data, values that are NaN or infinite, or
        lengths outside 1..seq_len.
    """
    x = check_values(x, model.input_size)
    lengths = check_lengths(lengths, x)
    x = x if x.ndim == 3 else x[None]
    return x, np.full(len(x), x.shape[1]) if lengths is None else lengths


def _lstm(layer, x, keep):
    n = layer.hidden_size
    h = c = np.zeros((x.shape[0], n))
    for t in range(x.shape[1]):
        pre = x[:, t] @ layer.weight_ih.T + layer.bias_ih + h @ layer.weight_hh.T + layer.bias_hh
        i, f, o = (sigmoid(pre[:, k * n:(k + 1) * n]) for k in (0, 1, 3))
        g = np.tanh(pre[:, 2 * n:3 * n])
        c = f * c + i * g
        h = o * np.tanh(c)
        keep(pre=pre, c=c, h=h)


def _gru(layer, x, keep):
    n = layer.hidden_size
    h = np.zeros((x.shape[0], n))
    for t in range(x.shape[1]):
        xs = x[:, t] @ layer.weight_ih.T + layer.bias_ih
        hs = h @ layer.weight_hh.T + layer.bias_hh
        pre = xs[:, :2 * n] + hs[:, :2 * n]
        r, z = sigmoid(pre[:, :n]), sigmoid(pre[:, n:])
        nx, nh = xs[:, 2 * n:], hs[:, 2 * n:]
        s = nx + r * nh
        h = (1 - z) * np.tanh(s) + z * h
        keep(pre=pre, pre_nx=nx, pre_nh=nh, s=s, h=h)


def _gru_reset_before(layer, x, keep):
    n = layer.hidden_size
    h = np.zeros((x.shape[0], n))
    for t in range(x.shape[1]):
        xs = x[:, t] @ layer.weight_ih.T + layer.bias_ih
        pre = xs[:, :2 * n] + h @ layer.weight_hh[:2 * n].T + layer.bias_hh[:2 * n]
        r, z = sigmoid(pre[:, :n]), sigmoid(pre[:, n:])
        q = r * h
        pre_n = xs[:, 2 * n:] + q @ layer.weight_hh[2 * n:].T + layer.bias_hh[2 * n:]
        h = (1 - z) * np.tanh(pre_n) + z * h
        keep(pre=pre, q=q, pre_n=pre_n, h=h)


def _linear(layer, x, keep):
    for t in range(x.shape[1]):
        pre = x[:, t] @ layer.weight.T + layer.bias
        keep(pre=pre, y=ACTIVATE[layer.activation](pre))


CELLS = {"lstm": _lstm, "gru": _gru, "gru_reset_before": _gru_reset_before, "linear": _linear}


def trace(model, x, lengths=None):
    """Every tensor of ``model`` for input ``x``, by name.

    ``x`` and, for layer i, ``{i}.h`` and ``{i}.c`` or ``{i}.y``; ``{i}.pre``, the pre-activations
    of the gates side by side (``i f g o``, ``r z``, or a linear layer's own); of a GRU's candidate
    ``{i}.pre_nx`` (W_ih x + b_ih), ``{i}.pre_nh`` (W_hh h + b_hh) and ``{i}.s = nx + r*nh``, or,
    with the reset before, ``{i}.q = r*h`` and ``{i}.pre_n``.

    Each is float64 (batch, seq_len, units) and zero past a sequence's length, also for layers that
    a ``last_step`` model runs for the last step only.
    """
    x, lengths = check_input(model, x, lengths)
    valid = (np.arange(x.shape[1]) < lengths[:, None])[..., None]
    tensors = {"x": np.where(valid, x, 0.0)}
    for i, layer in enumerate(model.layers):
        steps = []
        CELLS[layer.kind](layer, x, lambda steps=steps, **values: steps.append(values))
        for key in steps[0]:
            tensors[f"{i}.{key}"] = np.where(valid, np.stack([s[key] for s in steps], 1), 0.0)
        x = tensors[f"{i}.h" if isinstance(layer, Recurrent) else f"{i}.y"]
    return tensors


def last_valid(y, lengths):
    """The last valid step of each sequence: (batch, seq_len, units) to (batch, units)."""
    return y[np.arange(len(y)), np.asarray(lengths) - 1]


def run(model, x, lengths=None):
    """Float output of ``model`` in float64, every sequence starting at zero state.

    Takes (seq_len, input_size) or (batch, seq_len, input_size) and returns the same rank; a
    ``last_step`` model gives each sequence's last valid step and drops the seq axis. Outputs past a
    sequence's length are zero.

    Reference: Rezk et al. 2020, eq. 1-6 and 10-13; PyTorch's nn.LSTM, nn.GRU and nn.Linear.
    """
    single = np.ndim(x) == 2
    x, lengths = check_input(model, x, lengths)
    last = model.layers[-1]
    y = trace(model, x, lengths)[f"{len(model.layers) - 1}.{'y' if last.kind == 'linear' else 'h'}"]
    y = last_valid(y, lengths) if model.last_step else y
    return y[0] if single else y
