"""ONNX graphs as models: LSTM, GRU and linear layers in a chain, however an exporter wrote them."""

from itertools import permutations
from pathlib import Path

import numpy as np

from ..errors import RnnhwError
from ..model import Model, Recurrent
from ..reference import trace
from .onnx_moves import Node
from .onnx_trace import SUPPORTED, Labels, Trace

HINTS = {
    "Softmax": "cut it off the graph; the arg max of its input is the same",
    "LogSoftmax": "cut it off the graph; the arg max of its input is the same",
    "ArgMax": "cut it off the graph and take the arg max of the model's output",
    "RNN": "LSTM and GRU are",
    "Loop": "export the layers as LSTM or GRU operators",
    "Scan": "export the layers as LSTM or GRU operators",
    "If": "export the model without branches",
}
OLDEST_OPSET = 7


def _onnx(what):
    try:
        import onnx
        import onnx.checker
        import onnx.inliner
    except ImportError:
        raise RnnhwError(f"{what} needs the package onnx; install it with: "
                         "pip install 'rnnhw[onnx]'.") from None
    return onnx


def _read(onnx, source):
    """ModelProto of a path, bytes or a ModelProto, and what to call it."""
    if isinstance(source, onnx.ModelProto):
        return source, "the given ModelProto"
    if not isinstance(source, (str, Path, bytes, bytearray)):
        raise RnnhwError(f"from_onnx takes a path, bytes or an onnx.ModelProto, not "
                         f"{type(source).__name__}.")
    label = "the given byte string" if isinstance(source, (bytes, bytearray)) else str(source)
    if not isinstance(source, (bytes, bytearray)) and not Path(source).is_file():
        raise RnnhwError(f"{label} does not exist or is no file; an .onnx file is needed.")
    try:
        if isinstance(source, (bytes, bytearray)):
            return onnx.load_model_from_string(bytes(source)), label
        return onnx.load(str(source)), label
    except Exception as error:  # protobuf and onnx raise several unrelated kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RnnhwError(f"{label} is not an ONNX file, or it is cut: {reason.rstrip('.')}."
                         ) from None


def _check(onnx, proto):
    """Run ONNX's own checker, but let outputs do without a declared shape."""
    if not all(value.type.tensor_type.HasField("shape") for value in proto.graph.output):
        copy = onnx.ModelProto()
        copy.CopyFrom(proto)
        for value in copy.graph.output:
            value.type.tensor_type.shape.SetInParent()
        proto = copy
    onnx.checker.check_model(proto)


def _refuse_operators(nodes):
    """Refuse operators outside the supported list, by name and with what would do."""
    for node in nodes:
        if node.domain not in ("", "ai.onnx"):
            raise node.error(f"is of the domain {node.domain!r}, which is not supported; only "
                             "standard ONNX operators are.")
        if "quantize" in node.op.lower() or node.op.startswith("QL") or node.op.endswith("Integer"):
            raise node.error("is a quantized operator, which is not supported; give the float "
                             "model, which is quantized here.")
        if node.op not in SUPPORTED:
            hint = HINTS.get(node.op, f"supported are {', '.join(sorted(SUPPORTED))}")
            raise node.error(f"is not supported; {hint}.")


def _needed(graph):
    """Nodes that an output of the graph depends on, in order."""
    wanted, needed = {value.name for value in graph.output}, []
    for node in reversed([Node(proto) for proto in graph.node]):
        if wanted.intersection(node.outputs):
            needed.append(node)
            wanted.update(name for name in node.inputs if name)
    return needed[::-1]


