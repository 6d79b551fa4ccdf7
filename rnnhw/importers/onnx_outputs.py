"""Which layers of a traced graph make its model, and which of its outputs is the model's."""

from dataclasses import dataclass

import numpy as np

from ..errors import RnnhwError
from ..model import INPUT, Model
from .onnx_sources import Labels


@dataclass(frozen=True, eq=False)
class Structure:
    """A model's layers and how they hang together, with the entries of the trace they are of."""

    entries: tuple
    layers: tuple
    reads: tuple
    outputs: tuple
    last_step: bool
    head: str
    embedding: object
    formats: dict
    notes: tuple

    def model(self, **others):
        """The model."""
        return Model(layers=self.layers, reads=self.reads, outputs=self.outputs,
                     last_step=self.last_step, head=self.head, embedding=self.embedding, **others)

    def same(self, other):
        """Whether ``other`` is the same in every weight."""
        def plain(s):
            return (s.reads, s.outputs, s.last_step, s.head, s.formats, s.notes,
                    [_options(p) for p in s.layers])
        return plain(self) == plain(other) and all(
            all(map(np.array_equal, _arrays(p), _arrays(q)))
            for p, q in zip(self.layers, other.layers)) and np.array_equal(
                self.embedding, other.embedding)


def _options(layer):
    if layer.kind == "linear":
        return layer.activation
    return layer.kind, layer.reverse, sorted(layer.initial)


def _arrays(layer):
    if layer.kind == "linear":
        return layer.weight, layer.bias
    return (*layer.arrays.values(), *(layer.initial[key] for key in sorted(layer.initial)))


@dataclass(frozen=True)
class _Output:
    """An output of the graph that a model could have: every or the last step of whole sources."""

    name: str
    last: bool
    sources: tuple
    head: str


def structure(graph, trace):
    """The Structure of a graph's trace.

    Raises
    ------
    RnnhwError
        Naming the output, if no model gives it.
    """
    for name in graph.outputs:
        if not isinstance(trace.values.get(name), Labels):
            raise RnnhwError(f"The graph's output {name!r} does not depend on its input.")
        if trace.values[name].rounding:
            raise RnnhwError(f"The graph's output {name!r} holds quantized activations, which is "
                             "not supported; put a DequantizeLinear behind it.")
    used, found = {}, []
    for name in graph.outputs:
        ids = trace.values[name].ids
        used[name] = _entries(trace, trace.held(ids))
        found += _output(trace, name, ids, len(graph.dims))
    everything = sorted({e for entries in used.values() for e in entries})
    layers = [e for e in everything if trace.entries[e].layer is not None]
    if not layers:
        raise RnnhwError("The graph has no recurrent or linear layer between its input and its "
                         "outputs; at least one is needed.")
    reads = {e: tuple(trace.list[trace.beneath(k)].entry for k in trace.entries[e].reads)
             for e in layers}
    tops = set(layers) - {j for found in reads.values() for j in found}
    chosen = _choose(graph, trace, found, used, tops)
    at = {INPUT: INPUT} | {e: i for i, e in enumerate(layers)}
    sources = dict.fromkeys(k for output in chosen for k in output.sources)
    formats, notes = _remarks(trace, everything, at)
    result = Structure(
        tuple(layers), tuple(trace.entries[e].layer for e in layers),
        tuple(tuple(at[j] for j in reads[e]) for e in layers),
        tuple(at[trace.list[k].entry] for k in sources), chosen[0].last, chosen[0].head,
        trace.embedding, formats, notes)
    _check_ends(trace, result, sources)
    return result


def _remarks(trace, entries, at):
    """``(formats, notes)`` of what the graph rounds, and of what runtimes do otherwise."""
    formats, notes = {}, []
    for rounding, k in ((trace.entries[e].rounding, trace.entries[e].reads[0]) for e in entries
                        if trace.entries[e].rounding):
        k = trace.beneath(k)
        i, layer = at.get(trace.list[k].entry), trace.entry(k).layer
        name = "x" if i == INPUT else layer and f"{i}.{layer.description.output}"
        if name and rounding.format and formats.get(name, rounding.format) == rounding.format:
            formats[name] = rounding.format
            continue
        notes.append(f"Node {rounding.name!r} rounds {name or 'an output'} to the scale "
                     f"{rounding.scale:g} with the zero point {rounding.zero}, which no format "
                     "has; runs of named arrays round so, all others do not.")
    for e in entries:
        layer = trace.entries[e].layer
        if layer is not None and layer.kind.startswith("lstm") and layer.clip is not None:
            notes.append(f"The clip of layer {layer.name!r} bounds what its function of c takes "
                         "too, as ONNX's text has it; onnxruntime leaves c as it is.")
    return formats, tuple(notes)


def _entries(trace, sources):
    """Entries that ``sources`` hang on, all the way to the input."""
    found, todo = set(), list(sources)
    while todo:
        e = trace.list[todo.pop()].entry
        if e != INPUT and e not in found:
            found.add(e)
            todo += trace.entries[e].reads
    return found


