"""Integer weights and biases, the shifts that align their products, and the accumulators."""

import numpy as np

from . import fourier
from .errors import RnnhwError
from .fixed import FixedFormat
from .formats import ACC_BITS, WORD_BITS, align
from .model import GATES, block_sizes
from .segments import SPECTRUM_WORD_BITS, groups, growth

GUARD_BITS = 3             # below the operands of a transform; 0 where it is exact, for k = 4
KEYS = ("weight_ih", "weight_hh")


class Integers:
    """The integers of a model's layers, found chain by chain.

    Parameters
    ----------
    model : Model
    config : Config
    formats : dict of FixedFormat by tensor, with those of weights and operands; fraction bits that
        have to go are taken off
    notes : list that sentences on that are added to

    Members
    -------
    values : dict of float weights by name, ``{i}.weight_ih``: matrices or spectra
    shifts : dict by segment and basis (:func:`rnnhw.segments.segment_key`)
    guards : dict of guard bits, of the keys of ``shifts`` that are transformed
    acc_frac : dict by layer and matrix, ``(i, "weight_ih")``
    layers : dict by layer of ``weight_ih``, ``weight_hh`` and ``bias``
    """

    def __init__(self, model, config, formats, notes):
        self.model, self.config, self.formats, self.notes = model, config, formats, notes
        self.values = {f"{i}.{key}": values for i, layer in enumerate(model.layers)
                       for key, values in float_weights(layer).items()}
        self.shifts, self.guards, self.acc_frac, self.layers = {}, {}, {}, {}

    def align(self, chain, head, needs):
        """Shifts and integers of a chain of layers.

        ``needs`` gives for each layer the fraction bits that its sums must have when drained.
        """
        parts = groups(self.model, chain, head)
        before = {name: fmt.frac_bits for name, fmt in self.formats.items()}
        # what one group takes off an operand may move another that reads it
        while any([self._align_group(part, needs) for part in parts]):
            pass
        for part in parts:
            limit = _limit(part.k)
            what = (f"a spectrum of blocks of {part.k} with its shift fits {SPECTRUM_WORD_BITS}"
                    if part.k else f"an operand with its shift fits {limit}")
            names = [_name(segment) for segment in part.segments.values()]
            for name in [*names, *(w for link in part.links for w in link[2:])]:
                bits = before[name] - self.formats[name].frac_bits
                if bits:
                    before[name] -= bits
                    self.notes.append(f"{name} lost {bits} fraction bit{'s' * (bits > 1)}, so that "
                                      f"{what} bits.")
        head_of = dict(zip(chain, [head, *(f"{i}.h" for i in chain)]))
        for i in chain:
            self._fit(i, head_of[i], needs[i])

    def _align_group(self, part, needs):
        """Set the group's shifts; whether a tensor lost fraction bits on the way."""
        operands = {key: self.operand(segment) for key, segment in part.segments.items()}
        weights = {name: self.formats[name] for _, name, _ in part.products}
        weights |= {name: self.formats[name] for link in part.links for name in link[2:]}
        names = {key: _name(segment) for key, segment in part.segments.items()}
        names |= {weight: weight for weight in weights}
        fixed = [key for key, name in names.items() if name in self.config.formats]
        guard = self.config.guard_bits
        guard = 0 if part.k in (None, 4) else GUARD_BITS if guard is None else guard
        shifts, lost = align(
            list(part.segments), part.links, operands, weights, fixed,
            [(key, weight, needs[i] - growth(part.k)) for key, weight, i in part.products],
            _limit(part.k), guard)
        for key, bits in lost.items():
            fmt = self.formats[names[key]]
            self.formats[names[key]] = FixedFormat(fmt.width, fmt.frac_bits - bits)
        self.shifts |= shifts
        if part.k:
            # the smallest shift of a group is not for alignment
            self.guards |= dict.fromkeys(shifts, min(shifts.values()))
        return bool(lost)

    def _fit(self, i, segment, need):
        """Integers of layer ``i``, with coarser weights where sums could pass 48 bits."""
        names = [f"{i}.{key}" for key in KEYS if f"{i}.{key}" in self.formats]
        least = [max(need - growth(k), 0) for k in block_sizes(self.model.layers[i])]
        lost = 0
        while not self._integers(i, segment):
            if any(n in self.config.formats for n in names) or any(
                    self.acc_frac[i, n.split(".")[1]] <= bound for n, bound in zip(names, least)):
                raise RnnhwError(f"Sums of layer {i} need more than {ACC_BITS} bits; fewer "
                                 f"fraction bits in {' and '.join(names)}, or a smaller bias, "
                                 "would do.")
            for name in names:
                fmt = self.formats[name]
                self.formats[name] = FixedFormat(fmt.width, fmt.frac_bits - 1)
            lost += 1
        if lost:
            self.notes += [f"{name} lost {lost} fraction bits, so that sums fit {ACC_BITS} bits."
                           for name in names]

    def operand(self, segment):
        """Format of an operand segment."""
        return self.formats[_name(segment)]

    def _integers(self, i, segment):
        """Weights and biases of layer ``i``; whether no sum can need more than 48 bits."""
        layer = self.model.layers[i]
        sizes = dict(zip(KEYS, block_sizes(layer)))
        integers, bounds = {"weight_hh": None}, []
        for key, name in zip(KEYS, (segment, f"{i}.h")):
            fmt, k = self.formats.get(f"{i}.{key}"), sizes[key]
            if fmt is not None:
                operand, shift = self.operand(name), self.shift(name, k)
                integers[key] = fmt.quantize(self.values[f"{i}.{key}"])
                self.acc_frac[i, key] = fmt.frac_bits + operand.frac_bits + shift
                bounds.append(_reach(integers[key]) << operand.width - 1 + shift + growth(k))
        split = len(bounds) == 2 and sizes["weight_ih"] != sizes["weight_hh"]
        bias = {}
        for name, values in biases(layer).items():
            key = bias_side(name)
            values = values if sizes[key] is None else fourier.spectrum(
                fourier.padded_blocks(values, sizes[key]))
            with np.errstate(over="ignore"):
                bias[name] = np.floor(np.ldexp(values, self.acc_frac[i, key]) + 0.5)
        largest = max(float(np.abs(values).max()) for values in bias.values())
        if (max(bounds) if split else sum(bounds)) + largest >= 1 << (ACC_BITS - 1):
            return False
        self.layers[i] = integers | {"bias": {k: v.astype(np.int64) for k, v in bias.items()}}
        return True

    def shift(self, segment, k):
        """Shift of ``segment`` as blocks of ``k``, or dense."""
        return self.shifts[segment if k is None else f"{segment}/{k}"]


