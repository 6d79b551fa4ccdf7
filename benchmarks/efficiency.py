"""Effective multiply-accumulates per multiplier and cycle, estimated and simulated.

    python -m benchmarks.efficiency [PRESET ...]

For each preset the Verilog runs under cocotb for two sequences, one a step longer than the
other; the difference of their cycles is what a step costs, and is held against the estimate. A
figure counts the dense multiply-accumulates of a step over the array's multipliers times the
cycles of a step: batch 1, one stream, everything included. """

import argparse
import sys

import numpy as np

import rnnhw
from rnnhw.project import resolve

STEPS = 6
PRESETS = ["lstm-128-plain", "lstm-128", "gru-128", "lstm-40-128", "lstm-6-20", "lstm-16-64"]


def measured_cycles(design, steps):
    """Cycles of a random sequence of ``steps`` in the simulated Verilog; it must be bit exact."""
    rng = np.random.default_rng(0)
    fmt = design.input_format
    x = rng.integers(fmt.min, fmt.max, (1, steps, design.model.input_size), endpoint=True)
    result = design.simulate(x)
    assert result.bit_exact, result.mismatch
    assert result.cycles == design.estimate().cycles(steps)
    return result.cycles


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", default=PRESETS,
                        help=f"networks (default: {' '.join(PRESETS)})")
    args = parser.parse_args()
    print(f"{'network':20}{'lanes':>7}{'T':>3}{'multipliers':>13}{'cycles a step':>15}"
          f"{'simulated':>11}{'MACs / array multiplier / cycle':>33}{'over all':>10}")
    for name in args.presets:
        project = resolve(name)
        design = rnnhw.compile(project.model, project.config)
        estimate = design.estimate()
        step = measured_cycles(design, STEPS) - measured_cycles(design, STEPS - 1)
        macs = estimate.macs_per_step
        print(f"{name:20}{design.program.lanes:7}{design.program.slices:3}"
              f"{estimate.total_multipliers:13}{float(estimate.cycles_per_step):15.2f}{step:11}"
              f"{macs / (estimate.array_multipliers * step):33.4f}"
              f"{macs / (estimate.total_multipliers * step):10.4f}", flush=True)
        if not design.model.last_step and estimate.cycles_per_step != step:
            sys.exit(f"{name}: the estimate is {estimate.cycles_per_step}")


if __name__ == "__main__":
    main()
