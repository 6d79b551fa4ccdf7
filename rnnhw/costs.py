"""What a step of a layer costs: operations and parameters, by the survey's formulas.

Reference: Rezk et al. 2020, table 3. With m inputs, n hidden units, p units of a projection and o
outputs, M the numbers of all matrices:

=====================  ================  =======  =======  =========  ============  ======
layer                  M                 mult.    add.     nonlinear  weights       biases
=====================  ================  =======  =======  =========  ============  ======
LSTM                   4n^2 + 4nm        M + 3n   M + 5n   5n         M             4n
full peepholes         7n^2 + 4nm        M + 3n   M + 5n   5n         M             4n
diagonal peepholes     4n^2 + 4nm        M + 6n   M + 8n   5n         M + 3n        4n
projection             4np + 4nm + np    M + 3n   M + 5n   5n         M             4n
diagonal, projection   4np + 4nm + np    M + 6n   M + 8n   5n         M + 3n        4n
GRU                    3n^2 + 3nm        M + 3n   M + 2n   3n         M             none
QRNN of k steps        3knm              M + 3n   M + 2n   3n         M             none
SRU                    3nm               M + 6n   M + 8n   2n         M + 2n        2n
linear                 om                M        M        o or none  M             o
=====================  ================  =======  =======  =========  ============  ======

The table's GRU and QRNN are without biases; what a model really holds is ``bias_values``. A cell
that the table lacks counts what its ops do. An SRU that adds x as it is has no skip matrix there,
though the array multiplies by the identity, as ``macs`` says. Of a block-circulant matrix
``weights`` counts the p*q*k numbers a gate that are stored; operations and ``macs`` stay those of
the dense matrix.
"""

from dataclasses import dataclass, fields

import numpy as np

from .layers import biases, constants, matrices


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of one step.

    Parameters
    ----------
    multiplications, additions, nonlinear, weights, biases : int
        As the table counts them; ``biases`` is 0 for a GRU or QRNN.
    macs : int
        Multiply-accumulates of the matrix products alone, one for each entry of the matrices.
    bias_values : int
        Bias numbers that the equations of this layer hold, one for each sum: 4n (LSTM), 4n (GRU,
        reset after: r, z and two of n), 3n (GRU, reset before), o (linear).
    """

    multiplications: int = 0
    additions: int = 0
    nonlinear: int = 0
    weights: int = 0
    biases: int = 0
    macs: int = 0
    bias_values: int = 0

    @property
    def operations(self):
        """Multiplications, additions and nonlinear functions together."""
        return self.multiplications + self.additions + self.nonlinear

    @property
    def parameters(self):
        """Weights and biases of the table: none of a GRU's biases count."""
        return self.weights + self.biases

    @property
    def stored(self):
        """Weights and biases that the model really holds."""
        return self.weights + self.bias_values

    def __add__(self, other):
        return Cost(**{f.name: getattr(self, f.name) + getattr(other, f.name)
                       for f in fields(self)})


def beside_products(layer):
    """Multiplications, additions, nonlinear functions and biases of a step beside the products.

    Those of the table where the cell names them, else those that its ops carry out.
    """
    cell, sizes = layer.description, layer.sizes
    if cell.costs is not None:
        return [count * sizes["hidden_size"] for count in cell.costs]
    biased = sum(len(product.sums) * sizes[product.size] for product in cell.products
                 if product.biases)
    multiplications = additions = nonlinear = 0
    for op in cell.ops:
        units = sizes[cell.size(op.dst)]
        multiplications += units * bool(op.b)
        additions += units * bool(op.c)
        nonlinear += units * (op.is_table or op.fn == "relu")
    return multiplications, additions + biased, nonlinear, biased


def _layer_cost(layer):
    cell = layer.description
    macs = stored = skipped = 0
    for (_, weight, circulant, _), matrix in zip(matrices(layer), cell.matrices):
        macs += weight.size
        # a skip that moves x as it is multiplies by nothing
        if matrix.identity and np.array_equal(weight, np.eye(len(weight))):
            skipped += weight.size
        else:
            stored += weight.size if circulant is None else circulant.blocks.size
    stored += sum(values.size for name, values in constants(layer).items()
                  if cell.constants[name][0].value is None)
    multiplications, additions, nonlinear, counted = beside_products(layer)
    return Cost(multiplications=macs - skipped + multiplications,
                additions=macs - skipped + additions, nonlinear=nonlinear,
                weights=stored, biases=counted, macs=macs,
                bias_values=sum(values.size for values in biases(layer).values()))


def cost(part):
    """Cost of a step of a layer, or of a whole :class:`~rnnhw.model.Model`.

    A model's cost counts each layer once: of a ``last_step`` model it is that of the last step, in
    which every layer runs.
    """
    layers = getattr(part, "layers", (part,))
    return sum((_layer_cost(layer) for layer in layers), Cost())
