"""The verbs of the command line, each a function of its parsed arguments."""

import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from . import data, folder, report
from .config import Config
from .costs import cost
from .design import compile
from .errors import RnnhwError
from .files import output_folder
from .formats import SPECTRUM_BITS
from .measure import report_text
from .presets import PRESETS
from .project import resolve
from .words import Words, place


def _show(args, text, facts):
    sys.stdout.write(report.to_json(facts) if args.json else text)


def _design(args, progress):
    """The design that a command works on: loaded, or quantised now."""
    project = resolve(args.source, args.config, getattr(args, "trust", False))
    if project.design is not None:
        if args.calibration is not None:
            raise RnnhwError(f"{args.source} is a design folder and already quantized; "
                             "--calibration does not go with it.")
        return project.design
    return _quantize(project, args.calibration, progress)


def _quantize(project, calibration, progress):
    if project.random_weights:
        progress.note(f"{project.source} has random weights, drawn from its seed.")
    given = data.Data(None) if calibration is None else _read(calibration, project.model, progress)
    if calibration is None:
        progress.note("no calibration data: formats come from seeded random inputs.")
    return compile(project.model, project.config, given.x, given.lengths, given.y, progress)


def _read(path, model, progress):
    found = data.read(path, model)
    if found.ignored:
        progress.note(f"{path} has further arrays that are not read: {', '.join(found.ignored)}.")
    return found


def _for_board(design, args):
    """The design under --board, --clock and --deadline-us, and its board."""
    choices = {"board": args.board, "clock_mhz": args.clock, "deadline_us": args.deadline_us}
    design = design.with_hardware(**{k: v for k, v in choices.items() if v is not None})
    if design.config.board is not None:
        from boards import get

        get(design.config.board)
    return design, design.config.board


def _check_hardware(args):
    for option, value, unit in (("--clock", args.clock, "MHz"),
                                ("--deadline-us", args.deadline_us, "microseconds")):
        if value is not None and not 0 < value < 1e9:
            raise RnnhwError(f"{option} must be above 0 {unit}, not {value}.")


def quantize(args, progress):
    """Float model to design folder."""
    project = resolve(args.source, args.config, args.trust)
    if project.design is not None:
        raise RnnhwError(f"{args.source} is a design folder and already quantized; "
                         "give the model it came from.")
    with output_folder(args.output) as staging:
        design = _quantize(project, args.calibration, progress)
        folder.write(design, staging)
        text = _quantize_page(design)
        facts = {"name": design.model.name, "hash": design.hash,
                 "input_format": design.input_format, "output_format": design.output_format,
                 "weights": _weights(design), **design.report}
        report.write(staging, text, facts)
    progress.done()
    _show(args, text, facts)


def _weights(design):
    """Weights as they are stored, and as dense matrices would be: numbers and bits."""
    stored = [(codes, q.formats[name]) for q in design.quantized.layers
              for name, codes in q.weights.items()]
    dense = cost(design.model).macs
    return {"numbers": cost(design.model).weights,
            "bits": sum(codes.size * fmt.width for codes, fmt in stored),
            "dense_numbers": dense, "dense_bits": dense * design.config.weight_bits}


def _quantize_page(design):
    found, saved = _weights(design), []
    if found["numbers"] < found["dense_numbers"]:
        saved = [(label, f"{found[f'{key}numbers']:,} numbers, {found[f'{key}bits']:,} bits")
                 for label, key in (("weights stored", ""), ("dense, they would be", "dense_"))]
    return report.page(f"Integers of {design.model.name}", [
        ("", report.facts([("design hash", design.hash), ("input", design.input_format),
                           ("output", design.output_format), *saved])),
        ("", report_text(design.report))])


def generate(args, progress):
    """The core as Verilog."""
    _check_hardware(args)
    with output_folder(args.output) as staging:
        design, _ = _for_board(_design(args, progress), args)
        estimate = design.estimate()
        progress("Generating Verilog.")
        design.write_verilog(staging)
        text = report.page(f"Core of {design.model.name}", [
            ("", report.facts([("Verilog", str(Path(args.output) / "core.v")),
                               ("ports and protocol", str(Path(args.output) / "README.md"))])),
            ("", estimate.text()), ("", _quantize_page(design))])
        facts = {"name": design.model.name, "hash": design.hash, "estimate": estimate.data(),
                 "quantization": design.report}
        report.write(staging, text, facts)
    progress.done()
    _show(args, text, facts)


