"""What a step of a layer costs: operations and parameters, by the survey's formulas.

Reference: Rezk et al. 2020, table 3. With m inputs, n hidden units and o outputs:

======  =================  ==============  =========  ===========  ======
layer   multiplications    additions       nonlinear  weights      biases
======  =================  ==============  =========  ===========  ======
LSTM    4n^2 + 4nm + 3n    4n^2+4nm + 5n   5n         4n^2 + 4nm   4n
GRU     3n^2 + 3nm + 3n    3n^2+3nm + 2n   3n         3n^2 + 3nm   none
linear  om                 om              o or none  om           o
======  =================  ==============  =========  ===========  ======

The table's GRU is one without biases; what a model really holds is ``bias_values``. Of a
block-circulant matrix ``weights`` counts the p*q*k numbers a gate that are stored; operations and
``macs`` stay those of the dense matrix.
"""

from dataclasses import dataclass, fields

from .model import matrices


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of one step.

    Parameters
    ----------
    multiplications, additions, nonlinear, weights, biases : int
        As the table counts them; ``biases`` is 0 for a GRU.
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


def _layer_cost(layer):
    m, n = layer.input_size, layer.output_size
    stored = sum(weight.size if circulant is None else circulant.blocks.size
                 for _, weight, circulant, _ in matrices(layer))
    if layer.kind == "linear":
        return Cost(multiplications=n * m, additions=n * m, weights=stored, biases=n, macs=n * m,
                    nonlinear=n if layer.activation != "none" else 0, bias_values=n)
    if layer.cell == "lstm":
        products = 4 * n * (n + m)
        return Cost(multiplications=products + 3 * n, additions=products + 5 * n, nonlinear=5 * n,
                    weights=stored, biases=4 * n, macs=products, bias_values=4 * n)
    products = 3 * n * (n + m)
    return Cost(multiplications=products + 3 * n, additions=products + 2 * n, nonlinear=3 * n,
                weights=stored, macs=products, bias_values=(4 if layer.reset_after else 3) * n)


def cost(part):
    """Cost of a step of a layer, or of a whole :class:`~rnnhw.model.Model`.

    A model's cost counts each layer once: of a ``last_step`` model it is that of the last step, in
    which every layer runs.
    """
    layers = getattr(part, "layers", (part,))
    return sum((_layer_cost(layer) for layer in layers), Cost())
