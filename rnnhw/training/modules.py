"""Block-circulant layers as PyTorch modules, in place of nn.Linear, nn.LSTM and nn.GRU."""

import math

import torch
from torch import _VF, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ..errors import RnnhwError
from ..model import GATES
from . import steps
from .matrix import Matrix
from .numbers import rounded

FLOAT = {}                 # formats of a layer that is not rounded


def _check_dense(module, kinds, name):
    if isinstance(module, (BlockCirculantLinear, Recurrent)) and module.is_circulant:
        raise RnnhwError(f"{name}.from_dense takes a dense module, but the "
                         f"{type(module).__name__} given is block-circulant already.")
    if type(module) not in kinds:
        raise RnnhwError(f"{name}.from_dense takes a torch.nn.{kinds[0].__name__}, not "
                         f"{type(module).__name__}.")


class BlockCirculantLinear(nn.Module):
    """``y = W x + b`` with a block-circulant W; otherwise as ``nn.Linear``.

    The parameter ``blocks``, (1, p, q, k), holds the first column of each block.

    Parameters
    ----------
    in_features, out_features : int
        Where k does not divide them, the last blocks are cut; by at most a quarter of the size.
    block_size : int, a power of two within 4..64, or None for a dense ``weight``
    bias : bool

    Raises
    ------
    RnnhwError
        If the block size is another, or blocks would pad a size by more than a quarter.

    Reference: Ding et al. 2017 (CirCNN), section 3.
    """

    cell = "linear"

    def __init__(self, in_features, out_features, block_size, bias=True):
        super().__init__()
        self.in_features, self.out_features, self.block_size = in_features, out_features, block_size
        matrix = Matrix("", 1, out_features, in_features, block_size,
                        f"{type(self).__name__}({in_features}, {out_features})")
        matrix.parameter(self)
        self.matrices = {"": matrix}
        self.register_parameter("bias", nn.Parameter(torch.empty(out_features)) if bias else None)
        self.formats, self.bits = FLOAT, (None, None)
        self.reset_parameters()

    def reset_parameters(self):
        """Uniform within ``1/sqrt(in_features)``, as ``nn.Linear`` starts."""
        bound = 1 / math.sqrt(self.in_features)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @classmethod
    def from_dense(cls, module, block_size):
        """The layer nearest to an ``nn.Linear`` in least squares."""
        _check_dense(module, (nn.Linear, cls), cls.__name__)
        new = cls(module.in_features, module.out_features, block_size, module.bias is not None)
        new.matrices[""].load(new, module.weight)
        if module.bias is not None:
            with torch.no_grad():
                new.bias.copy_(module.bias)
        return new.train(module.training)

    @property
    def is_circulant(self):
        """Whether the matrix is block-circulant."""
        return self.block_size is not None

    def forward(self, input):
        """``W input + b`` over the last axis."""
        weight = self.matrices[""].dense(self, *self.bits)
        y = nn.functional.linear(rounded(input, self.formats.get("x")), weight, self.bias)
        return rounded(y, self.formats.get("pre"))

    def extra_repr(self):
        return (f"{self.in_features}, {self.out_features}, block_size={self.block_size}, "
                f"bias={self.bias is not None}")


