"""What a network is: layers with float weights in one canonical order.

Gates are stacked in PyTorch's order, ``i f g o`` and ``r z n``, with PyTorch's meaning of ``z``
(``h = (1 - z) * n + z * h``). Importers reorder; nothing behind them does.
"""

from dataclasses import dataclass, field

import numpy as np

from .circulant import Circulant, weight_of
from .errors import RnnhwError

GATES = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}
ACTIVATIONS = ("none", "relu", "sigmoid", "tanh")


def _array(name, value, shape):
    """``value`` as a read-only float64 array of ``shape`` (None: any size on that axis)."""
    array = np.asarray(value, np.float64)
    if array.flags.writeable or not array.flags.owndata:
        array = array.copy()
    if array.ndim != len(shape) or any(s not in (None, a) for s, a in zip(shape, array.shape)):
        wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        raise RnnhwError(f"{name} has shape {array.shape}, but {wanted} is needed.")
    if not np.isfinite(array).all():
        raise RnnhwError(f"{name} holds {int((~np.isfinite(array)).sum())} values that are NaN or "
                         "infinite; export the model again with finite weights.")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False, kw_only=True)
class Recurrent:
    """An LSTM or GRU layer, one direction.

    LSTM: ``i f o = s(W_ih x + b_ih + W_hh h + b_hh)``, ``g = tanh(...)``, ``c = f*c + i*g``,
    ``h = o*tanh(c)``. GRU: ``r z = s(...)``, then with ``reset_after``
    ``n = tanh(W_ih x + b_ih + r*(W_hh h + b_hh))``, else
    ``n = tanh(W_ih x + b_ih + W_hh (r*h) + b_hh)``;
    ``h = (1-z)*n + z*h``.

    Parameters
    ----------
    cell : "lstm" or "gru"
    weight_ih : (gates*hidden_size, input_size)
    weight_hh : (gates*hidden_size, hidden_size)
    bias_ih, bias_hh : (gates*hidden_size,) or None for zeros
    reset_after : bool, of a GRU only
    circulant_ih, circulant_hh : Circulant or None
        A block-circulant matrix in place of a weight, which is then its dense expansion.

    Reference: Rezk et al. 2020, eq. 1-6 and 10-13; PyTorch's nn.LSTM and nn.GRU.
    """

    cell: str
    weight_ih: np.ndarray | None = None
    weight_hh: np.ndarray | None = None
    bias_ih: np.ndarray | None = None
    bias_hh: np.ndarray | None = None
    reset_after: bool = True
    name: str = ""
    circulant_ih: Circulant | None = None
    circulant_hh: Circulant | None = None

    def __post_init__(self):
        label = self.name or self.cell
        if self.cell not in GATES:
            raise RnnhwError(f"Layer {label!r} is of kind {self.cell!r}; "
                             f"{', '.join(GATES)} and linear are supported.")
        gates = len(GATES[self.cell])
        hh = weight_of(f"{label}.weight_hh", self.weight_hh, self.circulant_hh,
                       (gates, None, None))
        hh = _array(f"{label}.weight_hh", hh, (None, None))
        n = hh.shape[1]
        if n == 0:
            raise RnnhwError(f"{label}.weight_hh has no columns; hidden_size must be at least 1.")
        hh = _array(f"{label}.weight_hh", hh, (gates * n, n))
        ih = weight_of(f"{label}.weight_ih", self.weight_ih, self.circulant_ih, (gates, n, None))
        ih = _array(f"{label}.weight_ih", ih, (gates * n, None))
        if ih.shape[1] == 0:
            raise RnnhwError(f"{label}.weight_ih has no columns; input_size must be at least 1.")
        object.__setattr__(self, "weight_hh", hh)
        object.__setattr__(self, "weight_ih", ih)
        for key in ("bias_ih", "bias_hh"):
            value = getattr(self, key)
            value = np.zeros(gates * n) if value is None else value
            object.__setattr__(self, key, _array(f"{label}.{key}", value, (gates * n,)))

    @property
    def kind(self):
        """Name of the cell's program: ``lstm``, ``gru`` or ``gru_reset_before``."""
        return self.cell if self.cell != "gru" or self.reset_after else "gru_reset_before"

    @property
    def input_size(self):
        return self.weight_ih.shape[1]

    @property
    def hidden_size(self):
        return self.weight_hh.shape[1]

    output_size = hidden_size

    @property
    def block_ih(self):
        """Block size of weight_ih, or None where it is dense."""
        return self.circulant_ih and self.circulant_ih.block_size

    @property
    def block_hh(self):
        """Block size of weight_hh, or None where it is dense."""
        return self.circulant_hh and self.circulant_hh.block_size


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear:
    """A fully connected layer, ``y = act(W x + b)``.

    Parameters
    ----------
    weight : (output_size, input_size)
    bias : (output_size,) or None for zeros
    activation : "none", "relu", "sigmoid" or "tanh"
    circulant : Circulant or None
        A block-circulant matrix in place of ``weight``, which is then its dense expansion.
    """

    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    activation: str = "none"
    name: str = ""
    circulant: Circulant | None = None

    kind = "linear"

    def __post_init__(self):
        label = self.name or self.kind
        if self.activation not in ACTIVATIONS:
            raise RnnhwError(f"Layer {label!r} has the activation {self.activation!r}; "
                             f"{', '.join(ACTIVATIONS)} are supported.")
        weight = weight_of(f"{label}.weight", self.weight, self.circulant, (1, None, None))
        weight = _array(f"{label}.weight", weight, (None, None))
        if 0 in weight.shape:
            raise RnnhwError(f"{label}.weight has shape {weight.shape}; no size may be 0.")
        object.__setattr__(self, "weight", weight)
        bias = np.zeros(weight.shape[0]) if self.bias is None else self.bias
        object.__setattr__(self, "bias", _array(f"{label}.bias", bias, (weight.shape[0],)))

    @property
    def input_size(self):
        return self.weight.shape[1]

    @property
    def output_size(self):
        return self.weight.shape[0]

    @property
    def block_size(self):
        """Block size of the weight, or None where it is dense."""
        return self.circulant and self.circulant.block_size


