"""From a trained model file to bitstreams for two boards, with real recordings; prints one page.

    python examples/spoken_digits/demo.py            # all of it
    python examples/spoken_digits/demo.py --fast     # without the bitstreams
    python examples/spoken_digits/demo.py --block-size 8     # of a block-circulant network, or 16

Exit status: 0 done; 1 a simulated word was wrong, a cycle count was not the estimated one or the
integers lost over 0.3 point of accuracy; 2 something else went wrong, in one sentence.
"""

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rnnhw
from rnnhw import report, script
from rnnhw.bins import PRODUCTS
from rnnhw.compiler import least_lanes
from rnnhw.costs import cost
from rnnhw.model import block_sizes

HERE = Path(__file__).resolve().parent
POINTS = 0.3               # of accuracy that the integers may lose


@dataclass(frozen=True)
class Target:
    """A model, the numbers it is given and the board it goes to.

    ``beside`` heads its column where it stands beside another, and is not built itself.
    """

    model: str
    config: rnnhw.Config
    beside: str | None = None

    @property
    def board(self):
        return self.config.board

    @property
    def name(self):
        return self.beside or self.board


TARGETS = (
    Target("gru64.onnx", rnnhw.Config(weight_bits=8, activation_bits=8, lanes=32, vector_lanes=2,
                                      board="ulx3s-85f")),
    Target("gru48.onnx", rnnhw.Config(weight_bits=6, activation_bits=8, board="icebreaker")),
)
DENSE = Target("gru64.onnx", TARGETS[0].config, beside="dense")
CIRCULANT = {               # by block size, the smallest engine that has four vector lanes
    8: (Target("gru128_k8.npz", rnnhw.Config(lanes=32, vector_lanes=4, board="ulx3s-85f")), DENSE),
    16: (Target("gru128_k16.npz", rnnhw.Config(lanes=64, vector_lanes=4, board="ulx3s-85f")),
         DENSE),
}
SMALL = "icebreaker"        # tried for block-circulant networks, too


def recordings(name):
    """Arrays of one of the files: x (batch, longest, 13), lengths and y (batch,)."""
    with np.load(HERE / f"{name}.npz") as file:
        return dict(file)


def quantize(target, calibration, heldout, folder, say):
    """Load, quantize and save one model; the design and its accuracy on the held-out recordings."""
    model = rnnhw.load(HERE / target.model)
    design = rnnhw.compile(model, target.config, calibration=calibration["x"],
                           lengths=calibration["lengths"], labels=calibration["y"], progress=say)
    design.save(folder / "design")

    x, lengths, digits = heldout["x"], heldout["lengths"], heldout["y"]
    say(f"Running {len(x)} held-out recordings through the float and the integer model")
    y = model.run(x, lengths)
    codes = design.run_int(design.quantize_input(x), lengths)
    fixed = design.output_format.to_float(codes)
    return design, {
        "model": target.model, "board": target.board, "recordings": len(x),
        "design": folder / "design",
        "weight_bits": target.config.weight_bits, "activation_bits": target.config.activation_bits,
        "accuracy_float": np.mean(y.argmax(axis=1) == digits),
        "accuracy_fixed": np.mean(fixed.argmax(axis=1) == digits),
        "agreement": np.mean(fixed.argmax(axis=1) == y.argmax(axis=1)),
        "sqnr_db": 10 * np.log10(np.sum(y**2) / np.sum((fixed - y)**2)),
    }


def compression(design):
    """What the block-circulant matrices save: stored numbers, and products of a step."""
    estimate = design.estimate()
    return {"block_sizes": sorted({k for layer in design.model.layers
                                   for k in block_sizes(layer).values() if k}),
            "stored_weights": cost(design.model).weights,
            "stored_bits": sum(getattr(layer, name).size * layer.formats[name].width
                               for layer in design.quantized.layers
                               for name in ("weight_ih", "weight_hh") if name in layer.formats),
            "macs_per_step": estimate.macs_per_step,
            "products_per_step": estimate.products_per_step,
            "xi_multipliers": estimate.program.pair_multipliers}


