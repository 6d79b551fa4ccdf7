"""ONNX graphs as models, however an exporter wrote them: reading, checking, refusing."""

from pathlib import Path

from ..errors import RnnhwError
from .onnx_graph import Graph, needed, opset_of
from .onnx_outputs import structure
from .onnx_trace import SUPPORTED

HINTS = {
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
        if node.op in SUPPORTED:
            continue
        if "quantize" in node.op.lower() or node.op.startswith("QL") or node.op.endswith("Integer"):
            raise node.error("computes on integers, which is not supported; give the float model, "
                             "which is quantized here, or one with QuantizeLinear and "
                             "DequantizeLinear.")
        hint = HINTS.get(node.op, f"supported are {', '.join(sorted(SUPPORTED))}")
        raise node.error(f"is not supported; {hint}.")


def from_onnx(source):
    """A model from an ONNX file, its bytes or a ModelProto.

    Operators LSTM, GRU and RNN with all attributes and inputs, linear layers, sums and products of
    activations, and what stands around them (docs/importers.md). The model's output is that of the
    graph which holds all its last layers: every step if one does, else the last step; several side
    by side where none holds all. ``model.graph`` knows the graph's names, so that
    ``model.run({name: array})`` gives all its outputs, in its own layout and rounded where it
    rounds; ``model.graph.formats`` and ``model.graph.notes`` say what the model itself leaves out.

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
    opset = opset_of(proto)
    if opset < OLDEST_OPSET:
        raise RnnhwError(f"{label} is of opset {opset}; {OLDEST_OPSET} or later is needed, so "
                         "export it again.")
    _refuse_operators(needed(proto))
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
        found.append(structure(graph, graph.trace(graph.probe(*sizes))))
    if not found[0].same(found[1]):
        raise RnnhwError(f"{label} computes something else for each length or batch of its input "
                         f"({', '.join(map(str, graph.dims))}), which is not supported.")
    if found[1].last_step and not any(layer.recurrent for layer in found[1].layers):
        raise RnnhwError(f"{label} takes the last step of linear layers alone, which is not "
                         "supported; a recurrent layer is needed.")
    graph.entries = found[1].entries
    graph.formats, graph.notes = found[1].formats, found[1].notes
    name = Path(source).stem if isinstance(source, (str, Path)) else proto.graph.name or "model"
    return found[1].model(name=name, graph=graph)
