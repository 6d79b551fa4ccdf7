"""How the first layers of an ONNX graph see its input: which axes are steps and features."""

from itertools import combinations, permutations

import numpy as np


class GraphInput:
    """The input of a graph, as labels of its values in their order.

    Members
    -------
    ids : labels in the input's own shape
    rows : (rows, input_size) labels as the first layer takes them, a row for a step; None before
    """

    def __init__(self, shape):
        self.ids = np.arange(int(np.prod(shape))).reshape(shape)
        self.rows = None

    def _along(self, *axes):
        """Labels along ``axes``, in this order, at the start of all others."""
        index = tuple(slice(None) if i in axes else 0 for i in range(self.ids.ndim))
        return self.ids[index].transpose(np.argsort(np.argsort(axes)))

    def take(self, node, ids):
        """Settle, at the first layer, that ``ids`` (rows, input_size) are the rows.

        Raises
        ------
        RnnhwError
            Naming the node, if it leaves out a part of the input or takes features in an order that
            is not along its axes.
        """
        axes = range(self.ids.ndim)
        if not np.array_equal(np.sort(ids, None), np.arange(self.ids.size)):
            raise node.error("takes only a part of the graph's input, which is not supported; the "
                             "first layer takes all of it.")
        offsets = ids[0] - ids[0, 0]
        single = ids.shape[1] == 1
        if (ids - ids[:, :1] != offsets).any() or not single and not any(
                np.array_equal(offsets, self._along(*chosen).reshape(-1))
                for k in axes for chosen in combinations(axes, k + 1)):
            raise node.error("takes the features of the graph's input in another order than the "
                             "input has them, or mixes steps, which is not supported.")
        self.rows = ids
        self._canonical = np.empty(self.ids.size, np.int64)
        self._canonical[ids.reshape(-1)] = np.arange(self.ids.size)

    def canonical(self, ids):
        """Labels ``row*input_size + feature`` for the input's own."""
        return self._canonical[ids]

    def check_order(self, node, rows):
        """Refuse ``rows`` (seq_len, batch) unless each axis of it is an axis of the input."""
        starts = self.rows[rows][..., 0]
        wanted = np.squeeze(starts - starts[0, 0])
        for pair in permutations([None, None, *range(self.ids.ndim)], 2):
            if np.array_equal(wanted, np.squeeze(self._along(*(i for i in pair if i is not None)))):
                return
        raise node.error("takes the steps of the graph's input in another order than the input has "
                         "them, which is not supported; steps go along an axis of the input.")
