"""Random layers of every cell, drawn by its description."""

import numpy as np

from rnnhw.cells import FAMILIES
from rnnhw.circulant import Circulant
from rnnhw.model import Recurrent

DRAWN = ("lstm", "gru", "rnn", "sru", "qrnn", "deep_transition", "deep_output", "h_lstm")
# of ONNX, within and beyond -1..1, rising and falling
FUNCTIONS = ("Sigmoid", "Tanh", "Relu", ("HardSigmoid", 0.2, 0.5), ("HardSigmoid", -0.4, 0.3),
             ("Affine", 0.5, 0.1), ("Affine", 1.0, 0.0), ("LeakyRelu", 0.01), ("LeakyRelu", 1.5),
             ("ScaledTanh", 1.7, 0.6), ("ScaledTanh", 0.5, 2.0))
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
