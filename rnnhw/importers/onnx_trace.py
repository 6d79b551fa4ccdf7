"""Follow every value of an ONNX graph from its input through layers to its outputs.

The graph is run on labels instead of numbers: each value of the input, and of each layer's
output, is one integer, ``base + row*size + unit``, where a row is one step of one sequence.
Operators that move values move labels, so a layer sees at once whether it gets the units of one
step in their order, and an output whether it holds every step or the last, whatever the route.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import RnnhwError
from ..model import Linear
from .onnx_input import GraphInput
from .onnx_layers import check_recurrent, matrix, recurrent_layer
from .onnx_moves import ARITHMETIC, MOVES

ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
LAYERS = ("LSTM", "GRU", "Gemm", "MatMul", "Add", *ACTIVATIONS)
SUPPORTED = tuple(dict.fromkeys((*LAYERS, *MOVES, *ARITHMETIC, "Shape")))


@dataclass(frozen=True, eq=False)
class Labels:
    """An activation: ``ids``, an int64 array of labels in the tensor's own shape."""

    ids: np.ndarray


@dataclass(frozen=True, eq=False)
class Source:
    """Where labels come from: the output of the last layer of ``chain``, ``size`` units a row.

    ``kind`` is x (the graph's input), y (steps), h (the last step, as a recurrent layer's Y_h) or c
    (the last cell state).
    """

    chain: tuple
    kind: str
    size: int
    base: int


