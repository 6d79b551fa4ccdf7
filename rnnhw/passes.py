"""Networks that run both ways: layers in passes over whole sequences, one core a pass.

What a layer needs of a sequence's other end must be there before it begins. Layers therefore run in
passes; in front of each pass a sequence memory holds what it reads of the one before, and gives
each of its layers the steps in the order in which that layer runs.
"""

from dataclasses import dataclass, replace

from .errors import RnnhwError
from .model import INPUT, Model
from .quantized import QuantizedModel
from .segments import segment_of


@dataclass(frozen=True)
class Source:
    """What a pass reads of a step of the one before: a layer's output, or the input.

    Parameters
    ----------
    layer : its number, or :data:`rnnhw.model.INPUT`
    reverse : whether steps are read from the last to the first
    """

    layer: int
    reverse: bool


@dataclass(frozen=True, eq=False)
class Pass:
    """Layers that run side by side over a sequence.

    Parameters
    ----------
    quantized : QuantizedModel, of the layers as if all ran forwards; its inputs are the ``sources``
    sources : tuple of Source
    outputs : numbers of the layers whose outputs leave it, in the whole model
    """

    quantized: QuantizedModel
    sources: tuple
    outputs: tuple


def needs_passes(model):
    """Whether any layer runs backwards."""
    return any(layer.reverse for layer in model.layers)


def levels(model):
    """The number of the pass that each layer runs in.

    Raises
    ------
    RnnhwError
        If a layer reads, or comes out of, a pass that is not the one before, or the last.
    """
    found = []
    for i, layer in enumerate(model.layers):
        level = 0
        for j in model.reads[i]:
            if j != INPUT:
                turns = model.layers[j].reverse != layer.reverse and not model.on_last[i]
                level = max(level, found[j] + turns)
        found.append(level)
    for i in range(len(model.layers)):
        for j in model.reads[i]:
            far = found[i] - (found[j] if j != INPUT else -1)
            if far > 1:
                what = "the input" if j == INPUT else f"layer {j}"
                raise RnnhwError(f"Layer {i} reads {what}, which is {far} passes over the sequence "
                                 "before it; only what the pass before gives is kept so far. "
                                 "Model.run computes it in floats.")
    for j in model.outputs:
        if found[j] != max(found):
            raise RnnhwError(f"Layer {j} comes out of the model, but a later pass over the "
                             "sequence goes on behind it, which is not built yet in gateware; "
                             "Model.run computes it in floats.")
    return found


def passes(quantized):
    """The passes of a quantised model, first pass first.

    Raises
    ------
    RnnhwError
        As :func:`levels`; also if a matrix is block-circulant.
    """
    model = quantized.model
    level = levels(model)
    if any(k for q in quantized.layers for k in q.block_sizes.values()):
        raise RnnhwError(f"Model {model.name!r} has block-circulant layers in a network that runs "
                         "both ways, which is not built yet in gateware; keep its matrices dense.")
    return [_pass(quantized, [i for i, of in enumerate(level) if of == n],
                  [j for j in range(len(level)) if any(
                      j in model.reads[i] and level[i] > level[j] == n for i in range(len(level)))]
                  or model.outputs) for n in range(max(level) + 1)]


def _pass(quantized, chosen, outputs):
    model, local = quantized.model, {j: n for n, j in enumerate(chosen)}
    sources, reads = {}, []
    for i in chosen:
        found = []
        for j in model.reads[i]:
            if j in local:
                found.append(local[j])
                continue
            of = j != INPUT and model.layers[j].reverse
            source = Source(j, of != model.layers[i].reverse and not model.on_last[i])
            found.append(-1 - sources.setdefault(source, len(sources)))
        reads.append(tuple(found))
    layers = [replace(model.layers[i], reverse=False) if model.layers[i].recurrent
              else model.layers[i] for i in chosen]
    part = Model(layers=layers, reads=reads, outputs=tuple(local[j] for j in outputs),
                 last_step=model.last_step and tuple(outputs) == tuple(model.outputs),
                 name=model.name, inputs=tuple(model.size(s.layer) for s in sources))
    names = {segment_of(part, -1 - k): segment_of(model, source.layer)
             for k, source in enumerate(sources)}
    names |= {f"{n}.{value}": f"{j}.{value}" for j, n in local.items()
              for value in model.layers[j].description.operands}
    q = replace(quantized, model=part, report={},
                layers=tuple(replace(quantized.layers[j], layer=layer)
                             for j, layer in zip(chosen, layers)),
                operands={new: quantized.operands[old] for new, old in names.items()
                          if old in quantized.operands},
                shifts={new: quantized.shifts[old] for new, old in names.items()
                        if old in quantized.shifts})
    return Pass(q, tuple(sources), tuple(outputs))
