"""The integer golden model: what every bit of the hardware must be.

Written from the equations of the cells and the number rules of docs/numerics.md, layer by layer,
vectorised over the batch. Every sum of products is exact; the only narrowing is *requantize*.
"""

from functools import cache

import numpy as np

from . import data, fourier
from .errors import RnnhwError
from .fixed import round_shift

NEW = range(2, 3)          # a GRU's gate n
ONE_FRAC = 14              # a factor of one is 2**14
EXACT_FLOAT = 1 << 53      # integers below it, and all their sums, are exact in float64
EXACT_INT = 1 << 62


def run(qmodel, xi, lengths=None, counts=None, state=None, return_state=False):
    """Integer output of a quantised model.

    Parameters
    ----------
    qmodel : QuantizedModel
    xi : int (seq_len, input_size) or (batch, seq_len, input_size), in ``qmodel.input_format``
    lengths : int (batch,) or None
        Steps behind a sequence's length are not computed; their outputs are zero.
    counts : dict or None
        Filled with ``{tensor: (saturated, total, largest overshoot in LSB)}``, added to what is in.
    state : dict or None
        State before the first step, ``{"0.h": (batch, units), "0.c": ...}``, zeros where missing.
    return_state : bool
        Return ``(y, state)``, the state behind each sequence's last valid step.

    Returns
    -------
    int64 in ``qmodel.output_format``, of ``xi``'s rank; a ``last_step`` model drops the seq axis
    and gives the last valid step.

    Raises
    ------
    RnnhwError
        If ``xi``, ``lengths`` or ``state`` does not fit the model.
    """
    outputs, after = _run(qmodel, xi, lengths, counts, state)
    y = outputs[list(outputs)[-1]]
    if qmodel.model.last_step:
        last = y.shape[1] if lengths is None or y.shape[1] == 1 else np.asarray(lengths)
        y = y[np.arange(len(y)), last - 1]
    if np.ndim(xi) == 2:
        y = y[0]
        after = {key: value[0] for key, value in after.items()}
    return (y, after) if return_state else y


def trace(qmodel, xi, lengths=None, counts=None, state=None):
    """Integer outputs of all layers, ``{"0.h": ..., "1.y": ...}``, each (batch, seq_len, units).

    Layers that run for the last step only have a seq axis of 1; outputs past a length are zero.
    Arguments and formats as for :func:`run`.
    """
    return _run(qmodel, xi, lengths, counts, state)[0]


def _run(qmodel, xi, lengths, counts, state):
    model = qmodel.model
    xi = data.check_codes(xi, model.input_size, qmodel.input_format)
    lengths = data.check_lengths(lengths, xi)
    batched = xi.ndim == 3
    xi = xi if batched else xi[None]
    batch, steps, _ = xi.shape
    lengths = np.full(batch, steps) if lengths is None else lengths
    # longest first, so that the sequences still running at a step are the first rows
    order = np.argsort(-lengths, kind="stable")
    back = np.argsort(order, kind="stable")
    lengths = lengths[order]
    before = _check_state(qmodel, state, batch, batched)

    operand, outputs, after = xi[order], {}, {}
    for i, qlayer in enumerate(qmodel.layers):
        running = np.count_nonzero(np.arange(operand.shape[1])[:, None] < lengths, axis=1)
        layer = Layer(qmodel, i, counts)
        if qlayer.layer.kind == "linear":
            value, operand = layer.linear(operand, running)
        else:
            first = {key: before[f"{i}.{key}"][order] for key in layer.state}
            value, operand, last = layer.recurrent(operand, running, first)
            after.update({f"{i}.{key}": last[key][back] for key in layer.state})
        outputs[f"{i}.{layer.output}"] = value[back]
        if not model.on_last[i] and (*model.on_last, False)[i + 1]:
            operand = operand[np.arange(batch), lengths - 1][:, None]
            lengths = np.ones(batch, np.int64)
    return outputs, after


