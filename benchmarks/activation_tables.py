"""Worst errors of the activation tables over every input code, asked and measured.

Run as ``python -m benchmarks.activation_tables``.
"""

import numpy as np

from rnnhw.activation import INTERCEPT_FRAC, SLOPE_FRAC, make_table
from rnnhw.fixed import FixedFormat
from rnnhw.report import table as text_table

OUT = FixedFormat(16, 15)
INPUTS = [FixedFormat(width, frac) for width in (16, 18) for frac in range(2, 16)]
FUNCTIONS = {"tanh": np.tanh, "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x)}


def errors(table, name, fmt):
    """``(largest, mean)`` error in LSB of 16/15 over every code of the input format ``fmt``."""
    codes = np.arange(fmt.min, fmt.max + 1)
    y = getattr(table, name)(codes, fmt.frac_bits, OUT)
    difference = np.abs(y - FUNCTIONS[name](fmt.to_float(codes)) / OUT.lsb)
    return difference.max(), difference.mean()


def rows():
    """One row per error and function: the worst over all input formats, the mean for 16/11."""
    for bits in range(6, 13):
        table = make_table(2.0**-bits)
        for name in FUNCTIONS:
            worst = max(errors(table, name, fmt)[0] for fmt in INPUTS)
            asked = 2.0**-bits if name == "tanh" else 2.0**-bits / 2 + 2.0**-16
            yield (f"2^-{bits}", name, asked / OUT.lsb, worst,
                   errors(table, name, FixedFormat(16, 11))[1], len(table.slopes) - 1,
                   len(table.slopes) * (SLOPE_FRAC + 1 + INTERCEPT_FRAC))


def main():
    print(f"Every code of {len(INPUTS)} input formats, 16/2..16/15 and 18/2..18/15, into {OUT}; "
          "mean: of 16/11.\n")
    header = ("table", "function", "asked (LSB)", "worst (LSB)", "mean (LSB)", "segments", "bits")
    print(text_table(rows(), header), end="")


if __name__ == "__main__":
    main()
