"""Block-circulant matrices on the array: weights bin by bin, biases, drains of one block size."""

from math import ceil

import numpy as np

from .bins import bin_lanes, factors, sums
from .segments import columns, growth, split_key
from .spaces import Space, SpectralDrain


class Spectra:
    """What the row blocks of circulant blocks of ``k`` leave behind, for a :class:`Space`.

    A block row takes a lane for each real product of its bins; row ``g*n + b`` of a row block is
    block b of its n unit blocks, of gate g.
    """

    def __init__(self, quantized, k, space, lanes, slices, fast, products):
        self.q, self.k, self.space, self.T = quantized, k, space, slices
        self.fast, self.products = fast, products
        self.step = self.align = 2 if fast else 1
        self.rows = lanes // len(bin_lanes(k, products))
        self.drains, self.biases, self.pushed = {}, [], []

    def _blocks(self, layer, part, u0, u1):
        """Spectra of a row block's matrix, padded to whole words: (rows, words, step, k)."""
        k = self.k
        matrix = layer.weights[part.weight][list(part.gates), u0 // k:ceil(u1 / k)]
        matrix = columns(matrix, part.start, part.stop)
        rows = matrix.reshape(-1, *matrix.shape[2:])
        words = ceil(rows.shape[1] / self.step)
        padded = np.zeros((len(rows), words * self.step, k), np.int64)
        padded[:, :rows.shape[1]] = rows
        return padded.reshape(len(rows), words, self.step, k)

    def weights(self, layer, part, product, u0, u1):
        """Words of a run: (words, block rows * k, blocks a word)."""
        blocks = self._blocks(layer, part, u0, u1)
        contents = np.zeros((blocks.shape[1], self.rows, self.k, self.step), np.int64)
        contents[:, :len(blocks)] = blocks.transpose(1, 0, 3, 2)
        return contents.reshape(len(contents), -1, self.step)

    def drain(self, i, product, runs, u0, u1):
        """Fields of a row block's last run, and the largest sum's magnitude.

        ``runs`` are parts of the product and operand segments.
        """
        layer, k = self.q.layers[i], self.k
        size, blocks = u1 - u0, ceil((u1 - u0) / k)
        spectrum, pre = layer.formats[product.spectrum], layer.formats[product.pre]
        shift = layer.acc_frac_of(product) - spectrum.frac_bits
        bias = np.concatenate([
            layer.bias[total][u0 // k:ceil(u1 / k)] if total in layer.bias
            else np.zeros((blocks, k), np.int64) for total in product.sums])
        bias = bias + ((1 << shift) >> 1)
        bound = np.abs(bias).max(axis=1)
        for part, key in runs:
            found = self._blocks(layer, part, u0, u1)
            if self.fast:
                eta = sums(k, self.products,
                           lambda lane, w=found: factors(w, lane.weight).prod(axis=-1))
                bias = bias - eta.sum(axis=1)
            operand = self.q.operands[split_key(key)[0]]
            reach = 1 << (operand.width - 1 + self.q.shifts[key] + growth(k))
            bound = bound + np.abs(found).sum(axis=(1, 2, 3)) * reach
        words = ceil(size / self.T)
        whole = k // self.T
        each = [whole] * (blocks - 1) + [words - whole * (blocks - 1)]
        drain = SpectralDrain(shift, spectrum.width,
                              spectrum.frac_bits + growth(k) - pre.frac_bits, pre.width)
        count = len(product.sums)
        fields = dict(end_block=True, words=words * count, gates=count, hold=blocks * whole,
                      bias=sum(len(b) for b in self.biases),
                      drain=self.drains.setdefault(drain, len(self.drains)))
        self.biases.append(bias)
        self.pushed += each * count
        return fields, int(bound.max())

    def result(self, segments):
        """The :class:`Space` of all row blocks."""
        q = self.q
        own = [s for s in segments if s.space == self.space]
        width = max((q.operands[split_key(s.name)[0]].width + q.shifts[s.name] for s in own),
                    default=0)
        x = q.segment_key("x", self.k)
        from_x = x in q.shifts
        return Space(
            k=self.k, width=width, x_width=q.operands["x"].width + q.shifts[x] if from_x else 0,
            weight_bits=max(layer.formats[name].width for layer in q.layers
                            for name, k in layer.block_sizes.items() if k == self.k),
            blocks=max((s.base + s.words for s in own), default=0),
            x_blocks=ceil(q.model.input_size / self.k) if from_x else 0,
            lengths=tuple(s.length for s in own),
            x_lengths=(q.model.input_size,) if from_x else (),
            drains=tuple(self.drains), biases=np.concatenate(self.biases),
            pushed=tuple(self.pushed))

