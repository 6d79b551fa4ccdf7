"""A model as a PyTorch network that can be trained further."""

import torch
from torch import nn

from ..errors import RnnhwError
from ..importers.torch import chain
from ..model import matrices
from .modules import BlockCirculantGRU, BlockCirculantLinear, BlockCirculantLSTM

ACTIVATIONS = {"none": None, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def _module(layer):
    """The module of one layer, with its weights."""
    if layer.kind == "linear":
        module = BlockCirculantLinear(layer.input_size, layer.output_size, layer.block_size)
        suffix = ""
    else:
        if layer.kind not in ("lstm", "gru", "gru_reset_before"):
            raise RnnhwError(f"Layer {layer.name or layer.kind!r} is of the cell {layer.kind}, "
                             "which cannot be trained here; lstm, gru and linear can.")
        kind = BlockCirculantLSTM if layer.cell == "lstm" else BlockCirculantGRU
        module = kind(layer.input_size, layer.hidden_size, (layer.block_ih, layer.block_hh),
                      batch_first=True)
        module.reset_after = layer.reset_after
        suffix = "_l0"
    for name, weight, circulant, _ in matrices(layer):
        matrix = module.matrices[f"{name.removeprefix('weight')}{suffix}"]
        matrix.set(module, weight.copy() if circulant is None else circulant.blocks.copy())
    with torch.no_grad():
        for name in ("bias",) if layer.kind == "linear" else ("bias_ih", "bias_hh"):
            getattr(module, f"{name}{suffix}").copy_(torch.as_tensor(getattr(layer, name).copy()))
    return module


def to_torch(model, dropout=0.0):
    """A chain of :mod:`rnnhw.training` layers with the weights of ``model``, batch first.

    Parameters
    ----------
    model : Model
        ``rnnhw.from_torch`` of the result gives it back, rounded to float32.
    dropout : float
        Share of a recurrent layer's outputs that training drops before a linear one.

    Raises
    ------
    RnnhwError
        If the model is no chain of layers that run forwards from zero state.
    """
    if not model.chain or model.embedding is not None or model.head != "none" or any(
            layer.reverse or layer.recurrent and layer.initial for layer in model.layers):
        raise RnnhwError(f"Model {model.name!r} is more than a chain of layers that run forwards "
                         "from zero state, which training does not take; train it in PyTorch.")
    layers = []
    for i, layer in enumerate(model.layers):
        behind_recurrent = i and model.layers[i - 1].kind != "linear"
        if dropout and layer.kind == "linear" and behind_recurrent:
            layers.append(nn.Dropout(dropout))
        layers.append(_module(layer))
        if layer.kind == "linear" and ACTIVATIONS[layer.activation]:
            layers.append(ACTIVATIONS[layer.activation]())
    return chain(*layers, last_step=model.last_step)
