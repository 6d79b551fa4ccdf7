"""Cycles a second of a core in Verilator, its words driven from Python at the streams.

    python -m benchmarks.speed [PRESET] [--board BENCH]

Two runs of one build differ in the number of steps only; the difference of cycles over that of
seconds leaves start and build out. """

import argparse
import tempfile
import time

from .command import finish
from .netlist import design_for, simulate, write_core

STEPS = (4, 804)
ASKED = 30_000


def figures(say, preset="lstm-128", board="bench-ecp5-85f"):
    """The one row, ready for JSON."""
    design = design_for(preset, board)
    cycles, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        core, digest = write_core(design, folder)
        say(f"{preset}: building the simulation.")
        equal = simulate(design, core, folder, 1).bit_exact
        for steps in STEPS:
            say(f"{preset}: simulating {steps} steps.")
            begun = time.perf_counter()
            result = simulate(design, core, folder, steps)
            seconds.append(time.perf_counter() - begun)
            cycles.append(result.simulated_cycles)
            equal &= result.bit_exact
    rate = (cycles[1] - cycles[0]) / (seconds[1] - seconds[0])
    return {"network": preset, "board": board, "netlist": digest, "lanes": design.program.lanes,
            "cycles": cycles, "seconds": seconds, "cycles_per_second": rate, "asked": ASKED,
            "equal": equal}


def page(row):
    """The row as text."""
    return (f"{row['network']}, {row['lanes']} lanes, core.v {row['netlist'][:12]}: "
            f"{row['cycles_per_second']:,.0f} cycles a second\n")


def failed(row):
    """Whether a bit differed, or the simulation was slower than asked."""
    return not row["equal"] or row["cycles_per_second"] < ASKED


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", nargs="?", default="lstm-128",
                        help="network (default: %(default)s)")
    parser.add_argument("--board", default="bench-ecp5-85f",
                        help="bench target whose core is simulated (default: %(default)s)")
    args = parser.parse_args()
    finish("speed", lambda say: figures(say, args.preset, args.board), page, failed)


if __name__ == "__main__":
    main()