def _name(segment):
    """Name of the format of an operand segment."""
    return segment if segment == "x" else f"{segment}_operand"


def _limit(k):
    """Most bits of an operand with its shift."""
    return WORD_BITS if k is None else SPECTRUM_WORD_BITS - growth(k)


def _reach(weight):
    """Largest magnitude of a sum, over that of an operand or of its components."""
    if weight.ndim == 2:
        return int(np.abs(weight).sum(axis=1).max())
    return max(map(fourier.reach, weight))


def float_weights(layer):
    """Float matrices of a layer by the key of their integers: dense, or spectra (gates, p, q, k).
    """
    if layer.kind == "linear":
        found = {"weight_ih": (layer.weight, layer.circulant)}
    else:
        found = {"weight_ih": (layer.weight_ih, layer.circulant_ih),
                 "weight_hh": (layer.weight_hh, layer.circulant_hh)}
    return {key: dense if circulant is None else fourier.spectrum(circulant.blocks)
            for key, (dense, circulant) in found.items()}


def bias_side(name):
    """The matrix to whose products the bias of a sum is added, where the two are apart."""
    return "weight_ih" if name in ("nx", "y") else "weight_hh"


def biases(layer):
    """Float biases of a layer's drained sums, by name; two biases of one sum are added first."""
    if layer.kind == "linear":
        return {"y": layer.bias}
    gates = GATES[layer.cell]
    ih, hh = (dict(zip(gates, np.split(b, len(gates)))) for b in (layer.bias_ih, layer.bias_hh))
    if layer.kind == "gru":
        return {"r": ih["r"] + hh["r"], "z": ih["z"] + hh["z"], "nx": ih["n"], "nh": hh["n"]}
    return {gate: ih[gate] + hh[gate] for gate in gates}