def refusal(design, board):
    """Why the network is not built for ``board``, or None if nothing known beforehand rules it out.
    """
    from boards import limits

    part = limits(board)
    least = min(least_lanes(design.quantized, 1, products) for products in PRODUCTS)
    if least <= part.multipliers:
        return None
    return (f"{board}: no bitstream. The least engine of this network has {least} lanes, a "
            f"multiplier each; {part.part} has {part.multipliers} multipliers.")


def simulate(design, heldout, folder, say):
    """Simulate two recordings of each digit, once with gaps and stalls and once without."""
    rows = np.concatenate([np.flatnonzero(heldout["y"] == digit)[:2] for digit in range(10)])
    x, lengths = heldout["x"][rows], heldout["lengths"][rows]
    say("Writing Verilog")
    core, rough, smooth = script.twice(design, x, lengths, folder, say)
    estimate = design.estimate()
    typical = int(np.median(heldout["lengths"]))
    return {
        "simulated": rows, "words_checked": [rough.words_checked, smooth.words_checked],
        "bit_exact": [rough.bit_exact, smooth.bit_exact],
        "mismatch": rough.mismatch or smooth.mismatch,
        "recognized": np.sum(smooth.outputs.argmax(axis=1) == heldout["y"][rows]),
        "cycles_simulated": (*smooth.cycles_per_sequence, None)[0],
        "cycles_estimated": estimate.cycles(int(lengths[0])),
        "cycles_per_step": estimate.cycles_per_step,
        "latency_cycles": estimate.latency_cycles,
        "recording_steps": typical, "recording_cycles": estimate.cycles(typical),
        "array_multipliers": estimate.array_multipliers,
        "total_multipliers": estimate.total_multipliers,
        "array_at_work": estimate.effective_macs_per_multiplier_cycle,
        "verilog": core,
    }


def build(folder, board, say):
    """The bitstream of the design that was saved in ``folder``."""
    design = rnnhw.load_design(folder / "design")
    built = design.build(board=board, out=folder / "bitstream", progress=say)
    return {"bitstream": built.bitstream, "clock_mhz": built.clock_mhz,
            "fmax_mhz": built.fmax_mhz, "utilization": built.utilization, "notes": built.notes}


def failures(result):
    """What must not be, a sentence each."""
    name = f"{result['model']} on {result['board']}"
    lost = 100 * (result["accuracy_float"] - result["accuracy_fixed"])
    found = []
    if not all(result["bit_exact"]):
        found.append(f"{name}: the simulation differs from the integers. {result['mismatch']}")
    if result["cycles_simulated"] != result["cycles_estimated"]:
        found.append(f"{name}: {result['cycles_simulated']} cycles were simulated where "
                     f"{result['cycles_estimated']} were estimated.")
    if lost > POINTS + 1e-9:
        found.append(f"{name}: the integers lost {lost:.2f} points of accuracy; "
                     f"{POINTS} are allowed.")
    return found


def column(r):
    """What the page says of one board, ``(label, value)`` each."""
    percent = "{:.2f} %".format
    yield "model", r["model"]
    if "block_sizes" in r:
        yield "block size", " ".join(map(str, r["block_sizes"])) or "-"
        yield "stored weights", f"{r['stored_weights']:,}"
        yield "bits of them", f"{r['stored_bits']:,}"
    yield "bits of weights, activations", f"{r['weight_bits']}, {r['activation_bits']}"
    yield "accuracy, float", percent(100 * r["accuracy_float"])
    yield "accuracy, integers", percent(100 * r["accuracy_fixed"])
    yield "same decision", percent(100 * r["agreement"])
    yield "SQNR of the outputs", f"{r['sqnr_db']:.1f} dB"
    for label, exact, words in zip(("words equal, gaps and stalls", "words equal, without"),
                                   r["bit_exact"], r["words_checked"]):
        yield label, f"{'all' if exact else 'NOT ALL'} {words}"
    yield "recognized in simulation", f"{r['recognized']} of {len(r['simulated'])}"
    yield "multipliers, array + others", f"{r['array_multipliers']} + " \
        f"{r['total_multipliers'] - r['array_multipliers']}"
    yield "array at work", percent(100 * r["array_at_work"])
    if "block_sizes" in r:
        yield "dense products a step", f"{r['macs_per_step']:,}"
        yield "real products a step", f"{r['products_per_step']:,}"
    cycles = {"a step": r["cycles_per_step"], "last frame to classes": r["latency_cycles"],
              f"a recording, {r['recording_steps']} steps": r["recording_cycles"]}
    for label, count in cycles.items():
        yield f"{label}, cycles", f"{float(count):,g}"
    if "bitstream" not in r:
        return
    mhz = r["clock_mhz"]
    yield "clock of the bitstream", f"{mhz:.1f} MHz"
    yield "place and route reached", f"{r['fmax_mhz']:.1f} MHz"
    for label, count in cycles.items():
        yield label, f"{float(count) / mhz:,.1f} us"
    for label, key in (("LUTs", "luts"), ("block RAMs", "block_rams"),
                       ("DSP multipliers", "multipliers")):
        used, available = r["utilization"][key]
        yield label, f"{used:,} of {available:,}"


