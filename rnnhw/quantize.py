"""From a float model to integers: a format for every tensor, shifts that align products, biases."""

from dataclasses import replace

import numpy as np

from . import calibrate, data, golden, reference
from .assign import Assignment
from .errors import RnnhwError
from .formats import check_names, count_beyond
from .measure import account, report_text
from .model import INPUT, block_sizes

__all__ = ["quantize", "report_text"]

GAIN_DB = 0.5              # that a format must bring over one tried before it
SHARE_LIMIT = 0.1          # of values that a format tried later may let saturate
RANDOM_SEQUENCES, RANDOM_STEPS = 4, 32


def quantize(model, config, calibration=None, lengths=None, labels=None, progress=None):
    """Integers for ``model``: weights and biases, formats, shifts, the activation table, a report.

    Scales are powers of two per tensor. Operands cover what calibration shows; weights take the
    fraction bits of least squared error; the range of ``c`` is chosen by the SQNR of h in the
    integer model itself. The accumulator of a layer has ``acc_frac = weight + operand + shift``
    fraction bits for every operand. Block-circulant matrices are quantised as spectra, straight
    from float, at the scale of least squared error too. See docs/numerics.md.

    Parameters
    ----------
    model : Model
    config : Config
    calibration : float (seq_len, input_size) or (batch, seq_len, input_size), or None
        None: 4 sequences of 32 standard normal steps drawn with ``config.seed``.
    lengths : int (batch,) or None; padding never counts
    labels : class integers (batch,), for the accuracy in the report, or targets, which are not used
    progress : callable taking one sentence, or None

    Raises
    ------
    RnnhwError
        If the data do not fit the model, are empty or not finite; if the config asks for blocks
        that the model does not have; if a format the user fixed is of
        an unknown tensor, over 18 bits, cannot hold its data or would need a negative shift.
    """
    check_built(model)
    check_names(model, config.formats)
    circulant = _check_blocks(model, config)
    say = progress or (lambda text: None)
    random = calibration is None
    if random:
        if lengths is not None or labels is not None:
            raise RnnhwError("lengths and labels belong to calibration data, but none is given.")
        x = data.random_inputs(model, RANDOM_SEQUENCES, RANDOM_STEPS, config.seed)
        x = reference.embedded(model, x)
    else:
        x = reference.embedded(model, calibration, "calibration")
        lengths = data.check_lengths(lengths, x)
        labels = data.check_labels(labels, model, x, "labels")
    if x.ndim == 2:
        x, labels = x[None], None if labels is None else labels[None]
    lengths = np.full(len(x), x.shape[1]) if lengths is None else lengths
    say(f"Calibrating on {len(x)} sequences ({lengths.sum()} steps)")
    seen, sample = calibrate.ranges(model, x, lengths, config.formats), None
    if circulant:
        sample = calibrate.sample(model, x, lengths)
    assignment = Assignment(model, config, seen, sample)
    tried = {}
    if assignment.choices:
        sample = sample or calibrate.sample(model, x, lengths)
        tried = _Trial(assignment, sample).settle(say)
    result = assignment.result()
    _check_outputs(result)
    say("Comparing the integer model with the float model")
    report = account(result, config, assignment.seen, x, lengths, labels, random)
    report |= {"guard_bits": assignment.integers.guards, "tried": tried, "notes": assignment.notes}
    return replace(result, report=report)


def _check_outputs(quantized):
    """Refuse outputs whose words have different formats."""
    model, found = quantized.model, {}
    for j in model.outputs:
        name = reference.output_name(model, j)
        found[name] = quantized.layers[j].formats[name.split(".")[1]]
    if len(set(found.values())) > 1:
        text = " and ".join(f"{name} {fmt}" for name, fmt in found.items())
        raise RnnhwError(f"What comes out side by side has different formats ({text}); fix one for "
                         "all of them in formats.")


