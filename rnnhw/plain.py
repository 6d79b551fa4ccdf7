"""Dense matrices on the array: weights lane by lane, biases, drains."""

from math import ceil

import numpy as np

from .cells import plain, previous
from .fixed import round_shift
from .rowblocks import units
from .segments import columns


class Plain:
    """What the row blocks of dense matrices leave behind for a :class:`rnnhw.program.Program`.

    A lane computes a row; lane ``p*T + s`` is word p of slice s, gate by gate, units in turn.
    """

    k, space = None, 0

    def __init__(self, quantized, lanes, slices, fast):
        self.q, self.lanes, self.T, self.fast = quantized, lanes, slices, fast
        self.step = 2 if fast else 1
        self.align = self.step if slices % self.step else 1
        self.drains, self.biases = {}, []

    def _rows(self, layer, part, product, u0, u1):
        """A row block's rows, padded to whole words: (rows, words, step)."""
        matrix = columns(layer.weights[part.weight], part.start, part.stop)
        matrix = matrix.reshape(-1, units(layer, product), matrix.shape[1])
        rows = matrix[list(part.gates), u0:u1].reshape(-1, matrix.shape[2])
        words = ceil(rows.shape[1] / self.step)
        padded = np.zeros((len(rows), words * self.step), np.int64)
        padded[:, :rows.shape[1]] = rows
        return padded.reshape(len(rows), words, self.step)

    def _lanes(self, product, u0, u1):
        """The lane of each row."""
        unit = np.arange(u1 - u0)
        words = ceil((u1 - u0) / self.T)
        position = np.arange(len(product.sums))[:, None] * words + unit // self.T
        return (position * self.T + unit % self.T).reshape(-1)

    def weights(self, layer, part, product, u0, u1):
        """Words of a run: (words, lanes, elements a word)."""
        rows = self._rows(layer, part, product, u0, u1)
        contents = np.zeros((rows.shape[1], self.lanes, self.step), np.int64)
        contents[:, self._lanes(product, u0, u1)] = rows.transpose(1, 0, 2)
        return contents

    def drain(self, i, product, runs, u0, u1):
        """Fields of a row block's last run, and the largest sum's magnitude.

        ``runs`` are parts of the product and operand segments.
        """
        layer = self.q.layers[i]
        pre = layer.formats[product.pre]
        shift = layer.acc_frac_of(product) - pre.frac_bits
        bias = np.concatenate([
            layer.bias[total][u0:u1] if total in layer.bias else np.zeros(u1 - u0, np.int64)
            for total in product.sums]) + ((1 << shift) >> 1)
        bound = np.abs(bias)
        for part, key in runs:
            rows = self._rows(layer, part, product, u0, u1)
            if self.fast:
                bias = bias - rows.prod(axis=2).sum(axis=1)
            reach = 1 << (self.q.operands[key].width - 1 + self.q.shifts[key])
            bound = bound + np.abs(rows).sum(axis=(1, 2)) * reach
        words = ceil((u1 - u0) / self.T) * len(product.sums)
        fields = dict(end_block=True, words=words, bias=sum(len(b) for b in self.biases),
                      drain=self.drains.setdefault((shift, pre.width), len(self.drains)))
        self._keep(product, bias, u0, u1)
        return fields, int(bound.max())

    def _keep(self, product, bias, u0, u1):
        words = ceil((u1 - u0) / self.T) * len(product.sums)
        contents = np.zeros(words * self.T, np.int64)
        contents[self._lanes(product, u0, u1)] = bias
        self.biases.append(contents.reshape(-1, self.T))

    def first_bias(self, i, runs, product, u0, u1):
        """``{"first_bias": address}`` of the biases in a sequence's first step, if they are others.

        The state before it is read as zero; its products are in these biases. To be called behind
        :meth:`drain`.
        """
        layer, more = self.q.layers[i], 0
        for part, key in runs:
            codes = layer.initial.get(plain(part.operand)) if previous(part.operand) else None
            if codes is None or not codes.any():
                continue
            rows = self._rows(layer, part, product, u0, u1)
            fmt = self.q.operands[key]
            shift = layer.formats[plain(part.operand)].frac_bits - fmt.frac_bits
            operand = fmt.saturate(round_shift(codes, shift)) << self.q.shifts[key]
            more = more + rows.reshape(len(rows), -1)[:, :len(operand)] @ operand
        if isinstance(more, int):
            return {}
        address = sum(len(b) for b in self.biases)
        bias = self.biases[-1].reshape(-1)[self._lanes(product, u0, u1)]
        self._keep(product, bias + more, u0, u1)
        return {"first_bias": address}
