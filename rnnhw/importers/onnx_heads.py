"""The ends of an ONNX graph: embedding of its input, functions over a step's outputs."""

import numpy as np

from ..model import Linear

HEADS = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "ArgMax": "argmax"}
FLOATS, WHOLE = (1, 11), (6, 7)    # ONNX's numbers of float and double, int32 and int64
PER_AXIS = 13              # opset from which Softmax runs over one axis


def embedding(trace, node, args, labels):
    """Labels of the vectors that whole numbers of the input stand for: rows of the matrix of a
    Gather, or of OneHot those with one element on.

    Raises
    ------
    RnnhwError
        Naming the node, if its table is none, or its indices are not the input's.
    """
    get = node.attributes.get
    if node.op == "Gather":
        if get("axis", 0) != 0 or np.ndim(args[0]) != 2:
            raise node.error("looks activations up in something else than the rows of a matrix, "
                             "which is not supported.")
        return _embedded(trace, node, args[0], args[1].ids)
    ids = args[0].ids
    if any(labels[1:]):
        raise node.error("has a depth or values that depend on the graph's input, which is not "
                         "supported; they must be constants.")
    if get("axis", -1) not in (-1, ids.ndim):
        raise node.error("sets up its vectors along another axis than the last, which is not "
                         "supported.")
    depth, (off, on) = int(np.reshape(args[1], ())), np.asarray(args[2], np.float64).tolist()
    return _embedded(trace, node, off + (on - off) * np.eye(depth), ids)


def _embedded(trace, node, table, ids):
    if (ids >= trace.input.ids.size).any():
        raise node.error("takes its indices from a layer, which is not supported; the graph's "
                         "input is.")
    return trace.embed(node, table, ids)


def cast(trace, node, ids):
    """Labels of ``ids`` as another type, where that changes no value."""
    to, of_input = node.attributes["to"], (ids < trace.input.ids.size).all()
    if to in FLOATS:
        return ids
    if to in WHOLE and of_input and (trace.input.rows is None or trace.embedding is not None):
        trace.whole = True
        return ids
    if to in WHOLE and not of_input:
        if all(trace.entry(k).head == "argmax" for k in trace.held(ids)):
            return ids
    raise node.error(f"makes activations the type {to} of ONNX, which changes them; float and "
                     "double are supported, and whole numbers of the graph's input and of ArgMax.")


def head(trace, make, node, ids):
    """Labels of Softmax, LogSoftmax or ArgMax of ``ids``.

    Raises
    ------
    RnnhwError
        Naming the node, if it goes over something else than all features of a step.
    """
    name, get = HEADS[node.op], node.attributes.get
    axis = get("axis", 0 if name == "argmax" else -1 if node.opset >= PER_AXIS else 1)
    axis += ids.ndim if axis < 0 else 0
    if name != "argmax" and node.opset < PER_AXIS:  # over all axes from this one on
        if set(ids.shape[axis:-1]) - {1}:
            raise node.error(f"of opset {node.opset} goes over the axes from {axis} on together, "
                             "which is not supported; the features alone, on the last axis, are.")
        axis = ids.ndim - 1
    if get("select_last_index", 0):
        raise node.error("has select_last_index=1, which is not supported; the first of equal "
                         "values is taken.")
    ids = np.moveaxis(ids, axis, -1)
    if name == "argmax":
        ids = _before(trace, ids)
    view = trace.view(node, ids, fold=False)
    if not np.array_equal(view.columns, np.arange(view.total)):
        weight, bias = view.taken(np.eye(ids.shape[-1]))
        layer = make(node, "chosen", lambda: Linear(weight=weight, bias=bias, name=node.name))
        ids = trace.labels(trace.place(layer, view), view.rows)
        view = trace.view(node, ids, fold=False)
    found = trace.labels(trace.place(None, view, head=name), view.rows)
    if name == "argmax" and not get("keepdims", 1):
        return found[..., 0]
    return np.moveaxis(found, -1, axis)


def _before(trace, ids):
    """Labels of what a softmax takes, for those of its result: they have the same arg max."""
    if trace.input.rows is None:
        return ids
    k, row, unit = trace.locate(ids)
    first = int(k.reshape(-1)[0])
    entry = trace.entry(first)
    if entry.head not in ("softmax", "log_softmax") or (k != first).any():
        return ids
    parts = []
    for i in entry.reads:
        rows = np.arange(trace.count(trace.list[first].kind))
        if entry.last and trace.list[i].kind == "y":
            rows = trace.order[trace.list[i].end]
        parts.append(trace.labels(i, rows))
    return np.concatenate(parts, axis=-1)[row, unit]
