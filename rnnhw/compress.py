"""Dense model to block-circulant model: which matrices, how near, what it does to the outputs."""

from dataclasses import dataclass, replace

import numpy as np

from . import data, reference
from .calibrate import compare, sqnr_db
from .circulant import Circulant, check_block_size, check_padding
from .config import Config
from .costs import cost
from .errors import RnnhwError
from .formats import SPECTRUM_BITS
from .model import matrices
from .report import facts, page, table

LEARNING_RATE, BATCH = 5e-3, 16
PROJECTED = """The matrices are projected, not trained, which seldom keeps what was learned. Train
on with --fine-tune EPOCHS, or with the constraint from the start (docs/circulant.md).
"""


@dataclass(frozen=True)
class Choice:
    """What becomes of one matrix: blocks of ``block_size``, or dense where it is None, and why."""

    layer: int
    name: str
    block_size: int | None
    why: str = ""


def _short(index, name):
    """The name of a matrix in ``layers``: ``0.ih``, ``0.hh``, or ``1`` of a linear layer."""
    return f"{index}{name.removeprefix('weight').replace('_', '.')}"


def _wanted(model, layers, block_size):
    """Block sizes by matrix, as ``layers`` asks for them."""
    known, found = {}, {}
    for i, layer in enumerate(model.layers):
        names = [_short(i, name) for name, *_ in matrices(layer)]
        known |= {str(i): names} | {name: [name] for name in names}
    for text in layers:
        name, _, k = str(text).partition("=")
        if name not in known:
            raise RnnhwError(f"layers has {text!r}, which names no matrix of {model.name}; known "
                             f"are {', '.join(known)}, each with =K for a block size of its own.")
        if k:
            k = check_block_size(int(k) if k.isdecimal() else k, f"The block size of {text!r}")
        found |= dict.fromkeys(known[name], k or block_size)
    return found


