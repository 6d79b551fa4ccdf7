"""The layers of a network, with float weights in one canonical order.

Gates are stacked in PyTorch's order, ``i f g o`` and ``r z n``, with PyTorch's meaning of ``z``
(``h = (1 - z) * n + z * h``). Importers reorder; nothing behind them does.
"""

from dataclasses import dataclass

import numpy as np

from .cells import FAMILIES, LINEAR
from .circulant import Circulant, weight_of
from .errors import RnnhwError

GATES = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}
ACTIVATIONS = tuple(LINEAR)
# whether each layer that a direction stands for runs backwards
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
# what another family's option says nothing by
OPTIONS = {"reset_after": True, "activation": "tanh", "input_forget": False, "activations": None,
           "clip": None, "clip_hidden": True, "filter_width": 1,
           "depth": 1}


def array(name, value, shape):
    """``value`` as a read-only float64 array of ``shape`` (None: any size on that axis)."""
    found = np.asarray(value, np.float64)
    if found.flags.writeable or not found.flags.owndata:
        found = found.copy()
    if found.ndim != len(shape) or any(s not in (None, a) for s, a in zip(shape, found.shape)):
        wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        raise RnnhwError(f"{name} has shape {found.shape}, but {wanted} is needed.")
    if not np.isfinite(found).all():
        raise RnnhwError(f"{name} holds {int((~np.isfinite(found)).sum())} values that are NaN or "
                         "infinite; export the model again with finite weights.")
    found.setflags(write=False)
    return found


@dataclass(frozen=True, eq=False, init=False)
class Recurrent:
    """A recurrent layer, in one direction, of any cell of :mod:`rnnhw.cells`.

    LSTM: ``i f o = s(W_ih x + b_ih + W_hh h + b_hh)``, ``g = tanh(...)``, ``c = f*c + i*g``,
    ``h = o*tanh(c)``. GRU: ``r z = s(...)``, then with ``reset_after``
    ``n = tanh(W_ih x + b_ih + r*(W_hh h + b_hh))``, else
    ``n = tanh(W_ih x + b_ih + W_hh (r*h) + b_hh)``;
    ``h = (1-z)*n + z*h``. The others are in docs/cells.md.

    Parameters
    ----------
    cell : "lstm", "gru", "rnn", "sru", "qrnn", or a cell of one's own
    name : str
    reset_after : bool, of a GRU only
    input_forget : bool, of an LSTM: ``f = 1 - i``, without a gate f
    activations : the functions of an LSTM (F of gates, G of the candidate, H of c), a GRU (F, G) or
        a simple RNN (F), each a name of ONNX or ``(name, alpha, beta)``; sigmoid and tanh where
        left out
    activation : the one of a simple RNN, "tanh" where left out
    clip : float or None, bounds what functions take to -clip..clip; with ``clip_hidden`` (the
        default) what H of an LSTM takes too
    filter_width : steps that a QRNN's matrices see, stacked from the youngest on
    depth : further layers of deep_transition, deep_output and h_lstm
    weight_ih : (gates*hidden_size, input_size)
    weight_hh : (gates*hidden_size, output_size)
    bias_ih, bias_hh : (gates*hidden_size,) or None for zeros
    weight_hr : (output_size, hidden_size), the projection of an LSTM's h
    peephole : (3*hidden_size,) of an LSTM, ``i f o``; (2*hidden_size,) of an SRU, ``f r``
    weight_ch : (3*hidden_size, hidden_size), an LSTM's peepholes as matrices, ``i f o``
    circulant_ih, circulant_hh, ... : Circulant or None
        A block-circulant matrix in place of a weight, which is then its dense expansion.
    arrays, circulants : dict
        The same by name, as the layer has them.
    reverse : bool
        It runs from a sequence's last step to its first; what it gives at a step has seen that
        step and those behind it.
    initial : dict of (units,), or None
        The state before the first step that it runs, ``h`` and, of an LSTM, ``c``; zeros where left
        out.

    Raises
    ------
    RnnhwError
        If there is no such cell or option, an array is missing, unknown, of another shape, or not
        finite.

    Reference: Rezk et al. 2020, eq. 1-21; PyTorch's nn.LSTM, nn.GRU and nn.RNN.
    """

    cell: str
    name: str
    options: dict
    arrays: dict
    circulants: dict
    reverse: bool
    initial: dict

    def __init__(self, cell, name="", options=None, arrays=None, circulants=None, reverse=False,
                 initial=None, **others):
        label = name or cell
        if cell not in FAMILIES:
            raise RnnhwError(f"Layer {label!r} is of kind {cell!r}; "
                             f"{', '.join(FAMILIES)} and linear are supported.")
        family = FAMILIES[cell]
        options = dict(options or {})
        taken = {key: others.pop(key) for key in OPTIONS if key in others}
        if "activation" in family.checks and taken.get("activations") is not None:
            if taken.pop("activation", "tanh") != "tanh":
                raise RnnhwError(f"Layer {label!r} has both activation and activations; give one.")
            options["activation"] = _only(taken.pop("activations"), label)
        for key, value in taken.items():
            if key in family.options:
                options[key] = value
            elif value != OPTIONS[key]:
                raise RnnhwError(f"Layer {label!r} has the option {key}={value!r}, which {cell} "
                                 "does not have.")
        options = family.checked(options, f"layer {label!r}")
        given, blocks = dict(arrays or {}), dict(circulants or {})
        for key, value in others.items():
            if key.startswith("circulant"):
                blocks[key.replace("circulant", "weight", 1)] = value
            else:
                given[key] = value
        given = {key: value for key, value in given.items() if value is not None}
        blocks = {key: value for key, value in blocks.items() if value is not None}
        description = family.pick(options, [*given, *blocks])
        for key in [*given, *blocks]:
            if key not in description.arrays or key in blocks and key not in description.matrix:
                raise RnnhwError(f"Layer {label!r} has the array {key!r}, which {cell} does not "
                                 f"take beside the others; it takes "
                                 f"{', '.join(description.arrays)}.")
        sizes, found = _shapes(label, description, given, blocks)
        for key, value in (("cell", cell), ("name", name), ("options", options), ("arrays", found),
                           ("circulants", blocks), ("description", description), ("sizes", sizes),
                           ("reverse", bool(reverse)), ("recurrent", bool(description.states))):
            object.__setattr__(self, key, value)
        object.__setattr__(self, "initial", self._initial(label, dict(initial or {})))

    def _initial(self, label, given):
        """The states that are given, checked; those of zeros are left out."""
        found = {}
        for key, value in given.items():
            if key not in self.description.states:
                raise RnnhwError(f"Layer {label!r} has the initial state {key!r}, but {self.kind} "
                                 f"has {', '.join(self.description.states) or 'none'}.")
            units = self.sizes[self.description.size(key)]
            value = array(f"{label}.initial {key}", value, (units,))
            if value.any():
                found[key] = value
        return found

    def __getattr__(self, key):
        own = self.__dict__
        if "arrays" in own:
            part, _, suffix = key.partition("_")
            weight = f"weight_{suffix}"
            if key in own["arrays"]:
                return own["arrays"][key]
            if key in own["options"] or key in OPTIONS:
                return own["options"].get(key, OPTIONS.get(key))
            if weight in own["arrays"] and part in ("circulant", "block"):
                found = own["circulants"].get(weight)
                return found and found.block_size if part == "block" else found
        raise AttributeError(f"A layer of kind {own.get('cell')!r} has no {key!r}.")

    @property
    def kind(self):
        """Name of the cell's description, for instance ``gru_reset_before``."""
        return self.description.kind

    @property
    def input_size(self):
        return self.sizes["input_size"]

    @property
    def hidden_size(self):
        return self.sizes["hidden_size"]

    @property
    def output_size(self):
        return self.sizes["output_size"]

    def array(self, name):
        """A matrix written out, or a vector, by its name in the cell's description."""
        return self.arrays[name]


