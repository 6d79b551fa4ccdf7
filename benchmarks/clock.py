"""Clock and area of a bare core, with its cycles, from one and the same netlist.

    python -m benchmarks.clock [PRESET] [--board BENCH] [--mhz MHZ] [--seeds 1,2,3]

Synthesizes the core behind four pins, places and routes it with each seed, and prints what was
reached. GOP/s are dense: two times the multiply-accumulates of a step, times the clock, over the
cycles of a step. Place and route of a 64-lane core takes some minutes a seed. """

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

import rnnhw
from boards import get
from rnnhw.build import measure
from rnnhw.project import resolve


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", nargs="?", default="lstm-128",
                        help="network (default: %(default)s)")
    parser.add_argument("--board", default="bench-ecp5-85f",
                        help="bench target (default: %(default)s)")
    parser.add_argument("--mhz", type=float, default=155.0,
                        help="clock that place and route aims at (default: %(default)s)")
    parser.add_argument("--seeds", default="1,2,3", help="seeds to try (default: %(default)s)")
    args = parser.parse_args()
    project = resolve(args.preset)
    deep = get(args.board).limits.family == "ecp5"
    design = rnnhw.compile(project.model, project.config).with_hardware(
        pipeline="deep" if deep else "short")
    estimate = design.estimate()
    with tempfile.TemporaryDirectory() as folder:
        verilog = Path(design.write_verilog(Path(folder) / "verilog"))
        digest = hashlib.sha256(verilog.read_bytes()).hexdigest()[:16]
        report = measure(design.program, args.board, Path(folder) / "bench", mhz=args.mhz,
                         seeds=tuple(int(seed) for seed in args.seeds.split(",")),
                         progress=lambda text: print(text, file=sys.stderr, flush=True))
    cycles = float(estimate.cycles_per_step)
    gops = 2 * estimate.macs_per_step * report.fmax_mhz / cycles / 1e3
    print(f"{args.preset} on {args.board}, core.v sha256 {digest}")
    print(f"  lanes {design.program.lanes}, T {design.program.slices}, fast "
          f"{design.program.fast}, multipliers {estimate.total_multipliers}")
    print(f"  cycles a step {cycles:g}, latency {estimate.latency_cycles} cycles")
    print(f"  clock {report.fmax_mhz:.1f} MHz (tries: "
          + ", ".join(f"{try_[3]:.1f}" for try_ in report.tries) + ")")
    print(f"  {gops:.1f} dense GOP/s, one stream")
    for name, (used, available) in report.utilization.items():
        print(f"  {name} {used} of {available}")


if __name__ == "__main__":
    main()
