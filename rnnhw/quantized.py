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
        The float layer it was made from (cell, sizes, activation).
    weight_ih, weight_hh : int64 arrays
        Dense in the float layer's shape and gate order, or the spectra of circulant blocks, (gates,
        p, q, k) components as of :mod:`rnnhw.fourier`. ``weight_hh`` is None for a Linear layer,
        whose matrix is ``weight_ih``.
    bias : dict of int64 arrays, (units,) or, of spectral sums, (p, k) components
        One per drained sum: ``i f g o`` (lstm), ``r z nx nh`` (gru), ``r z n`` (gru_reset_before),
        ``y`` (linear). ``nx`` is ``W_ih x + b_ih`` of the candidate, ``nh`` its ``W_hh h + b_hh``.
        Those of ``nx`` and ``y`` are at ``acc_frac``, the others at ``acc_frac_hh``.
    formats : dict of FixedFormat
        By tensor: ``weight_ih weight_hh pre gate h`` and ``c`` (lstm), ``pre_nx pre_nh s d`` (gru),
        ``pre_n d q`` (gru_reset_before), ``y`` (linear), and of spectral sums ``pre_spectrum`` and
        the like (:attr:`rnnhw.cells.Product.spectrum`). See docs/numerics.md.
    acc_frac : int
        Fraction bits of the accumulator: weight frac_bits + operand frac_bits + operand shift, the
        same for every operand of the layer.
    acc_frac_hh : int
        Those of products of ``weight_hh``, where the matrices' block sizes differ and each has an
        accumulator of its own; else ``acc_frac``.
    """

    layer: Recurrent | Linear
    weight_ih: np.ndarray
    weight_hh: np.ndarray | None
    bias: dict
    formats: dict
    acc_frac: int
    acc_frac_hh: int | None = None

    def __post_init__(self):
        if self.acc_frac_hh is None:
            object.__setattr__(self, "acc_frac_hh", self.acc_frac)

    @property
    def weights(self):
        """Matrices by name."""
        return {name: matrix for name, matrix in (("weight_ih", self.weight_ih),
                                                  ("weight_hh", self.weight_hh))
                if matrix is not None}

    @property
    def block_sizes(self):
        """k of each matrix by name, None where dense."""
        return {name: matrix.shape[3] if matrix.ndim == 4 else None
                for name, matrix in self.weights.items()}

    def block_size(self, product):
        """k of a product's matrices, None where dense."""
        return self.block_sizes[product.weights[0]]

    def acc_frac_of(self, product):
        """Fraction bits of a product's accumulator."""
        return self.acc_frac if product.weight == "weight_ih" else self.acc_frac_hh

    @property
    def block_size_ih(self):
        """k of ``weight_ih``, None where it is dense."""
        return self.weight_ih.shape[3] if self.weight_ih.ndim == 4 else None

    @property
    def block_size_hh(self):
        """k of ``weight_hh``, None where it is dense or where there is none."""
        return None if self.weight_hh is None or self.weight_hh.ndim != 4 else \
            self.weight_hh.shape[3]


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedModel:
    """A model in integers.

    Operand segments are named ``x`` (the input), ``{i}.h`` (layer i's hidden state), ``{i}.q``
    (r*h of a GRU with reset before) and ``{i}.y`` (a Linear layer that another layer follows).

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
        last = self.layers[-1]
        return last.formats["y" if last.layer.kind == "linear" else "h"]

    @property
    def has_tanh(self):
        """Whether any layer needs the activation table."""
        return any(layer.layer.kind != "linear" or layer.layer.activation in ("sigmoid", "tanh")
                   for layer in self.layers)
