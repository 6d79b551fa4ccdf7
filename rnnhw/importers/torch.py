"""PyTorch modules as models: ``nn.LSTM``, ``nn.GRU``, ``nn.Linear`` and chains of them."""

from dataclasses import replace
from functools import cache

from ..errors import RnnhwError
from ..model import Linear, Model, Recurrent

SUPPORTED = ("LSTM, GRU, Linear, ReLU, Sigmoid, Tanh, Dropout, Identity, Sequential, "
             "rnnhw.importers.torch.Chain and rnnhw.training's layers")


def _torch(what):
    try:
        import torch
    except ImportError:
        raise RnnhwError(f"{what} needs the package torch; install it with: "
                         "pip install 'rnnhw[torch]'.") from None
    return torch


@cache
def _chain_class():
    torch = _torch("A Chain")

    class Chain(torch.nn.Module):
        """Recurrent and linear layers one after the other, as ``nn.Sequential`` cannot hold them.

        Of a recurrent layer the ``output`` goes on, every step. Takes (batch, seq_len, input_size)
        where the recurrent layers have ``batch_first``, else (seq_len, batch, input_size), or
        (seq_len, input_size).

        Parameters
        ----------
        layers : modules
            ``nn.LSTM``, ``nn.GRU``, ``nn.Linear``, layers of :mod:`rnnhw.training`, activations
            and dropout.
        last_step : bool
            Only the last step comes out, without the seq axis.

        Raises
        ------
        RnnhwError
            If the recurrent layers differ in ``batch_first``.
        """

        def __init__(self, *layers, last_step=False):
            super().__init__()
            self.layers = torch.nn.ModuleList(layers)
            self.last_step = last_step
            first = {m.batch_first for m in self.layers if hasattr(m, "batch_first")}
            if len(first) > 1:
                raise RnnhwError("The recurrent layers of a Chain differ in batch_first; give "
                                 "all of them the same.")
            self.batch_first = first == {True}

        def forward(self, x, lengths=None):
            """Output of the last layer; with ``lengths`` (batch,), the last valid step is taken."""
            for layer in self.layers:
                x = layer(x)
                x = x[0] if isinstance(x, tuple) else x
            if not self.last_step:
                return x
            if x.dim() == 3 and not self.batch_first:
                x = x.transpose(0, 1)
            if x.dim() == 2 or lengths is None:
                return x[..., -1, :]
            return x[torch.arange(len(x)), torch.as_tensor(lengths) - 1]

    Chain.__qualname__ = "Chain"
    return Chain


def __getattr__(name):
    # Torch is optional, so the class is made on first use; pickle finds it under this name.
    if name == "Chain":
        return _chain_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def chain(*layers, last_step=False):
    """An ``nn.Module`` of recurrent and linear layers one after the other.

    Its class, ``rnnhw.importers.torch.Chain``, takes (batch, seq_len, input_size) where the
    recurrent layers have ``batch_first``, else (seq_len, batch, input_size).
    """
    return _chain_class()(*layers, last_step=last_step)


def _array(tensor):
    return None if tensor is None else tensor.detach().cpu().double().numpy()