def simulate(args, progress):
    """The Verilog in a simulator, every output word compared."""
    for name in ("gaps", "stalls"):
        if not 0 <= getattr(args, name) <= 0.95:
            raise RnnhwError(f"--{name} must be within 0..0.95, not {getattr(args, name)}.")
    if args.waves and args.output is None:
        raise RnnhwError("--waves needs a folder to keep them in; add -o DIR.")
    if args.verilog is not None and not Path(args.verilog).is_file():
        raise RnnhwError(f"{args.verilog} does not exist; the core.v that generate wrote is "
                         "needed.")
    if args.gate_level is not None:
        from .gatelevel import check_family

        check_family(args.gate_level)
        if args.verilog is not None:
            raise RnnhwError(f"--gate-level {args.gate_level} synthesizes the core itself; "
                             "--verilog does not go with it.")
    if args.seed < 0:
        raise RnnhwError(f"--seed must be at least 0, not {args.seed}.")
    design = _design(args, progress)
    if args.input is None:
        progress.note("no input: two random sequences of eight steps.")
        given = data.Data(data.random_inputs(design.model, seed=args.seed))
    else:
        given = _read(args.input, design.model, progress)
    if args.output is None:
        result, text, facts = _simulate(args, design, given, None, progress)
    else:
        with output_folder(args.output) as staging:
            result, text, facts = _simulate(args, design, given, staging, progress)
            np.savez_compressed(staging / "outputs.npz", y=result.outputs)
            report.write(staging, text, facts)
    progress.done()
    _show(args, text, facts)
    if result.bit_exact:
        return 0
    print(f"rnnhw: not bit exact: {result.mismatch}", file=sys.stderr)
    return 1


def _simulate(args, design, given, kept, progress):
    from .simulate import SIMULATORS

    estimated = design.estimate().schedule
    x, lengths = given.x, given.lengths
    waves = kept / f"waves{SIMULATORS[args.simulator]}" if args.waves else None
    with tempfile.TemporaryDirectory(prefix="rnnhw-") as folder:
        verilog = args.verilog
        if args.gate_level is not None:
            from .gatelevel import netlist

            verilog = netlist(design.program, args.gate_level, kept or folder, progress)
        result = design.simulate(x, lengths, simulator=args.simulator, gaps=args.gaps,
                                 stalls=args.stalls, seed=args.seed, waves=waves, verilog=verilog,
                                 progress=progress)
    every = [x.shape[-2]] * (x.shape[0] if x.ndim == 3 else 1) if lengths is None else lengths
    total, _ = estimated.cycles_of([int(n) for n in every])
    facts = {"name": design.model.name, "hash": design.hash, "simulator": args.simulator,
             "gate_level": args.gate_level,
             "bit_exact": result.bit_exact, "mismatch": result.mismatch,
             "words_checked": result.words_checked, "sequences": len(every),
             "steps": int(sum(every)), "cycles": result.cycles, "cycles_estimated": total,
             "cycles_per_sequence": result.cycles_per_sequence,
             "gaps": args.gaps, "stalls": args.stalls, "seed": args.seed}
    text = report.page(f"Simulation of {design.model.name}", [("", report.facts([
        ("bit exact", result.bit_exact), ("mismatch", result.mismatch),
        *([("netlist of", args.gate_level)] if args.gate_level else []),
        ("output words compared", result.words_checked),
        ("sequences", facts["sequences"]), ("steps", facts["steps"]),
        ("cycles", result.cycles), ("cycles estimated, no gaps or stalls", total),
        ("simulator", args.simulator), ("gaps, stalls", f"{args.gaps:g}, {args.stalls:g}")]))])
    return result, text, facts


