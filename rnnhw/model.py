"""What a network is: layers, what each of them reads, and which of their steps come out."""

from dataclasses import dataclass, field

import numpy as np

from .errors import RnnhwError
from .layers import (
    ACTIVATIONS,
    GATES,
    Linear,
    Recurrent,
    array,
    block_sizes,
    circulant_of,
    matrices,
)

__all__ = ["ACTIVATIONS", "GATES", "HEADS", "INPUT", "Linear", "Model", "Recurrent",
           "block_sizes", "circulant_of", "matrices"]

INPUT = -1                 # what a layer reads that reads the input; parts of it are -1, -2, ...
HEADS = ("none", "softmax", "log_softmax", "argmax")


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """Layers, each of which reads the model's input or layers in front of it.

    Parameters
    ----------
    layers : tuple of Recurrent and Linear, first layer first
    reads : tuple of tuples of int, or None
        For each layer, what it reads side by side: indices of layers in front of it, or
        :data:`INPUT`. None is a chain: each reads the one before it.
    outputs : tuple of int, or None
        The layers whose outputs come out side by side; None is the last one.
    last_step : bool
        Only the last step that the recurrent layers run comes out, which of a ``reverse`` layer is
        a sequence's first; the layers behind the last recurrent ones then run for it alone.
    inputs : tuple of int, or None
        Sizes of the parts of an input that layers read apart, as -1, -2 and so on.
    embedding : (entries, size) or None
        Inputs are whole numbers, each of which stands for a row of this table.
    head : "none", "softmax", "log_softmax" or "argmax"
        Function of the outputs of a step, which floats and whoever reads the words apply.
    graph : object or None
        How a framework's own graph names and lays out its arrays (set by an importer).

    Raises
    ------
    RnnhwError
        If a layer takes another number of inputs than what it reads has, reads what is not in
        front of it, or feeds nothing.
    """

    layers: tuple
    last_step: bool = False
    name: str = "model"
    graph: object = field(default=None, repr=False)
    reads: tuple | None = None
    outputs: tuple | None = None
    embedding: np.ndarray | None = field(default=None, repr=False)
    head: str = "none"
    inputs: tuple | None = None

    def __post_init__(self):
        def put(key, value):
            object.__setattr__(self, key, value)

        put("layers", tuple(self.layers))
        n = len(self.layers)
        if not n:
            raise RnnhwError(f"Model {self.name!r} has no layers; at least one is needed.")
        if self.reads is None:
            put("reads", tuple((i - 1,) for i in range(n)))
        put("reads", tuple(map(tuple, self.reads)))
        put("inputs", None if self.inputs is None else tuple(self.inputs))
        put("outputs", (n - 1,) if self.outputs is None else tuple(self.outputs))
        if self.embedding is not None:
            put("embedding", array("The embedding", self.embedding, (None, None)))
        if self.head not in HEADS:
            raise RnnhwError(f"head of model {self.name!r} is {self.head!r}; {', '.join(HEADS)} "
                             "are supported.")
        self._check_reads()
        self._check_sizes()
        if self.last_step and not any(layer.recurrent for layer in self.layers):
            raise RnnhwError(f"Model {self.name!r} gives its last step only, but has no "
                             "recurrent layer; set last_step to false.")

    def _check_reads(self):
        """What every layer reads is in front of it, and is read."""
        n = len(self.layers)
        if len(self.reads) != n:
            raise RnnhwError(f"reads of model {self.name!r} has {len(self.reads)} entries, but "
                             f"there are {n} layers.")
        for i, found in enumerate(self.reads):
            if not found or any(not -len(self.inputs or (0,)) <= j < i for j in found):
                raise RnnhwError(f"Layer {i} reads {found}, but layers in front of it, or the "
                                 f"input as {INPUT}, are needed.")
        if not self.outputs or any(not 0 <= j < n for j in self.outputs):
            raise RnnhwError(f"outputs of model {self.name!r} are {self.outputs}, but layers "
                             f"within 0..{n - 1} are needed.")
        used = {j for found in (*self.reads, self.outputs) for j in found}
        for i in range(-len(self.inputs or (0,)), n):
            if i not in used:
                what = "its input" if i < 0 else f"layer {i}"
                raise RnnhwError(f"Nothing of model {self.name!r} reads {what}; leave it out.")

    def _check_sizes(self):
        """Every layer takes what it reads."""
        for i, (layer, found) in enumerate(zip(self.layers, self.reads)):
            total = sum(self.size(j) for j in found)
            if layer.input_size == total:
                continue
            if found in ((i - 1,), (INPUT,)):
                what = "the embedding" if found == (INPUT,) else f"layer {i - 1}"
                if found == (INPUT,) and self.embedding is None:
                    what = "the input"
                raise RnnhwError(f"Layer {i} takes {layer.input_size} inputs, but {what} gives "
                                 f"{total} outputs.")
            raise RnnhwError(f"Layer {i} takes {layer.input_size} inputs, but what it reads, "
                             f"{found}, gives {total} outputs.")

    def size(self, j):
        """Number of elements that layer ``j``, or the input as :data:`INPUT`, gives a step."""
        if j < 0 and self.inputs is not None:
            return self.inputs[-1 - j]
        return self.layers[j].output_size if j >= 0 else self.input_size

    @property
    def chain(self):
        """Whether every layer reads the one before it alone, and the last one comes out."""
        return (self.reads == tuple((i - 1,) for i in range(len(self.layers)))
                and self.outputs == (len(self.layers) - 1,))

    def sources(self, i):
        """What layer ``i`` reads: ``(j, start, stop)`` of each part of its input."""
        found, at = [], 0
        for j in self.reads[i]:
            found.append((j, at, at + self.size(j)))
            at = found[-1][2]
        return found

    @property
    def input_size(self):
        """Elements of a step of input, behind the embedding where there is one."""
        if self.embedding is not None:
            return self.embedding.shape[1]
        if self.inputs is not None:
            return sum(self.inputs)
        found = [(layer.input_size, reads) for layer, reads in zip(self.layers, self.reads)
                 if INPUT in reads]
        alone = [size for size, reads in found if reads == (INPUT,)]
        if alone:
            return alone[0]
        size, reads = found[0]
        others = sum(self.layers[j].output_size for j in reads if j != INPUT)
        return max(0, size - others) // reads.count(INPUT)

    @property
    def output_size(self):
        return sum(map(self.size, self.outputs))

    @property
    def behind(self):
        """For each layer, whether recurrent ones lie in front of it and none behind."""
        n = len(self.layers)
        recurrent = [layer.recurrent for layer in self.layers]
        after, before = [False] * n, [False] * n
        for i in range(n):
            before[i] = any(j >= 0 and (recurrent[j] or before[j]) for j in self.reads[i])
        for i in reversed(range(n)):
            for j in self.reads[i]:
                if j >= 0:
                    after[j] = after[j] or recurrent[i] or after[i]
        return tuple(not recurrent[i] and before[i] and not after[i] for i in range(n))

    @property
    def on_last(self):
        """For each layer, whether it runs for the last step of a sequence only."""
        return tuple(self.last_step and behind for behind in self.behind)

    def run(self, x, lengths=None):
        """Float output, as the framework the model came from would compute it.

        Takes (seq_len, input_size) or (batch, seq_len, input_size) and returns the same rank; a
        ``last_step`` model drops the seq axis. With an embedding it takes whole numbers (seq_len,)
        or (batch, seq_len). For a model from ONNX, a dict of named arrays in the
        graph's own layout gives a dict of the graph's outputs.
        """
        from . import reference

        if isinstance(x, dict):
            if self.graph is None:
                raise RnnhwError(f"Model {self.name!r} did not come from an ONNX graph; "
                                 "give an array, not a dict.")
            return self.graph.run(self, x)
        return reference.run(self, x, lengths)
