"""What PyTorch's modules are as layers, part by part along a module."""

import numpy as np

from ..errors import RnnhwError
from ..model import INPUT
from .fold import affine, normalization
from .torch_chain import CELLS, chain_class, is_cell, is_recurrent, needed
from .torch_layers import (
    array,
    check_axis,
    check_flatten,
    check_untouched,
    family,
    is_ours,
    linear,
    recurrent,
    rows,
)

SUPPORTED = (f"LSTM, GRU, RNN, {', '.join(CELLS)}, Embedding, Linear, BatchNorm1d, ReLU, Sigmoid, "
             "Tanh, Softmax, LogSoftmax, Dropout, Identity, Flatten, Sequential, "
             "rnnhw.importers.torch.Chain and rnnhw.training's layers")
DROPPED = ("Dropout", "Dropout1d", "AlphaDropout", "FeatureAlphaDropout", "Identity")


class Walk:
    """The layers of a module, collected part by part.

    Parameters
    ----------
    initial : object
        First states as :func:`rnnhw.importers.torch.from_torch` takes them.

    Members
    -------
    layers, reads, embedding, head : of the model
    current : what the next part reads
    affine : indices of layers to fold
    last : whether steps have gone: the last one alone came out
    states : layers of the part before, where it gives states beside its output
    stateful : names of all parts that have states
    """

    def __init__(self, initial=None):
        self.layers, self.reads, self.affine = [], [], []
        self.embedding, self.head, self.current = None, "none", (INPUT,)
        self.last, self.states, self.initial, self.stateful = False, (), initial, []

    def size(self):
        """Features of what the next part reads, or None of an input of any size."""
        if self.current == (INPUT,):
            return None if self.embedding is None else self.embedding.shape[1]
        return sum(self.layers[j].output_size for j in self.current)

    def add(self, *layers):
        """Append layers that read the same; the next part reads all of them."""
        first = len(self.layers)
        self.layers += layers
        self.reads += [self.current] * len(layers)
        self.current = tuple(range(first, len(self.layers)))

    def part(self, module, label, parents):
        """Go through ``module``, whose ``parents`` are Sequentials and Chains."""
        nn, kind = needed("from_torch").nn, type(module)
        name = kind.__name__
        check_untouched(module, label)
        if kind in [getattr(nn, dropped) for dropped in DROPPED]:
            return
        if kind in (nn.Sequential, chain_class()):
            self.children(module, label, parents)
            return
        if self.head != "none":
            raise RnnhwError(f"{label} ({name}) comes behind a {self.head}, which is supported at "
                             "the end only.")
        if kind in (nn.LSTM, nn.GRU, nn.RNN) or is_ours(module) and module.cell != "linear":
            self.steps(label, name)
            self.sequence(module, label)
        elif is_cell(module):
            self.steps(label, name)
            if parents and type(parents[-1]) is nn.Sequential:
                raise RnnhwError(f"{label} ({name}) is a part of a Sequential, which runs it for "
                                 "one step; a rnnhw.importers.torch.Chain runs it over the "
                                 "sequence.")
            self.cell(module, label)
        elif kind is nn.Linear or is_ours(module):
            self.add(linear(module, label))
        elif kind is nn.Embedding:
            self.embed(module, label)
        elif kind is nn.BatchNorm1d:
            self.normalize(module, label, parents)
        elif kind in (nn.ReLU, nn.Sigmoid, nn.Tanh):
            self.activate(module, label)
        elif kind in (nn.Softmax, nn.LogSoftmax):
            check_axis(module, label, self.last)
            self.head = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[name]
        elif kind is nn.Flatten:
            check_flatten(module, label, self.last)
        else:
            raise RnnhwError(f"{label} is a {name}, which is not supported; {SUPPORTED} are.")

    def children(self, module, label, parents):
        """The parts of a Sequential or Chain, in order; one that stands twice runs twice."""
        is_chain = type(module) is chain_class()
        parts = [*(module.layers if is_chain else module)._modules.items()]
        at = module.state_at() if is_chain and getattr(module, "last_state", False) else None
        for k, (key, part) in enumerate(parts):
            if self.states and not is_chain:
                raise RnnhwError(f"{label} is a Sequential with a part behind {parts[k - 1][0]} "
                                 f"({type(parts[k - 1][1]).__name__}), which gives a tuple that "
                                 "Sequential cannot pass on; use rnnhw.importers.torch.chain.")
            own = label if parents else ""
            self.part(part, f"{own}.{key}" if own else key, [*parents, module])
            if is_chain:
                self.states = ()
            if k == at:
                self.last = True
        if is_chain and module.last_step:
            self.take_last(label)

    def steps(self, label, kind):
        """Refuse a recurrent part where there are no steps."""
        if self.last:
            raise RnnhwError(f"{label} ({kind}) comes behind a Chain that gives its last step "
                             "alone, so there are no steps for it.")

    def take_last(self, label):
        """The last step of what comes out so far."""
        if self.last:
            raise RnnhwError(f"{label} is to give its last step, but a Chain inside it does so "
                             "already; set last_step once.")
        seen, ends = list(self.current), []
        while seen:
            j = seen.pop()
            if j != INPUT and self.layers[j].recurrent:
                ends.append(self.layers[j])
            elif j != INPUT:
                seen += self.reads[j]
        backwards = [layer.name for layer in ends if layer.reverse]
        if backwards:
            raise RnnhwError(f"{label} is to give its last step, at which the backward direction "
                             f"{backwards[0]} has seen one step only; its last state, h_n, is what "
                             "Chain(..., last_state=True) takes, or of a recurrent layer alone "
                             "from_torch(module, gives='h_n').")
        self.last = True

    def sequence(self, module, label):
        """A layer over sequences: num_layers deep, each in one or two directions."""
        width = 1 + module.bidirectional
        states = iter(self.first_states(label, module, module.num_layers * width))
        found = []
        for k in range(module.num_layers):
            name = label if module.num_layers == 1 else f"{label}.{k}"
            parts = [recurrent(module, name, f"_l{k}", next(states))]
            if module.bidirectional:
                parts.append(recurrent(module, f"{name}.reverse", f"_l{k}_reverse", next(states)))
            self.add(*parts)
            found += self.current
        self.states = tuple(found)

    def cell(self, module, label):
        """A cell, run over the sequence."""
        self.add(recurrent(module, label, "", self.first_states(label, module, 1)[0]))
        self.states = self.current

    def first_states(self, label, module, count):
        """States before the first step of ``count`` layers and directions, as of Recurrent."""
        self.stateful.append(label)
        given = self.initial
        if isinstance(given, dict):
            given = given.get(label)
        elif len(self.stateful) > 1:
            given = None
        if given is None:
            return [{} for _ in range(count)]
        names = ("h", "c") if family(module) == "lstm" else ("h",)
        parts = given if isinstance(given, tuple | list) else (given,)
        if len(parts) != len(names):
            what = "a pair (h_0, c_0)" if len(names) == 2 else "one array h_0"
            raise RnnhwError(f"initial of {label} ({type(module).__name__}) must be {what}, not "
                             f"{len(parts)} value{'s' * (len(parts) != 1)}.")
        found = [{} for _ in range(count)]
        for name, value in zip(names, parts):
            size = name == "h" and getattr(module, "proj_size", 0) or module.hidden_size
            for state, row in zip(found, rows(value, count, size, f"initial {name} of {label}")):
                state[name] = row
        return found

    def check_initial(self):
        """Refuse first states that no part has taken."""
        if self.initial is None:
            return
        parts = ", ".join(self.stateful) or "none"
        if isinstance(self.initial, dict):
            for key in self.initial:
                if key not in self.stateful:
                    raise RnnhwError(f"initial has states of {key!r}, but the parts with states "
                                     f"are: {parts}.")
        elif len(self.stateful) != 1:
            raise RnnhwError("initial is given for one part with states, but there are "
                             f"{len(self.stateful)}: {parts}; give a dict of states by part.")

    def embed(self, module, label):
        """A table in front of everything."""
        if self.layers or self.embedding is not None:
            raise RnnhwError(f"{label} (Embedding) is not the first part, whose input are the "
                             "whole numbers that it takes.")
        if module.max_norm is not None:
            raise RnnhwError(f"{label} (Embedding) has max_norm={module.max_norm}, which changes "
                             "rows of the table when they are read; scale them once and set "
                             "max_norm to None.")
        self.embedding = array(module.weight, f"{label}.weight")

    def normalize(self, module, label, parents):
        """Batch normalization with the mean and variance of training."""
        if module.running_mean is None or module.running_var is None:
            raise RnnhwError(f"{label} (BatchNorm1d) has track_running_stats=False, so that it "
                             "normalizes by the batch that it is given; track_running_stats=True "
                             "is supported.")
        if parents and type(parents[-1]) is not chain_class() and not self.last and (
                self.embedding is not None or any(map(is_recurrent, parents[0].modules()))):
            raise RnnhwError(f"{label} (BatchNorm1d) is a part of a Sequential over sequences, "
                             "where it normalizes axis 1, the steps or the batch; a "
                             "rnnhw.importers.torch.Chain normalizes the features.")
        values = [array(getattr(module, key), f"{label}.{key}")
                  for key in ("running_mean", "running_var", "weight", "bias")]
        mean, variance, weight, bias = values
        self.scaled(label, *normalization(mean, variance, module.eps, weight, bias))

    def activate(self, module, label):
        """A function of each element."""
        kind, size = type(module).__name__, self.size()
        if size is None:
            raise RnnhwError(f"{label} ({kind}) is the first part, so that nothing says how many "
                             "elements it takes; apply it to the data.")
        self.scaled(label, np.ones(size), np.zeros(size), kind.lower())

    def scaled(self, label, scale, shift, activation="none"):
        """``activation(scale * x + shift)``, taken over by a neighbor where one can."""
        self.affine.append(len(self.layers))
        self.add(affine(scale, shift, label, activation))