class Trace:
    """Labels of all values of a graph for one shape of its input.

    Parameters
    ----------
    constants : dict of arrays by name
    nodes : list of Node, in order
    name, shape : of the graph's input
    layers : dict
        Layers made before, by node and role; filled here.

    Members
    -------
    values : dict of arrays and :class:`Labels` by name
    input : GraphInput
    order : (seq_len, batch) row of each step, as the first recurrent layer takes them

    Raises
    ------
    RnnhwError
        Naming the node, if it is of another kind or cannot be part of a chain of layers.
    """

    def __init__(self, constants, nodes, name, shape, layers):
        self.values = dict(constants)
        self.layers = layers
        self.input = GraphInput(shape)
        self.order = None
        self.total = self.input.ids.size
        self.sources = [Source((), "x", 0, 0)]
        self.values[name] = Labels(self.input.ids)
        for node in nodes:
            results = self._results(node, [self.values.get(name) for name in node.inputs])
            self.values.update((name, value) for name, value in zip(node.outputs, results) if name)
        if self.order is None and self.rows:
            self.order = np.arange(self.rows)[:, None]

    @property
    def rows(self):
        """Number of rows: steps of all sequences."""
        return 0 if self.input.rows is None else len(self.input.rows)

    def source(self, ids):
        """Where ``ids`` come from, or None if from several places."""
        low, high = (ids.min(), ids.max()) if ids.size else (0, -1)
        for source in reversed(self.sources):
            if low >= source.base:
                top = source.base + source.size * self.rows if source.chain else self.input.ids.size
                return source if low <= high < top else None
        return None

    def _new(self, chain, kind, size):
        self.sources.append(Source(chain, kind, size, self.total))
        self.total += self.rows * size
        return self.sources[-1]

    def _layer(self, node, role, make):
        """The layer that ``node`` makes, made once."""
        key = (node.outputs, role)
        if key not in self.layers:
            self.layers[key] = make()
        return self.layers[key]

    def _results(self, node, args):
        if node.op in ("LSTM", "GRU"):
            return self._recurrent(node, args)
        labels = [isinstance(a, Labels) for a in args]
        if not any(labels):
            return [self._numpy(node, args)]
        if node.op == "Shape":
            return [self._numpy(node, [args[0].ids])]
        if node.op in MOVES:
            return [self._move(node, args, labels)]
        if node.op == "Cast" and node.attributes["to"] in (1, 11):
            return [args[0]]
        if node.op in ("Gemm", "MatMul"):
            return [self._product(node, args)]
        if node.op in ACTIVATIONS:
            return [self._activation(node, args[0].ids)]
        if node.op == "Add":
            if all(labels):
                raise node.error("adds two activations, which is not supported; an added constant "
                                 "(a bias) behind MatMul is.")
            ids, value = (args[0].ids, args[1]) if labels[0] else (args[1].ids, args[0])
            return [self._bias(node, ids, value)]
        raise node.error("acts on activations, which is not supported; it is known in the "
                         "arithmetic of shapes only.")

    def _numpy(self, node, args):
        """Result of ``node`` on arrays."""
        if node.op not in MOVES and node.op not in ARITHMETIC and node.op != "Shape":
            raise node.error("acts on constants alone, which is not supported; fold constants "
                             "when exporting.")
        try:
            if node.op == "Shape":
                start, end = (node.attributes.get(key) for key in ("start", "end"))
                return np.array(args[0].shape[start:end], np.int64)
            return np.asarray((MOVES.get(node.op) or ARITHMETIC[node.op])(node, args))
        except RnnhwError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            shapes = ", ".join(str(np.shape(a)) for a in args if a is not None)
            raise node.error(f"cannot be evaluated on inputs of shape {shapes}: {error}.") from None

    def _move(self, node, args, labels):
        if node.op == "Concat" and not all(labels) or node.op != "Concat" and any(labels[1:]):
            raise node.error("mixes activations with constants, or takes its indices from "
                             "activations, which is not supported.")
        if node.op == "Dropout" and (len(args) > 2 and args[2] is not None and np.any(args[2])):
            raise node.error("is in training mode; export the model in eval mode.")
        if node.op == "Dropout" and any(node.outputs[1:]):
            raise node.error("gives its mask, which is not supported; export in eval mode.")
        return Labels(self._numpy(node, [a.ids if isinstance(a, Labels) else a for a in args]))

    def _rows(self, node, ids, size):
        """Source and rows of ``ids`` (..., size); refused unless each is one step in order."""
        source = self.source(ids)
        if source is None:
            raise node.error("takes values of several layers, which is not supported; a chain of "
                             "layers is.")
        if source.kind == "c":
            raise node.error("takes a cell state (Y_c), which is not supported; Y and Y_h are.")
        if ids.shape[-1] != size:
            raise node.error(f"takes {size} features, but its input has {ids.shape[-1]}; fix the "
                             "sizes of the layers, or declare the number of features in the "
                             "graph's input.")
        if source.kind == "x":
            if self.input.rows is None:
                self.input.take(node, ids.reshape(-1, size))
            ids = self.input.canonical(ids)
        first = ids[..., 0] - source.base
        units = source.size if source.chain else self.input.rows.shape[1]
        if units != size or (first % size).any() or (ids - ids[..., :1] != np.arange(size)).any():
            raise node.error("does not take the features of one step in their order: steps are "
                             "mixed, or features left out or exchanged, which is not supported.")
        return source, first // size

    def _recurrent(self, node, args):
        layout = node.attributes.get("layout", 0)
        if not isinstance(args[0], Labels):
            raise node.error("has an input X that does not depend on the graph's input.")
        ids = args[0].ids
        if ids.ndim != 3:
            raise node.error(f"has an input X of rank {ids.ndim}; 3 is needed.")
        ids = ids.transpose(1, 0, 2) if layout else ids
        names = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
        args = dict(zip(names, args + [None] * 8))
        for name in names[1:]:
            if isinstance(args[name], Labels):
                raise node.error(f"has an input {name} that depends on the graph's input, which is "
                                 "not supported; it must be a constant.")
        check_recurrent(node, args, len(ids))
        layer = self._layer(node, "cell", lambda: recurrent_layer(node, args))
        source, rows = self._rows(node, ids, layer.input_size)
        complete = np.array_equal(np.sort(rows, None), np.arange(self.rows))
        if source.kind == "h" or not complete:
            raise node.error("does not take every step of the layer before; a recurrent layer "
                             "behind one that gives only some of its steps is not supported.")
        if self.order is None:
            self.input.check_order(node, rows)
            self.order = rows
        if self.order.shape != rows.shape or (self.order != rows).any():
            raise node.error("runs over its input in another order than the recurrent layer "
                             "before it; the sequence axis must stay the same.")
        n, chain = layer.hidden_size, source.chain + (layer,)
        outputs = []
        for kind in "yhc"[:len(node.outputs)]:
            ids = self._new(chain, kind, n).base + self.order[..., None] * n + np.arange(n)
            ids = ids if kind == "y" else ids[-1]
            ids = np.expand_dims(ids, -3)  # the axis of directions
            if layout:
                ids = np.moveaxis(ids, -2, 0)
            outputs.append(Labels(ids))
        return outputs

    def _linear(self, node, ids, weight):
        """Labels of ``W x`` for the steps on the last axis of ``ids``; weight (out, in)."""
        source, rows = self._rows(node, ids, weight.shape[1])
        layer = self._layer(node, "weight", lambda: Linear(weight=weight, name=node.name))
        kind, n = "y" if source.kind == "x" else source.kind, layer.output_size
        base = self._new(source.chain + (layer,), kind, n).base
        return base + rows[..., None] * n + np.arange(n)

    def _product(self, node, args):
        a, b = args[:2]
        get = node.attributes.get
        if isinstance(a, Labels) and isinstance(b, Labels):
            raise node.error("multiplies two activations, which is not supported; one side must be "
                             "a constant.")
        if node.op == "MatMul":
            ids = (a if isinstance(a, Labels) else b).ids
            a, b = (v if isinstance(v, Labels) else matrix(node, v, ids.ndim) for v in (a, b))
            if isinstance(a, Labels):
                return Labels(self._linear(node, a.ids, b.T))
            return Labels(np.swapaxes(self._linear(node, np.swapaxes(b.ids, -1, -2), a), -1, -2))
        if any(np.ndim(v.ids if isinstance(v, Labels) else v) != 2 for v in (a, b)):
            raise node.error("needs two matrices (rank 2).")
        alpha = get("alpha", 1.0)
        if isinstance(a, Labels):
            weight = np.asarray(b if get("transB", 0) else b.T, np.float64)
            ids = self._linear(node, a.ids.T if get("transA", 0) else a.ids, alpha * weight)
        else:
            weight = np.asarray(a.T if get("transA", 0) else a, np.float64)
            ids = self._linear(node, b.ids if get("transB", 0) else b.ids.T, alpha * weight).T
        if len(args) < 3 or args[2] is None:
            return Labels(ids)
        if isinstance(args[2], Labels):
            raise node.error("has a bias C that is an activation; a constant is needed.")
        return self._bias(node, ids, get("beta", 1.0) * np.asarray(args[2], np.float64))

    def _changed(self, node, ids, change):
        """Labels of the linear layer ``ids`` come from, after ``change`` of that layer."""
        source = self.source(ids)
        last = source.chain[-1] if source is not None and source.chain else None
        if not isinstance(last, Linear) or source.kind == "c":
            raise node.error("does not follow a linear layer (Gemm or MatMul); elsewhere it is not "
                             "supported.")
        if last.activation != "none":
            raise node.error(f"follows an activation ({last.activation}), which is not supported; "
                             "behind a linear layer one activation is.")
        layer = self._layer(node, "change", lambda: change(last, source))
        new = self._new(source.chain[:-1] + (layer,), source.kind, source.size)
        return Labels(ids - source.base + new.base)

    def _activation(self, node, ids):
        return self._changed(node, ids, lambda layer, source: replace(
            layer, activation=ACTIVATIONS[node.op]))

    def _bias(self, node, ids, value):
        def change(layer, source):
            bias = np.full(source.size, np.nan)
            units = (ids - source.base) % source.size
            try:
                values = np.broadcast_to(np.asarray(value, np.float64), ids.shape)
            except ValueError:
                raise node.error(f"adds a constant of shape {value.shape} to activations of shape "
                                 f"{ids.shape}; one value for each unit is supported.") from None
            if not np.isfinite(values).all():
                raise node.error("adds a constant that holds NaN or infinite values; export the "
                                 "model again with finite weights.")
            bias[units.reshape(-1)] = values.reshape(-1)
            if (bias[units] != values).any() or np.isnan(bias).any():
                raise node.error("adds a constant that differs from step to step, or to a part of "
                                 "the units; one value for each unit is supported.")
            return replace(layer, bias=layer.bias + bias)
        return self._changed(node, ids, change)
