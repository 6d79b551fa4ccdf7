"""The engine's numbers put into a network, so that training sees what they do to it."""

from dataclasses import replace

from torch import nn

from ..config import Config
from ..errors import RnnhwError
from ..importers.torch import from_torch
from ..model import Linear
from ..quantize import quantize
from ..segments import segment_of
from .modules import LAYERS, BlockCirculantGRU, BlockCirculantLinear, BlockCirculantLSTM
from .numbers import SPECTRUM_BITS

OURS = {nn.Linear: BlockCirculantLinear, nn.LSTM: BlockCirculantLSTM, nn.GRU: BlockCirculantGRU}


def _replaced(module):
    """``module`` with PyTorch's layers replaced by ours, dense, with the same weights."""
    if type(module) in OURS:
        return OURS[type(module)].from_dense(module, None)
    for name, child in module.named_children():
        setattr(module, name, _replaced(child))
    return module


def _written_out(layer):
    """A layer with its matrices dense, whose formats of everything but weights are the same."""
    if isinstance(layer, Linear):
        return replace(layer, weight=layer.weight.copy(), circulant=None)
    return replace(layer, weight_ih=layer.weight_ih.copy(), weight_hh=layer.weight_hh.copy(),
                   circulant_ih=None, circulant_hh=None)


def _check(net, model):
    """Refuse a network whose layers are not those of our modules, one for one."""
    found = sum(getattr(m, "num_layers", 1) for m in net.modules() if type(m) in (*LAYERS, *OURS))
    if not model.chain or found != len(model.layers) or model.embedding is not None or any(
            layer.reverse for layer in model.layers) or any(
            isinstance(m, nn.BatchNorm1d) for m in net.modules()):
        raise RnnhwError("quantize_aware takes chains of LSTM, GRU and Linear layers that run "
                         "forwards, each once, and activations behind Linear ones; this network "
                         "has more.")


def quantize_aware(net, config=None, x=None, lengths=None):
    """``net`` with weights, operands, states and sums rounded as the engine rounds them.

    Formats come from calibration with :func:`rnnhw.quantize.quantize`; the scales of weights and
    spectra follow the weights while they are trained. Weights are rounded to
    ``config.weight_bits``; of block-circulant matrices the spectra to ``config.spectrum_bits``
    (12 where it is None), real and imaginary parts with one scale. Train it with
    :func:`rnnhw.training.fit`, and take the model with :func:`rnnhw.from_torch`, which gives the
    weights before rounding.

    Parameters
    ----------
    net : a module that :func:`rnnhw.from_torch` takes
        Its ``nn.LSTM``, ``nn.GRU`` and ``nn.Linear`` are replaced in place by dense layers of
        :mod:`rnnhw.training`; make optimizers afterwards.
    config : Config
    x, lengths : calibration data, as of :func:`rnnhw.compile`

    Raises
    ------
    RnnhwError
        If ``from_torch`` does not take the module or it is more than a chain of LSTM, GRU and
        Linear layers, if the data do not fit it, or if the format of a weight is fixed.
    """
    config = config or Config()
    _check(net, from_torch(net))
    net = _replaced(net)
    model = from_torch(net)
    if x is None:
        raise RnnhwError("quantize_aware needs calibration data x; random ones would settle the "
                         "formats that training then adapts to.")
    fixed = [name for name in config.formats if ".weight" in name]
    if fixed:
        raise RnnhwError(f"The format of {fixed[0]} is fixed, but quantize_aware lets the scales "
                         "of weights follow the training; leave it out.")
    # everything but the weights has the formats of the matrices written out
    spectrum_bits = config.spectrum_bits
    config = replace(config, block_size=None, spectrum_bits=None, guard_bits=None,
                     formats={name: fmt for name, fmt in config.formats.items()
                              if not name.endswith("_spectrum")})
    dense = replace(model, layers=[_written_out(layer) for layer in model.layers], graph=None)
    found = quantize(dense, config, x, lengths)
    i = 0
    for module in (m for m in net.modules() if type(m) in LAYERS):
        module.bits = config.weight_bits, spectrum_bits or SPECTRUM_BITS
        formats = []
        for _ in range(getattr(module, "num_layers", 1)):
            operands = {"x": found.operands[segment_of(model, model.reads[i][0])]}
            if f"{i}.h" in found.operands:
                operands["h_operand"] = found.operands[f"{i}.h"]
            formats.append(found.layers[i].formats | operands)
            i += 1
        module.formats = formats[0] if module.cell == "linear" else formats
    return net
