"""Single PyTorch modules as layers, and which of their options have no meaning here."""

import numpy as np

from ..errors import RnnhwError
from ..model import Linear, Recurrent

ARRAYS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def array(tensor, name):
    """``tensor`` in float64, exactly; None stays None.

    Raises
    ------
    RnnhwError
        If it is of the device meta, or not of real floating-point numbers.
    """
    if tensor is None:
        return None
    if tensor.is_meta:
        raise RnnhwError(f"{name} is on the device meta, which holds no numbers; give the module "
                         "with its weights.")
    if not tensor.is_floating_point():
        raise RnnhwError(f"{name} is of type {tensor.dtype}, but real floating-point numbers are "
                         "needed.")
    return tensor.detach().cpu().double().numpy()


def rows(value, count, size, name):
    """States (count, size), of a tensor or array; an axis of one sequence may stand between."""
    if hasattr(value, "detach"):
        value = array(value, name)
    try:
        value = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise RnnhwError(f"{name} is not an array of numbers.") from None
    shapes = [(count, size), (count, 1, size), *[(size,)] * (count == 1)]
    if value.shape not in shapes:
        raise RnnhwError(f"{name} has shape {value.shape}, but ({count}, {size}) is needed, a row "
                         "for each layer and direction; all sequences start at the same.")
    return value.reshape(count, size)


def is_ours(module):
    """Whether ``module`` is a layer of :mod:`rnnhw.training`."""
    from ..training import modules

    return type(module) in modules.LAYERS


def family(module):
    """The cell of a recurrent module: "lstm", "gru" or "rnn"."""
    return module.cell if is_ours(module) else type(module).__name__.removesuffix("Cell").lower()


def recurrent(module, name, suffix, initial):
    """The layer of a recurrent module whose parameters end in ``suffix``."""
    if is_ours(module):
        arrays = {key: value for part in ("_ih", "_hh")
                  for key, value in _matrix(module, part, suffix, name).items()}
        arrays |= {key: array(getattr(module, key + suffix), f"{name}.{key}")
                   for key in ("bias_ih", "bias_hh")}
    else:
        arrays = {key: array(getattr(module, key + suffix, None), f"{name}.{key}")
                  for key in ARRAYS}
    return Recurrent(family(module), name, reverse=suffix.endswith("_reverse"), initial=initial,
                     reset_after=getattr(module, "reset_after", True),
                     activation=getattr(module, "nonlinearity", "tanh"), **arrays)


def linear(module, name):
    """The layer of an ``nn.Linear``, or of ours."""
    weight = (_matrix(module, "", "", name) if is_ours(module)
              else {"weight": array(module.weight, f"{name}.weight")})
    return Linear(**weight, bias=array(module.bias, f"{name}.bias"), name=name)


def _matrix(module, part, suffix, name):
    """``{circulant key: Circulant}`` or ``{weight key: array}`` of a matrix of our ``module``."""
    matrix = module.matrices[part + suffix]
    values = array(getattr(module, matrix.name), f"{name}.{matrix.name}")
    circulant = matrix.circulant(module)
    return {f"weight{part}": values} if circulant is None else {f"circulant{part}": circulant}


def check_untouched(module, label):
    """Refuse a module that does other than its class says."""
    kind = type(module).__name__
    if getattr(module, "has_uninitialized_params", bool)():
        raise RnnhwError(f"{label} ({kind}) has no sizes before its first input; run it once.")
    if module._forward_hooks or module._forward_pre_hooks:
        raise RnnhwError(f"{label} ({kind}) has forward hooks, whose work cannot be seen; "
                         "remove them (of weight norm: torch.nn.utils.remove_weight_norm).")
    if "forward" in vars(module):
        raise RnnhwError(f"{label} ({kind}) has a forward of its own, whose work cannot be seen; "
                         "remove it.")


def check_axis(module, label, last):
    """Refuse a softmax over another axis than the features."""
    if module.dim not in (-1, 1 if last else 2):
        raise RnnhwError(f"{label} ({type(module).__name__}) has dim={module.dim}, which is the "
                         "batch or the steps of some input; dim=-1 is supported.")


def check_flatten(module, label, last):
    """Refuse a Flatten that joins axes."""
    start, end = module.start_dim, module.end_dim
    features = (-1, 1) if last else (-1, 2)
    if not (start == end or start in features and end in features):
        raise RnnhwError(f"{label} (Flatten) has start_dim={start} and end_dim={end}, which joins "
                         "the steps or the batch with the features; it is supported behind a Chain "
                         "that gives its last step, where it joins nothing.")
