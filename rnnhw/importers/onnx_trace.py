"""Follow every value of an ONNX graph from its input through layers to its outputs.

The graph is run on labels instead of numbers (:mod:`rnnhw.importers.onnx_sources`). Operators that
move values move labels, so a layer sees at once which units of which steps it gets, and an output
whether it holds every step or the last, whatever the route.
"""

import numpy as np

from ..errors import RnnhwError
from ..model import Linear
from . import onnx_elementwise as elementwise
from .fold import normalization
from .onnx_heads import HEADS, cast, embedding, head
from .onnx_layers import matrix
from .onnx_moves import ARITHMETIC, MOVES
from .onnx_quantized import rounding
from .onnx_recurrent import recurrent
from .onnx_sources import Labels, Lengths, Sources

ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
RECURRENT = ("LSTM", "GRU", "RNN")
LAYERS = (*RECURRENT, "Gemm", "MatMul", *ACTIVATIONS, "HardSigmoid", "BatchNormalization", *HEADS,
          "OneHot")
SUPPORTED = tuple(dict.fromkeys((*LAYERS, *MOVES, *ARITHMETIC, "Shape")))


class Trace(Sources):
    """Labels of all values of a graph for one shape of its input.

    Parameters
    ----------
    constants : dict of arrays by name
    nodes : list of Node, in order
    name, shape : of the graph's input
    lengths : name of the graph's input that gives the lengths of sequences, or None
    layers : dict
        Layers made before, by node and role; filled here.

    Members
    -------
    values : dict of arrays, :class:`Labels` and :class:`Lengths` by name

    Raises
    ------
    RnnhwError
        Naming the node, if it is of another kind or cannot be part of a model.
    """

    def __init__(self, constants, nodes, name, shape, lengths, layers):
        super().__init__(shape, lengths is not None)
        self.values = dict(constants)
        self.layers = layers
        self.values[name] = Labels(self.input.ids)
        if lengths is not None:
            self.values[lengths] = Lengths()
        for node in nodes:
            results = self._evaluated(node, [self.values.get(name) for name in node.inputs])
            self.values.update((name, value) for name, value in zip(node.outputs, results) if name)
        if self.order is None and self.rows:
            self.order = np.arange(self.rows)[:, None]

    def _make(self, node, role, make):
        """The layer that ``node`` makes, made once."""
        key = (node.outputs, role)
        if key not in self.layers:
            self.layers[key] = make()
        return self.layers[key]

    def _evaluated(self, node, args):
        """Values of the outputs of ``node``."""
        try:
            return self._results(node, args)
        except RnnhwError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            shapes = ", ".join(str(np.shape(getattr(a, "ids", a))) for a in args if a is not None)
            raise node.error(f"cannot be evaluated on inputs of shape {shapes}: {error}.") from None

    def _results(self, node, args):
        if node.op not in (*MOVES, "Shape", "DequantizeLinear") and any(
                a.rounding for a in args if isinstance(a, Labels)):
            raise node.error("computes on quantized activations, which is not supported; a "
                             "DequantizeLinear must stand in front of it.")
        if node.op in RECURRENT:
            return [Labels(ids) for ids in recurrent(self, self._make, node, args)]
        if any(isinstance(a, Lengths) for a in args):
            if node.op in ("Identity", "Cast"):
                return [args[0]]
            raise node.error("takes the lengths of sequences, which sequence_lens of a recurrent "
                             "operator alone does.")
        labels = [isinstance(a, Labels) for a in args]
        if not any(labels):
            return [self._numpy(node, args)]
        if node.op == "Shape":
            return [self._numpy(node, [args[0].ids])]
        if node.op in ("QuantizeLinear", "DequantizeLinear"):
            return [self._round(node, args, labels)]
        if node.op == "Gather" and not labels[0] or node.op == "OneHot":
            return [Labels(embedding(self, node, args, labels))]
        if node.op in MOVES:
            return [self._move(node, args, labels)]
        return [Labels(self._computed(node, args, labels))]

    def _computed(self, node, args, labels):
        """Labels of the result of an operator that does not only move values."""
        if node.op == "Cast":
            return cast(self, node, args[0].ids)
        if node.op in ("Gemm", "MatMul"):
            return self._product(node, args).ids
        if node.op in ACTIVATIONS:
            return elementwise.activation(self, self._make, node, args[0].ids,
                                          ACTIVATIONS[node.op])
        if node.op == "HardSigmoid":
            return elementwise.hard_sigmoid(self, self._make, node, args[0].ids)
        if node.op == "BatchNormalization":
            return self._normalized(node, args, labels)
        if node.op in HEADS:
            return head(self, self._make, node, args[0].ids)
        if node.op in ("Add", "Sub", "Mul", "Div", "Neg"):
            return self._sum(node, args, labels)
        raise node.error("acts on activations, which is not supported; it is known in the "
                         "arithmetic of shapes only.")

    def _numpy(self, node, args):
        """Result of ``node`` on arrays."""
        if node.op not in MOVES and node.op not in ARITHMETIC and node.op != "Shape":
            raise node.error("acts on constants alone, which is not supported; fold constants "
                             "when exporting.")
        if node.op == "Shape":
            start, end = (node.attributes.get(key) for key in ("start", "end"))
            return np.array(args[0].shape[start:end], np.int64)
        return np.asarray((MOVES.get(node.op) or ARITHMETIC[node.op])(node, args))

    def _move(self, node, args, labels):
        if node.op == "Concat" and not all(labels) or node.op != "Concat" and any(labels[1:]):
            raise node.error("mixes activations with constants, or takes its indices from "
                             "activations, which is not supported.")
        if node.op == "Dropout" and (len(args) > 2 and args[2] is not None and np.any(args[2])):
            raise node.error("is in training mode; export the model in eval mode.")
        if node.op == "Dropout" and any(node.outputs[1:]):
            raise node.error("gives its mask, which is not supported; export in eval mode.")
        kinds = {a.rounding for a in args if isinstance(a, Labels)}
        if len(kinds) > 1:
            raise node.error("joins activations of different scales, which is not supported; put "
                             "DequantizeLinear in front of it.")
        ids = self._numpy(node, [a.ids if isinstance(a, Labels) else a for a in args])
        return Labels(ids, kinds.pop())

    def _round(self, node, args, labels):
        """Labels of rounded values, as soon as they are quantized."""
        if any(labels[1:]):
            raise node.error("has a scale or zero point that depends on the graph's input, which "
                             "is not supported; it must be a constant.")
        found = rounding(node, args)
        if node.op == "DequantizeLinear":
            if not found.same(args[0].rounding):
                raise node.error("does not follow a QuantizeLinear of the same scale and zero "
                                 "point, which is not supported.")
            return Labels(args[0].ids)
        return Labels(elementwise.rounded(self, node, args[0].ids, found), found)

    def _normalized(self, node, args, labels):
        """Labels of a batch normalization with constant statistics."""
        if any(labels[1:]):
            raise node.error("has statistics that depend on the graph's input, which is not "
                             "supported; export in eval mode.")
        if node.attributes.get("training_mode", 0) or any(node.outputs[1:]):
            raise node.error("is in training mode; export the model in eval mode.")
        ids = np.moveaxis(args[0].ids, 1, -1)
        weight, bias, mean, variance = args[1:5]
        found = normalization(mean, variance, node.attributes.get("epsilon", 1e-5), weight, bias)
        return np.moveaxis(elementwise.affine(self, self._make, node, ids, *found), -1, 1)

    def _linear(self, node, ids, weight):
        """Labels of ``W x`` for the steps on the last axis of ``ids``; weight (out, in)."""
        view = self.features(node, ids, weight.shape[1])

        def make():
            taken, bias = view.taken(weight)
            return Linear(weight=taken, bias=bias, name=node.name)

        return self.labels(self.place(self._make(node, "weight", make), view), view.rows)

    def _product(self, node, args):
        a, b = args[:2]
        get = node.attributes.get
        if isinstance(a, Labels) and isinstance(b, Labels):
            raise node.error("multiplies two activations, which is not supported; one side must be "
                             "a constant.")
        if node.op == "MatMul":
            ids = (a if isinstance(a, Labels) else b).ids
            a, b = (v if isinstance(v, Labels) else matrix(node, v, ids.ndim)
                    for v in (a, b))
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
        return Labels(elementwise.affine(self, self._make, node, ids, 1.0,
                                         get("beta", 1.0) * np.asarray(args[2], np.float64)))

    def _sum(self, node, args, labels):
        """Labels of a sum, difference, product or quotient."""
        if all(labels) and node.op in ("Add", "Sub", "Mul"):
            return elementwise.combined(self, self._make, node, args[0].ids, args[1].ids)
        if node.op == "Div" and labels[1]:
            raise node.error("divides by an activation, which is not supported.")
        ids = args[0 if labels[0] else 1].ids
        value = 0.0 if node.op == "Neg" else np.asarray(args[1 if labels[0] else 0], np.float64)
        if node.op == "Add":
            scale, offset = 1.0, value
        elif node.op == "Sub":
            scale, offset = (1.0, -value) if labels[0] else (-1.0, value)
        elif node.op == "Neg":
            scale, offset = -1.0, 0.0
        else:
            with np.errstate(divide="ignore"):
                scale, offset = value if node.op == "Mul" else 1 / value, 0.0
        return elementwise.affine(self, self._make, node, ids, scale, offset)
