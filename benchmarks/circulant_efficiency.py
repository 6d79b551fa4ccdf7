"""Effective multiply-accumulates of block-circulant layers for the four kinds of lane, simulated.

    python -m benchmarks.circulant_efficiency [PRESET ...]

For each preset and kind of lane, 4 or 3 real products a complex bin, plain or fast, a ``core.v``
for an ECP5 of any size is simulated under cocotb for sequences of 1, 5 and 6 steps; bits must be
the integer model's and cycles the estimate's. A figure is the multiply-accumulates of the dense
matrices over the multipliers of the array, those for xi included, times the cycles by which the
longest sequence exceeds the next: batch 1, one stream, everything included. """

import argparse
import tempfile

from rnnhw.bins import bin_lanes
from rnnhw.errors import RnnhwError
from rnnhw.report import table

from .command import finish
from .netlist import STEPS
from .netlist import figures as of_netlist

KINDS = {"4 products": (4, False), "3 products": (3, False),
         "4 products, fast": (4, True), "3 products, fast": (3, True)}
# block size, and block rows of the array
ARRAYS = {"lstm-512-1024-k8": (8, 8), "lstm-512-1024-k16": (16, 4), "lstm-128-k8": (8, 4)}
# least effective multiply-accumulates of each kind
ASKED = {"lstm-512-1024-k8": dict(zip(KINDS, (4.4, 5.6, 8.8, 11.0), strict=True)),
         "lstm-512-1024-k16": dict(zip(KINDS, (8.2, 10.8, 16.2, 20.5), strict=True)),
         "lstm-128-k8": {"4 products": 4.1}}
MOST = {"lstm-128-k8": 60}     # multipliers of the array


def lanes(preset, kind):
    """Lanes of a preset's block rows for a kind of lane."""
    k, rows = ARRAYS[preset]
    return rows * len(bin_lanes(k, KINDS[kind][0]))


def meets(row):
    """Whether a row's figure is at least what was asked, of so few multipliers."""
    return (row["simulated"] >= row["asked"]
            and row["array_multipliers"] <= MOST.get(row["network"], row["array_multipliers"]))


def figures(say, presets=tuple(ASKED)):
    """One row for each preset and kind of lane, ready for JSON."""
    rows = []
    for preset in presets:
        if preset not in ASKED:
            raise RnnhwError(f"Nothing is asked of {preset!r}; known are {', '.join(ASKED)}.")
        for kind, asked in ASKED[preset].items():
            products, fast = KINDS[kind]
            with tempfile.TemporaryDirectory() as folder:
                row, design = of_netlist(
                    preset, None, folder, say, lanes=lanes(preset, kind),
                    spectral_products=products, fast_inner_product=fast)
            further = row["cycles"][STEPS[-1]] - row["cycles"][STEPS[-2]]
            row |= {"kind": kind, "xi_multipliers": design.program.pair_multipliers,
                    "simulated": row["macs_per_step"] / (row["array_multipliers"] * further),
                    "asked": asked}
            rows.append(row | {"meets": meets(row)})
    return rows


def page(rows):
    """The rows as text."""
    return table([[r["network"], r["kind"], r["lanes"], r["vector_lanes"], r["xi_multipliers"],
                   r["array_multipliers"], f"{r['cycles_per_step']:g}",
                   f"{100 * r['bound_cycles'] / r['cycles_per_step']:.1f} %", f"{r['asked']:g}",
                   f"{r['simulated']:.3f}", r["meets"], r["equal"], r["netlist"][:12]]
                  for r in rows],
                 ["network", "lanes are", "lanes", "T", "xi", "array", "cycles", "of bound",
                  "asked", "MACs/array/cycle", "as asked", "equal", "core.v"])


def failed(rows):
    """Whether a run differed or a figure is less than asked."""
    return any(not row["equal"] or not row["meets"] for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", default=list(ASKED), metavar="PRESET",
                        help=f"networks (default: {' '.join(ASKED)})")
    args = parser.parse_args()
    finish("circulant_efficiency", lambda say: figures(say, args.presets), page, failed)


if __name__ == "__main__":
    main()
