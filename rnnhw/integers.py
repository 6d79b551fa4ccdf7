"""Integer weights and biases, the shifts that align their products, and the accumulators."""

import numpy as np

from . import fourier
from .cells import split
from .errors import RnnhwError
from .fixed import FixedFormat
from .formats import ACC_BITS, WORD_BITS, align
from .layers import biases, block_sizes, circulant_of, constants
from .segments import columns, groups, growth, parts, segment_key, spectrum_word_bits

GUARD_BITS = 3             # below the operands of a transform; 0 where it is exact, for k = 4


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
    layers : dict by layer of ``weights``, ``bias`` and, once all formats are there, ``constants``
    """

    def __init__(self, model, config, formats, notes):
        self.model, self.config, self.formats, self.notes = model, config, formats, notes
        self.values = {f"{i}.{key}": values for i, layer in enumerate(model.layers)
                       for key, values in float_weights(layer).items()}
        self.shifts, self.guards, self.acc_frac, self.layers = {}, {}, {}, {}

    def align(self, layers, needs):
        """Shifts and integers of layers that hang together.

        ``needs`` gives for each layer the fraction bits that its sums must have when drained.
        """
        found = groups(self.model, layers)
        before = {name: fmt.frac_bits for name, fmt in self.formats.items()}
        # what one group takes off an operand may move another that reads it
        while any([self._align_group(part, needs) for part in found]):
            pass
        for part in found:
            most = self._limit(part.k) + growth(part.k)
            what = (f"a spectrum of blocks of {part.k} with its shift fits {most}" if part.k
                    else f"an operand with its shift fits {most}")
            names = [_name(segment) for segment in part.segments.values()]
            for name in [*names, *(weight for _, weight, _ in part.products)]:
                bits = before[name] - self.formats[name].frac_bits
                if bits:
                    before[name] -= bits
                    self.notes.append(f"{name} lost {bits} fraction bit{'s' * (bits > 1)}, so that "
                                      f"{what} bits.")
        for i in layers:
            self._fit(i, needs[i])

    def _align_group(self, part, needs):
        """Set the group's shifts; whether a tensor lost fraction bits on the way."""
        operands = {key: self.operand(segment) for key, segment in part.segments.items()}
        weights = {name: self.formats[name] for _, name, _ in part.products}
        names = {key: _name(segment) for key, segment in part.segments.items()}
        names |= {weight: weight for weight in weights}
        fixed = [key for key, name in names.items() if name in self.config.formats]
        guard = self.config.guard_bits
        guard = 0 if part.k in (None, 4) else GUARD_BITS if guard is None else guard
        shifts, lost = align(
            list(part.segments), part.links, operands, weights, fixed,
            [(key, weight, needs[i] - growth(part.k)) for key, weight, i in part.products],
            self._limit(part.k), guard, part.closing)
        for key, bits in lost.items():
            fmt = self.formats[names[key]]
            self.formats[names[key]] = FixedFormat(fmt.width, fmt.frac_bits - bits)
        self.shifts |= shifts
        if part.k:
            # the smallest shift of a group is not for alignment
            self.guards |= dict.fromkeys(shifts, min(shifts.values()))
        return bool(lost)

    def _fit(self, i, need):
        """Integers of layer ``i``, with coarser weights where sums could pass 48 bits."""
        sizes = block_sizes(self.model.layers[i])
        names = [f"{i}.{key}" for key in sizes]
        least = [max(need - growth(k), 0) for k in sizes.values()]
        lost = 0
        while not self._integers(i):
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

    def _integers(self, i):
        """Weights and biases of layer ``i``; whether no sum can need more than 48 bits."""
        layer = self.model.layers[i]
        sizes, found, floats = block_sizes(layer), {}, biases(layer)
        cell = split(layer.description, sizes)
        weights = {name: self.formats[f"{i}.{name}"].quantize(self.values[f"{i}.{name}"])
                   for name in sizes}
        fits = True
        for product in cell.products:
            k, bound = product.block_size(sizes), 0
            for part in parts(self.model, i, product):
                fmt, shift = self.operand(part.shared), self.shift(part.shared, k)
                self.acc_frac[i, part.weight] = (self.formats[f"{i}.{part.weight}"].frac_bits
                                                 + fmt.frac_bits + shift)
                reach = _reach(columns(weights[part.weight], part.start, part.stop))
                bound += reach << fmt.width - 1 + shift + growth(k)
            for total in product.sums:
                if product.biases:
                    values = floats[total]
                    if k is not None:
                        values = fourier.spectrum(fourier.padded_blocks(values, k))
                    with np.errstate(over="ignore"):
                        found[total] = np.floor(np.ldexp(
                            values, self.acc_frac[i, product.weights[0]]) + 0.5)
            largest = max((float(np.abs(found[total]).max()) for total in product.sums
                           if total in found), default=0)
            fits = fits and bound + largest < 1 << (ACC_BITS - 1)
        if fits:
            bias = {total: found[total].astype(np.int64) for total in floats}
            self.layers[i] = {"weights": weights, "bias": bias}
        return fits

    def quantize_constants(self, i):
        """Codes of the element-wise constants of layer ``i``, in their formats."""
        return {name: self.formats[f"{i}.{name}"].quantize(values)
                for name, values in constants(self.model.layers[i]).items()}

    def _limit(self, k):
        """Most bits of an operand with its shift."""
        return WORD_BITS if k is None else spectrum_word_bits(self.config) - growth(k)

    def shift(self, segment, k):
        """Shift of ``segment`` as blocks of ``k``, or dense."""
        return self.shifts[segment_key(segment, k)]


def _name(segment):
    """Name of the format of an operand segment."""
    return segment if segment == "x" else f"{segment}_operand"


def _reach(weight):
    """Largest magnitude of a sum, over that of an operand or of its components."""
    if weight.ndim == 2:
        return int(np.abs(weight).sum(axis=1).max())
    return max(map(fourier.reach, weight))


def float_weights(layer):
    """Float matrices of a layer by the key of their integers: dense, or spectra (gates, p, q, k).
    """
    found = {}
    for name in block_sizes(layer):
        circulant = circulant_of(layer, name)
        found[name] = layer.array(name) if circulant is None else fourier.spectrum(circulant.blocks)
    return found
