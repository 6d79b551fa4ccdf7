"""How good the integers are: saturations, SQNR of every layer, accuracy; as report and text."""

import numpy as np

from . import calibrate, golden, reference
from .fixed import FixedFormat
from .formats import flat_range
from .integers import float_weights
from .interpret import tables
from .layers import constants
from .reference import output_name
from .report import facts, number, table

WARN_LSB = 1               # overshoot above which a saturation is worth a warning


def account(qmodel, config, seen, x, lengths, labels=None, random=False):
    """Run float and integer model over ``x`` and account for the differences, JSON-ready.

    Returns
    -------
    dict with the keys

    ``calibration`` : ``random``, ``sequences``, ``steps``, ``seed`` (None where data were given)
    ``tensors`` : by name ``format``, ``low`` and ``high`` (seen in float), ``total``,
        ``saturated``, ``share``, ``overshoot_lsb``, and ``flat``: whether it feeds nothing but a
        function that is constant where it saturates
    ``shifts``, ``acc_frac`` : by operand segment (:meth:`QuantizedModel.segment_key`), by layer
    ``circulant`` : by matrix that is block-circulant, ``0.weight_ih``: ``block_size``, ``numbers``
        that are stored and their ``bits``, ``dense_numbers``, what the matrix stands for
    ``sqnr_db`` : by layer, and ``output``; None where there is no difference or no signal
    ``accuracy`` : ``float``, ``fixed``, ``agreement``, ``sequences``, or None without class labels
    ``activation`` : ``kind``, ``error``, ``entries``, ``segment_bits``, ``bits``, and ``distance``:
        worst errors against ``tanh`` and ``sigmoid``; None without either
    ``warnings`` : sentences on saturations above 1 LSB that are not flat, and on random calibration
    """
    model = qmodel.model
    counts, energies = {}, {}
    classes = labels is not None and labels.shape == (len(x),) and labels.dtype.kind in "iu"
    right = {"float": 0, "fixed": 0, "agreement": 0}
    for rows, part, cut in calibrate.chunks(model, x, lengths):
        floats = reference.trace_of(model, part, cut)
        codes = count_input(qmodel.input_format, part, cut, counts)
        outputs = golden.trace(qmodel, codes, cut, counts)
        for i, (name, values) in enumerate(outputs.items()):
            outputs[name] = qmodel.layers[i].formats[name.split(".")[1]].to_float(values)
            pair = [calibrate.valid_rows(v, cut, model.on_last[i])
                    for v in (floats[name], outputs[name])]
            energies.setdefault(str(i), np.zeros(2))
            energies[str(i)] += calibrate.compare(*pair)
        ends = [output_name(model, j) for j in model.outputs]
        best = []
        for held in (floats, outputs):
            found = [calibrate.valid_rows(held[name], cut, model.last_step) for name in ends]
            best.append(np.concatenate(found, axis=1))
        energies.setdefault("output", np.zeros(2))
        energies["output"] += calibrate.compare(*best)
        if classes:
            best = [np.concatenate([calibrate.valid_rows(held[name], cut, True) for name in ends],
                                   axis=1).argmax(axis=1) for held in (floats, outputs)]
            right["float"] += int(np.count_nonzero(best[0] == labels[rows]))
            right["fixed"] += int(np.count_nonzero(best[1] == labels[rows]))
            right["agreement"] += int(np.count_nonzero(best[0] == best[1]))
    tensors = {}
    for name, fmt in _formats(qmodel):
        n, total, over = counts[name] if name in counts else _count_weights(qmodel, name, fmt)
        tensors[name] = {"format": str(fmt), "low": seen[name].low, "high": seen[name].high,
                         "total": total, "saturated": n, "share": n / total, "overshoot_lsb": over,
                         "flat": _flat(qmodel, name, fmt)}
    return {
        "calibration": {"random": random, "sequences": len(x), "steps": int(lengths.sum()),
                        "seed": config.seed if random else None},
        "tensors": tensors,
        "shifts": dict(qmodel.shifts),
        "acc_frac": {str(i): layer.acc_frac for i, layer in enumerate(qmodel.layers)},
        "circulant": dict(_circulant(qmodel)),
        "sqnr_db": {key: calibrate.sqnr_db(*pair) for key, pair in energies.items()},
        "accuracy": {key: n / len(x) for key, n in right.items()} | {"sequences": len(x)}
        if classes else None,
        "activation": _activation(qmodel.activation) if qmodel.has_tanh else None,
        "warnings": _warnings(tensors, random),
    }


def count_input(fmt, x, lengths, counts):
    """Codes of ``x`` in ``fmt``; saturations of valid steps are added to ``counts`` as ``x``."""
    valid = calibrate.valid_rows(x, lengths, False)
    n, total, worst = counts.get("x", (0, 0, 0))
    saturated, over = saturation(valid, fmt)
    counts["x"] = n + saturated, total + valid.size, max(worst, over)
    return fmt.quantize(x)


def saturation(values, fmt):
    """``(count, largest overshoot in LSB)`` of float values that round to codes beyond ``fmt``."""
    codes = np.floor(values * 2.0**fmt.frac_bits + 0.5)
    over = max(float(codes.max()) - fmt.max, fmt.min - float(codes.min()), 0.0)
    return int(np.count_nonzero(codes > fmt.max) + np.count_nonzero(codes < fmt.min)), int(over)


