"""Affine functions of single elements, such as batch normalization, folded into other layers."""

from dataclasses import replace

import numpy as np

from ..layers import Linear
from ..model import INPUT


def affine(scale, shift, name="", activation="none"):
    """A Linear layer ``y = activation(scale * x + shift)``, element by element.

    Parameters
    ----------
    scale, shift : (size,)
    """
    return Linear(weight=np.diag(np.asarray(scale, np.float64)), bias=shift, name=name,
                  activation=activation)


def normalization(mean, variance, epsilon, weight=None, bias=None):
    """``(scale, shift)`` of ``weight * (x - mean) / sqrt(variance + epsilon) + bias``.

    Parameters
    ----------
    mean, variance : (size,), those of inference
    weight, bias : (size,) or None for ones and zeros

    Reference: Ioffe and Szegedy 2015, algorithm 2.
    """
    mean, variance = (np.asarray(value, np.float64) for value in (mean, variance))
    scale = 1.0 / np.sqrt(variance + epsilon)
    scale = scale if weight is None else scale * np.asarray(weight, np.float64)
    return scale, (0.0 if bias is None else np.asarray(bias, np.float64)) - scale * mean


def fold(model, at):
    """``model`` without those of its layers ``at`` that others can take over, in float exactly.

    A layer goes into the Linear before it, ``W' = D W``, ``b' = D b + t``, or into the embedding;
    or, without an activation, into the input matrices of all layers behind it, ``W' = W D``,
    ``b' = b + W t``. It stays where something else reads what is before it and something other than
    layers of dense matrices, with biases for ``t``, reads it.

    Parameters
    ----------
    model : Model
    at : indices of layers that :func:`affine` made
    """
    for i in sorted(at, reverse=True):
        model = _before(model, i) or _behind(model, i) or model
    return model


def _readers(model, j):
    """The layers that read layer ``j``, and whether it comes out of the model as well."""
    return [k for k, found in enumerate(model.reads) if j in found], j in model.outputs


def _before(model, i):
    """``model`` with layer ``i`` in the Linear or embedding before it; None where that cannot be.
    """
    layer, (j, *others) = model.layers[i], model.reads[i]
    if others or _readers(model, j) != ([i], False):
        return None
    scale, shift = np.diag(layer.weight), layer.bias
    if j == INPUT:
        if model.embedding is None or layer.activation != "none" or i in model.outputs:
            return None
        return _without(replace(model, embedding=model.embedding * scale + shift), i)
    layers = list(model.layers)
    layers[j] = given(layers[j], scale, shift, layer.activation)
    return None if layers[j] is None else _without(replace(model, layers=layers), i)


def _behind(model, i):
    """``model`` with layer ``i`` in all that read it; None where that cannot be."""
    layer, layers = model.layers[i], list(model.layers)
    readers, comes_out = _readers(model, i)
    if comes_out or layer.activation != "none":
        return None
    for k in readers:
        scale, shift = np.ones(layers[k].input_size), np.zeros(layers[k].input_size)
        for j, start, stop in model.sources(k):
            if j == i:
                scale[start:stop], shift[start:stop] = np.diag(layer.weight), layer.bias
        layers[k] = taken(layers[k], scale, shift)
        if layers[k] is None:
            return None
    return _without(replace(model, layers=layers), i)


def _without(model, i):
    """``model`` without layer ``i``, what it reads being read in its place."""
    def moved(found):
        parts = [k for j in found for k in (model.reads[i] if j == i else (j,))]
        return tuple(k - (k > i) for k in parts)

    reads = [moved(found) for k, found in enumerate(model.reads) if k != i]
    return replace(model, layers=model.layers[:i] + model.layers[i + 1:], reads=reads,
                   outputs=moved(model.outputs))


def given(layer, scale, shift, activation="none"):
    """A layer that gives ``activation(scale * y + shift)`` where ``layer`` gives ``y``, or None.

    Parameters
    ----------
    scale, shift : (output_size,)
    """
    if layer.kind != "linear" or layer.activation != "none":
        return None
    found = replace(layer, bias=scale * layer.bias + shift, activation=activation)
    if (scale == 1).all():
        return found
    if layer.circulant is not None:
        return None
    return replace(found, weight=scale[:, None] * layer.weight)


def taken(layer, scale, shift):
    """``layer`` of ``scale * x + shift`` in place of ``x``, or None where it has no place for it.

    Parameters
    ----------
    scale, shift : (input_size,)
    """
    if layer.kind == "linear":
        if layer.circulant is not None:
            return None
        return replace(layer, weight=layer.weight * scale, bias=layer.bias + layer.weight @ shift)
    cell = layer.description
    found = dict(layer.arrays)
    users = {}
    for product in cell.products:
        for gate in product.gate_names:
            for name in product.biases:
                users.setdefault((name, gate), []).append(product)
    names = []
    for product in cell.products:
        for operand, name, gates in product.parts:
            if operand == "x":
                names.append(name)
                if not _shift(layer, product, name, gates, shift, users, found):
                    return None
    for name in dict.fromkeys(names):
        if layer.circulants.get(name) is not None or any(
                operand != "x" for product in cell.products
                for operand, weight, _ in product.parts if weight == name):
            return None
        found[name] = found[name] * scale
    return replace(layer, arrays=found)


def _shift(layer, product, name, gates, shift, users, found):
    """Add what a matrix makes of ``shift`` to biases ``found``; False where there are none."""
    n = layer.sizes[product.size]
    for gate, k in zip(product.gate_names, gates):
        more = layer.arrays[name][k * n:(k + 1) * n] @ shift
        if not more.any():
            continue
        bias = next((vector for vector in layer.description.biases
                     if len(users.get((vector.name, gate), ())) == 1
                     and product in users[vector.name, gate] and gate in vector.gates), None)
        if bias is None:
            return False
        at = bias.gates.index(gate)
        found[bias.name] = found[bias.name].copy()
        found[bias.name][at * n:(at + 1) * n] += more
    return True
