"""PyTorch modules as models: recurrent layers, cells, linear ones and what stands around them."""

from dataclasses import replace

from ..errors import RnnhwError
from ..model import Model
from .fold import fold
from .torch_chain import chain_class, is_cell, layouts, needed
from .torch_parts import Walk

GIVES = ("output", "last_step", "h_n")


def __getattr__(name):
    # Torch is optional, so the class is made on first use; pickle finds it under this name.
    if name == "Chain":
        return chain_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def chain(*layers, last_step=False, last_state=False, batch_first=None):
    """An ``nn.Module`` of recurrent and other layers one after the other.

    Its class, ``rnnhw.importers.torch.Chain``, takes (batch, seq_len, input_size) where the
    recurrent layers have ``batch_first``, else (seq_len, batch, input_size). With ``last_step`` or
    ``last_state`` the last step, or the last recurrent layer's h_n, alone comes out.
    """
    return chain_class()(*layers, last_step=last_step, last_state=last_state,
                         batch_first=batch_first)


def _check_layouts(module):
    """Refuse parts of which some take the batch first and some the steps."""
    chains = [m for m in module.modules() if type(m) is chain_class()]
    found = {*layouts(module),
             *[m.batch_first for m in chains if m.last_step or any(map(is_cell, m.layers))]}
    if len(found) > 1:
        raise RnnhwError(f"The parts of {type(module).__name__} differ in batch_first; give all of "
                         "them the same, a Chain without recurrent layers included.")


def from_torch(module, gives="output", initial=None):
    """A model from a PyTorch module, in eval mode (dropout does nothing).

    A recurrent layer means its ``output``, every step, and a cell itself run over a sequence;
    ``batch_first`` does not matter, since :meth:`Model.run <rnnhw.model.Model.run>` has a layout of
    its own. ``nn.GRU`` resets after the product.

    Parameters
    ----------
    module : torch.nn.Module
    gives : "output", "last_step" or "h_n"
        What comes out: ``output``, as a Chain's own options have it; ``output[:, -1]``; or, of a
        module that ends with a recurrent layer, the rows of h_n side by side, those of each layer
        and direction.
    initial : array, pair of arrays, or dict of these by part
        First states h_0, of an LSTM (h_0, c_0), each (num_layers * directions, size) as PyTorch has
        them without a batch; all sequences start at them. None is zeros.

    Raises
    ------
    RnnhwError
        Naming the module, if it or one of its options is not supported, has hooks, or gives a last
        step that mixes the first step of a backward direction in; if weights are NaN or infinite.

    Reference: the classes of the same names in ``torch.nn``.
    """
    torch = needed("from_torch")
    if not isinstance(module, torch.nn.Module):
        hint = ("; a bare state_dict has names and weights without the network, give the module "
                "that it was taken from" if isinstance(module, dict) else "")
        raise RnnhwError(f"from_torch takes a torch.nn.Module, not {type(module).__name__}{hint}.")
    if gives not in GIVES:
        hint = "; of the states h alone can come out" if gives == "c_n" else ""
        raise RnnhwError(f"gives is {gives!r}, but {', '.join(GIVES)} are supported{hint}.")
    name, walk = type(module).__name__, Walk(initial)
    walk.part(module, name.lower(), [])
    walk.check_initial()
    _check_layouts(module)
    if not walk.layers:
        raise RnnhwError(f"The module {name} has no recurrent or linear layer; at least one is "
                         "needed.")
    if gives == "h_n" and not walk.states:
        raise RnnhwError(f"The module {name} does not end with a recurrent layer, so it gives no "
                         "h_n; Chain(..., last_state=True) takes it from within.")
    if gives == "last_step":
        walk.take_last(name.lower())
    model = Model(layers=walk.layers, reads=walk.reads, embedding=walk.embedding, head=walk.head,
                  outputs=walk.states if gives == "h_n" else walk.current,
                  last_step=walk.last or gives == "h_n", name=name.lower())
    return fold(model, walk.affine)


def from_file(path, trust):
    """The model of a ``.pt`` file, which must hold a whole module; see :func:`rnnhw.load.load`."""
    torch = needed(f"Reading {path}")
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