def plan(model, block_size, layers=None):
    """A :class:`Choice` for each matrix of ``model``; see :func:`compress`."""
    block_size = check_block_size(block_size)
    wanted = None if layers is None else _wanted(model, layers, block_size)
    found = []
    for i, layer in enumerate(model.layers):
        for name, weight, circulant, gates in matrices(layer):
            k = block_size if wanted is None else wanted.get(_short(i, name))
            if circulant is not None and k is not None:
                raise RnnhwError(f"{i}.{name} is block-circulant already (blocks of "
                                 f"{circulant.block_size}); give the dense model that it was made "
                                 "from.")
            why = "" if k else "not asked for"
            try:
                if k:
                    check_padding(len(weight) // gates, weight.shape[1], k, f"{i}.{name}")
            except RnnhwError as error:
                if wanted is not None:
                    raise
                k, why = None, str(error)
            found.append(Choice(i, name, k, why))
    if not any(choice.block_size for choice in found):
        reason = found[0].why if wanted is None else "layers is empty."
        raise RnnhwError(f"No matrix of {model.name} becomes block-circulant: {reason}")
    return found


def project(model, choices):
    """``model`` with the chosen matrices replaced by their least squares projections."""
    layers = list(model.layers)
    for choice in choices:
        if choice.block_size:
            layer = layers[choice.layer]
            _, weight, _, gates = next(m for m in matrices(layer) if m[0] == choice.name)
            found = Circulant.project(weight, gates, choice.block_size,
                                      f"{choice.layer}.{choice.name}")
            key = choice.name.replace("weight", "circulant")
            layers[choice.layer] = replace(layer, **{choice.name: None, key: found})
    return replace(model, layers=layers)


def tune(model, x, y, lengths=None, *, epochs, lr=LEARNING_RATE, seed=0, progress=None):
    """``model`` trained further with :func:`rnnhw.training.fit`, its structure kept.

    Takes data as :func:`compress` does; needs the extra ``torch``.
    """
    from . import training
    from .importers.torch import from_torch

    x = data.check_values(x, model.input_size)
    if y is None:
        raise RnnhwError("Fine-tuning needs y, the classes or targets of x; give data that have "
                         "them.")
    lengths, y = data.check_lengths(lengths, x), data.check_labels(y, model, x)
    if x.ndim == 2:
        x, y = x[None], y[None]
    net = training.to_torch(model)
    training.fit(net, x, y, lengths, epochs=epochs, lr=lr, batch=BATCH, seed=seed,
                 progress=progress)
    found = from_torch(net)
    layers = [replace(new, name=old.name) for new, old in zip(found.layers, model.layers)]
    return replace(model, layers=layers)


def compress(model, block_size=8, layers=None, *, x=None, y=None, lengths=None, fine_tune=0,
             lr=LEARNING_RATE, seed=0, progress=None):
    """A block-circulant model: least squares projections of its matrices, trained further if asked.

    Parameters
    ----------
    model : Model, dense where it is to be compressed
    block_size : int, a power of two within 4..64
    layers : list of str, or None
        Which matrices: ``"0"`` (all of layer 0), ``"0.ih"``, ``"0.hh"``, each with ``=K`` for a
        block size of its own. None takes every matrix that blocks pad by no more than a quarter.
    x, y, lengths : sequences to train on, as in a data file; needed with ``fine_tune``
    fine_tune : int, epochs of training behind the projection; needs the extra ``torch``
    lr, seed : largest learning rate and seed of that training
    progress : callable taking one sentence, or None

    Raises
    ------
    RnnhwError
        If a block size is another, if ``layers`` names no matrix or one that does not fit, if a
        matrix is block-circulant already, if none fits, or if the data do not go with the model.

    Reference: Ding et al. 2017 (CirCNN), section 3; Wang et al. 2018 (C-LSTM), section 3.
    """
    small = project(model, plan(model, block_size, layers))
    if not fine_tune:
        return small
    if x is None:
        raise RnnhwError("Fine-tuning needs data; give x and y.")
    return tune(small, x, y, lengths, epochs=fine_tune, lr=lr, seed=seed, progress=progress)


def errors(model, small, choices):
    """A row for each matrix, JSON-ready: stored numbers and relative Frobenius error."""
    rows = []
    for choice in choices:
        _, weight, _, _ = next(m for m in matrices(model.layers[choice.layer])
                               if m[0] == choice.name)
        _, near, circulant, _ = next(m for m in matrices(small.layers[choice.layer])
                                     if m[0] == choice.name)
        size = np.linalg.norm(weight)
        rows.append({"matrix": f"{choice.layer}.{choice.name}", "shape": list(weight.shape),
                     "block_size": choice.block_size, "why_dense": choice.why or None,
                     "stored_before": weight.size,
                     "stored_after": weight.size if circulant is None else circulant.blocks.size,
                     "relative_error": float(np.linalg.norm(near - weight) / (size or 1))})
    return rows


def measure(model, candidates, given):
    """Accuracy of ``model`` and ``candidates`` on class labels, else their SQNR against ``model``.

    ``{"measure": "accuracy" or "sqnr_db", "before": ..., name of each candidate: ...}``
    """
    outputs = {"before": model} | candidates
    x = given.x if given.x.ndim == 3 else given.x[None]
    outputs = {key: reference.run(m, x, given.lengths) for key, m in outputs.items()}
    labels = None if given.y is None else np.asarray(given.y).reshape(-1)
    if labels is not None and labels.shape == (len(x),) and labels.dtype.kind in "iu":
        steps = np.full(len(x), x.shape[1]) if given.lengths is None else given.lengths
        found = {key: y if model.last_step else reference.last_valid(y, steps)
                 for key, y in outputs.items()}
        return {"measure": "accuracy", "sequences": len(x),
                **{key: float(np.mean(y.argmax(axis=1) == labels)) for key, y in found.items()}}
    before = outputs.pop("before")
    return {"measure": "sqnr_db", "sequences": len(x), "before": None,
            **{key: sqnr_db(*compare(before, y)) for key, y in outputs.items()}}


def account(model, projected, small, choices, measured):
    """Facts of a compression, JSON-ready. ``measured``: results of :func:`measure` by data file."""
    before, after = cost(model).weights, cost(small).weights
    return {"name": model.name, "stored_before": before, "stored_after": after,
            "ratio": before / after, "bits_before": _bits(model), "bits_after": _bits(small),
            "matrices": errors(model, projected, choices), "measured": measured}


def _bits(model):
    """Bits of the weights at the widths that quantize takes by itself."""
    dense = Config().weight_bits
    return sum(weight.size * dense if circulant is None else circulant.blocks.size * SPECTRUM_BITS
               for layer in model.layers for _, weight, circulant, _ in matrices(layer))


def text(found):
    """The report of :func:`account` for a reader."""
    rows = [[m["matrix"], "x".join(map(str, m["shape"])),
             "dense" if m["block_size"] is None else f"k={m['block_size']}", m["stored_before"],
             m["stored_after"], f"{m['relative_error']:.3f}" if m["block_size"] else "-"]
            for m in found["matrices"]]
    sections = [("", facts([("stored weights", f"{found['stored_before']:,} before, "
                                               f"{found['stored_after']:,} after "
                                               f"({found['ratio']:.2f} times fewer)"),
                           ("bits of them", f"{found['bits_before']:,} before, "
                                            f"{found['bits_after']:,} after, with "
                                            f"{Config().weight_bits}-bit weights and "
                                            f"{SPECTRUM_BITS}-bit spectra")])),
                ("", table(rows, ["matrix", "shape", "blocks", "before", "after",
                                  "relative error"]))]
    kept = [f"{m['matrix']} stays dense: {m['why_dense']}" for m in found["matrices"]
            if m["why_dense"]]
    if kept:
        sections.append(("", "".join(f"{line.rstrip('.')}.\n" for line in kept)))
    for m in found["measured"]:
        def show(value, accuracy=m["measure"] == "accuracy"):
            if value is None:
                return "exact"
            return f"{100 * value:.2f} %" if accuracy else f"{value:.1f} dB"
        names = {"before": "before", "projected": "projected", "tuned": "fine-tuned"}
        title = "Accuracy" if m["measure"] == "accuracy" else "SQNR against the model before"
        pairs = [(names[key], show(m[key])) for key in names
                 if key in m and (m["measure"] == "accuracy" or key != "before")]
        note = "  (the data it was fine-tuned on)\n" if m["trained_on"] else ""
        sections.append((f"{title} on {m['data']}, {m['sequences']:,} sequences",
                         facts(pairs) + note))
    if not found.get("fine_tune"):
        sections.append(("", PROJECTED))
    return page(f"Block-circulant {found['name']}", sections)
