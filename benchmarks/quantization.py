"""SQNR and accuracy of the integer model against the float model, over widths.

Run as ``python -m benchmarks.quantization``.
"""

from pathlib import Path

import numpy as np

from rnnhw import data, golden, load
from rnnhw.calibrate import compare, sqnr_db
from rnnhw.config import Config
from rnnhw.model import GATES, Model, Recurrent
from rnnhw.quantize import quantize
from rnnhw.report import table

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "spoken_digits"
WIDTHS = ((4, 8), (6, 8), (8, 8), (12, 12), (16, 16))


def cell(kind, m=128, n=128, seed=0):
    """A layer with weights as training starts from them: uniform within 1/sqrt(n)."""
    rng = np.random.default_rng(seed)
    name = kind.removesuffix("_reset_before")
    rows, bound = len(GATES[name]) * n, 1 / np.sqrt(n)
    w_ih, w_hh, b_ih, b_hh = (rng.uniform(-bound, bound, shape)
                              for shape in ((rows, m), (rows, n), rows, rows))
    return Model(layers=[Recurrent(cell=name, weight_ih=w_ih, weight_hh=w_hh, bias_ih=b_ih,
                                   bias_hh=b_hh, reset_after=kind == name)])


def outputs(model, widths, calibration, x, lengths=None, calibration_lengths=None):
    """Outputs on ``x`` of the float model and of the integer model made from ``calibration``."""
    config = Config(weight_bits=widths[0], activation_bits=widths[1])
    q = quantize(model, config, calibration, calibration_lengths)
    y = golden.run(q, q.input_format.quantize(x), lengths)
    return model.run(x, lengths), q.output_format.to_float(y)


def random_rows():
    """SQNR of h on inputs that were not used for calibration, by cell and widths."""
    rng = np.random.default_rng(1)
    calibration, x = rng.standard_normal((2, 8, 64, 128))
    for kind in ("lstm", "gru", "gru_reset_before"):
        model = cell(kind)
        yield (kind, *(round(sqnr_db(*compare(*outputs(model, w, calibration, x))), 1)
                       for w in WIDTHS))


def digit_rows():
    """Accuracy and SQNR of the spoken-digit recognisers on their held-out recordings."""
    for name in ("gru64.onnx", "gru48.onnx"):
        model = load(DIGITS / name)
        seen = data.read(DIGITS / "calibration.npz", model)
        held = data.read(DIGITS / "heldout.npz", model)
        for widths in WIDTHS:
            exact, y = outputs(model, widths, seen.x, held.x, held.lengths, seen.lengths)
            right = [f"{100 * np.mean(v.argmax(axis=1) == held.y):.2f} %" for v in (exact, y)]
            yield (name, f"{widths[0]} / {widths[1]}", len(held.x), *right,
                   round(sqnr_db(*compare(exact, y)), 1))


HEADERS = {"random": ("cell", *(f"{weights} / {operands}" for weights, operands in WIDTHS)),
           "digits": ("model", "bits", "recordings", "float", "integers", "SQNR (dB)")}


def figures(say):
    """Rows under ``HEADERS``, ready for JSON."""
    say("Quantizing random networks and the spoken-digit recognizers.")
    rows = {"random": random_rows(), "digits": digit_rows()}
    return {key: [dict(zip(HEADERS[key], row, strict=True)) for row in found]
            for key, found in rows.items()}


def page(found):
    """The rows as text."""
    random, digits = (table([row.values() for row in found[key]], HEADERS[key]) for key in HEADERS)
    return ("SQNR of h in dB, (128, 128), random weights, weight / operand bits:\n\n"
            f"{random}\nSpoken digits, held-out recordings:\n\n{digits}")


def failed(found):
    """Never: these figures have no bound here."""
    return False


def main():
    print(page(figures(lambda text: None)), end="")


if __name__ == "__main__":
    main()