def matrices(layer):
    """``(name, weight, circulant or None, gates)`` of each matrix of a layer."""
    if layer.kind == "linear":
        return (("weight", layer.weight, layer.circulant, 1),)
    gates = len(GATES[layer.cell])
    return (("weight_ih", layer.weight_ih, layer.circulant_ih, gates),
            ("weight_hh", layer.weight_hh, layer.circulant_hh, gates))


def block_sizes(layer):
    """Block sizes of a layer's input and recurrent matrix, None where dense or where none is."""
    if layer.kind == "linear":
        return layer.block_size, None
    return layer.block_ih, layer.block_hh


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """A chain of layers.

    Parameters
    ----------
    layers : tuple of Recurrent and Linear, first layer first
    last_step : bool
        Only the last step of a sequence comes out; the layers behind the last recurrent one then
        run for that step alone.
    graph : object or None
        How a framework's own graph names and lays out its arrays (set by an importer).
    """

    layers: tuple
    last_step: bool = False
    name: str = "model"
    graph: object = field(default=None, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise RnnhwError(f"Model {self.name!r} has no layers; at least one is needed.")
        for i, (a, b) in enumerate(zip(self.layers, self.layers[1:])):
            if a.output_size != b.input_size:
                raise RnnhwError(f"Layer {i + 1} takes {b.input_size} inputs, but layer {i} "
                                 f"gives {a.output_size} outputs.")
        if self.last_step and not any(isinstance(layer, Recurrent) for layer in self.layers):
            raise RnnhwError(f"Model {self.name!r} gives its last step only, but has no "
                             "recurrent layer; set last_step to false.")

    @property
    def input_size(self):
        return self.layers[0].input_size

    @property
    def output_size(self):
        return self.layers[-1].output_size

    @property
    def behind(self):
        """For each layer, whether it lies behind the last recurrent one; none where none is."""
        recurrent = [i for i, layer in enumerate(self.layers) if isinstance(layer, Recurrent)]
        return tuple(bool(recurrent) and i > recurrent[-1] for i in range(len(self.layers)))

    @property
    def on_last(self):
        """For each layer, whether it runs for the last step of a sequence only."""
        return tuple(self.last_step and behind for behind in self.behind)

    def run(self, x, lengths=None):
        """Float output, as the framework the model came from would compute it.

        Takes (seq_len, input_size) or (batch, seq_len, input_size) and returns the same rank; a
        ``last_step`` model drops the seq axis. For a model from ONNX, a dict of named arrays in the
        graph's own layout gives a dict of the graph's outputs.
        """
        from . import reference

        if isinstance(x, dict):
            if self.graph is None:
                raise RnnhwError(f"Model {self.name!r} did not come from an ONNX graph; "
                                 "give an array, not a dict.")
            return self.graph.run(self, x)
        return reference.run(self, x, lengths)
