"""An ONNX graph: how it names and lays out its arrays, and its outputs from a model's layers."""

from types import SimpleNamespace

import numpy as np

from ..data import check_indices, check_lengths, check_values
from ..errors import RnnhwError
from ..model import INPUT, Model
from ..reference import head, output_name, trace_of, turned
from .onnx_moves import Node
from .onnx_trace import RECURRENT, Trace

FLOATS, INTEGERS = ("FLOAT", "DOUBLE"), ("INT32", "INT64")


def opset_of(proto):
    """Version of the standard operators in a model."""
    return max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=0)


def needed(proto):
    """Nodes that an output of a model's graph depends on, in order."""
    graph, opset = proto.graph, opset_of(proto)
    wanted, found = {value.name for value in graph.output}, []
    for node in reversed([Node(part, opset) for part in graph.node]):
        if wanted.intersection(node.outputs):
            found.append(node)
            wanted.update(name for name in node.inputs if name)
    return found[::-1]


def _lengths(nodes, names):
    """Which of the inputs ``names`` is the sequence_lens of a recurrent operator, or None."""
    before = {name: node for node in nodes for name in node.outputs}
    for node in nodes:
        name = node.inputs[4] if node.op in RECURRENT and len(node.inputs) > 4 else ""
        while name in before and before[name].op in ("Identity", "Cast"):
            name = before[name].inputs[0]
        if name in names:
            return name
    return None


class Graph:
    """An ONNX graph with one input, and maybe one of lengths.

    Parameters
    ----------
    proto : onnx.ModelProto

    Members
    -------
    inputs, outputs : tuples of names; the lengths of sequences are the last input
    lengths : name of the input that gives them, or None
    dims : sizes of the input; a text where any size will do
    entries : of the trace, for each layer of the model (set by the importer)
    formats : dict of "width/fraction bits" by tensor, of activations that the graph rounds so
    notes : sentences on roundings that no format has, and on what runtimes do otherwise
    """

    def __init__(self, proto):
        from onnx import TensorProto, numpy_helper

        graph = proto.graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.outputs = tuple(value.name for value in graph.output)
        self.nodes = needed(proto)
        inputs = [value for value in graph.input if value.name not in self.constants]
        names = tuple(value.name for value in inputs)
        self.lengths = _lengths(self.nodes, names)
        inputs = [value for value in inputs if value.name != self.lengths]
        self.inputs = tuple(value.name for value in inputs)
        if len(inputs) != 1:
            raise RnnhwError(f"The graph has {len(names)} inputs ({', '.join(names)}); one is "
                             "supported, beside one of sequence_lens: export without initial "
                             "states or others, or make them constants.")
        if self.lengths is not None:
            self.inputs += (self.lengths,)
        kind = inputs[0].type.tensor_type
        if TensorProto.DataType.Name(kind.elem_type) not in (*FLOATS, *INTEGERS):
            raise RnnhwError(f"The graph's input {self.inputs[0]!r} is of type "
                             f"{TensorProto.DataType.Name(kind.elem_type)}; FLOAT or DOUBLE, or "
                             "INT32 or INT64 of an embedding, is needed.")
        if not kind.HasField("shape") or len(kind.shape.dim) < 2:
            raise RnnhwError(f"The graph's input {self.inputs[0]!r} has no declared shape of at "
                             "least two axes; declare it, such as (batch, seq, 13).")
        self.dims = tuple(d.dim_value if d.dim_value > 0 else d.dim_param or f"axis {i}"
                          for i, d in enumerate(kind.shape.dim))
        self.layers, self.entries, self.formats, self.notes = {}, (), {}, ()

    def trace(self, shape):
        """The labels of all values for an input of ``shape``."""
        return Trace(self.constants, self.nodes, self.inputs[0], shape, self.lengths, self.layers)

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
            The graph's inputs by name.
        """
        if set(arrays) != set(self.inputs):
            raise RnnhwError(f"The graph takes {' and '.join(map(repr, self.inputs))}, but "
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
        trace = self.trace(x.shape)
        full = Values(self, model, trace, x, arrays.get(self.lengths)).full
        found = {}
        for name in self.outputs:
            ids = trace.values[name].ids
            found[name] = full[ids]
            if {trace.entry(k).head for k in trace.held(ids)} == {"argmax"}:
                found[name] = found[name].astype(np.int64)
        return found


class Values:
    """What every label of a trace stands for.

    Each layer runs for itself, over all steps, so that those past a sequence's length have the
    values that the graph gives them too: zero behind a recurrent operator.

    Members
    -------
    full : float64, a value for each label
    """

    def __init__(self, graph, model, trace, x, lengths):
        self.trace, self.rows = trace, trace.order.T  # (batch, seq_len)
        self.full = np.full(trace.total, np.nan)
        self.full[:x.size] = x.reshape(-1)
        x = self.full[:x.size][trace.input.rows][self.rows]
        if model.embedding is not None:
            x = model.embedding[check_indices(x[..., 0], len(model.embedding), graph.inputs[0])]
        else:
            x = check_values(x, x.shape[-1], graph.inputs[0])
        self.lengths = check_lengths(lengths, x, graph.lengths or "lengths")
        if self.lengths is None:
            self.lengths = np.full(len(x), x.shape[1])
        numbers = dict(zip(graph.entries, model.layers))
        results, self.found = {}, {}
        for k, source in enumerate(trace.list):
            if source.entry == INPUT:
                self.found[k] = x
                continue
            entry = trace.entries[source.entry]
            if entry.layer is not None and source.entry not in numbers:
                continue
            if source.entry not in results:
                results[source.entry] = self._results(entry, numbers.get(source.entry))
            self.found[k] = results[source.entry][source.kind]
            rows = self.rows if source.kind == "y" else np.arange(len(x))
            self.full[trace.labels(k, rows)] = self.found[k]

    def _input(self, entry):
        """What an entry takes, (batch, steps, units)."""
        parts = []
        for k in entry.reads:
            source, values = self.trace.list[k], self.found[k]
            if entry.last:
                values = (values if source.kind == "h" else values[:, source.end])[:, None]
            parts.append(values)
        return np.concatenate(parts, axis=-1)

    def _results(self, entry, layer):
        """What an entry gives, by kind of source."""
        x = self._input(entry)
        if layer is None:
            y = entry.rounding(x) if entry.rounding else head(SimpleNamespace(head=entry.head), x)
            return {"h": y[:, 0]} if entry.last else {"y": y}
        lengths = self.lengths if layer.recurrent else np.full(len(x), x.shape[1])
        alone = Model(layers=(layer,))
        found = trace_of(alone, x, lengths)  # steps in the order in which they run
        y = found[output_name(alone, 0)]
        if not layer.recurrent:
            return {"h": y[:, 0]} if entry.last else {"y": y}
        ends = np.arange(len(x)), lengths - 1
        result = {"y": turned(y, lengths) if layer.reverse else y, "h": y[ends]}
        if "0.c" in found:
            result["c"] = found["0.c"][ends]
        return result
