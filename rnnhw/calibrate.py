"""What calibration data show: ranges of all tensors, and a sample on which formats are tried."""

from dataclasses import dataclass

import numpy as np

from . import fourier, reference
from .cells import plain, previous
from .formats import Range
from .interpret import tensors
from .layers import block_sizes, constants
from .segments import read

CHUNK_VALUES = 1 << 22     # values of a trace held at once
SAMPLE_SEQUENCES = 32
SAMPLE_STEPS = 256
SAMPLE_PRODUCTS = 1 << 31


@dataclass(frozen=True, eq=False)
class Sample:
    """A few sequences, longest first, with the float trace of each tensor.

    Parameters
    ----------
    x : float (batch, seq_len, input_size)
    lengths : int (batch,)
    trace : dict of float (batch, seq_len, units)
    """

    x: np.ndarray
    lengths: np.ndarray
    trace: dict

    @property
    def running(self):
        """For each step, how many of the sequences have it."""
        return np.count_nonzero(np.arange(self.x.shape[1])[:, None] < self.lengths, axis=1)

    @property
    def valid(self):
        """(batch, seq_len) mask of steps that are not padding."""
        return np.arange(self.x.shape[1]) < self.lengths[:, None]


def _step_products(model):
    return sum(layer.array(matrix.name).size for layer in model.layers
               for matrix in layer.description.matrices)


def chunks(model, x, lengths):
    """Slices of the batch whose traces fit the memory, as ``(rows, x, lengths)``."""
    values = x.shape[1] * sum(12 * layer.hidden_size for layer in model.layers)
    size = max(1, CHUNK_VALUES // values)
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        yield rows, x[rows, :lengths[rows].max()], lengths[rows]


def sample(model, x, lengths):
    """Up to 32 sequences evenly spaced over the batch, cut to 256 steps, fewer in large models."""
    steps = max(64, min(SAMPLE_SEQUENCES * SAMPLE_STEPS, SAMPLE_PRODUCTS // _step_products(model)))
    count = min(len(x), SAMPLE_SEQUENCES, steps)
    rows = np.unique(np.linspace(0, len(x) - 1, count).round().astype(np.int64))
    cut = np.minimum(lengths[rows], min(SAMPLE_STEPS, max(1, steps // count)))
    rows = rows[np.argsort(-cut, kind="stable")]
    cut = np.sort(cut)[::-1]
    x = x[rows, :cut.max()]
    return Sample(x, cut, reference.trace(model, x, cut))


def valid_rows(array, lengths, on_last):
    """Values of (batch, seq_len, units) at valid steps, or at the last one: (steps, units)."""
    if on_last:
        return array[np.arange(len(array)), 0 if array.shape[1] == 1 else lengths - 1]
    return array[np.arange(array.shape[1]) < lengths[:, None]]


def ranges(model, x, lengths, fixed):
    """Ranges of all tensors over the valid steps of ``x``, by name.

    ``fixed`` gives formats for which values beyond are counted. Besides the names of
    :func:`reference.trace` there are ``{i}.gate`` (-1..1 by definition), the operand copies, as
    ``{i}.h_operand``, and the element-wise constants.
    """
    found = {}

    def add(name, values):
        found.setdefault(name, Range(fmt=fixed.get(name))).add(values)

    for _, part, cut in chunks(model, x, lengths):
        trace = reference.trace(model, part, cut)
        add("x", valid_rows(trace["x"], cut, False))
        for i, layer in enumerate(model.layers):
            for name, *_ in tensors(layer.description):
                values = valid_rows(trace[f"{i}.{name}"], cut, model.on_last[i])
                add(f"{i}.{name}", values)
                if name in layer.description.operands:
                    add(f"{i}.{name}_operand", values)
    for i, layer in enumerate(model.layers):
        for name, rule in layer.description.formats:
            if rule == "gate":
                found[f"{i}.{name}"] = Range(-1.0, 1.0, 0)
        for name, reach in layer.description.reach:
            add(f"{i}.{name}", np.array([-reach, reach]))
        for name, values in constants(layer).items():
            add(f"{i}.{name}", values)
    return found


def operand_values(sample, model, i, before):
    """Float operands of layer ``i`` at the valid steps, by name: ``x``, ``h`` (of the step before),
    ``q``; each (steps, units). ``before`` is the segment that the layer reads as x.
    """
    found = {}
    for product in model.layers[i].description.products:
        for name in product.operands:
            if name not in found:
                values = sample.trace[before if name == "x" else f"{i}.{plain(name)}"]
                if name != "x" and previous(name):
                    values = np.concatenate([np.zeros_like(values[:, :1]), values[:, :-1]], axis=1)
                found[name] = valid_rows(values, sample.lengths, model.on_last[i])
    return found


def spectral_sums(sample, model, integers, i, before, product):
    """Float components (steps, gates*p, k) that ``product`` of layer ``i`` accumulates.

    From the integers, on quantised operands of the float trace; chunk by chunk of steps.
    """
    k = product.block_size(block_sizes(model.layers[i]))
    layer, frac = integers.layers[i], integers.acc_frac[i, product.weights[0]]
    values = operand_values(sample, model, i, before)
    bias = 0
    if product.biases:
        bias = np.concatenate([layer["bias"][name] for name in product.sums])
    parts = []
    for name, weight, gates in product.parts:
        segment = read(model, i, before, name)
        weight = layer["weights"][weight][list(gates)]
        parts.append((values[name], integers.operand(segment), integers.shift(segment, k),
                      weight.reshape(-1, *weight.shape[2:])))
    rows = len(parts[0][3]) * k
    size = max(1, CHUNK_VALUES // rows)
    for start in range(0, len(parts[0][0]), size):
        total = bias
        for operands, fmt, shift, weight in parts:
            codes = fmt.quantize(operands[start:start + size]) << shift
            spectra = fourier.rfft(fourier.padded_blocks(codes, k))
            total = total + fourier.spectral_product(spectra, weight)
        yield total * 2.0**-frac


def sqnr_db(signal, noise):
    """Signal to quantisation noise from two energies; None where there is no noise or no signal."""
    return 10 * float(np.log10(signal / noise)) if signal and noise else None


def compare(reference_values, values):
    """Energies ``(signal, noise)`` of float values and of their integer model's values."""
    return float(np.sum(reference_values**2)), float(np.sum((values - reference_values) ** 2))
