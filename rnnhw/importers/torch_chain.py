"""A PyTorch module of recurrent and other layers one after the other, as Sequential cannot be."""

from functools import cache

from ..errors import RnnhwError

CELLS = ("LSTMCell", "GRUCell", "RNNCell")


def needed(what):
    """The package torch."""
    try:
        import torch
    except ImportError:
        raise RnnhwError(f"{what} needs the package torch; install it with: "
                         "pip install 'rnnhw[torch]'.") from None
    return torch


def is_cell(module):
    """Whether ``module`` is one of PyTorch's cells, which take one step."""
    return type(module) in [getattr(needed("A cell").nn, name) for name in CELLS]


def is_recurrent(module):
    """Whether ``module`` has states: a layer over sequences, or a cell."""
    return hasattr(module, "bidirectional") or is_cell(module)


def layouts(module):
    """The values of ``batch_first`` of the layers in ``module``, in their order."""
    return [m.batch_first for m in module.modules()
            if hasattr(m, "batch_first") and type(m) is not chain_class()]


@cache
def chain_class():
    """The class ``rnnhw.importers.torch.Chain``."""
    torch = needed("A Chain")
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    class Chain(nn.Module):
        """Recurrent and other layers one after the other, as ``nn.Sequential`` cannot hold them.

        Of a recurrent layer the ``output`` goes on, every step; a cell runs over the sequence from
        zero state; ``nn.BatchNorm1d`` takes the features, the last axis. Takes (batch, seq_len,
        input_size) with ``batch_first``, else (seq_len, batch, input_size), or (seq_len,
        input_size); with an ``nn.Embedding`` in front, whole numbers without the last axis.

        Parameters
        ----------
        layers : modules
        last_step : bool
            Only the last step comes out, ``output[:, -1]``, without the seq axis.
        last_state : bool
            Of the last recurrent layer h_n goes on, of both directions side by side where it has
            two, without the seq axis. Without a second direction this is ``last_step``.
        batch_first : bool or None
            None takes it from the recurrent layers; cells alone have none, which is False.

        Raises
        ------
        RnnhwError
            If the recurrent layers differ in ``batch_first``, both options are set, or no part
            has the last state.
        """

        def __init__(self, *layers, last_step=False, last_state=False, batch_first=None):
            super().__init__()
            self.layers = nn.ModuleList(layers)
            self.last_step, self.last_state = last_step, last_state
            first = {*layouts(self), *([] if batch_first is None else [batch_first])}
            if len(first) > 1:
                raise RnnhwError("The recurrent layers of a Chain differ in batch_first; give "
                                 "all of them the same.")
            self.batch_first = first == {True}
            if last_step and last_state:
                raise RnnhwError("A Chain has last_step and last_state; set the one that is meant.")
            if last_state:
                self.state_at()

        def state_at(self):
            """Index of the part whose last state goes on with ``last_state``."""
            found = [k for k, m in enumerate(self.layers) if any(map(is_recurrent, m.modules()))]
            if not found or not is_recurrent(self.layers[found[-1]]):
                raise RnnhwError("A Chain with last_state needs its last recurrent layer among its "
                                 "own parts, not inside one of them.")
            return found[-1]

        def forward(self, x, lengths=None):
            """Output of the last layer; with ``lengths`` (batch,), sequences end there."""
            if lengths is not None:
                lengths = torch.as_tensor(lengths).cpu()
            at = self.state_at() if getattr(self, "last_state", False) else None
            for k, layer in enumerate(self.layers):
                steps = at is None or k <= at
                x = self._part(layer, x, lengths if steps else None, k == at)
            if not self.last_step:
                return x
            if x.dim() == 3 and not self.batch_first:
                x = x.transpose(0, 1)
            return self._at_end(x, lengths)

        def _part(self, layer, x, lengths, state):
            """What one part makes of ``x``; with ``state``, its last state."""
            if type(layer) is nn.BatchNorm1d:
                return layer(x.reshape(-1, x.shape[-1])).reshape(x.shape)
            if type(layer) is Chain:
                return layer(x, lengths)
            if is_cell(layer):
                return self._cell(layer, x, lengths, state)
            if not is_recurrent(layer):
                if lengths is not None and any(getattr(m, "bidirectional", False)
                                               for m in layer.modules()):
                    raise RnnhwError(f"A {type(layer).__name__} holds a bidirectional layer, which "
                                     "must know the lengths; make it a part of the Chain itself.")
                found = layer(x)
                return found[0] if isinstance(found, tuple) else found
            if lengths is None or x.dim() == 2 or not (state or layer.bidirectional):
                output, h = layer(x)
            else:
                first = self.batch_first
                packed = pack_padded_sequence(x, lengths, first, enforce_sorted=False)
                output, h = layer(packed)
                output, _ = pad_packed_sequence(output, first, total_length=x.shape[int(first)])
            if not state:
                return output
            h = (h[0] if isinstance(h, tuple) else h)[-1 - layer.bidirectional:]
            return torch.cat(h.unbind(0), -1)

        def _cell(self, cell, x, lengths, state):
            """A cell over all steps from zero state."""
            axis = int(x.dim() == 3 and self.batch_first)
            h, found = None, []
            for step in x.unbind(axis):
                h = cell(step, h)
                found.append(h[0] if isinstance(h, tuple) else h)
            if not state:
                return torch.stack(found, axis)
            return self._at_end(torch.stack(found, found[0].dim() - 1), lengths)

        def _at_end(self, x, lengths):
            """The last step of (seq_len, features) or (batch, seq_len, features)."""
            if x.dim() == 2 or lengths is None:
                return x[..., -1, :]
            return x[torch.arange(len(x)), lengths - 1]

    Chain.__module__, Chain.__qualname__ = "rnnhw.importers.torch", "Chain"
    return Chain
