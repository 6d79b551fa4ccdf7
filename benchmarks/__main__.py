"""All figures on one page, and as JSON.

    python -m benchmarks [PART ...] [-o bench.json]

Exit status: 0; 1 if a run was not equal in bits and cycles, or a figure is not what is asked. """

import argparse
import importlib
import sys
import time
from pathlib import Path

from rnnhw.errors import RnnhwError
from rnnhw.files import write_file
from rnnhw.report import page, to_json

PARTS = {"efficiency": "Cycles and multipliers, simulated",
         "circulant_efficiency": "Dense products of block-circulant layers, simulated",
         "clock": "Clock and area, placed and routed",
         "speed": "Speed of simulation",
         "equality": "Gateware against integer model and estimate",
         "activation_tables": "Errors of tanh and sigmoid",
         "quantization": "Integers against float",
         "spectra": "Spectral products against float ones",
         "circulant_accuracy": "Block-circulant layers, trained, against dense ones"}
LONG = ("circulant_accuracy",)  # trains for most of an hour: only where it is named


def run(parts, say):
    """``(page, figures, whether a part failed)``."""
    sections, found, failures = [], {}, []
    for name in parts:
        module = importlib.import_module(f".{name}", __package__)
        found[name] = module.figures(say)
        text = getattr(module, "summary", module.page)(found[name])
        sections.append((f"{PARTS[name]}\n{'-' * len(PARTS[name])}", text))
        if module.failed(found[name]):
            failures.append(name)
    if failures:
        sections.append(("", f"Not as asked: {', '.join(failures)}\n"))
    return page("Figures of rnnhw", sections), found, bool(failures)


def main():
    usual = [name for name in PARTS if name not in LONG]
    parser = argparse.ArgumentParser(prog="python -m benchmarks",
                                     description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", default=usual,
                        help=f"what to measure, of {' '.join(PARTS)} (default: {' '.join(usual)})")
    parser.add_argument("-o", "--output", default="build/bench.json",
                        help="JSON file to write (default: %(default)s)")
    args = parser.parse_args()
    for name in args.parts:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; known are {', '.join(PARTS)}")
    begun = time.monotonic()

    def say(sentence):
        print(f"{time.monotonic() - begun:5.0f} s  {sentence}", file=sys.stderr, flush=True)

    try:
        text, figures, failed = run(args.parts, say)
    except RnnhwError as error:
        sys.exit(f"benchmarks: {error}")
    Path(args.output).parent.mkdir(parents=True, exist_ok=True)
    write_file(Path(args.output), to_json(figures))
    print(text, end="")
    sys.exit(failed)


if __name__ == "__main__":
    main()
