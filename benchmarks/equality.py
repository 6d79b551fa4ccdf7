"""Gateware against golden model and cycle model, on the committed list of configurations.

    python -m benchmarks.equality [--cocotb]

Prints one line a configuration: words compared, words that differ, cycles simulated and
estimated. With ``--cocotb`` every third configuration also runs as Verilog under cocotb. """

import argparse
import sys

import numpy as np

from gateware.testing import run_core
from rnnhw import golden
from rnnhw.schedule import Schedule
from rnnhw.simulate import simulate
from tests.configurations import CASES, IN_COCOTB


def words_of(case, quantized, x):
    """Steps to send and y words to expect."""
    steps = [(x[i, t], t == 0, t == n - 1)
             for i, n in enumerate(case.lengths) for t in range(n)]
    y = golden.run(quantized, x, case.lengths)
    rows = [y] if case.last_step else [y[i, :n] for i, n in enumerate(case.lengths)]
    return steps, np.concatenate([row.reshape(-1) for row in rows]).tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cocotb", action="store_true",
                        help="also run every third configuration as Verilog (default: no)")
    args = parser.parse_args()
    failed = 0
    print(f"{'configuration':24}{'P':>5}{'T':>4}{'words':>7}{'differ':>8}{'cycles':>8}"
          f"{'estimate':>10}  simulator")
    for case in CASES:
        quantized, program = case.design()
        x = case.stimulus(quantized)
        steps, expected = words_of(case, quantized, x)
        run = run_core(program, steps, words=len(expected))
        got = [word for word, _ in run.words]
        rows = [("Amaranth", sum(a != b for a, b in zip(got, expected, strict=True)),
                 run.y_cycles[-1] - run.x_cycles[0] + 1)]
        if args.cocotb and case in IN_COCOTB:
            result = simulate(quantized, program, x, case.lengths)
            rows.append(("cocotb", 0 if result.bit_exact else -1, result.cycles))
        estimate = Schedule(program).cycles_of(case.lengths)[0]
        for name, differ, cycles in rows:
            failed += differ != 0 or cycles != estimate
            print(f"{case.name:24}{case.lanes:5}{case.slices:4}{len(expected):7}{differ:8}"
                  f"{cycles:8}{estimate:10}  {name}", flush=True)
    print(f"{len(CASES)} configurations, {failed} runs that differ")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