def _only(activations, label):
    """The one function of a simple RNN."""
    if isinstance(activations, str) or len(activations) != 1:
        raise RnnhwError(f"activations of layer {label!r} must be 1 function, not "
                         f"{activations!r}.")
    return activations[0]


def _shapes(label, cell, given, blocks):
    """``(sizes, arrays)`` of a layer of ``cell``: its sizes by name and every array, checked."""
    sizes, found = {}, {}

    def key_of(size):
        return "hidden_size" if size == "output_size" and not cell.projected else size

    # hidden_size is told by columns where any are of it
    for matrix in sorted(cell.matrices, key=lambda m: (m.columns == "input_size",
                                                       m.rows != "output_size")):
        name, gates = f"{label}.{matrix.name}", len(matrix.gates)
        rows, columns = (sizes.get(key_of(size)) for size in (matrix.rows, matrix.columns))
        value = given.get(matrix.name)
        if matrix.identity and value is None and matrix.name not in blocks and rows == columns:
            value = np.eye(rows)
        value = weight_of(name, value, blocks.get(matrix.name), (gates, rows, columns))
        value = array(name, value, (None, None))
        new, columns = columns is None, sizes.setdefault(key_of(matrix.columns), value.shape[1])
        if columns == 0:
            raise RnnhwError(f"{name} has no columns; {key_of(matrix.columns)} must be at least 1.")
        rows = sizes.get(key_of(matrix.rows))
        if rows is None:
            rows, rest = divmod(len(value), gates)
            if rest or not rows:
                raise RnnhwError(f"{name} has {len(value)} rows, which is not {gates} gates of "
                                 "equal size.")
            sizes[key_of(matrix.rows)] = rows
        shape = gates * rows, None if matrix.columns == "input_size" and new else columns
        found[matrix.name] = array(name, value, shape)
    sizes.setdefault("output_size", sizes["hidden_size"])
    for vector in (*cell.biases, *cell.vectors):
        if vector.value is not None:
            continue
        shape = (len(vector.gates) * sizes[vector.size],)
        value = given.get(vector.name)
        if value is None and vector in cell.vectors:
            raise RnnhwError(f"{label}.{vector.name} is missing; an array of shape {shape} is "
                             "needed.")
        value = np.zeros(shape) if value is None else value
        found[vector.name] = array(f"{label}.{vector.name}", value, shape)
    return sizes, {name: found[name] for name in cell.arrays}


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
    recurrent, reverse = False, False

    def __post_init__(self):
        label = self.name or self.kind
        if self.activation not in ACTIVATIONS:
            raise RnnhwError(f"Layer {label!r} has the activation {self.activation!r}; "
                             f"{', '.join(ACTIVATIONS)} are supported.")
        weight = weight_of(f"{label}.weight", self.weight, self.circulant, (1, None, None))
        weight = array(f"{label}.weight", weight, (None, None))
        if 0 in weight.shape:
            raise RnnhwError(f"{label}.weight has shape {weight.shape}; no size may be 0.")
        object.__setattr__(self, "weight", weight)
        bias = np.zeros(weight.shape[0]) if self.bias is None else self.bias
        object.__setattr__(self, "bias", array(f"{label}.bias", bias, (weight.shape[0],)))

    @property
    def description(self):
        """Its cell of :mod:`rnnhw.cells`."""
        return LINEAR[self.activation]

    @property
    def input_size(self):
        return self.weight.shape[1]

    @property
    def output_size(self):
        return self.weight.shape[0]

    hidden_size = output_size

    @property
    def sizes(self):
        """Its sizes by name."""
        return {key: getattr(self, key) for key in ("input_size", "hidden_size", "output_size")}

    @property
    def block_size(self):
        """Block size of the weight, or None where it is dense."""
        return self.circulant and self.circulant.block_size

    def array(self, name):
        """The matrix, there called ``weight_ih``, or the bias, by its name in the description."""
        return self.weight if name == "weight_ih" else self.bias