def check_built(model):
    """Refuse what floats have and integers have not yet."""
    for i, layer in enumerate(model.layers):
        if layer.recurrent and layer.initial and any(block_sizes(layer).values()):
            raise RnnhwError(f"Layer {i} ({layer.name or layer.kind}) has an initial state and "
                             "block-circulant matrices, which is not built yet in integers; "
                             "Model.run computes it in floats.")
    if model.inputs is not None:
        raise RnnhwError(f"Model {model.name!r} has layers that read a part of its input, which is "
                         "not built yet in integers; Model.run computes it in floats.")
    if list(model.outputs) != sorted(set(model.outputs)):
        raise RnnhwError(f"outputs of model {model.name!r} are {model.outputs}, but integers come "
                         "out in the order of layers, each once; Model.run computes it in floats.")
    for i, layer in enumerate(model.layers):
        sizes = [k for k in block_sizes(layer).values() if k]
        for j, start, _ in model.sources(i):
            if sizes and start % max(sizes):
                raise RnnhwError(f"Layer {i} reads layer {j} from element {start} of its input on, "
                                 f"which is no multiple of its blocks of {max(sizes)}; take other "
                                 "sizes, or keep its input matrix dense.")


def _check_blocks(model, config):
    """Whether the model has block-circulant matrices; it must be as the config says."""
    layers = [layer for layer in model.layers if layer.kind != "linear"] or model.layers
    circulant = any(any(block_sizes(layer).values()) for layer in model.layers)
    k = config.block_size
    if k is not None:
        sizes = sorted({size for layer in layers for size in block_sizes(layer).values() if size})
        if not sizes:
            raise RnnhwError(f"block_size is {k}, but the model's matrices are dense; rnnhw "
                             f"compress MODEL --block-size {k} makes a block-circulant one.")
        if k not in sizes:
            raise RnnhwError(f"block_size is {k}, but the model has blocks of "
                             f"{' and '.join(map(str, sizes))}; leave it out or give that.")
    for name in ("spectrum_bits", "guard_bits"):
        if getattr(config, name) is not None and not circulant:
            raise RnnhwError(f"{name} is {getattr(config, name)}, but the model has no "
                             "block-circulant matrix; leave it out, or make one with rnnhw "
                             "compress MODEL --block-size K.")
    return circulant


class _Trial:
    """Formats of an assignment that are settled by the SQNR of h over a sample, layer by layer."""

    def __init__(self, assignment, sample):
        self.all, self.sample = assignment, sample

    def settle(self, say):
        """Try all choices; returns the SQNR of h in dB by tensor and format."""
        tried = {}
        codes = {INPUT: self.all.formats["x"].quantize(self.sample.x)}
        for i in range(max(int(name.split(".")[0]) for name in self.all.choices) + 1):
            for name in self.all.choices:
                if name.split(".")[0] == str(i):
                    say(f"Choosing the format of {name}")
                    tried[name] = self._settle(name, i, codes)
            codes[i] = self._forward(i, codes)[1]
        return tried

    def _settle(self, name, i, codes):
        valid, trace = self.sample.valid, self.sample.trace
        output = f"{i}.{self.all.model.layers[i].description.output}"
        values, h = trace[name][valid], trace[output][valid]
        best, kept, tried = None, None, {}
        for fmt in self.all.choices[name]:
            if kept is not None and count_beyond(values, fmt) > SHARE_LIMIT * values.size:
                continue
            self.all.formats[name] = fmt
            got = self.all.formats[output].to_float(self._forward(i, codes)[0][valid])
            db = calibrate.sqnr_db(*calibrate.compare(h, got))
            tried[str(fmt)] = db
            if kept is None or (db is not None and best is not None and db > best + GAIN_DB):
                best, kept = db, fmt
        self.all.formats[name] = kept
        return tried

    def _forward(self, i, codes):
        """Outputs of layer ``i`` and their operand copies, in integers; ``codes`` are the operands
        of those in front of it."""
        result = self.all.result(i + 1)
        state = {key: np.zeros((len(codes[INPUT]), 1), np.int64) + own
                 for key, own in result.layers[i].initial.items()}
        return golden.run_layer(result, i, codes, self.sample.lengths, state)[:2]
