"""Element-wise operators of an ONNX graph: folded into the layer before, or a layer of their own.

They need no axis of features: labels say which unit an element is.
"""

import numpy as np

from ..model import Linear, Recurrent
from .fold import affine as diagonal
from .fold import given
from .onnx_sources import View

VERBS = {"Add": "adds", "Gemm": "adds", "Sub": "subtracts", "Mul": "multiplies by",
         "Div": "divides by", "Neg": "multiplies by", "BatchNormalization": "normalizes by",
         "HardSigmoid": "multiplies by"}


def _changed(sources, node, ids, entered):
    """Labels of ``ids`` behind a function of every unit alone.

    Parameters
    ----------
    entered : of (position, source), the index of an entry that gives the function of it
    """
    k, row, unit = sources.found(node, ids)
    found = np.empty_like(ids)
    for position, i in enumerate(np.unique(k).tolist()):
        source, of = sources.list[i], k == i
        index = entered(position, i)
        end = sources.steps([i]) if source.kind == "y" else None
        new = sources.add(index, source.kind, sources.size(i), end)
        found[of] = sources.list[new].base + row[of] * sources.size(i) + unit[of]
    return found


def _scaled(sources, make, node, ids, values, function="none"):
    """Labels of ``function(scale*ids + offset)``, in the linear layer before or one of its own.

    Parameters
    ----------
    values : of a source, the scale and offset of each of its units
    """
    def entered(position, i):
        before, (a, b) = sources.entry(i), values(i)
        last, affine = sources.list[i].kind == "h", None
        # a diagonal layer stays as it is; layers behind take in what both do
        if before.layer is not None and (before.affine is None or function != "none"):
            layer = make(node, (position, "in"), lambda: given(before.layer, a, b, function))
            if layer is not None:
                return sources.enter(layer, before.reads, last=before.last)
        layer = make(node, position, lambda: diagonal(a, b, node.name, function))
        if function == "none":
            first, scale, offset = before.affine or (i, 1.0, 0.0)
            affine = first, a * scale, a * offset + b
        return sources.enter(layer, (i,), last=last, affine=affine)

    return _changed(sources, node, ids, entered)


def activation(sources, make, node, ids, name):
    """Labels of ``ids`` behind the activation ``name``."""
    return _scaled(sources, make, node, ids,
                   lambda i: (np.ones(sources.size(i)), np.zeros(sources.size(i))), name)


def affine(sources, make, node, ids, scale, offset):
    """Labels of ``scale*ids + offset``, constants that may differ from unit to unit."""
    verb = VERBS[node.op]
    values = []
    for value in (scale, offset):
        value = np.asarray(value, np.float64)
        if not np.isfinite(value).all():
            raise node.error(f"{verb} a constant that holds NaN or infinite values; export the "
                             "model again with finite weights.")
        try:
            values.append(np.broadcast_to(value, ids.shape))
        except ValueError:
            raise node.error(f"{verb} a constant of shape {value.shape} to activations of shape "
                             f"{ids.shape}; one value for each unit is supported.") from None
    k, _, unit = sources.found(node, ids)
    found = {}
    for i in np.unique(k).tolist():
        of = k == i
        for value, default in zip(values, (1.0, 0.0)):
            vector = np.full(sources.size(i), default)
            vector[unit[of]] = value[of]
            if (vector[unit[of]] != value[of]).any():
                raise node.error(f"{verb} a constant that differs from step to step, or where a "
                                 "unit stands twice; one value for each unit is supported.")
            found.setdefault(i, []).append(vector)

    return _scaled(sources, make, node, ids, found.get)


def hard_sigmoid(sources, make, node, ids):
    """Labels of ``max(0, min(1, alpha*ids + beta))`` as ``relu(1 - relu(1 - alpha*ids - beta))``.
    """
    alpha, beta = (node.attributes.get(key, value) for key, value in (("alpha", 0.2), ("beta", .5)))
    for stage, scale, offset in (("low", -alpha, 1 - beta), ("high", -1.0, 1.0)):
        def of_stage(node, role, layer, stage=stage):
            return make(node, (stage, role), layer)

        def of_relu(node, role, layer, stage=stage):
            return make(node, (stage, "relu", role), layer)

        ids = affine(sources, of_stage, node, ids, scale, offset)
        ids = activation(sources, of_relu, node, ids, "relu")
    return ids


def rounded(sources, node, ids, rounding):
    """Labels of ``ids`` rounded, which no layer does."""
    return _changed(sources, node, ids, lambda position, i: sources.enter(
        None, (i,), last=sources.list[i].kind == "h", rounding=rounding))


def combined(sources, make, node, a, b):
    """Labels of the sum, difference or product of two activations, element by element."""
    try:
        a, b = np.broadcast_arrays(a, b)
    except ValueError:
        raise node.error(f"takes activations of shapes {a.shape} and {b.shape}, which do not "
                         "match.") from None
    for ids in (a, b):
        sources.found(node, ids)
    k, row, unit = sources.found(node, np.stack([a.reshape(-1), b.reshape(-1)], axis=1))
    kind, rows = sources.together(node, k, row)
    width = 1 + unit.max()
    code = k * width + unit
    code = code[:, 0] * len(sources.list) * width + code[:, 1]
    _, first, feature = np.unique(code, return_index=True, return_inverse=True)
    multiply, n = node.op == "Mul", len(first)
    reads, columns, scale, offset, total = sources.columns(k[first], unit[first],
                                                           fold=not multiply)
    if node.op == "Sub":
        scale[:, 1], offset[:, 1] = -scale[:, 1], -offset[:, 1]
    sides = []
    for side in range(2):
        weight = np.zeros((n, total))
        weight[np.arange(n), columns[:, side]] = scale[:, side]
        sides.append(weight)

    def layer():
        if multiply:
            return Recurrent("multiply", node.name, weight_ia=sides[0], weight_ib=sides[1])
        return Linear(weight=sides[0] + sides[1], bias=offset.sum(axis=1), name=node.name)

    view = View(reads, kind, rows, columns, scale, offset, total)
    new = sources.list[sources.place(make(node, "both", layer), view)]
    return (new.base + rows * n + feature).reshape(a.shape)