def _check_state(qmodel, state, batch, batched):
    """Given state as int64 (batch, units) per name, zeros where none is given."""
    known = {f"{i}.{key}": q.formats[key] for i, q in enumerate(qmodel.layers)
             if q.layer.kind != "linear" for key in ("h", "c") if key in q.formats}
    state = dict(state or {})
    for key in state:
        if key not in known:
            raise RnnhwError(f"state has the unknown name {key!r}; known are "
                             f"{', '.join(known) or 'none'}.")
    found = {}
    for key, fmt in known.items():
        shape = (batch, qmodel.layers[int(key.split(".")[0])].layer.hidden_size)
        value = np.asarray(state.get(key, np.zeros(shape if batched else shape[1:], np.int64)))
        wanted = shape if batched else shape[1:]
        if value.shape != wanted or value.dtype.kind not in "iu":
            raise RnnhwError(f"state {key!r} has shape {value.shape} and type {value.dtype}, but "
                             f"integers of shape {wanted} are needed.")
        if value.min() < fmt.min or value.max() > fmt.max:
            raise RnnhwError(f"state {key!r} reaches {value.min()}..{value.max()}, but its format "
                             f"{fmt} holds {fmt.min}..{fmt.max}.")
        found[key] = value.astype(np.int64).reshape(shape)
    return found


def segment_before(qmodel, index):
    """Name of the operand segment that layer ``index`` multiplies by ``weight_ih``."""
    if index == 0:
        return "x"
    return f"{index - 1}.{'y' if qmodel.layers[index - 1].layer.kind == 'linear' else 'h'}"