def build(args, progress):
    """A bitstream for a board."""
    _check_hardware(args)
    with output_folder(args.output) as staging:
        design, board = _for_board(_design(args, progress), args)
        if board is None:
            raise RnnhwError("build needs --board NAME, or the key board in [config]; "
                             "rnnhw boards lists them.")
        built = design.build(board, args.output, progress=progress)
        folder.write(design, staging)
        estimate = design.estimate(board, built.clock_mhz)
        facts = {"name": design.model.name, "hash": design.hash, "board": board,
                 "bitstream": built.bitstream, "clock_mhz": built.clock_mhz,
                 "fmax_mhz": built.fmax_mhz, "utilization": built.utilization,
                 "notes": built.notes, "estimate": estimate.data()}
        text = report.page(f"{design.model.name} on {board}", [
            ("", report.facts([("bitstream", built.bitstream),
                               ("clock", f"{built.clock_mhz:g} MHz"),
                               ("place and route reached", f"{built.fmax_mhz:.1f} MHz"),
                               *(("note", note) for note in built.notes)])),
            ("Utilization", report.table([[name.replace("_", " "), used, there,
                                           f"{100 * used / there:.0f} %"]
                                          for name, (used, there) in built.utilization.items()],
                                         ["resource", "used", "there", ""])),
            ("", estimate.text())])
        report.write(staging, text, facts)
    progress.done()
    _show(args, text, facts)


def estimate(args, progress):
    """Figures before anything is built."""
    _check_hardware(args)
    design, board = _for_board(_design(args, progress), args)
    found = design.estimate(board)
    text, facts = found.text(), found.data()
    if args.output is not None:
        with output_folder(args.output) as staging:
            report.write(staging, text, facts)
    progress.done()
    _show(args, text, facts)


def compress(args, progress):
    """A dense model with block-circulant matrices in place of its own."""
    from . import npz
    from .compress import account, measure, plan, project, text, tune

    if args.fine_tune < 0:
        raise RnnhwError(f"--fine-tune must be at least 0 epochs, not {args.fine_tune}.")
    if args.seed < 0:
        raise RnnhwError(f"--seed must be at least 0, not {args.seed}.")
    if not args.learning_rate > 0:
        raise RnnhwError(f"--learning-rate must be above 0, not {args.learning_rate}.")
    if args.fine_tune and args.data is None:
        raise RnnhwError("--fine-tune needs data with y; add --data X.npz.")
    source = resolve(args.source, None, args.trust)
    if source.design is not None:
        raise RnnhwError(f"{args.source} is a design folder and already quantized; "
                         "give the model it came from.")
    path = Path(args.output)
    alone = path.suffix == ".npz"
    if alone and path.is_dir():
        raise RnnhwError(f"{path} is a folder; name a file for the model, or a folder whose name "
                         "does not end in .npz.")
    model = source.model
    choices = plan(model, args.block_size, args.layers)
    given = {path: _read(path, model, progress) for path in (args.data, args.test)
             if path is not None}
    with nullcontext() if alone else output_folder(path) as staging:
        small = projected = project(model, choices)
        candidates = {"projected": projected}
        if args.fine_tune:
            train = given[args.data]
            small = tune(projected, train.x, train.y, train.lengths, epochs=args.fine_tune,
                         lr=args.learning_rate, seed=args.seed, progress=progress)
            candidates["tuned"] = small
        progress("Comparing outputs.")
        measured = [{"data": str(path), "trained_on": bool(args.fine_tune) and path == args.data,
                     **measure(model, candidates, part)} for path, part in given.items()]
        facts = {**account(model, projected, small, choices, measured),
                 "fine_tune": args.fine_tune, "learning_rate": args.learning_rate,
                 "seed": args.seed}
        page = text(facts)
        if alone:
            path.parent.mkdir(parents=True, exist_ok=True)
            npz.save(small, path)
        else:
            npz.save(small, staging / "model.npz")
            report.write(staging, page, facts)
    progress.done()
    _show(args, page, facts)