def _output(trace, name, ids, rank):
    """What a model that gives ``ids`` would give: a list of one _Output, or none."""
    if trace.input.rows is None:
        return []
    k, row, unit = (a.reshape(-1) for a in trace.locate(ids))
    held = np.unique(k).tolist()
    kinds = {trace.list[i].kind for i in held}
    if "c" in kinds:
        return []
    steps, batch = trace.order.shape
    t, b = np.full(trace.rows, -1), np.full(trace.rows, -1)
    t[trace.order], b[trace.order] = np.indices(trace.order.shape)
    every = None
    if kinds == {"y"} and not (steps == 1 and ids.ndim < rank):
        every = _features(k, unit, t[row], b[row], steps, batch)
    found = every
    if every is None:
        sequence = np.full(k.shape, -1)
        for i in held:
            source, of = trace.list[i], k == i
            if source.kind == "h":
                sequence[of] = row[of]
            elif source.end is not None:
                ends = t[row[of]] == source.end % steps
                sequence[of] = np.where(ends, b[row[of]], -1)
        if (sequence < 0).any():
            return []
        found = _features(k, unit, np.zeros_like(k), sequence, 1, batch)
    if found is None:
        return []
    sources = tuple(dict.fromkeys(i for i, _ in found))
    if found != [(i, u) for i in sources for u in range(trace.size(i))]:
        return []
    sources = tuple(map(trace.beneath, sources))
    head, *others = dict.fromkeys(trace.entry(i).head for i in sources)
    if others or head != "none" and len(sources) > 1:
        return []
    if head != "none":
        sources = tuple(map(trace.beneath, trace.entry(sources[0]).reads))
    if len(set(sources)) < len(sources) or any(trace.list[i].entry == INPUT for i in sources):
        return []
    return [_Output(name, every is None, sources, head)]


def _features(k, unit, t, b, steps, batch):
    """``(source, unit)`` of the features in order, if steps and sequences lie along axes.

    None if any is missing, twice there, or in another order.
    """
    features, f = np.unique(np.stack([k, unit], axis=1), axis=0, return_inverse=True)
    if k.size != steps * batch * len(features):
        return None
    at = np.full((steps, batch, len(features)), -1)
    at[t, b, f.reshape(-1)] = np.arange(k.size)
    if (at < 0).any():
        return None
    if (at != at[:, :1, :1] + at[:1, :, :1] + at[:1, :1] - 2 * at[0, 0, 0]).any():
        return None
    if (np.diff(at[:, 0, 0]) <= 0).any() or (np.diff(at[0, :, 0]) <= 0).any():
        return None
    return [tuple(features[i].tolist()) for i in np.argsort(at[0, 0])]


def _choose(graph, trace, found, used, tops):
    """The outputs that are the model's, side by side."""
    def ends(output):
        return {trace.list[k].entry for k in output.sources}

    found = sorted(found, key=lambda output: (output.last, output.head == "none"))
    for output in found:
        if tops <= ends(output):
            return [output]
    for last in (False, True):
        plain = [o for o in found if o.last == last and o.head == "none" and ends(o) & tops]
        if tops and tops <= {e for output in plain for e in ends(output)}:
            return plain
    whole = {output.name for output in found}
    for name in graph.outputs:
        if whole and name not in whole and used[name] & tops:
            raise RnnhwError(
                f"The graph's output {name!r} ends in a layer of its own, but holds neither every "
                "step nor the last step of whole layers; export the model without it.")
    if whole:
        raise RnnhwError(f"The graph's outputs ({', '.join(graph.outputs)}) end in different "
                         "layers, some in every step and some in the last one; export it with one "
                         "of them.")
    hint = ""
    if any(getattr(entry.layer, "reverse", False) for entry in trace.entries):
        hint = "; of a backward direction the last step that it runs is Y_h and Y's first"
    raise RnnhwError(f"No output of the graph ({', '.join(graph.outputs)}) holds either every step "
                     f"or the last step of the last layer's output{hint}; export it with one of "
                     "them.")


def _check_ends(trace, result, sources):
    """Refuse what takes the last step of a layer over backward ones that runs for all steps."""
    if not result.last_step or not any(layer.recurrent for layer in result.layers):
        return
    on_last = dict(zip(result.entries, result.model().on_last))
    taken = {trace.beneath(k) for e in result.entries if trace.entries[e].last
             for k in trace.entries[e].reads}
    for k in sorted(taken | set(sources)):
        source = trace.list[k]
        if source.entry == INPUT or source.kind != "y" or source.end != 0:
            continue
        layer = trace.entries[source.entry].layer
        if not layer.recurrent and not on_last[source.entry]:
            raise RnnhwError(f"The graph takes the first step of layer {layer.name!r}, which "
                             "follows a backward direction and feeds a recurrent layer too, which "
                             "is not supported; take the last step of another layer.")
