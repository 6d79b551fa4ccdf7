"""A network in integers, as the quantiser makes it and golden model and compiler take it."""

from dataclasses import dataclass, field

import numpy as np

from .fixed import FixedFormat
from .model import Linear, Model, Recurrent
from .segments import segment_key


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedLayer:
    """One layer in integers.

    Parameters
    ----------
    layer : Recurrent or Linear
        The float layer it was made from, with its cell's description and its sizes.
    weights : dict of int64 arrays by matrix
        Dense in the float layer's shape and gate order, or the spectra of circulant blocks, (gates,
        p, q, k) components as of :mod:`rnnhw.fourier`. A Linear layer's is ``weight_ih``.
    bias : dict of int64 arrays, (units,) or, of spectral sums, (p, k) components
        One per drained sum of a product with biases: ``i f g o`` (lstm), ``r z nx nh`` (gru), ``r z
        n`` (gru_reset_before), ``y`` (linear). ``nx`` is ``W_ih x + b_ih`` of the candidate, ``nh``
        its ``W_hh h + b_hh``. Each is at its product's :meth:`acc_frac_of`.
    constants : dict of int64 arrays (units,), the cell's element-wise constants by name
    formats : dict of FixedFormat
        By matrix, constant, format of the cell's description, and of spectral sums ``pre_spectrum``
        and the like (:attr:`rnnhw.cells.Product.spectrum`). See docs/numerics.md.
    acc_fracs : dict of int by matrix
        Fraction bits of the accumulators it is summed in: weight frac_bits + operand frac_bits +
        operand shift, the same for every operand of a sum.
    """

    layer: Recurrent | Linear
    weights: dict
    bias: dict
    formats: dict
    acc_fracs: dict
    constants: dict = field(default_factory=dict)

    @property
    def initial(self):
        """Codes (units,) of each state before the first step, by name."""
        layer, found = self.layer, {}
        for name in layer.description.states:
            units = layer.sizes[layer.description.size(name)]
            values = layer.initial.get(name, np.zeros(units))
            found[name] = self.formats[name].quantize(values)
        return found

    @property
    def block_sizes(self):
        """k of each matrix, None where it is dense."""
        return {name: weight.shape[3] if weight.ndim == 4 else None
                for name, weight in self.weights.items()}

    def block_size(self, product):
        """k of a product's matrices, None where they are dense."""
        return product.block_size(self.block_sizes)

    def acc_frac_of(self, product):
        """Fraction bits of a product's accumulators."""
        return self.acc_fracs[product.weights[0]]

    @property
    def weight_ih(self):
        """The matrix of the input, or None."""
        return self.weights.get("weight_ih")

    @property
    def weight_hh(self):
        """The matrix of the state, or None."""
        return self.weights.get("weight_hh")

    @property
    def acc_frac(self):
        """Fraction bits of the accumulators of the first matrix, that of the input."""
        return next(iter(self.acc_fracs.values()))

    @property
    def acc_frac_hh(self):
        """Fraction bits of the accumulators of the state's products."""
        return self.acc_fracs.get("weight_hh", self.acc_frac)


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedModel:
    """A model in integers.

    Operand segments are named ``x`` (the input) and ``{i}.{value}``: ``{i}.h`` (layer i's hidden
    state), ``{i}.q`` (r*h of a GRU with reset before), ``{i}.y`` (a Linear layer that another layer
    follows), and so on for every value that the cell copies to operand memory.

    Parameters
    ----------
    model : Model
    layers : tuple of QuantizedLayer
    operands : dict of FixedFormat
        Format of each operand segment, ``activation_bits`` wide, before its shift.
    shifts : dict of int >= 0
        Bits by which a segment's operands are shifted left where they are multiplied, so that all
        products of a layer have one scale: by segment where it is read dense, by ``{segment}/{k}``
        (:meth:`segment_key`) where its blocks of k are transformed, guard bits included.
    activation : rnnhw.activation.Table
        The tanh table, also sigmoid's.
    report : dict
        JSON-ready account of the quantisation.
    """

    model: Model
    layers: tuple
    operands: dict
    shifts: dict
    activation: object
    report: dict = field(default_factory=dict, repr=False)

    @staticmethod
    def segment_key(segment, k):
        """Key of ``shifts`` for ``segment`` read in blocks of ``k``, dense where that is None."""
        return segment_key(segment, k)

    @property
    def input_format(self) -> FixedFormat:
        return self.operands["x"]

    @property
    def output_format(self) -> FixedFormat:
        last = self.layers[self.model.outputs[0]]
        return last.formats[last.layer.description.output]

    @property
    def has_tanh(self):
        """Whether any layer needs the activation table."""
        return any(op.is_table for q in self.layers for op in q.layer.description.ops)
