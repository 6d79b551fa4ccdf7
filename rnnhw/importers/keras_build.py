"""Layers of ours put together as a Keras model is walked through, and the values between them."""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import RnnhwError
from ..layers import merged
from ..model import INPUT, Model
from .fold import affine, fold

JOINED = {"Add": "sum", "Average": "average", "Subtract": "difference"}


@dataclass(frozen=True)
class Value:
    """What a layer of Keras gives.

    Parameters
    ----------
    parts : layers of ours that give it side by side, or :data:`INPUT`
    size : features; None where unknown
    steps : whether it has an axis of steps, else it is that of the last step; None where unknown
    turned : whether its steps stand in the order of time turned round
    vectors : whether the input, where it is among the parts, is the one behind the embedding
    head : ``(function, who asks for it)`` of the outputs that is applied to it
    """

    parts: tuple
    size: int | None = None
    steps: bool | None = None
    turned: bool = False
    vectors: bool = False
    head: tuple | None = None


def shape_text(shape):
    """A shape as a sentence shows it."""
    names = ["any" if s is None else str(s) for s in shape]
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


@dataclass(frozen=True)
class Part:
    """Where the weights of a part of a layer are.

    Parameters
    ----------
    folder : of the part within that of the layer, in an archive
    owners : names that the part may have, and those of parts around it, in the paths of weights
    """

    folder: str = ""
    owners: tuple = ()


@dataclass(frozen=True)
class Source:
    """The weights of a layer or of a part of it.

    Parameters
    ----------
    label : name of the part in sentences
    entry : the layer in the network's description
    find : function ``(entry, names, part)`` that gives the arrays
    """

    label: str
    entry: dict
    find: object
    part: Part = Part()

    def inside(self, label, folder, *owners):
        """The weights of a part of this part."""
        part = Part("/".join(filter(None, (self.part.folder, folder))),
                    (*self.part.owners, owners) if owners else self.part.owners)
        return replace(self, label=label, part=part)

    def arrays(self, shapes):
        """Float64 arrays of these names and shapes (None: any size)."""
        found = self.find(self.entry, list(shapes), self.part)
        for (name, shape), array in zip(shapes.items(), found):
            if len(array.shape) != len(shape) or any(
                    s not in (None, a) for s, a in zip(shape, array.shape)):
                raise RnnhwError(f"{self.label}.{name} has shape {shape_text(array.shape)}, but "
                                 f"{shape_text(shape)} is needed.")
        return [np.asarray(array, np.float64) for array in found]


class Builder:
    """The layers so far.

    Members
    -------
    layers, reads : of the model
    soft : indices of layers that others may take over
    embedding : table, or None
    input : the Value of the model's input
    dtype : ``(layer, type)`` where the input is one of whole numbers, or None
    """

    def __init__(self):
        self.layers, self.reads, self.soft = [], [], []
        self.embedding, self.embedded_by, self.plain = None, None, None
        self.input, self.dtype = Value((INPUT,)), None

    def add(self, label, layer, *values):
        """Append a layer that reads ``values``; its index as a tuple, the parts of its value."""
        for value in values:
            self.bare(label, value)
            if INPUT in value.parts and not value.vectors:
                self._plain(label)
        self.layers.append(layer)
        self.reads.append(sum((value.parts for value in values), ()))
        return (len(self.layers) - 1,)

    def bare(self, label, value):
        """Refuse a value that a function of the model's outputs has been applied to."""
        if value.head:
            function, who = value.head
            raise RnnhwError(f"{who} has activation={function!r}, which is supported where the "
                             f"model ends, but {label} reads it.")

    def _plain(self, label):
        """The input is read as it is."""
        if self.dtype is not None:
            self.refuse_dtype()
        self.plain = label
        self._one_input()

    def refuse_dtype(self):
        label, dtype = self.dtype
        raise RnnhwError(f"{label} (InputLayer) has dtype={dtype!r}, which is not supported; "
                         "dtype='float32' or 'float64' is, and whole numbers for an Embedding.")

    def _one_input(self):
        if self.plain is not None and self.embedding is not None:
            raise RnnhwError(f"{self.plain} reads the input as it is, which {self.embedded_by} "
                             "embeds; all or none of what reads it may.")

    def embed(self, label, table, value):
        """The value of an embedding of the input; ``label`` is the layer's, whatever its call."""
        if value != self.input or self.embedded_by not in (None, label):
            raise RnnhwError(f"{label} (Embedding) is not the only one that reads the model's "
                             "input; give the model vectors that are embedded outside of it.")
        if value.steps:
            raise RnnhwError(f"{label} (Embedding) takes inputs with features, but (batch, steps) "
                             "of whole numbers is supported.")
        self.embedding, self.embedded_by = table, label
        self._one_input()
        return Value((INPUT,), table.shape[1], True, vectors=True)

    def same(self, label, kind, values):
        """Refuse values side by side of which only some have steps, or some are turned."""
        if len({value.steps for value in values}) > 1:
            raise RnnhwError(f"{label} ({kind}) joins sequences and last steps; set "
                             "return_sequences alike in front of it.")
        if len({value.turned for value in values}) > 1:
            raise RnnhwError(f"{label} ({kind}) joins sequences in the order of time and turned "
                             "ones, which go_backwards gives; a Bidirectional turns them back.")

    def merge(self, label, kind, values):
        """The sum, average, difference or product of values, element by element."""
        self.same(label, kind, values)
        sizes, n = [value.size for value in values], len(values)
        if len(set(sizes)) > 1 or n < 2:
            raise RnnhwError(f"{label} ({kind}) joins {' and '.join(map(str, sizes))} features; "
                             "two values or more of one size are supported.")
        first, size = values[0], sizes[0]
        if kind == "Multiply":
            for k, value in enumerate(values[1:], 1):
                name = label if k == n - 1 else f"{label}.{k}"
                parts = self.add(label, merged("multiply", size, name), first, value)
                first = replace(first, parts=parts)
            return first
        layer = merged(JOINED[kind], size, label, n)
        return replace(first, parts=self.add(label, layer, *values))

    def concatenate(self, label, kind, values):
        """Values side by side, which takes no layer."""
        self.same(label, kind, values)
        for value in values:
            self.bare(label, value)
        sizes = [value.size for value in values]
        return replace(values[0], parts=sum((value.parts for value in values), ()),
                       size=None if None in sizes else sum(sizes),
                       vectors=all(value.vectors for value in values if INPUT in value.parts))

    def scaled(self, label, scale, shift, value, activation="none"):
        """``activation(scale * x + shift)``, taken over by a neighbor where one can."""
        parts = self.add(label, affine(scale, shift, label, activation), value)
        self.soft += parts
        return replace(value, parts=parts)

    def model(self, label, name, value):
        """The finished model, which gives ``value``."""
        if not self.layers:
            raise RnnhwError(f"{label} has no recurrent or Dense layer; at least one is needed.")
        if value.turned and value.steps:
            raise RnnhwError(f"{label} gives a sequence turned in time, as go_backwards does; give "
                             "its last step, or put it into a Bidirectional, which turns it back.")
        head = value.head[0] if value.head else "none"
        if INPUT in value.parts:
            ones = np.ones(value.size)
            value = self.scaled(label, ones, 0 * ones, replace(value, head=None))
        recurrent = any(layer.recurrent for layer in self.layers)
        model = Model(layers=self.layers, reads=self.reads, outputs=value.parts, name=name,
                      embedding=self.embedding, head=head,
                      last_step=recurrent and value.steps is False)
        return fold(model, self.soft)