def _formats(qmodel):
    """``(name, format)`` of every tensor, in the order of the layers."""
    yield "x", qmodel.input_format
    for i, layer in enumerate(qmodel.layers):
        yield from ((f"{i}.{name}", fmt) for name, fmt in layer.formats.items())
        for key in layer.layer.description.operands:
            if f"{i}.{key}" in qmodel.operands:
                yield f"{i}.{key}_operand", qmodel.operands[f"{i}.{key}"]


def _circulant(qmodel):
    """``(name, facts)`` of every block-circulant matrix."""
    for i, q in enumerate(qmodel.layers):
        for key, k in q.block_sizes.items():
            if k is not None:
                stored = q.weights[key]
                yield f"{i}.{key}", {"block_size": k, "numbers": stored.size,
                                     "bits": stored.size * q.formats[key].width,
                                     "dense_numbers": q.layer.array(key).size}


def _activation(table):
    return {"kind": table.kind, "error": table.error, "entries": table.entries,
            "segment_bits": table.segment_bits, "bits": table.bits, "distance": table.distance}


def _count_weights(qmodel, name, fmt):
    index, key = name.split(".")
    layer = qmodel.layers[int(index)].layer
    values = (constants(layer) | float_weights(layer))[key]
    n, over = saturation(values, fmt)
    return n, values.size, over


def _flat(qmodel, name, fmt):
    """Whether the tensor feeds a table alone and holds all arguments at which that is not flat."""
    index, _, tensor = name.partition(".")
    if name == "x" or qmodel.layers[int(index)].layer.description.rules.get(tensor) != "table":
        return False
    layer = qmodel.layers[int(index)]
    out = max(layer.formats[op.fmt].frac_bits
              for op in tables(layer.layer.description, tensor))
    return (fmt.max + 1) * fmt.lsb >= flat_range(out)


def _warnings(tensors, random):
    found = []
    if random:
        found.append("No calibration data were given: formats come from random inputs and may not "
                     "hold real data.")
    for name, t in tensors.items():
        if t["overshoot_lsb"] > WARN_LSB and not t["flat"]:
            over = t["overshoot_lsb"] * FixedFormat.parse(t["format"]).lsb
            found.append(f"{name} ({t['format']}): {100 * t['share']:.3g} % of its values "
                         f"saturate, by up to {t['overshoot_lsb']:,} LSB ({over:.3g}).")
    return found


def report_text(report):
    """A quantisation's report as text for a reader, tables aligned."""
    def db(value):
        return "exact" if value is None else f"{value:.1f} dB"

    calibration = report["calibration"]
    source = f"random inputs, seed {calibration['seed']}" if calibration["random"] else "data given"
    lines = [("calibration", f"{number(calibration['sequences'])} sequences, "
              f"{number(calibration['steps'])} steps ({source})")]
    for key, value in report["sqnr_db"].items():
        lines.append((f"SQNR of {'the output' if key == 'output' else f'layer {key}'}", db(value)))
    if report["accuracy"]:
        accuracy = report["accuracy"]
        lines += [("accuracy, float", f"{100 * accuracy['float']:.2f} %"),
                  ("accuracy, integers", f"{100 * accuracy['fixed']:.2f} %"),
                  ("same class", f"{100 * accuracy['agreement']:.2f} % of "
                   f"{number(accuracy['sequences'])} sequences")]
    if report["activation"]:
        activation = report["activation"]
        distance = activation["distance"]
        lines.append((f"tanh, sigmoid ({activation['kind']})",
                      f"{activation['entries']} entries, worst errors {distance['tanh']:.3g} and "
                      f"{distance['sigmoid']:.3g}"))
    rows = [(name, t["format"], float(t["low"]), float(t["high"]), t["overshoot_lsb"],
             f"{100 * t['share']:.3g} %" + " (harmless)" * bool(t["flat"] and t["saturated"]))
            for name, t in report["tensors"].items()]
    header = ("tensor", "format", "lowest", "highest", "over (LSB)", "saturated")
    parts = [facts(lines), table(rows, header)]
    shifted = [(name, f"{bits} bits") for name, bits in report["shifts"].items() if bits]
    if shifted:
        parts.append("Operands stored shifted left, so that products align:\n" + facts(shifted))
    if report.get("circulant"):
        rows = [(name, c["block_size"], c["numbers"], c["bits"], c["dense_numbers"])
                for name, c in report["circulant"].items()]
        parts.append(table(rows, ("block-circulant", "block size", "stored numbers", "bits",
                                  "stands for")))
        parts.append("Guard bits of their operands, part of the shift:\n" + facts(
            [(name, f"{bits} bits") for name, bits in report["guard_bits"].items()]))
    for name, tried in report.get("tried", {}).items():
        parts.append(f"Tried for {name}, SQNR of h:\n"
                     + facts([(fmt, db(value)) for fmt, value in tried.items()]))
    sentences = report["warnings"] + report.get("notes", [])
    if sentences:
        parts.append("".join(f"{text}\n" for text in sentences))
    return "\n".join(parts)