class Layer:
    """One layer of a quantised model, for sequences that stand longest first.

    ``running[t]`` is the number of sequences that have a step ``t``. Operands are codes before
    their shift. Reference: Rezk et al. 2020, eq. 1-6 and 10-13, with PyTorch's gates and its z;
    Wang et al. 2018 (C-LSTM), section 3, of spectral products.
    """

    def __init__(self, qmodel, index, counts=None):
        self.q, self.index, self.counts = qmodel.layers[index], index, counts
        self.table, self.formats = qmodel.activation, self.q.formats
        kind = self.q.layer.kind
        self.output = "y" if kind == "linear" else "h"
        self.state = {"lstm": ("h", "c"), "linear": ()}.get(kind, ("h",))
        self.operands = {s: qmodel.operands.get(f"{index}.{s}") for s in (self.output, "q")}
        self.split = kind != "linear" and self.q.block_size_ih != self.q.block_size_hh
        self.ih = self._product(qmodel, self.q.weight_ih, segment_before(qmodel, index))
        if kind != "linear":
            self.hh = self._product(qmodel, self.q.weight_hh, f"{index}.h")

    def _product(self, qmodel, weight, segment):
        """Function of operand codes and a range of gates that multiplies them exactly.

        Gives (steps, gates*units), or components (steps, gates, p, k) of spectral weights.
        """
        k = weight.shape[3] if weight.ndim == 4 else None
        shift = qmodel.shifts[qmodel.segment_key(segment, k)]
        bits = qmodel.operands[segment].width - 1 + shift
        if k is None:
            bound = int(np.abs(weight).sum(axis=1).max()) << bits
            weight = weight.reshape(-1, self.q.layer.output_size, weight.shape[1])
        else:
            bound = max(map(fourier.reach, weight)) * k << bits
        bias = max(int(np.abs(value).max()) for value in self.q.bias.values())
        if bound + bias >= EXACT_INT:
            raise RnnhwError(f"Layer {self.index}'s sums may reach {bound + bias}, but exact sums "
                             "end at 2**62; fewer weight or operand bits would do.")
        weight = weight.astype(np.float64 if bound < EXACT_FLOAT else np.int64)

        @cache
        def of(gates):
            part = weight[gates.start:gates.stop]
            if k is None:
                return part.reshape(-1, part.shape[2]).T
            return fourier.pairs(part.reshape(-1, *part.shape[2:]))

        def product(codes, gates):
            codes = codes << shift
            if k is None:
                return (codes.astype(weight.dtype) @ of(gates)).astype(np.int64)
            spectra = fourier.rfft(fourier.padded_blocks(codes, k))
            sums = fourier.pair_product(spectra, of(gates)).astype(np.int64)
            return sums.reshape(len(codes), len(gates), -1, k)
        return product

    def sums(self, tensor, names, gates, x=None, h=None):
        """Drained sums over operands ``x`` and ``h``, in the format of ``tensor``.

        Where the two have different bases each is narrowed for itself, the bias with that of h.
        """
        bias = [self.q.bias[name] for name in names]
        bias = np.stack(bias) if bias[0].ndim == 2 else np.concatenate(bias)
        if h is None:
            return self.drain(self.ih(x, gates) + bias, self.q.acc_frac, tensor)
        if x is None:
            return self.drain(self.hh(h, gates) + bias, self.q.acc_frac_hh, tensor)
        ih, hh = self.ih(x, gates), self.hh(h, gates) + bias
        if not self.split:
            return self.drain(ih + hh, self.q.acc_frac, tensor)
        pre = (self.drain(ih, self.q.acc_frac, tensor, f"{tensor}_x_spectrum")
               + self.drain(hh, self.q.acc_frac_hh, tensor))
        return self._saturate(f"{self.index}.{tensor}", pre, self.formats[tensor])

    def drain(self, acc, frac, tensor, spectrum=None):
        """Accumulators narrowed to the format of ``tensor``; spectra are first transformed back.

        The transform gives ``k`` times its points, so they have ``log2 k`` fraction bits more.
        """
        if acc.ndim == 4:
            spectrum = spectrum or f"{tensor}_spectrum"
            kept, k = self.formats[spectrum].frac_bits, acc.shape[3]
            points = fourier.irfft(self._narrow(acc, frac - kept, spectrum))
            points = points.reshape(*acc.shape[:2], -1)[..., :self.q.layer.output_size]
            acc, frac = points.reshape(len(acc), -1), kept + k.bit_length() - 1
        return self._narrow(acc, frac - self.formats[tensor].frac_bits, tensor)

    def _saturate(self, name, codes, fmt):
        """Saturate to ``fmt`` and count."""
        if self.counts is not None:
            high, low = int(codes.max()) - fmt.max, fmt.min - int(codes.min())
            n, total, worst = self.counts.get(name, (0, 0, 0))
            over = max(high, low, 0)
            if over:
                n += int(np.count_nonzero(codes > fmt.max) + np.count_nonzero(codes < fmt.min))
            self.counts[name] = (n, total + codes.size, max(worst, over))
        return fmt.saturate(codes)

    def _narrow(self, codes, shift, tensor):
        """requantize to the layer's format of ``tensor``."""
        return self._saturate(f"{self.index}.{tensor}", round_shift(codes, shift),
                              self.formats[tensor])

    def _table(self, codes, tensor, out="gate", sigmoid=False):
        fmt = self.formats[out]
        raw = self.table.raw(codes, self.formats[tensor].frac_bits, fmt.frac_bits, sigmoid)
        return self._saturate(f"{self.index}.{out}", raw, fmt)

    def _operand(self, codes, tensor):
        """Operand copy of ``tensor``; None where no layer takes one."""
        fmt = self.operands[tensor]
        if fmt is None:
            return None
        shift = self.formats[tensor].frac_bits - fmt.frac_bits
        return self._saturate(f"{self.index}.{tensor}_operand", round_shift(codes, shift), fmt)

    def _frac(self, *tensors):
        return [self.formats[tensor].frac_bits for tensor in tensors]

    def recurrent(self, x, running, state):
        """Outputs h, their operand copies (batch, seq_len, units) and the last state."""
        n = self.q.layer.hidden_size
        out = np.zeros((*x.shape[:2], n), np.int64)
        copies = np.zeros_like(out)
        step = {"lstm": self._lstm, "gru": self._gru,
                "gru_reset_before": self._gru_reset_before}[self.q.layer.kind]
        state = {key: value.copy() for key, value in state.items()}
        fmt = self.operands["h"]
        h = fmt.saturate(round_shift(state["h"], self._frac("h")[0] - fmt.frac_bits))
        for t, k in enumerate(running):
            if not k:
                break
            new = step(x[:k, t], h[:k], *(state[key][:k] for key in self.state))
            for key, value in zip(self.state, new):
                state[key][:k] = value
            h = self._operand(new[0], "h")
            out[:k, t], copies[:k, t] = new[0], h
        return out, copies, state

    def _lstm(self, x, h_op, h, c):
        """i f o = s(a), g = tanh(a);  c = c*f + g*i;  h = tanh(c)*o."""
        n = self.q.layer.hidden_size
        gate, c_frac, h_frac = self._frac("gate", "c", "h")
        pre = self.sums("pre", "ifgo", range(4), x, h_op)
        i, f, o = (self._table(pre[:, k * n:(k + 1) * n], "pre", sigmoid=True) for k in (0, 1, 3))
        g = self._table(pre[:, 2 * n:3 * n], "pre")
        # p and tanh(c) are gate values
        p = self._narrow(g * i, gate, "gate")
        c = self._narrow(c * f + (p << c_frac), gate, "c")
        t = self._table(c, "c")
        return self._narrow(t * o, 2 * gate - h_frac, "h"), c

    def _gru(self, x, h_op, h):
        """r z = s(a);  n = tanh(nh*r + nx);  h = (h - n)*z + n."""
        gate, s_frac, nx_frac, nh_frac = self._frac("gate", "s", "pre_nx", "pre_nh")
        nx = self.sums("pre_nx", ["nx"], NEW, x=x)
        r, z = self._reset_update(x, h_op)
        nh = self.sums("pre_nh", ["nh"], NEW, h=h_op)
        s = self._narrow(nh * r + (nx << (nh_frac + gate - nx_frac)), nh_frac + gate - s_frac, "s")
        return (self._blend(h, self._table(s, "s"), z),)

    def _gru_reset_before(self, x, h_op, h):
        """r z = s(a);  q = h*r;  n = tanh(W_ih x + W_hh q + b);  h = (h - n)*z + n."""
        gate, h_frac, q_frac = self._frac("gate", "h", "q")
        r, z = self._reset_update(x, h_op)
        q = self._narrow(h * r, h_frac + gate - q_frac, "q")
        n = self._table(self.sums("pre_n", "n", NEW, x, self._operand(q, "q")), "pre_n")
        return (self._blend(h, n, z),)

    def _reset_update(self, x, h_op):
        """r z = s(a)."""
        pre = self.sums("pre", "rz", range(2), x, h_op)
        return np.split(self._table(pre, "pre", sigmoid=True), 2, axis=1)

    def _blend(self, h, n, z):
        """h = (h - n)*z + n, as d = h - n and h = d*z + n."""
        gate, h_frac, d_frac = self._frac("gate", "h", "d")
        d = self._narrow((h << ONE_FRAC) - (n << (h_frac + ONE_FRAC - gate)),
                         h_frac + ONE_FRAC - d_frac, "d")
        return self._narrow(d * z + (n << d_frac), d_frac + gate - h_frac, "h")

    def linear(self, x, running):
        """Outputs y and their operand copies (batch, seq_len, units)."""
        valid = np.arange(len(x))[:, None] < running
        pre_frac, y_frac = self._frac("pre", "y")
        pre = self.sums("pre", "y", range(1), x=x[valid])
        kind = self.q.layer.activation
        if kind in ("sigmoid", "tanh"):
            y = self._table(pre, "pre", "y", kind == "sigmoid")
        else:
            y = np.maximum(pre, 0) if kind == "relu" else pre
            y = self._narrow(y << ONE_FRAC, pre_frac + ONE_FRAC - y_frac, "y")
        out = np.zeros((*x.shape[:2], y.shape[1]), np.int64)
        out[valid] = y
        copy = self._operand(y, "y")
        if copy is None:
            return out, None
        copies = np.zeros_like(out)
        copies[valid] = copy
        return out, copies
