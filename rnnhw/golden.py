"""The integer golden model: what every bit of the hardware must be.

The cells' descriptions under the number rules of docs/numerics.md, layer by layer, vectorised over
the batch. Every sum of products is exact; the only narrowing is *requantize*.
"""

import numpy as np

from . import data, fourier
from .cells import cell_of
from .errors import RnnhwError
from .fixed import round_shift
from .interpret import is_copy, step
from .model import INPUT
from .reference import output_name, turned
from .segments import columns, growth, parts

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
    y = joined(qmodel.model, outputs, lengths)
    if np.ndim(xi) == 2:
        y = y[0]
        after = {key: value[0] for key, value in after.items()}
    return (y, after) if return_state else y


def joined(model, outputs, lengths):
    """What comes out, side by side, of all layers' ``outputs``: (batch, seq_len, units), or, of a
    ``last_step`` model, (batch, units).
    """
    found = []
    for j in model.outputs:
        y = outputs[output_name(model, j)]
        ends = np.full(len(y), y.shape[1])
        if lengths is not None and not model.on_last[j]:
            ends = np.asarray(lengths)
        if model.last_step:
            y = y[np.arange(len(y)), ends - 1]
        elif model.layers[j].reverse:
            y = turned(y, ends)
        found.append(y)
    return found[0] if len(found) == 1 else np.concatenate(found, axis=-1)


