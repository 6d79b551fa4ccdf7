"""A trainable matrix, dense or block-circulant, as parameters of the module that owns it."""

import torch

from ..circulant import Circulant, check_block_size, check_padding, padded, wrapped
from .numbers import rounded_blocks, rounded_weight


class Matrix:
    """Where a module keeps ``gates`` stacked (rows, columns) matrices, and what they are.

    Of a block-circulant one the parameter ``blocks...`` holds the first columns (gates, p, q, k);
    of a dense one ``weight...`` the matrix, (gates*rows, columns).

    Parameters
    ----------
    suffix : what follows ``weight`` or ``blocks`` in the parameter's name
    gates, rows, columns : int
    block_size : int or None for dense
    owner : name of the module in errors
    """

    def __init__(self, suffix, gates, rows, columns, block_size, owner):
        self.gates, self.rows, self.columns, self.suffix = gates, rows, columns, suffix
        self.k = None if block_size is None else check_block_size(block_size)
        self.name = f"{'weight' if self.k is None else 'blocks'}{suffix}"
        if self.k is not None:
            check_padding(rows, columns, self.k, f"weight{suffix} of {owner}")
            self.take = torch.as_tensor(wrapped(self.k).reshape(-1))

    def parameter(self, module):
        """Register an empty parameter with ``module``."""
        shape = (self.gates * self.rows, self.columns)
        if self.k is not None:
            p, q = padded(self.rows, self.k) // self.k, padded(self.columns, self.k) // self.k
            shape = (self.gates, p, q, self.k)
        module.register_parameter(self.name, torch.nn.Parameter(torch.empty(shape)))

    def dense(self, module, weight_bits=None, spectrum_bits=None):
        """The matrix written out, (gates*rows, columns); rounded where bits are given."""
        values = getattr(module, self.name)
        if self.k is None:
            return values if weight_bits is None else rounded_weight(values, weight_bits)
        if spectrum_bits is not None:
            values = rounded_blocks(values, spectrum_bits)
        gates, p, q, k = values.shape
        taken = values.index_select(3, self.take.to(values.device))
        full = taken.view(gates, p, q, k, k).transpose(2, 3)
        full = full.reshape(gates, p * k, q * k)[:, :self.rows, :self.columns]
        return full.reshape(-1, self.columns)

    def load(self, module, weight):
        """Set the parameter from a dense weight, projected where it is block-circulant."""
        weight = torch.as_tensor(weight).detach().cpu()
        if self.k is not None:
            weight = torch.as_tensor(
                Circulant.project(weight.double().numpy(), self.gates, self.k).blocks.copy())
        self.set(module, weight)

    def set(self, module, values):
        """Set the parameter to ``values`` in its own shape."""
        with torch.no_grad():
            getattr(module, self.name).copy_(torch.as_tensor(values))

    def circulant(self, module):
        """The :class:`~rnnhw.circulant.Circulant`, or None of a dense matrix."""
        if self.k is None:
            return None
        blocks = getattr(module, self.name).detach().cpu().double().numpy()
        return Circulant(blocks, self.rows, self.columns)