def merged(kind, size, name="", count=2):
    """A layer that reads ``count`` vectors of ``size`` side by side and gives one.

    Parameters
    ----------
    kind : "sum", "average", or of two "difference" or "multiply", element by element
    """
    if kind == "multiply":
        return Recurrent("multiply", name, weight_ia=np.eye(size, 2 * size),
                         weight_ib=np.eye(size, 2 * size, size))
    scales = {"sum": [1.0] * count, "average": [1.0 / count] * count, "difference": [1.0, -1.0]}
    return Linear(weight=np.hstack([scale * np.eye(size) for scale in scales[kind]]), name=name)


def circulant_of(layer, name):
    """The Circulant of a layer's matrix, by its name in the description; None where dense."""
    return layer.circulant if layer.kind == "linear" else layer.circulants.get(name)


def matrices(layer):
    """``(name, weight, circulant or None, gates)`` of each matrix of a layer, as it is given."""
    if layer.kind == "linear":
        return (("weight", layer.weight, layer.circulant, 1),)
    return tuple((matrix.name, layer.arrays[matrix.name], layer.circulants.get(matrix.name),
                  len(matrix.gates)) for matrix in layer.description.matrices)


def block_sizes(layer):
    """Block size of each matrix by its name in the description, None where it is dense."""
    found = {matrix.name: circulant_of(layer, matrix.name)
             for matrix in layer.description.matrices}
    return {name: circulant and circulant.block_size for name, circulant in found.items()}


def biases(layer):
    """Float biases of the drained sums that have any, by name; those of one sum are added first."""
    cell, found = layer.description, {}
    for total in cell.sums:
        product = cell.product_of[total]
        gate = product.gate_names[product.sums.index(total)]
        if product.biases:
            n = layer.sizes[product.size]
            found[total] = np.zeros(n)
            for vector in cell.biases:
                if vector.name in product.biases and gate in vector.gates:
                    k = vector.gates.index(gate)
                    found[total] = found[total] + layer.array(vector.name)[k * n:(k + 1) * n]
    return found


def constants(layer):
    """Float element-wise constants of a layer by name."""
    found = {}
    for name, (vector, k) in layer.description.constants.items():
        n = layer.sizes[vector.size]
        found[name] = (np.full(n, vector.value) if vector.value is not None
                       else layer.array(vector.name)[k * n:(k + 1) * n])
    return found