def _recurrent(module, name):
    for attribute in ("bidirectional", "proj_size"):
        value = getattr(module, attribute)
        if value:
            raise RnnhwError(f"{name} ({type(module).__name__}) has {attribute}={value}, which is "
                             f"not built yet; {attribute}={type(value)(0)} is.")
    for k in range(module.num_layers):
        yield Recurrent(
            cell=type(module).__name__.lower(), reset_after=True,
            name=name if module.num_layers == 1 else f"{name}.{k}",
            **{key: _array(getattr(module, f"{key}_l{k}", None))
               for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")})


def _trained(module, name):
    """Layers of a module of :mod:`rnnhw.training`."""
    if module.cell == "linear":
        return [Linear(**_matrix(module, ""), bias=_array(module.bias), name=name)]
    if module.bidirectional:
        raise RnnhwError(f"{name} ({type(module).__name__}) has bidirectional=True, which is not "
                         "built yet; bidirectional=False is.")
    return [Recurrent(cell=module.cell, reset_after=module.reset_after,
                      name=name if module.num_layers == 1 else f"{name}.{k}",
                      **_matrix(module, "_ih", f"_l{k}"), **_matrix(module, "_hh", f"_l{k}"),
                      **{f"bias{part}": _array(getattr(module, f"bias{part}_l{k}"))
                         for part in ("_ih", "_hh")})
            for k in range(module.num_layers)]


def _matrix(module, part, suffix=""):
    """``{circulant key: Circulant}`` or ``{weight key: array}`` of a matrix of ``module``."""
    matrix = module.matrices[part + suffix]
    circulant = matrix.circulant(module)
    if circulant is not None:
        return {f"circulant{part}": circulant}
    return {f"weight{part}": _array(getattr(module, matrix.name))}


def _activate(layers, module, name):
    """``layers`` with the activation ``module`` put into the linear layer before it."""
    kind = type(module).__name__
    if not layers or layers[-1].kind != "linear":
        raise RnnhwError(f"{name} ({kind}) does not follow a Linear layer; an activation of its "
                         "own is supported only there.")
    if layers[-1].activation != "none":
        raise RnnhwError(f"{name} ({kind}) follows another activation "
                         f"({layers[-1].activation}); one after a Linear layer is supported.")
    return [*layers[:-1], replace(layers[-1], activation=kind.lower())]


def _children(module, label, inner):
    """Named parts of a Sequential or Chain, in order."""
    nn = _torch("from_torch").nn
    if type(module) is not nn.Sequential:
        if module.last_step and inner:
            raise RnnhwError(f"{label} is a Chain with last_step inside another module; set "
                             "last_step on the outermost Chain.")
        return list(module.layers.named_children())
    parts = list(module.named_children())
    for key, part in parts[:-1]:
        if type(part) in (nn.LSTM, nn.GRU) or _is_ours(part) and part.cell != "linear":
            raise RnnhwError(f"{label} is a Sequential with a part behind {key} "
                             f"({type(part).__name__}), which gives a tuple that Sequential "
                             "cannot pass on; use rnnhw.importers.torch.chain.")
    return parts


def _is_ours(module):
    """Whether ``module`` is a layer of :mod:`rnnhw.training`."""
    from ..training import modules

    return type(module) in modules.LAYERS


def _collect(module, name, layers):
    """``layers`` with those of ``module`` behind them."""
    nn, kind = _torch("from_torch").nn, type(module)
    label = name or kind.__name__.lower()
    if module._forward_hooks or module._forward_pre_hooks:
        raise RnnhwError(f"{label} ({kind.__name__}) has forward hooks, whose work cannot be seen; "
                         "remove them (of weight norm: torch.nn.utils.remove_weight_norm).")
    if kind in (nn.LSTM, nn.GRU):
        return layers + list(_recurrent(module, label))
    if _is_ours(module):
        return layers + _trained(module, label)
    if kind is nn.Linear:
        return [*layers, Linear(weight=_array(module.weight), bias=_array(module.bias), name=label)]
    if kind in (nn.ReLU, nn.Sigmoid, nn.Tanh):
        return _activate(layers, module, label)
    if kind in (nn.Dropout, nn.Identity):
        return layers
    if kind in (nn.Sequential, _chain_class()):
        for key, part in _children(module, label, bool(name)):
            layers = _collect(part, f"{name}.{key}" if name else key, layers)
        return layers
    raise RnnhwError(f"{label} is a {kind.__name__}, which is not supported; {SUPPORTED} are.")


def from_torch(module):
    """A model from a PyTorch module, in eval mode (dropout does nothing).

    An ``nn.LSTM`` or ``nn.GRU`` means its ``output``, every step; ``batch_first`` does not matter,
    since :meth:`Model.run <rnnhw.model.Model.run>` has a layout of its own. ``nn.GRU`` resets after
    the product.

    Raises
    ------
    RnnhwError
        Naming the module, if it is bidirectional, projects, is of another class or has hooks, if an
        activation does not follow a linear layer, or if weights are NaN or infinite.
    """
    torch = _torch("from_torch")
    if not isinstance(module, torch.nn.Module):
        hint = ("; a bare state_dict has names and weights without the network, give the module "
                "that it was taken from" if isinstance(module, dict) else "")
        raise RnnhwError(f"from_torch takes a torch.nn.Module, not {type(module).__name__}{hint}.")
    layers = _collect(module, "", [])
    if not layers:
        raise RnnhwError(f"The module {type(module).__name__} has no recurrent or linear layer; "
                         "at least one is needed.")
    return Model(layers=layers, last_step=bool(getattr(module, "last_step", False)),
                 name=type(module).__name__.lower())


def from_file(path, trust):
    """The model of a ``.pt`` file, which must hold a whole module; see :func:`rnnhw.load.load`."""
    torch = _torch(f"Reading {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        content = None
    if content is None and not trust:
        raise RnnhwError(f"{path} is not loaded, since a .pt file is a pickled module and loading "
                         "it runs code that the file names; if you trust where it comes from, pass "
                         "--trust (trust=True), else give an .onnx or .npz file.")
    try:
        if content is None:
            content = torch.load(path, map_location="cpu", weights_only=False)
    except (AttributeError, ImportError) as error:
        raise RnnhwError(f"{path} names a class that cannot be imported here ({error}); make it "
                         "importable, or export the model to ONNX.") from None
    except Exception as error:  # code in the file may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RnnhwError(f"{path} is not a file that torch.save wrote, or it is cut: {reason}"
                         ) from None
    if isinstance(content, dict):
        raise RnnhwError(f"{path} holds a bare state_dict (names and weights without the network); "
                         "save the whole module with torch.save(module, path), or export it to "
                         "ONNX.")
    if not isinstance(content, torch.nn.Module):
        raise RnnhwError(f"{path} holds a {type(content).__name__}, not a torch.nn.Module; save "
                         "the whole module with torch.save(module, path).")
    return replace(from_torch(content), name=path.stem)
