"""Random layers of every cell, drawn by its description."""

import numpy as np

from rnnhw.cells import FAMILIES
from rnnhw.circulant import Circulant
from rnnhw.model import Recurrent

DRAWN = ("lstm", "gru", "rnn", "sru", "qrnn", "deep_transition", "deep_output", "h_lstm")
# family, options, cell
ALL = [(family, options, cell) for family in DRAWN
       for options, cell in FAMILIES[family].cells]
NEW = [entry for entry in ALL if entry[2].kind not in ("lstm", "gru", "gru_reset_before")]


def layer(entry, rng, m, n, p, scale=1.0, k=None, **over):
    """A layer whose numbers are all different; with ``k``, of block-circulant matrices.

    ``k`` may be a list of sizes, one for each matrix, None where dense.
    """
    family, options, cell = entry
    sizes = {"input_size": m, "hidden_size": n, "output_size": p if cell.projected else n}
    bound, arrays, circulants = scale / np.sqrt(n), {}, {}
    for matrix in cell.matrices:
        rows, columns, gates = sizes[matrix.rows], sizes[matrix.columns], len(matrix.gates)
        size = k.pop(0) if isinstance(k, list) else k
        if size is None:
            arrays[matrix.name] = rng.uniform(-bound, bound, (gates * rows, columns))
        else:
            circulants[matrix.name] = Circulant(
                rng.uniform(-bound, bound, (gates, -(-rows // size), -(-columns // size), size)),
                rows, columns)
    for vector in (*cell.biases, *cell.vectors):
        if vector.value is None:
            size = len(vector.gates) * sizes[vector.size]
            arrays[vector.name] = rng.uniform(-bound, bound, size)
    return Recurrent(family, options=options, arrays=arrays | over, circulants=circulants)


def kinds(entries):
    """Names for a test's parameters."""
    return [cell.kind for _, _, cell in entries]
