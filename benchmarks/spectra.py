"""SQNR of spectral products against float ones of the same operands, over blocks and widths.

Run as ``python -m benchmarks.spectra``. An LSTM runs in integers; what its gates' sums are in every
step is held against the float circulant product of the very operands, 8 bits wide.
"""

import itertools

import numpy as np

from rnnhw import golden
from rnnhw.calibrate import compare, sqnr_db
from rnnhw.circulant import Circulant
from rnnhw.config import Config
from rnnhw.fourier import spectrum
from rnnhw.model import Model, Recurrent
from rnnhw.quantize import quantize
from rnnhw.report import table

from .command import finish

SIZES = ((128, 128), (512, 1024))
BLOCKS = (4, 8, 16, 32, 64)
WIDTHS = (10, 12)
ASKED = {10: 39, 12: 49}   # dB, for blocks of 8 and 16 and operands of 16 LSB
LEAST_RMS = 12             # of operands, in LSB; 16 is what is asked
SEEDS = {"uniform": 1, "heavy-tailed": 3}
HEADER = ("weights", "inputs", "units", "k", "seed", "rms of x", "rms of h", "peak", "guard bits",
          "10 bits (dB)", "12 bits (dB)")


def weights(kind, m, n, k, seed=0):
    """An LSTM: uniform first columns as training starts from, or Student's t with 4 degrees.

    The heavy-tailed ones are scaled for pre-activations of about 3.3.
    """
    rng = np.random.default_rng(seed)
    bound = 1 / np.sqrt(n)

    def circulant(columns):
        shape = 4, n // k, columns // k, k
        if kind == "uniform":
            return Circulant(rng.uniform(-bound, bound, shape), n, columns)
        return Circulant(rng.standard_t(4, shape) * 2 / np.sqrt(m + n), n, columns)

    bias = rng.uniform(-bound, bound, 4 * n)
    return Model(layers=[Recurrent(cell="lstm", circulant_ih=circulant(m),
                                   circulant_hh=circulant(n), bias_ih=bias)])


def measured(model, bits, x):
    """SQNR of the pre-activations in dB, rms of the operands in LSB, guard bits."""
    q = quantize(model, Config(spectrum_bits=bits), x)
    codes = q.input_format.quantize(x)
    fmt = q.operands["0.h"]
    h = golden.trace(q, codes)["0.h"]
    h = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
    h = fmt.quantize(q.layers[0].formats["h"].to_float(h))
    layer, (float_layer,) = golden.Layer(q, 0), model.layers
    rows = [values.reshape(-1, values.shape[2]) for values in (codes, h)]
    (product,) = layer.cell.products
    sums = layer.sums(product, {"x": rows[:1], "h": rows[1]})
    pre = np.concatenate([sums[gate] for gate in "ifgo"], axis=1)
    exact = (q.input_format.to_float(rows[0]) @ float_layer.weight_ih.T
             + fmt.to_float(rows[1]) @ float_layer.weight_hh.T + float_layer.bias_ih)
    rms = [float(np.sqrt(np.mean(np.square(codes.astype(float))))) for codes in rows]
    db = sqnr_db(*compare(exact, q.layers[0].formats["pre"].to_float(pre)))
    return db, rms, next(iter(q.report["guard_bits"].values()))


def peak(circulant):
    """Largest component of a matrix's spectra over their rms."""
    components = spectrum(circulant.blocks)
    return float(np.abs(components).max() / np.sqrt(np.mean(components**2)))


def rows(sizes=SIZES, blocks=BLOCKS, say=lambda text: None):
    """One row for each kind of weights, size and block size."""
    for m, n in sizes:
        for kind in ("uniform", "heavy-tailed"):
            say(f"LSTM ({m}, {n}), {kind} weights")
            x = np.random.default_rng(1).standard_normal((8, 16, m))
            for k, seed in itertools.product(blocks, range(SEEDS[kind])):
                model = weights(kind, m, n, k, seed)
                found = [measured(model, bits, x) for bits in WIDTHS]
                layer, (_, rms, guard) = model.layers[0], found[0]
                largest = max(peak(layer.circulant_ih), peak(layer.circulant_hh))
                yield (kind, m, n, k, seed, *(round(v, 1) for v in (*rms, largest)), guard,
                       *(round(db, 1) for db, _, _ in found))


def figures(say):
    """Rows under ``HEADER``, ready for JSON."""
    return [dict(zip(HEADER, row, strict=True)) for row in rows(say=say)]


def page(found):
    """The rows as text."""
    return table([[*row.values(), asked(row), "-" if not asked(row) else not short(row)]
                  for row in found], (*HEADER, "asked of it", "as asked"))


def asked(row):
    """Whether the figures are asked of a row: k of 8 or 16 and operands of 12 LSB."""
    return row["k"] in (8, 16) and min(row["rms of x"], row["rms of h"]) >= LEAST_RMS


def short(row):
    """Whether a row falls short of 49 dB at 12 bits or of 39 dB at 10.

    The scale is one for all components: where one is many times as large as the rms, its
    ``peak``, the others are left too few bits.
    """
    return any(row[f"{bits} bits (dB)"] < ASKED[bits] for bits in WIDTHS)


def failed(found):
    """Whether any row of which the figures are asked falls short."""
    return any(asked(row) and short(row) for row in found)


def main():
    finish("spectra", figures, page, failed)


if __name__ == "__main__":
    main()
