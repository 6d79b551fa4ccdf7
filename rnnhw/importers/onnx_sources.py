"""Labels of the values of a traced graph: which layer's units of which steps an array holds.

Each value of the graph's input, and of each layer's output, is one integer label, ``base +
row*size + unit``. A row is one step of one sequence, or one sequence where a layer runs for the
last step alone.
"""

from dataclasses import dataclass

import numpy as np

from ..model import INPUT
from .onnx_input import GraphInput

APART = ("does not take the features of one step in their order: steps are mixed, which is not "
         "supported; of a backward direction the last step that it runs is Y_h and Y's first")


@dataclass(frozen=True, eq=False)
class Labels:
    """An activation: ``ids``, an int64 array of labels in the tensor's own shape.

    ``rounding`` says that it holds whole numbers between QuantizeLinear and DequantizeLinear.
    """

    ids: np.ndarray
    rounding: object = None


class Lengths:
    """The graph's input that says how long each sequence is."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A layer of the graph, or a function of layers' outputs that is none.

    Parameters
    ----------
    layer : Recurrent or Linear; None of a function
    reads : indices of the sources that it takes side by side
    last : bool
        It runs for the last step of each sequence alone.
    head : name of the function, as :data:`rnnhw.model.HEADS`
    affine : (source, scale, offset) of a diagonal layer, which the layers behind it may take in
    rounding : Rounding of the values, which a model's floats leave out
    """

    layer: object
    reads: tuple
    last: bool = False
    head: str = "none"
    affine: tuple | None = None
    rounding: object = None


@dataclass(frozen=True, eq=False)
class Source:
    """Labels from ``base`` on: what an entry gives, ``size`` units a row.

    ``kind`` is y (steps), h (the last step that it runs, as Y_h of a recurrent layer) or c (its
    last cell state). ``end`` is the step, as an index, that is the last one it runs: -1, 0 of what
    runs backwards, None where there is no such step.
    """

    entry: int
    kind: str
    size: int
    base: int
    end: int | None = None


@dataclass(frozen=True, eq=False)
class View:
    """What a layer takes: ``scale * values[columns] + offset`` of ``sources`` side by side.

    ``rows`` are the rows of a source of ``kind`` (y or h), of ``total`` units together.
    """

    sources: tuple
    kind: str
    rows: np.ndarray
    columns: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    total: int

    def taken(self, weight):
        """``(weight, bias)`` of a matrix (out, features) over the sources instead."""
        weight = np.asarray(weight, np.float64)
        bias = weight @ self.offset if self.offset.any() else np.zeros(len(weight))
        if np.array_equal(self.columns, np.arange(self.total)) and (self.scale == 1).all():
            return weight, bias
        found = np.zeros((len(weight), self.total))
        np.add.at(found, (slice(None), self.columns), weight * self.scale)
        return found, bias


OF_INPUT = Entry(None, ())