def run(args, progress):
    """Sequences to a board and back."""
    from .host import connect

    design = folder.load_design(args.source)
    given = _read(args.input, design.model, progress)
    if args.output is None:
        with connect(args.port) as board:
            outputs = board.run(design, given.x, given.lengths, progress)
        text, facts = _run_report(args, design, given, outputs)
    else:
        with output_folder(args.output) as staging:
            with connect(args.port) as board:
                outputs = board.run(design, given.x, given.lengths, progress)
            text, facts = _run_report(args, design, given, outputs)
            np.savez_compressed(staging / "outputs.npz", y=outputs)
            report.write(staging, text, facts)
    progress.done()
    _show(args, text, facts)
    if facts["mismatch"] is None:
        return 0
    print(f"rnnhw: not bit exact: {facts['mismatch']}", file=sys.stderr)
    return 1


def _run_report(args, design, given, outputs):
    words = Words(design.quantize_input(given.x), given.lengths, design.model.output_size,
                  design.model.last_step)
    facts = {"name": design.model.name, "hash": design.hash, "port": args.port,
             "sequences": len(words.steps), "steps": int(sum(words.steps)),
             "bit_exact": None, "mismatch": None, "output_format": design.output_format}
    if args.check:
        found = words.due(outputs)["y_data"]
        due = words.due(design.run_int(words.xi, words.lengths))["y_data"]
        wrong = np.flatnonzero(found != due)
        facts["bit_exact"] = not wrong.size
        if wrong.size:
            at = place(words, int(wrong[0]))
            facts["mismatch"] = (
                f"Sequence {at.sequence}, step {at.step}, unit {at.unit}: expected "
                f"{due[wrong[0]]}, found {found[wrong[0]]} ({wrong.size} of {due.size} words "
                "differ).")
    floats = design.output_format.to_float(outputs).reshape(len(words.steps), -1,
                                                            design.model.output_size)
    last = floats[np.arange(len(floats)), words.y_steps - 1]
    rows = [[i, int(n), int(y.argmax()), float(y.max())]
            for i, (n, y) in enumerate(zip(words.steps, last))]
    facts["last"] = [list(y) for y in last]
    text = report.page(f"{design.model.name} on {args.port}", [
        ("", report.facts([("sequences", facts["sequences"]), ("steps", facts["steps"]),
                           ("bit exact", "not checked" if facts["bit_exact"] is None
                            else facts["bit_exact"]),
                           *([("mismatch", facts["mismatch"])] if facts["mismatch"] else [])])),
        ("Last outputs", report.table(rows, ["sequence", "steps", "largest unit", "its value"]))])
    return text, facts


def boards(args, progress):
    """The boards there are."""
    from boards import BENCHES, BOARDS

    facts = {b.name: {"title": b.title, "bench": b.name in BENCHES, **report.plain(b.limits)}
             for b in (*BOARDS.values(), *BENCHES.values())}
    rows = [[name, f["title"], f["part"], f["multipliers"], f["block_rams"], f["luts"],
             f"{f['clock_mhz']:g} MHz"] for name, f in facts.items()]
    _show(args, report.table(rows, ["board", "name", "part", "multipliers", "block RAMs", "LUTs",
                                    "clock"]), facts)


def presets(args, progress):
    """The presets there are."""
    default = Config()
    facts = {name: {"about": p.about, "model": p.model, "layers": list(p.layers),
                    "config": p.config} for name, p in PRESETS.items()}
    rows = [[name, p.about, f"{p.config.get('weight_bits', default.weight_bits)} bit", _blocks(p)]
            for name, p in PRESETS.items()]
    _show(args, report.table(rows, ["preset", "network, with random weights", "weights", "blocks"]),
          facts)


def _blocks(preset):
    """Block sizes of a preset's matrices and the bits of their spectra, as text."""
    sizes = []
    for layer in preset.layers:
        recurrent = layer["kind"] != "linear"
        size = layer.get("block_size", preset.config.get("block_size", 0) if recurrent else 0)
        sizes += size if isinstance(size, list) else [size]
    sizes = [str(k) for k in sorted(set(sizes)) if k]
    bits = preset.config.get("spectrum_bits", SPECTRUM_BITS)
    return f"k={','.join(sizes)}, {bits} bit" if sizes else "-"


VERBS = {f.__name__: f for f in (quantize, generate, simulate, build, estimate, compress, run,
                                 boards, presets)}