def page(results, seconds, refused=()):
    """The page: a column a board, then what is to be said of it, and where the files lie."""
    title = f"Spoken digits, {results[0]['recordings']} held-out recordings, in {seconds:.0f} s"
    columns = [dict(column(r)) for r in results]
    labels = list(dict.fromkeys(label for values in columns for label in values))
    width = max(len(label) for label in labels)
    lines = [title, "=" * len(title), "",
             f"{'':{width}}" + "".join(f"  {r.get('column', r['board']):>16}" for r in results)]
    lines += [f"{label:{width}}" + "".join(f"  {values.get(label, '-'):>16}" for values in columns)
              for label in labels]
    lines.append("")
    for r in results:
        lines += [f"{r['board']}: {note}" for note in r.get("notes", ())]
    lines += refused
    lines += [str(r[key]) for r in results for key in ("design", "verilog", "bitstream")
              if key in r]
    return "\n".join(lines) + "\n"


def targets_of(block_size):
    """The targets of the plain demo, or those of block-circulant networks.

    Raises
    ------
    rnnhw.RnnhwError
        If there is no trained network of that block size.
    """
    if block_size is None:
        return TARGETS
    known = {str(k): targets for k, targets in CIRCULANT.items()}
    if block_size not in known:
        raise rnnhw.RnnhwError(f"BLOCK_SIZE must be {' or '.join(known)}, of which networks are in "
                               f"examples/spoken_digits, or left out, not {block_size!r}.")
    return known[block_size]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="build no bitstreams")
    parser.add_argument("--block-size", metavar="K",
                        help="take the block-circulant network of this block size, 8 or 16, beside "
                             "a dense one (default: the dense ones)")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR",
                        help="folder for the files (default: build/spoken_digits, with _kK for a "
                             "block size)")
    options = parser.parse_args(arguments)
    k, targets = options.block_size, targets_of(options.block_size)
    out = options.out or Path(f"build/spoken_digits{f'_k{k}' if k else ''}")
    begun = time.time()
    calibration, heldout = recordings("calibration"), recordings("heldout")
    designs, results, bitstreams, refused = [], [], {}, []
    processes = nullcontext() if options.fast else ProcessPoolExecutor(
        len(targets), multiprocessing.get_context("spawn"))
    with processes:
        for target in targets:
            folder, say = out / target.name, script.Progress(begun, target.name)
            design, result = quantize(target, calibration, heldout, folder, say)
            designs.append((design, folder, say))
            results.append(result)
            if k:
                result.update(compression(design), column=target.name)
                refused += filter(None, [refusal(design, SMALL)] * (not target.beside))
            if not options.fast and not target.beside:
                bitstreams[target.name] = processes.submit(build, folder, target.board, say)
        for result, (design, folder, say) in zip(results, designs):
            result.update(simulate(design, heldout, folder, say))
        for result, target in zip(results, targets):
            if target.name in bitstreams:
                result.update(bitstreams[target.name].result())

    text = page(results, time.time() - begun, refused)
    report.write(out, text, results)
    print(f"\n{text}{out / 'report.txt'}, report.json")
    return script.status(sentence for result in results for sentence in failures(result))


if __name__ == "__main__":
    script.run("demo", main)