class Sources:
    """All sources of a graph for one shape of its input.

    Parameters
    ----------
    shape : of the input
    lengths : bool
        Sequences may be shorter than the input, so that no step of time is the last one of all.

    Members
    -------
    list, entries : Source and Entry, in order
    input : GraphInput
    order : (seq_len, batch) row of each step, as the first recurrent layer takes them
    embedding : table, where the input's whole numbers stand for its rows
    whole : whether the input is cast to whole numbers
    """

    def __init__(self, shape, lengths):
        self.input, self.lengths = GraphInput(shape), lengths
        self.order, self.embedding, self.whole, self.entries = None, None, False, []
        self.total = self.input.ids.size
        self.list = [Source(INPUT, "y", 0, 0, self.forward)]

    @property
    def forward(self):
        """Index of the last step of what runs forwards."""
        return None if self.lengths else -1

    @property
    def rows(self):
        """Number of steps of all sequences."""
        return 0 if self.input.rows is None else len(self.input.rows)

    def size(self, k):
        """Units a row of source ``k``."""
        return self.list[k].size or self.input.rows.shape[1]

    def count(self, kind):
        """Rows of a source of ``kind``."""
        return self.rows if kind == "y" else self.order.shape[1]

    def add(self, entry, kind, size, end=None):
        """Index of a new source."""
        self.list.append(Source(entry, kind, size, self.total, end))
        self.total += self.count(kind) * size
        return len(self.list) - 1

    def entry(self, k):
        """What gives source ``k``; of the input an entry without anything."""
        found = self.list[k].entry
        return OF_INPUT if found == INPUT else self.entries[found]

    def enter(self, layer, reads, **others):
        """Index of a new entry."""
        self.entries.append(Entry(layer, tuple(reads), **others))
        return len(self.entries) - 1

    def steps(self, reads):
        """The step that is the last of what runs over ``reads`` step by step, or None."""
        ends = {self.list[k].end for k in reads}
        return ends.pop() if len(ends) == 1 else None

    def labels(self, k, rows):
        """Labels of all units of source ``k`` in ``rows``, on a new last axis."""
        size = self.size(k)
        return self.list[k].base + np.asarray(rows)[..., None] * size + np.arange(size)

    def embed(self, node, table, ids):
        """Labels of the rows of ``table`` that the input's whole numbers ``ids`` stand for."""
        if len(self.list) > 1:
            if self.embedding is None or not np.array_equal(self.embedding, table):
                raise node.error("looks the input up in a second table, which is not supported; "
                                 "one table is.")
        else:
            self.input.take(node, ids.reshape(-1, 1))
            self.embedding = np.asarray(table, np.float64)
            self.add(INPUT, "y", table.shape[1], self.forward)
        return self.labels(1, self.input.canonical(ids))

    def beneath(self, k):
        """The source that source ``k`` is of without rounding."""
        while self.entry(k).rounding:
            [k] = self.entry(k).reads
        return k

    def _settle(self, node, ids):
        """Settle the input's features at the first use of it, on the last axis of ``ids``."""
        raw = ids < self.input.ids.size
        if not raw.any():
            return
        if self.embedding is not None or self.whole:
            raise node.error("takes the whole numbers of the graph's input, which is not "
                             "supported; what they stand for in the embedding is.")
        if self.input.rows is None:
            features = raw.reshape(-1, ids.shape[-1])
            self.input.take(node, ids.reshape(features.shape)[:, features[0]])

    def locate(self, ids):
        """``(source, row, unit)`` of each label."""
        k = np.searchsorted([s.base for s in self.list], ids, "right") - 1
        local = ids - np.array([s.base for s in self.list])[k]
        if not k.all():
            local = np.where(k == 0, self.input.canonical(np.where(k == 0, ids, 0)), local)
        size = np.array([s.size for s in self.list])
        size[0] = 1 if self.input.rows is None else self.input.rows.shape[1]
        return k, local // size[k], local % size[k]

    def held(self, ids):
        """Sources that labels are of, in order; none before a layer has read the input."""
        return [] if self.input.rows is None else np.unique(self.locate(ids)[0]).tolist()

    def found(self, node, ids):
        """The same for a layer, which takes neither cell states nor what functions give."""
        self._settle(node, ids)
        k, row, unit = self.locate(ids)
        for i in np.unique(k):
            if self.list[i].kind == "c":
                raise node.error("takes a cell state (Y_c), which is not supported; Y and Y_h are.")
            head = self.entry(i).head
            if head != "none":
                raise node.error(f"follows {head} of the outputs, which is not supported; it must "
                                 "be the last function of the graph.")
        return k, row, unit

    def together(self, node, k, row):
        """``(kind, rows)`` of what takes sources ``k`` in their rows, (n, parts) each, at a time.

        Either all are of one step, or each is of the last step that its layer runs.
        """
        if all(self.list[i].kind == "y" for i in np.unique(k)) and (row == row[:, :1]).all():
            return "y", row[:, 0]
        sequence = np.full(row.shape, -1)
        for i in np.unique(k):
            source, of = self.list[i], k == i
            if source.kind == "h":
                sequence[of] = row[of]
            elif source.end is not None and self.order is not None:
                at = np.full(self.rows, -1)
                at[self.order[source.end]] = np.arange(self.order.shape[1])
                sequence[of] = at[row[of]]
        if (sequence < 0).any() or (sequence != sequence[:, :1]).any():
            raise node.error(f"{APART}.")
        return "h", sequence[:, 0]

    def columns(self, k, unit, fold=True):
        """``(sources, columns, scale, offset, total)`` of features, given by source and unit.

        With ``fold`` diagonal layers are left out, and what they read is taken.
        """
        k, unit = np.array(k), np.array(unit)
        scale, offset = np.ones(k.shape), np.zeros(k.shape)
        for i in np.unique(k):
            affine, of = self.entry(i).affine, k == i
            if fold and affine is not None:
                k[of], scale[of], offset[of] = affine[0], affine[1][unit[of]], affine[2][unit[of]]
        sources, starts, total = tuple(dict.fromkeys(k.reshape(-1).tolist())), {}, 0
        for i in sources:
            starts[i], total = total, total + self.size(i)
        at = np.array([starts[i] for i in k.reshape(-1).tolist()]).reshape(k.shape)
        return sources, at + unit, scale, offset, total

    def view(self, node, ids, fold=True):
        """The view that has the features on the last axis of ``ids``, a row for each other index.

        Raises
        ------
        RnnhwError
            Naming the node, if an index of the last axis is not always the same unit, or steps are
            mixed.
        """
        k, row, unit = self.found(node, ids.reshape(-1, ids.shape[-1]))
        if (k != k[:1]).any() or (unit != unit[:1]).any():
            raise node.error(f"{APART}.")
        kind, rows = self.together(node, k, row)
        sources, columns, scale, offset, total = self.columns(k[0], unit[0], fold)
        return View(sources, kind, rows.reshape(ids.shape[:-1]), columns, scale, offset, total)

    def features(self, node, ids, size):
        """The view of ``size`` features on the last axis."""
        if ids.shape[-1] != size:
            raise node.error(f"takes {size} features, but its input has {ids.shape[-1]}; fix the "
                             "sizes of the layers, or declare the number of features in the "
                             "graph's input.")
        return self.view(node, ids)

    def place(self, layer, view, **others):
        """Index of the source of a layer without steps of its own over a view."""
        entry = self.enter(layer, view.sources, last=view.kind == "h", **others)
        size = layer.output_size if layer is not None else view.total
        size = 1 if others.get("head") == "argmax" else size
        end = self.steps(view.sources) if view.kind == "y" else None
        return self.add(entry, view.kind, size, end)