class Graph:
    """An ONNX graph with one input: how it names and lays out its arrays.

    Parameters
    ----------
    proto : onnx.ModelProto

    Members
    -------
    inputs, outputs : tuples of names
    dims : sizes of the input; a text where any size will do
    """

    def __init__(self, proto):
        from onnx import TensorProto, numpy_helper

        graph = proto.graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.outputs = tuple(value.name for value in graph.output)
        self.nodes = _needed(graph)
        inputs = [value for value in graph.input if value.name not in self.constants]
        self.inputs = tuple(value.name for value in inputs)
        if len(inputs) != 1:
            raise RnnhwError(f"The graph has {len(inputs)} inputs ({', '.join(self.inputs)}); one "
                             "is supported: export without initial states, lengths or others.")
        kind = inputs[0].type.tensor_type
        if kind.elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE):
            raise RnnhwError(f"The graph's input {self.inputs[0]!r} is of type "
                             f"{TensorProto.DataType.Name(kind.elem_type)}; FLOAT or DOUBLE is "
                             "needed.")
        if not kind.HasField("shape") or len(kind.shape.dim) < 2:
            raise RnnhwError(f"The graph's input {self.inputs[0]!r} has no declared shape of at "
                             "least two axes; declare it, such as (batch, seq, 13).")
        self.dims = tuple(d.dim_value if d.dim_value > 0 else d.dim_param or f"axis {i}"
                          for i, d in enumerate(kind.shape.dim))
        self.layers = {}

    def trace(self, shape):
        """The labels of all values for an input of ``shape``."""
        return Trace(self.constants, self.nodes, self.inputs[0], shape, self.layers)

    def probe(self, first, step):
        """A shape of the input: its free axes have the sizes first, first + step and so on."""
        free = [d for d in dict.fromkeys(self.dims) if isinstance(d, str)]
        return tuple(first + step * free.index(d) if isinstance(d, str) else d for d in self.dims)

    def run(self, model, arrays):
        """All outputs of the graph by name, float64, in the graph's own layout.

        Parameters
        ----------
        model : Model
            Whose layers compute.
        arrays : dict
            The graph's input by its name.
        """
        if set(arrays) != set(self.inputs):
            raise RnnhwError(f"The graph takes {self.inputs[0]!r}, but "
                             f"{', '.join(map(repr, sorted(map(str, arrays)))) or 'nothing'} was "
                             "given.")
        try:
            x = np.asarray(arrays[self.inputs[0]], np.float64)
        except (TypeError, ValueError):
            raise RnnhwError(f"{self.inputs[0]} is not an array of numbers.") from None
        if x.ndim != len(self.dims) or x.size == 0 or any(
                isinstance(d, int) and d != s for d, s in zip(self.dims, x.shape)):
            raise RnnhwError(f"{self.inputs[0]} has shape {x.shape}, but "
                             f"({', '.join(map(str, self.dims))}) is needed.")
        labels = self.trace(x.shape)
        rows = labels.order.T  # (batch, seq_len)
        tensors = trace(model, x.reshape(-1)[labels.input.rows][rows])
        full = np.full(labels.total, np.nan)
        full[:x.size] = x.reshape(-1)
        for source in labels.sources[1:]:
            i = len(source.chain) - 1
            key = "c" if source.kind == "c" else "y" if model.layers[i].kind == "linear" else "h"
            units = source.base + rows[..., None] * source.size + np.arange(source.size)
            full[units] = tensors[f"{i}.{key}"]
        return {name: full[labels.values[name].ids] for name in self.outputs}


def _main(graph, labels):
    """Layers of the chain and whether its last step alone comes out."""
    for name in graph.outputs:
        if not isinstance(labels.values.get(name), Labels):
            raise RnnhwError(f"The graph's output {name!r} does not depend on its input.")
    ids = {name: labels.values[name].ids for name in graph.outputs}
    sources = {name: [s for s in labels.sources if s.chain and np.any(
        (a >= s.base) & (a < s.base + s.size * labels.rows))] for name, a in ids.items()}
    everything = [s for found in sources.values() for s in found]
    if not everything:
        raise RnnhwError("The graph has no recurrent or linear layer between its input and its "
                         "outputs; at least one is needed.")
    chain = max((s.chain for s in everything), key=len)
    for name, found in sources.items():
        for source in found:
            if source.chain != chain[:len(source.chain)]:
                raise RnnhwError(f"The graph's output {name!r} ends in another layer than the "
                                 "others do; a model is one chain of layers, so export it with "
                                 "one of them.")
    kinds = {}
    for name, a in ids.items():
        if len(sources[name]) == 1 and sources[name][0].chain == chain:
            kinds[_steps(labels, a, sources[name][0], len(graph.dims))] = name
    for kind in ("every", "last"):
        if kind in kinds:
            return chain, kind == "last"
    raise RnnhwError(f"No output of the graph ({', '.join(graph.outputs)}) holds either every step "
                     "or the last step of the last layer's output; export it with one of them.")


