"""Gateware against golden model and cycle model, on the committed list of configurations.

    python -m benchmarks.equality [--cocotb]

Prints one line a configuration: words compared, words that differ, cycles simulated and
estimated. With ``--cocotb`` every third configuration, of block-circulant ones a few, also
runs as Verilog under cocotb. """

import argparse

import numpy as np

from gateware.testing import run_core
from rnnhw import golden
from rnnhw.report import table
from rnnhw.schedule import Schedule
from rnnhw.simulate import simulate
from tests.configurations import CASES, IN_COCOTB

from .command import finish


def words_of(case, quantized, x):
    """Steps to send and y words to expect."""
    steps = [(x[i, t], t == 0, t == n - 1)
             for i, n in enumerate(case.lengths) for t in range(n)]
    y = golden.run(quantized, x, case.lengths)
    rows = [y] if case.last_step else [y[i, :n] for i, n in enumerate(case.lengths)]
    return steps, np.concatenate([row.reshape(-1) for row in rows]).tolist()


def runs(case, cocotb):
    """One row for each simulator that the case runs in."""
    quantized, program = case.design()
    x = case.stimulus(quantized)
    steps, expected = words_of(case, quantized, x)
    run = run_core(program, steps, words=len(expected))
    got = [word for word, _ in run.words]
    found = [("Amaranth", sum(a != b for a, b in zip(got, expected, strict=True)),
              run.y_cycles[-1] - run.x_cycles[0] + 1)]
    if cocotb and case in IN_COCOTB:
        result = simulate(quantized, program, x, case.lengths)
        wrong = int(np.sum(result.outputs != result.expected))
        found.append(("cocotb", wrong or int(not result.bit_exact), result.cycles))
    estimate = Schedule(program).cycles_of(case.lengths)[0]
    return [{"configuration": case.name, "lanes": case.lanes, "vector_lanes": case.slices,
             "fast": case.fast, "deep": case.deep,
             "block_sizes": [space.k for space in program.spaces],
             "products_per_bin": program.products if program.spaces else None,
             "weight_bits": _weight_bits(program), "operand_bits": _operand_bits(program),
             "words": len(expected), "differ": differ, "cycles": cycles, "estimate": estimate,
             "simulator": name, "equal": differ == 0 and cycles == estimate}
            for name, differ, cycles in found]


def _weight_bits(program):
    """Bits of the widest weight, or component of one."""
    return max([program.weight_bits] * program.plain + [s.weight_bits for s in program.spaces])


def _operand_bits(program):
    """The same of operands, as the array takes them."""
    return max([program.operand_width] * program.plain
               + [max(s.width, s.x_width) + s.growth for s in program.spaces])


def figures(say, cocotb=True):
    """Every run, ready for JSON."""
    rows = []
    for number, case in enumerate(CASES, 1):
        say(f"{case.name}: configuration {number} of {len(CASES)}.")
        rows += runs(case, cocotb)
    return rows


def _lane(row):
    """A row's kind of lane."""
    kind = "fast" if row["fast"] else "plain"
    return f"{kind}, {row['products_per_bin']}" if row["products_per_bin"] else kind


def _blocks(row):
    """Sizes of a row's circulant blocks."""
    return " ".join(map(str, row["block_sizes"])) or "-"


def page(rows):
    """The rows as text, with a line that counts them."""
    text = table([[r["configuration"], r["lanes"], r["vector_lanes"],
                   _lane(r), "deep" if r["deep"] else "short",
                   _blocks(r), r["weight_bits"], r["operand_bits"], r["words"], r["differ"],
                   r["cycles"], r["estimate"], r["simulator"]] for r in rows],
                 ["configuration", "lanes", "T", "lane", "pipeline", "blocks", "weights",
                  "operands", "words", "differ", "cycles", "estimate", "simulator"])
    return text + summary(rows)


def summary(rows):
    """How many configurations were equal, and which were not."""
    count = {name: [r["equal"] for r in rows if r["simulator"] == name]
             for name in ("Amaranth", "cocotb")}
    wrong = [f"{r['configuration']} in {r['simulator']}" for r in rows if not r["equal"]]
    return "".join(f"{name}: {sum(equal)} of {len(equal)} configurations equal in every bit and in "
                   "cycles\n" for name, equal in count.items() if equal) + (
        f"Not equal: {', '.join(wrong)}\n" if wrong else "")


def failed(rows):
    """Whether any run differed."""
    return not all(row["equal"] for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cocotb", action="store_true",
                        help="also run some configurations as Verilog (default: no)")
    args = parser.parse_args()
    finish("equality", lambda say: figures(say, args.cocotb), page, failed)


if __name__ == "__main__":
    main()