def trace(qmodel, xi, lengths=None, counts=None, state=None):
    """Integer outputs of all layers, ``{"0.h": ..., "1.y": ...}``, each (batch, seq_len, units).

    Layers that run for the last step only have a seq axis of 1; outputs past a length are zero.
    Steps stand in the order in which a layer runs them.
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

    operands, outputs, after = {INPUT: xi[order]}, {}, {}
    for i in range(len(qmodel.layers)):
        first = {key: codes[order] for key, codes in before[i].items()}
        value, operands[i], last = run_layer(qmodel, i, operands, lengths, first, counts)
        after.update({f"{i}.{key}": codes[back] for key, codes in last.items()})
        outputs[output_name(model, i)] = value[back]
    return outputs, after


def run_layer(qmodel, i, operands, lengths, state, counts=None):
    """Layer ``i`` of sequences that stand longest first; see :meth:`Layer.run` for what it gives.

    Parameters
    ----------
    operands : dict of operand codes (batch, seq_len, units), by number of the layers that it reads
    state : dict of codes (batch, units), the state before the first step
    """
    model = qmodel.model
    x = tuple(_read(model, i, j, operands[j], lengths) for j in model.reads[i])
    steps = np.ones_like(lengths) if model.on_last[i] else lengths
    running = np.count_nonzero(np.arange(x[0].shape[1])[:, None] < steps, axis=1)
    return Layer(qmodel, i, counts).run(x, running, state)


def _read(model, i, j, codes, lengths):
    """Operands of layer ``j`` in the order in which layer ``i`` runs, or the last of them alone."""
    if model.on_last[i]:
        if j != INPUT and model.on_last[j]:
            return codes
        return codes[np.arange(len(codes)), lengths - 1][:, None]
    reverse = j != INPUT and model.layers[j].reverse
    return turned(codes, lengths) if reverse != model.layers[i].reverse else codes


def _check_state(qmodel, state, batch, batched):
    """State of each layer as int64 (batch, units) by name, its own where none is given."""
    known = {f"{i}.{key}": codes for i, q in enumerate(qmodel.layers)
             for key, codes in q.initial.items()}
    state = dict(state or {})
    for key in state:
        if key not in known:
            raise RnnhwError(f"state has the unknown name {key!r}; known are "
                             f"{', '.join(known) or 'none'}.")
    found = [{} for _ in qmodel.layers]
    for name, own in known.items():
        i, key = name.split(".")
        fmt = qmodel.layers[int(i)].formats[key]
        wanted = (batch, *own.shape) if batched else own.shape
        value = np.asarray(state.get(name, np.broadcast_to(own, wanted)))
        if value.shape != wanted or value.dtype.kind not in "iu":
            raise RnnhwError(f"state {name!r} has shape {value.shape} and type {value.dtype}, but "
                             f"integers of shape {wanted} are needed.")
        if value.min() < fmt.min or value.max() > fmt.max:
            raise RnnhwError(f"state {name!r} reaches {value.min()}..{value.max()}, but its format "
                             f"{fmt} holds {fmt.min}..{fmt.max}.")
        found[int(i)][key] = value.astype(np.int64).reshape(batch, *own.shape)
    return found


class Layer:
    """One layer of a quantised model, for sequences that stand longest first.

    It is the arithmetic that :func:`rnnhw.interpret.step` asks for. Operands are codes before their
    shift. Reference: Rezk et al. 2020, eq. 1-21; Wang et al. 2018 (C-LSTM), section 3, of spectral
    products.
    """

    def __init__(self, qmodel, index, counts=None):
        self.q, self.index, self.counts = qmodel.layers[index], index, counts
        self.table, self.formats = qmodel.activation, self.q.formats
        self.cell = cell_of(self.q)
        self.constants = self.q.constants
        self.copies = {name: qmodel.operands.get(f"{index}.{name}") for name in self.cell.operands}
        self.multiply = {}
        for product in self.cell.products:
            self.multiply[product] = [
                self._product(qmodel, columns(self.q.weights[part.weight], part.start, part.stop),
                              part.segment, part.gates, self.q.layer.sizes[product.size])
                for part in parts(qmodel.model, index, product)]

    def _product(self, qmodel, weight, segment, gates, units):
        """Function of operand codes that multiplies them by some ``gates`` exactly.

        Gives (steps, gates*units), or components (steps, gates, p, k) of spectral weights.
        """
        k = weight.shape[3] if weight.ndim == 4 else None
        shift = qmodel.shifts[qmodel.segment_key(segment, k)]
        bits = qmodel.operands[segment].width - 1 + shift
        if k is None:
            bound = int(np.abs(weight).sum(axis=1).max()) << bits
            weight = weight.reshape(-1, units, weight.shape[1])
        else:
            bound = max(map(fourier.reach, weight)) * k << bits
        bias = max((int(np.abs(value).max()) for value in self.q.bias.values()), default=0)
        if bound + bias >= EXACT_INT:
            raise RnnhwError(f"Layer {self.index}'s sums may reach {bound + bias}, but exact sums "
                             "end at 2**62; fewer weight or operand bits would do.")
        dtype = np.float64 if bound < EXACT_FLOAT else np.int64
        part = weight[list(gates)].astype(dtype)
        if k is None:
            factors = part.reshape(-1, part.shape[2]).T
            return lambda codes: ((codes << shift).astype(dtype) @ factors).astype(np.int64)
        pairs = fourier.pairs(part.reshape(-1, *part.shape[2:]))

        def product(codes):
            spectra = fourier.rfft(fourier.padded_blocks(codes << shift, k))
            sums = fourier.pair_product(spectra, pairs).astype(np.int64)
            return sums.reshape(len(codes), len(gates), -1, k)
        return product

    def sums(self, product, operands):
        """Drained sums of ``product`` by name, in the format that it has for them.

        Spectra are transformed back, which gives ``k`` times their points, so that these have
        ``log2 k`` fraction bits more.
        """
        codes = [part for name in product.operands
                 for part in (operands[name] if name == "x" else (operands[name],))]
        acc = sum(multiply(part) for multiply, part in zip(self.multiply[product], codes))
        biases = [self.q.bias.get(name) for name in product.sums]
        if biases[0] is not None:
            acc = acc + (np.stack if acc.ndim == 4 else np.concatenate)(biases)
        frac, units = self.q.acc_frac_of(product), self.q.layer.sizes[product.size]
        if acc.ndim == 4:
            kept, k = self.formats[product.spectrum].frac_bits, acc.shape[3]
            points = fourier.irfft(self._narrow(acc, frac - kept, product.spectrum))
            acc = points.reshape(*acc.shape[:2], -1)[..., :units].reshape(len(acc), -1)
            frac = kept + growth(k)
        sums = self._narrow(acc, frac - self.formats[product.pre].frac_bits, product.pre)
        return dict(zip(product.sums, np.split(sums, len(product.sums), axis=1)))

    def apply(self, op, product, a, b, c):
        """``requantize(a*b +- c)``, or a table's word; an operand b that is left out is 2**14."""
        if is_copy(op, product):
            return a
        out = self.formats[op.fmt]
        frac = self.formats[self._format(op.a, product)].frac_bits
        if op.is_table:
            raw = self.table.raw(a, frac, out.frac_bits, op.fn == "sigmoid")
            return self._saturate(f"{self.index}.{op.fmt}", raw, out)
        total = a << ONE_FRAC if b is None else a * b
        frac += ONE_FRAC if b is None else self.formats[self._format(op.b)].frac_bits
        if c is not None:
            c = c << (frac - self.formats[self._format(op.c)].frac_bits)
            total = total - c if op.subtract else total + c
        if op.fn == "relu":
            total = np.maximum(total, 0)
        return self._narrow(total, frac - out.frac_bits, op.fmt)

    def copy(self, name, codes):
        """Operand copy of a value; None where no layer takes one."""
        fmt = self.copies[name]
        if fmt is None:
            return None
        shift = self.formats[name].frac_bits - fmt.frac_bits
        return self._saturate(f"{self.index}.{name}_operand", round_shift(codes, shift), fmt)

    def _format(self, name, product=None):
        return self.cell.format_of(name) if product is None else product.pre

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

    def run(self, x, running, state):
        """Outputs, their operand copies (None where none is taken), and the last state.

        Parameters
        ----------
        x : operand codes (batch, seq_len, units) of each part that it reads
        running : for each step t, the number of sequences that have it
        state : dict of codes (batch, units), the state before the first step
        """
        name = self.cell.output
        out = np.zeros((*x[0].shape[:2], self.q.layer.output_size), np.int64)
        copies = None if self.copies[name] is None else np.zeros_like(out)
        state = {key: value.copy() for key, value in state.items()}
        if not state:
            # steps that know nothing of each other are one
            valid = np.arange(len(out))[:, None] < running
            _, values, fresh = step(self.cell, self, tuple(part[valid] for part in x), {}, {})
            out[valid] = values[name]
            if copies is not None:
                copies[valid] = fresh[name]
            return out, copies, state
        held = {}
        for key, value in state.items():
            fmt = self.copies.get(key)
            if fmt is not None:
                shift = self.formats[key].frac_bits - fmt.frac_bits
                held[key] = fmt.saturate(round_shift(value, shift))
        for t, k in enumerate(running):
            if not k:
                break
            _, values, held = step(self.cell, self, tuple(part[:k, t] for part in x),
                                   {key: value[:k] for key, value in state.items()},
                                   {key: value[:k] for key, value in held.items()})
            for key in state:
                state[key][:k] = values[key]
            out[:k, t] = values[name]
            if copies is not None:
                copies[:k, t] = held[name]
        return out, copies, state
