"""Labels of what a recurrent operator gives, from those of what it takes."""

from functools import partial

import numpy as np

from . import onnx_layers as layers
from .onnx_sources import Labels, Lengths


def recurrent(trace, make, node, args):
    """Labels of each output of an LSTM, GRU or RNN.

    Parameters
    ----------
    args : values of its inputs

    Raises
    ------
    RnnhwError
        Naming the node, if an input or attribute is one that no layer has, or it runs over other
        steps than the recurrent layers in front of it.
    """
    batch_first, backwards = layers.layout(node), layers.directions(node)
    if not isinstance(args[0], Labels):
        raise node.error("has an input X that does not depend on the graph's input.")
    ids = args[0].ids
    if ids.ndim != 3:
        raise node.error(f"has an input X of rank {ids.ndim}; 3 is needed.")
    ids = ids.transpose(1, 0, 2) if batch_first else ids
    args = dict(zip(layers.INPUTS, args + [None] * 8))
    for name in layers.INPUTS[1:]:
        if isinstance(args[name], Labels) or isinstance(args[name], Lengths) and (
                name != "sequence_lens"):
            raise node.error(f"has an input {name} that depends on the graph's input, which is "
                             "not supported; it must be a constant.")
    if isinstance(args["sequence_lens"], Lengths) != trace.lengths:
        raise node.error("has no sequence_lens, but others have; give all the same.")
    if not trace.lengths:
        layers.check_lengths(node, args["sequence_lens"], len(ids))
    n = layers.shapes(node, args)
    view = trace.features(node, ids, args["W"].shape[2])
    _check_steps(trace, node, view)
    initial = layers.initial_states(node, args, n, ids.shape[1])
    outputs = {kind: [] for kind in "yhc"}
    for d, backward in enumerate(backwards):
        layer = make(node, d, partial(layers.recurrent_layer, node, args, d, view, n, initial[d]))
        entry = trace.enter(layer, view.sources)
        for kind in "yhc"[:len(node.outputs)]:
            k = trace.add(entry, kind, n, 0 if backward else trace.forward)
            rows = trace.order if kind == "y" else np.arange(trace.order.shape[1])
            outputs[kind].append(trace.labels(k, rows))
    found = []
    for kind in "yhc"[:len(node.outputs)]:
        ids = np.stack(outputs[kind], axis=-3)  # the axis of directions
        found.append(np.moveaxis(ids, -2, 0) if batch_first else ids)
    return found


def _check_steps(trace, node, view):
    """Refuse a recurrent layer that does not run over every step in its order."""
    if view.kind == "h" or not np.array_equal(np.sort(view.rows, None), np.arange(trace.rows)):
        raise node.error("does not take every step of the layer before; a recurrent layer "
                         "behind one that gives only some of its steps is not supported.")
    if trace.order is None:
        trace.input.check_order(node, view.rows)
        trace.order = view.rows
    if trace.order.shape != view.rows.shape or (trace.order != view.rows).any():
        raise node.error("runs over its input in another order than the recurrent layer "
                         "before it; the sequence axis must stay the same.")