def _steps(labels, ids, source, rank):
    """Which steps of ``source`` an output holds: every, last or, of anything else, other."""
    def holds(wanted):
        return any(np.array_equal(ids.reshape(-1), wanted.transpose(p).reshape(-1))
                   for p in permutations(range(wanted.ndim)))

    every = source.base + labels.order[..., None] * source.size + np.arange(source.size)
    if source.kind == "y" and holds(every):
        # a sequence of one step is its own last step: only the rank tells
        return "last" if len(every) == 1 and ids.ndim < rank else "every"
    return "last" if source.kind in ("y", "h") and holds(every[-1]) else "other"


def _equal(a, b):
    """Whether two chains of layers are the same in every weight."""
    def parts(layer):
        keys = (("weight", "bias") if layer.kind == "linear"
                else ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        return [np.asarray(getattr(layer, key)) for key in keys]
    return len(a) == len(b) and all(
        p.kind == q.kind and all(map(np.array_equal, parts(p), parts(q))) for p, q in zip(a, b))


def from_onnx(source):
    """A model from an ONNX file, its bytes or a ModelProto.

    LSTM and GRU (forward, either layout, ``linear_before_reset`` 0 and 1, default activations) and
    linear layers (Gemm; MatMul and Add) with Relu, Sigmoid or Tanh behind them, in one chain, from
    one input. The model's output is that of the graph which is furthest along the chain: every step
    if any output holds every step, else the last step. ``model.graph`` knows the graph's names, so
    that ``model.run({name: array})`` gives all its outputs.

    Raises
    ------
    RnnhwError
        If the file is none, is cut or not valid ONNX; naming the node, if an operator, attribute or
        input of it is not supported; naming the weight, if it holds NaN or infinite values.
    """
    onnx = _onnx("Reading ONNX" if not isinstance(source, (str, Path)) else f"Reading {source}")
    proto, label = _read(onnx, source)
    if not proto.graph.node:
        raise RnnhwError(f"{label} is not an ONNX model, or it is cut: its graph has no node.")
    if proto.functions:
        proto = onnx.inliner.inline_local_functions(proto)
    opset = max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST_OPSET:
        raise RnnhwError(f"{label} is of opset {opset}; {OLDEST_OPSET} or later is needed, so "
                         "export it again.")
    _refuse_operators(_needed(proto.graph))
    try:
        _check(onnx, proto)
        graph = Graph(proto)
    except RnnhwError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise RnnhwError(f"{label} is not valid ONNX: {reason}.") from None
    # Two sizes of every free axis: what holds for both does not hang on one of them.
    found = []
    for sizes in ((2, 1), (5, 2)):
        graph.layers = {}
        found.append(_main(graph, graph.trace(graph.probe(*sizes))))
    if not _equal(found[0][0], found[1][0]) or found[0][1] != found[1][1]:
        raise RnnhwError(f"{label} computes something else for each length or batch of its input "
                         f"({', '.join(map(str, graph.dims))}), which is not supported.")
    layers, last_step = found[1]
    if last_step and not any(isinstance(layer, Recurrent) for layer in layers):
        raise RnnhwError(f"{label} takes the last step of linear layers alone, which is not "
                         "supported; a recurrent layer is needed.")
    name = Path(source).stem if isinstance(source, (str, Path)) else proto.graph.name or "model"
    return Model(layers=layers, last_step=last_step, name=name, graph=graph)
