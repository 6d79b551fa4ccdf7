"""The float reference: the cells' descriptions in float64, one step after the other."""

import numpy as np

from .data import check_inputs, check_lengths
from .interpret import step, tensors
from .layers import biases, constants


def sigmoid(x):
    """Logistic function, ``1/2 + tanh(x/2)/2``, which overflows nowhere."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


ACTIVATE = {"none": lambda x: x, "relu": lambda x: np.maximum(x, 0), "sigmoid": sigmoid,
            "tanh": np.tanh}


def check_input(model, x, lengths=None):
    """Input of ``model`` as (float64 (batch, seq_len, input_size), int64 (batch,) lengths).

    Takes (seq_len, input_size) or (batch, seq_len, input_size); without ``lengths`` every sequence
    has seq_len steps. With an embedding it takes whole numbers (seq_len,) or (batch, seq_len) and
    gives their rows.

    Raises
    ------
    RnnhwError
        On another rank, another number of features, no data, values that are NaN or infinite, or
        lengths outside 1..seq_len.
    """
    x = embedded(model, x)
    lengths = check_lengths(lengths, x)
    x = x if x.ndim == 3 else x[None]
    return x, np.full(len(x), x.shape[1]) if lengths is None else lengths


def embedded(model, x, name="x"):
    """``x`` as float64, checked; rows of the embedding for whole numbers, where there is one.

    Raises
    ------
    RnnhwError
        If ``x`` does not fit the model.
    """
    x = check_inputs(model, x, name)
    return x if model.embedding is None else model.embedding[x]


def head(model, y, lengths=None):
    """The model's function of its outputs ``y``, over the last axis; zero past a length.

    ``softmax``: ``exp(y_i) / sum_j exp(y_j)``; ``log_softmax`` its logarithm; ``argmax`` the first
    index of the largest, as int64 with an axis of 1.
    """
    if model.head == "none":
        return y
    if model.head == "argmax":
        found = np.argmax(y, axis=-1)[..., None]
    else:
        y = y - y.max(axis=-1, keepdims=True)
        total = np.exp(y).sum(axis=-1, keepdims=True)
        found = y - np.log(total) if model.head == "log_softmax" else np.exp(y) / total
    if lengths is not None and not model.last_step:
        found[np.arange(found.shape[1]) >= np.asarray(lengths)[:, None]] = 0
    return found


class Floats:
    """The arithmetic of a float layer, as :func:`rnnhw.interpret.step` asks for it.

    ``x`` is multiplied for all steps at once; ``t`` is the step that is being carried out.
    """

    def __init__(self, layer, x):
        self.layer, self.cell, self.t = layer, layer.description, 0
        self.constants, self.biases = constants(layer), biases(layer)
        self.weights = {}
        for product in self.cell.products:
            for (_, name, gates) in product.parts:
                matrix, n = layer.array(name), layer.sizes[product.size]
                rows = [matrix[g * n:(g + 1) * n] for g in gates]
                self.weights[product, name] = np.concatenate(rows).T
        self.fixed = {product: self._fixed(product, x) for product in self.cell.products}

    def _fixed(self, product, x):
        """What x and the biases add to the sums of all steps."""
        bias = 0.0
        if product.biases:
            bias = np.concatenate([self.biases[name] for name in product.sums])
        for name, weight in zip(product.operands, product.weights):
            if name == "x":
                return x @ self.weights[product, weight] + bias
        return bias

    def sums(self, product, operands):
        total = self.fixed[product]
        if "x" in operands:
            total = total[:, self.t]
        for name, weight in zip(product.operands, product.weights):
            if name != "x":
                total = operands[name] @ self.weights[product, weight] + total
        return dict(zip(product.sums, np.split(total, len(product.sums), axis=1)))

    def apply(self, op, product, a, b, c):
        if op.is_table:
            return ACTIVATE[op.fn](a)
        total = a if b is None else a * b
        if c is not None:
            total = total - c if op.subtract else total + c
        return np.maximum(total, 0) if op.fn == "relu" else total

    def copy(self, name, value):
        return value


def start(layer, batch):
    """The state before the first step that a layer runs, (batch, units) each, by name."""
    cell, found = layer.description, {}
    for name in cell.states:
        found[name] = np.zeros((batch, layer.sizes[cell.size(name)]))
        found[name] += layer.initial.get(name, 0.0) if layer.recurrent else 0.0
    return found


def turned(x, lengths):
    """Sequences (batch, seq_len, ...) with their valid steps from the last to the first."""
    steps = np.arange(x.shape[1])
    steps = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return np.take_along_axis(x, steps.reshape(*steps.shape, *[1] * (x.ndim - 2)), axis=1)


def _layer(layer, x):
    """Every tensor of one layer by name, (batch, seq_len, units) each."""
    cell, numbers = layer.description, Floats(layer, x)
    before = start(layer, len(x))
    held, found = tensors(cell), {}
    for numbers.t in range(x.shape[1]):
        sums, values, _ = step(cell, numbers, x[:, numbers.t], before, before)
        before = {name: values[name] for name in cell.states}
        for fmt, of_sums, of_values in held:
            parts = [sums[name] for name in of_sums] + [values[name] for name in of_values]
            found.setdefault(fmt, []).append(np.concatenate(parts, axis=1))
    return {fmt: np.stack(steps, axis=1) for fmt, steps in found.items()}


def trace(model, x, lengths=None):
    """Every tensor of ``model`` for input ``x``, by name.

    ``x`` and, for layer i, what each format of its cell but ``gate`` holds, side by side: ``{i}.h``
    and ``{i}.c`` or ``{i}.y``; ``{i}.pre``, the pre-activations of the gates (``i f g o``, ``r z``,
    or a linear layer's own); of a GRU's candidate ``{i}.pre_nx`` (W_ih x + b_ih), ``{i}.pre_nh``
    (W_hh h + b_hh) and ``{i}.s = nx + r*nh``, or, with the reset before, ``{i}.q = r*h`` and
    ``{i}.pre_n``; ``{i}.d = h' - n``.

    Each is float64 (batch, seq_len, units) and zero past a sequence's length, also for layers that
    a ``last_step`` model runs for the last step only. Steps stand in the order in which a layer
    runs them: those of a ``reverse`` layer from a sequence's last to its first.
    """
    return trace_of(model, *check_input(model, x, lengths))


def trace_of(model, x, lengths):
    """The same of float input that is checked, behind the embedding."""
    valid = (np.arange(x.shape[1]) < lengths[:, None])[..., None]
    found = {"x": np.where(valid, x, 0.0)}
    for i, layer in enumerate(model.layers):
        for key, values in _layer(layer, joined(model, found, i, lengths)).items():
            found[f"{i}.{key}"] = np.where(valid, values, 0.0)
    return found


def output_name(model, j):
    """Name of what layer ``j`` gives, or of the input."""
    return "x" if j < 0 else f"{j}.{model.layers[j].description.output}"


def joined(model, found, i, lengths):
    """What layer ``i`` reads, of a trace ``found``, in the order in which it runs.

    ``i`` may be the number of layers, for what comes out: in the order of time, or, of the last
    step alone, each layer's last.
    """
    n, parts = len(model.layers), []
    reverse = i < n and model.layers[i].reverse
    as_run = model.last_step if i == n else model.on_last[i]
    for j in model.reads[i] if i < n else model.outputs:
        values = found[output_name(model, j)]
        if j < 0 and model.inputs is not None:
            end = sum(model.inputs[:-j])
            values = values[..., end - model.inputs[-1 - j]:end]
        of = j >= 0 and model.layers[j].reverse
        parts.append(turned(values, lengths) if of != reverse and not as_run else values)
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def last_valid(y, lengths):
    """The last valid step of each sequence: (batch, seq_len, units) to (batch, units)."""
    return y[np.arange(len(y)), np.asarray(lengths) - 1]


def run(model, x, lengths=None):
    """Float output of ``model`` in float64, every sequence starting at its initial state.

    Takes (seq_len, input_size) or (batch, seq_len, input_size) and returns the same rank; a
    ``last_step`` model gives each sequence's last valid step and drops the seq axis. Outputs past a
    sequence's length are zero.

    Reference: Rezk et al. 2020, eq. 1-21; PyTorch's nn.LSTM, nn.GRU, nn.RNN and
    nn.Linear.
    """
    single = np.ndim(x) == 2 - (model.embedding is not None)
    x, lengths = check_input(model, x, lengths)
    y = joined(model, trace_of(model, x, lengths), len(model.layers), lengths)
    y = last_valid(y, lengths) if model.last_step else y
    return head(model, y[0] if single else y, None if single else lengths)
