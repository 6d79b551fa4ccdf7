"""Clock and area of bare cores, with their cycles, each from one and the same core.

    python -m benchmarks.clock [PRESET:BENCH ...] [--mhz MHZ] [--seeds 1,2,3]

Each core is simulated for its cycles, synthesized behind four pins, placed and routed with each
seed, and the best is printed. GOP/s are dense: two times the multiply-accumulates of a step, times
the clock, over the cycles of a step, of one stream. Place and route of a 64-lane core takes some
minutes a seed. iCE40's multipliers have no timing in the tools. """

import argparse
import tempfile
from pathlib import Path

from boards import get
from rnnhw.build import measure
from rnnhw.errors import RnnhwError
from rnnhw.report import table

from .command import finish
from .netlist import figures as of_netlist

PAIRS = ("lstm-128:bench-ecp5-85f", "lstm-256:bench-ecp5-85f",
         "spoken-digits-small:bench-ice40up5k")
AIMS = {"ecp5": 155.0}     # MHz; elsewhere twice the board's usual clock
CAVEATS = {"ice40": "multipliers not timed", "gowin": "block RAMs and multipliers not timed"}
ASKED = {"lstm-128:bench-ecp5-85f": {"fmax_mhz": 140}, "lstm-256:bench-ecp5-85f": {"gop_per_s": 65},
         "spoken-digits-small:bench-ice40up5k": {"fmax_mhz": 26}}


def figures(say, pairs=PAIRS, mhz=None, seeds=(1, 2, 3)):
    """One row a pair ``PRESET:BENCH``, ready for JSON."""
    rows = []
    for pair in pairs:
        preset, _, board = pair.partition(":")
        if not board:
            raise RnnhwError(f"{pair} names no bench target; write it as {pair}:bench-ecp5-85f.")
        with tempfile.TemporaryDirectory() as folder:
            row, design = of_netlist(preset, board, folder, say)
            family = get(board).limits.family
            report = measure(design.program, board, Path(folder) / "bench",
                             mhz=mhz or AIMS.get(family), seeds=seeds, progress=say)
        row |= {"fmax_mhz": report.fmax_mhz, "part": report.part,
                "tries_mhz": [fmax for *_, fmax in report.tries],
                "gop_per_s": 2 * row["macs_per_step"] * report.fmax_mhz
                / row["cycles_per_step"] / 1e3,
                "utilization": report.utilization, "cells": report.cells,
                "caveat": CAVEATS.get(family), "asked": ASKED.get(pair)}
        row["meets"] = row["asked"] and all(row[k] >= least for k, least in row["asked"].items())
        rows.append(row)
    return rows


def page(rows):
    """The rows as text."""
    text = table([[r["network"], r["part"], r["lanes"], r["vector_lanes"], r["total_multipliers"],
                   f"{r['cycles_per_step']:g}", r["latency_cycles"], f"{r['fmax_mhz']:.1f}",
                   " ".join(f"{mhz:.1f}" for mhz in r["tries_mhz"]), f"{r['gop_per_s']:.2f}",
                   r["equal"], "-" if r["meets"] is None else r["meets"], r["netlist"][:12]]
                  for r in rows],
                 ["network", "part", "lanes", "T", "multipliers", "cycles", "latency", "MHz",
                  "of tries", "GOP/s", "equal", "as asked", "core.v"])
    for r in rows:
        used = ", ".join(f"{count} of {there} {name.replace('_', ' ')}"
                         for name, (count, there) in r["utilization"].items())
        text += f"{r['network']}: {used}" + (f"; {r['caveat']}" if r["caveat"] else "") + "\n"
    return text


def failed(rows):
    """Whether a run differed or a figure is not what was asked."""
    return any(not row["equal"] or row["meets"] is False for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="*", default=list(PAIRS), metavar="PRESET:BENCH",
                        help=f"networks and bench targets (default: {' '.join(PAIRS)})")
    parser.add_argument("--mhz", type=float, metavar="MHZ",
                        help="clock that place and route aims at; None takes 155 MHz on ECP5, "
                             "elsewhere twice the usual one (default: %(default)s)")
    parser.add_argument("--seeds", default="1,2,3", help="seeds to try (default: %(default)s)")
    args = parser.parse_args()
    seeds = tuple(int(seed) for seed in args.seeds.split(","))
    finish("clock", lambda say: figures(say, args.pairs, args.mhz, seeds), page, failed)


if __name__ == "__main__":
    main()
