"""Effective multiply-accumulates per multiplier and cycle, simulated, and where the others go.

    python -m benchmarks.efficiency [PRESET ...] [--board BENCH]

For each preset, and either placement of its output where it has a choice, one ``core.v``, for an
ECP5 of any size or for the bench target, is simulated under cocotb for sequences of 1, 5 and 6
steps; bits must be the integer model's and cycles the estimate's. A figure counts the dense
multiply-accumulates of a step over the multipliers times the cycles of a further step: batch 1, one
stream, everything included. The bound is that of the busiest part of the core. """

import argparse
import tempfile

from rnnhw.config import PLACEMENTS
from rnnhw.losses import CAUSES
from rnnhw.project import resolve
from rnnhw.report import table

from .command import finish
from .netlist import figures as of_netlist

ARRAY, ALL, CYCLES = ("effective_macs_per_multiplier_cycle", "effective_macs_over_all",
                      "cycles_per_step")
# least effective multiply-accumulates, most cycles and multipliers
ASKED = {"lstm-128": {ARRAY: 1.95, ALL: 1.88}, "gru-128": {ARRAY: 1.95, ALL: 1.84},
         "lstm-40-128": {ARRAY: 1.95, ALL: 1.84},
         "lstm-6-20": {CYCLES: 95, "total_multipliers": 40},
         "lstm-16-64": {CYCLES: 205, "array_multipliers": 65},
         "lstm-128-plain": {ARRAY: 0.99}}
UNTUNED = ("lstm-37-100", "gru-13-64", "lstm-200-300", "lstm-3x32")
PLACED = ("lstm-40-128-fc", "gru-13-64-fc")
LEAST = (ARRAY, ALL)


def meets(row):
    """Whether a row's figures are those asked, or None where nothing was."""
    asked = ASKED.get(row["network"])
    return asked and all(row[key] >= value if key in LEAST else row[key] <= value
                         for key, value in asked.items())


def placements(name):
    """Values of ``output_placement`` that make a difference to a preset."""
    model = resolve(name).model
    return PLACEMENTS if any(model.behind) and not model.last_step else PLACEMENTS[:1]


def figures(say, presets=(*ASKED, *UNTUNED, *PLACED), board=None):
    """One row for each preset and placement of its output, ready for JSON."""
    rows = []
    for name in presets:
        for placement in placements(name):
            with tempfile.TemporaryDirectory() as folder:
                row, _ = of_netlist(name, board, folder, say, output_placement=placement)
            rows.append({**row, "asked": ASKED.get(name), "meets": meets(row)})
    return rows


def _network(row):
    """Name of a row's network, with the placement of its output if that is not the usual one."""
    late = row["placement"] != PLACEMENTS[0]
    return row["network"] + f", {row['placement']}" * late


def page(rows):
    """The rows as text."""
    first = table([[_network(r), r["lanes"], r["vector_lanes"], r["array_multipliers"],
                    r["total_multipliers"], f"{r[CYCLES]:g}", r["latency_cycles"],
                    f"{r[ARRAY]:.4f}", f"{r[ALL]:.4f}", r["equal"],
                    "-" if r["meets"] is None else r["meets"], r["netlist"][:12]]
                   for r in rows],
                  ["network", "lanes", "T", "array", "all", "cycles", "latency",
                   "MACs/array/cycle", "over all", "equal", "as asked", "core.v"])
    causes = [cause for cause in CAUSES if any(r["losses"][cause] for r in rows)]
    second = table([[_network(r), f"{r[CYCLES]:g}", r["bound_cycles"],
                     f"{100 * (1 - sum(r['losses'].values())):.1f} %",
                     *(f"{100 * r['losses'][cause]:.1f} %" for cause in causes)] for r in rows],
                   ["network", "cycles", "bound", "made", *causes])
    return f"{first}\nProducts that the array could make: made, and lost to each cause\n\n{second}"


def failed(rows):
    """Whether a run differed or a figure is not what was asked."""
    return any(not row["equal"] or row["meets"] is False for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", default=[*ASKED, *UNTUNED, *PLACED],
                        help=f"networks (default: {' '.join([*ASKED, *UNTUNED, *PLACED])})")
    parser.add_argument("--board", help="bench target whose core is simulated; None takes an ECP5 "
                        "of any size (default: %(default)s)")
    args = parser.parse_args()
    finish("efficiency", lambda say: figures(say, args.presets, args.board), page, failed)


if __name__ == "__main__":
    main()
