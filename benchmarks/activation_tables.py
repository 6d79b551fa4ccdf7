"""Worst errors of the activation tables of every kind over every input code, asked and measured.

Run as ``python -m benchmarks.activation_tables``.
"""

import numpy as np

from rnnhw.activation import HARD, KINDS, make_table
from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat
from rnnhw.report import table as text_table

OUT = FixedFormat(16, 15)
INPUTS = [FixedFormat(width, frac) for width in (16, 18) for frac in range(2, 16)]
FUNCTIONS = {"tanh": np.tanh, "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x)}
HEADER = ("kind", "error", "function", "asked (LSB)", "worst (LSB)", "mean (LSB)", "entries",
          "bits")
OWN = {"tanh": lambda x: np.clip(x, -1, 1)}
SLOPES = {"hard_0.25": 1 / 4, "hard_0.2": 1 / 5, "hard_1/6": 1 / 6}


def errors(table, name, fmt, function):
    """``(largest, mean)`` error in LSB of 16/15 over every code of the input format ``fmt``."""
    codes = np.arange(fmt.min, fmt.max + 1)
    y = getattr(table, name)(codes, fmt.frac_bits, OUT)
    difference = np.abs(y - function(fmt.to_float(codes)) / OUT.lsb)
    return difference.max(), difference.mean()


def row(label, table, name, asked, function):
    """Worst error over all input formats, mean for 16/11."""
    worst = max(errors(table, name, fmt, function)[0] for fmt in INPUTS)
    return (table.kind, label, name, asked / OUT.lsb, worst,
            errors(table, name, FixedFormat(16, 11), function)[1], table.entries, table.bits)


def rows(refused):
    """One row for each kind, error and function; the sentences of those refused are appended."""
    for kind in KINDS:
        if kind in HARD:
            yield from hard_rows(kind)
            continue
        for bits in range(6, 13):
            try:
                table = make_table(2.0**-bits, kind)
            except RnnhwError as refusal:
                refused.append(f"2^-{bits}: {refusal}")
                continue
            for name, function in FUNCTIONS.items():
                yield row(f"2^-{bits}", table, name, table.distance[name], function)


def hard_rows(kind):
    """A hard kind against its own definition, then against the true functions."""
    table = make_table(kind=kind)
    own = OWN | {"sigmoid": lambda x: np.clip(SLOPES[kind] * x + 0.5, 0, 1)}
    for name in FUNCTIONS:
        yield row("own", table, name, table.error, own[name])
    for name, function in FUNCTIONS.items():
        yield row("true", table, name, table.distance[name], function)


def figures(say):
    """Rows under ``HEADER``, and the sentences of what was refused, ready for JSON."""
    say("Every input code through every activation table.")
    refused = []
    found = [dict(zip(HEADER, values, strict=True)) for values in rows(refused)]
    return {"rows": found, "refused": refused}


def page(found):
    """The rows as text."""
    return (f"Every code of {len(INPUTS)} input formats, 16/2..16/15 and 18/2..18/15, into {OUT}; "
            "mean: of 16/11.\n\n" + text_table([row.values() for row in found["rows"]], HEADER)
            + "".join(f"{sentence}\n" for sentence in found["refused"]))


def failed(found):
    """Whether an error is above the one asked."""
    return any(row["worst (LSB)"] > row["asked (LSB)"] for row in found["rows"])


def main():
    print(page(figures(lambda text: None)), end="")


if __name__ == "__main__":
    main()