class Recurrent(nn.Module):
    """What BlockCirculantLSTM and BlockCirculantGRU share."""

    def __init__(self, input_size, hidden_size, block_size, num_layers=1, bias=True,
                 batch_first=False, dropout=0.0, bidirectional=False):
        super().__init__()
        pair = block_size if isinstance(block_size, (tuple, list)) else (block_size, block_size)
        if len(pair) != 2:
            raise RnnhwError(f"block_size must be one number or a pair (input, recurrent), not "
                             f"{block_size!r}.")
        self.input_size, self.hidden_size, self.block_size = input_size, hidden_size, tuple(pair)
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.reset_after = dropout, bidirectional, True
        self.formats, self.bits = [FLOAT] * num_layers, (None, None)
        gates, self.matrices, self.suffixes = len(GATES[self.cell]), {}, []
        owner = f"{type(self).__name__}({input_size}, {hidden_size})"
        for layer in range(num_layers):
            columns = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            for suffix in (f"_l{layer}", *([f"_l{layer}_reverse"] if bidirectional else [])):
                self.suffixes.append(suffix)
                for part, m, k in (("_ih", columns, pair[0]), ("_hh", hidden_size, pair[1])):
                    matrix = Matrix(part + suffix, gates, hidden_size, m, k, owner)
                    self.matrices[part + suffix] = matrix
                    matrix.parameter(self)
                for part in ("_ih", "_hh"):
                    value = nn.Parameter(torch.empty(gates * hidden_size)) if bias else None
                    self.register_parameter(f"bias{part}{suffix}", value)
        self.reset_parameters()

    def reset_parameters(self):
        """Uniform within ``1/sqrt(hidden_size)``, as PyTorch's layers start."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @classmethod
    def from_dense(cls, module, block_size):
        """The layers nearest to those of a dense module in least squares."""
        _check_dense(module, (cls.dense_class, cls), cls.__name__)
        if getattr(module, "proj_size", 0):
            raise RnnhwError(f"{cls.__name__}.from_dense takes modules without a projection, but "
                             f"this one has proj_size={module.proj_size}.")
        new = cls(module.input_size, module.hidden_size, block_size, module.num_layers, module.bias,
                  module.batch_first, module.dropout, module.bidirectional)
        for suffix, matrix in new.matrices.items():
            matrix.load(new, getattr(module, f"weight{suffix}"))
        for name, parameter in new.named_parameters():
            if name.startswith("bias"):
                with torch.no_grad():
                    parameter.copy_(getattr(module, name))
        return new.train(module.training)

    @property
    def is_circulant(self):
        """Whether any of the matrices is block-circulant."""
        return self.block_size != (None, None)

    def _weights(self, suffix):
        """``W_ih, W_hh`` and, with biases, ``b_ih, b_hh`` of one layer and direction."""
        found = [self.matrices[part + suffix].dense(self, *self.bits) for part in ("_ih", "_hh")]
        if self.bias:
            found += [getattr(self, f"bias{part}{suffix}") for part in ("_ih", "_hh")]
        return found

    def forward(self, input, hx=None):
        """``(output, state)`` as ``nn.LSTM`` or ``nn.GRU`` give them, packed sequences included."""
        packed = isinstance(input, PackedSequence)
        if packed:
            layout, (input, lengths) = input, pad_packed_sequence(input, batch_first=True)
        single = input.dim() == 2
        if single:
            input = input[None]
            hx = None if hx is None else self._each(hx, lambda h: h.unsqueeze(1))
        elif not self.batch_first and not packed:
            input = input.transpose(0, 1)
        if not packed:
            lengths = None
        if hx is None:
            zeros = input.new_zeros(len(self.suffixes), len(input), self.hidden_size)
            hx = (zeros, zeros) if self.cell == "lstm" else zeros
        if packed or self.formats[0] or not self.reset_after:
            output, state = self._stepwise(input, lengths, hx)
        else:
            output, state = self._whole(input, hx)
        if packed:
            output = pack_padded_sequence(output, lengths, True, enforce_sorted=False)
            assert torch.equal(output.batch_sizes, layout.batch_sizes)
        elif single:
            output, state = output[0], self._each(state, lambda h: h.squeeze(1))
        elif not self.batch_first:
            output = output.transpose(0, 1)
        return output, state

    def _each(self, state, function):
        return tuple(map(function, state)) if self.cell == "lstm" else function(state)

    def _whole(self, x, hx):
        """All steps in PyTorch's own kernel."""
        flat = [w for suffix in self.suffixes for w in self._weights(suffix)]
        run = _VF.lstm if self.cell == "lstm" else _VF.gru
        output, *state = run(x, hx, flat, self.bias, self.num_layers, self.dropout, self.training,
                             self.bidirectional, True)
        return output, tuple(state) if self.cell == "lstm" else state[0]

    def _stepwise(self, x, lengths, hx):
        """Step by step, where values are rounded or sequences differ in length."""
        last = None if lengths is None else lengths - 1
        hs, cs, width = [], [], 1 + self.bidirectional
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(width):
                at = layer * width + direction
                start = [state[at] for state in hx] if self.cell == "lstm" else [hx[at]]
                outputs.append(self._direction(x, last, self.suffixes[at], start,
                                               self.formats[layer], bool(direction), hs, cs))
            x = torch.cat(outputs, 2) if self.bidirectional else outputs[0]
            if self.dropout and self.training and layer < self.num_layers - 1:
                x = nn.functional.dropout(x, self.dropout)
        state = torch.stack(hs)
        return x, (state, torch.stack(cs)) if self.cell == "lstm" else state

    def _direction(self, x, last, suffix, start, formats, reverse, hs, cs):
        """Outputs of one layer and direction; its last states go onto ``hs`` and ``cs``."""
        if reverse:
            x = _reversed(x, last)
        weights = self._weights(suffix)
        if not self.bias:
            weights += [x.new_zeros(len(weights[0]))] * 2
        name = self.cell if self.reset_after else "gru_reset_before"
        h, c = getattr(steps, name)(x, *weights, *start, formats)
        rows = torch.arange(len(h))
        end = h.shape[1] - 1 if last is None else last
        hs.append(h[rows, end])
        if c is not None:
            cs.append(c[rows, end])
        return _reversed(h, last) if reverse else h

    def extra_repr(self):
        return (f"{self.input_size}, {self.hidden_size}, block_size={self.block_size}, "
                f"num_layers={self.num_layers}, bias={self.bias}, batch_first={self.batch_first}, "
                f"dropout={self.dropout}, bidirectional={self.bidirectional}")


def _reversed(x, last):
    """Sequences backwards within their lengths."""
    if last is None:
        return x.flip(1)
    t = torch.arange(x.shape[1])
    at = torch.where(t <= last[:, None], last[:, None] - t, t)
    return x.gather(1, at[..., None].expand_as(x))


_RECURRENT = """

    Parameters ``blocks_ih_l0`` and ``blocks_hh_l0``, (gates, p, q, k), hold the first column of
    each block, in PyTorch's gate order; biases are those of the dense module.

    Parameters
    ----------
    input_size, hidden_size : int
        Where k does not divide them, the last blocks are cut; by at most a quarter of the size.
    block_size : int, a power of two within 4..64, None for dense, or a pair (input, recurrent)
    num_layers, bias, batch_first, dropout, bidirectional : as of the dense module

    Raises
    ------
    RnnhwError
        If a block size is another, or blocks would pad a size by more than a quarter.

    Reference: Wang et al. 2018 (C-LSTM), section 3; Li et al. 2019 (E-RNN), section 3.
    """


class BlockCirculantLSTM(Recurrent):
    __doc__ = "An LSTM with block-circulant matrices; otherwise as ``nn.LSTM``." + _RECURRENT
    cell, dense_class = "lstm", nn.LSTM


class BlockCirculantGRU(Recurrent):
    __doc__ = ("A GRU with block-circulant matrices; otherwise as ``nn.GRU``. Set ``reset_after`` "
               "to False\n    for a reset before the product." + _RECURRENT)
    cell, dense_class = "gru", nn.GRU


LAYERS = (BlockCirculantLinear, BlockCirculantLSTM, BlockCirculantGRU)
