"""Simulation of the generated Verilog against the golden model, word by word."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .data import check_codes, check_lengths
from .errors import RnnhwError
from .tools import require, require_libpython, verilator_environment
from .verilog import write_verilog
from .words import Words, place

SIMULATORS = {"verilator": ".vcd", "icarus": ".fst"}     # the waves each writes


@dataclass(frozen=True, eq=False, kw_only=True)
class SimulationResult:
    """What the simulator produced, and how it compares.

    Parameters
    ----------
    outputs : int64, as the simulator gave them, shaped like ``run_int``'s; zero where no word came
    expected : int64, the golden model's
    bit_exact : bool
        The simulator's words are those due: values, ``y_last``, order and number.
    cycles : int
        From the transfer of the first x word to that of the last y word, both counted.
    cycles_per_sequence : tuple of int
        The same for each sequence, from its own first x word to its own last y word.
    mismatch : str or None
        One sentence on the first difference.
    words_checked : int
        Output words compared.
    saturated : int
        The core's sticky bits at the end, bit s of slice s.
    simulated_cycles : int
        Clock cycles simulated in all.
    waves : Path or None
    """

    outputs: np.ndarray = field(repr=False)
    expected: np.ndarray = field(repr=False)
    bit_exact: bool
    cycles: int
    cycles_per_sequence: tuple
    mismatch: str | None
    words_checked: int
    saturated: int
    simulated_cycles: int
    waves: Path | None = None


def simulate(qmodel, program, xi, lengths=None, simulator="verilator", gaps=0, stalls=0, seed=0,
             waves=None, out_dir=None, verilog=None, progress=None):
    """Run the generated core in a Verilog simulator and compare each word with the golden model.

    Parameters
    ----------
    qmodel : QuantizedModel
    program : Program
    xi : integers (seq_len, input_size) or (batch, seq_len, input_size), in ``qmodel.input_format``
    lengths : (batch,) integers within 1..seq_len, or None for seq_len
    simulator : "verilator" or "icarus"
    gaps, stalls : float within 0..0.95
        Probability of a cycle in which no input is offered, and in which no output is taken. Cycle
        counts are those of the core alone where both are 0.
    seed : int, of gaps and stalls
    waves : path of the file to write (.vcd for Verilator, .fst for Icarus), or True for ``waves``
        with that suffix in ``out_dir``
    out_dir : folder for ``core.v`` and the run's files, whose build is used again while ``core.v``
        stays the same; None for a temporary one
    verilog : path of a ``core.v`` to simulate instead of a generated one
    progress : callable taking one sentence, or None

    Raises
    ------
    RnnhwError
        For arguments out of range, a missing tool, or a simulator that stops with an error. Words
        that differ, lack or are too many are no error: see ``bit_exact`` and ``mismatch``.
    """
    from . import golden
    from .network import schedule_of

    xi = check_codes(xi, program.input_size, qmodel.input_format)
    words = Words(xi, check_lengths(lengths, xi), program.output_size, program.last_step)
    options = check_options(simulator, gaps, stalls, seed, waves, out_dir)
    expected = golden.run(qmodel, words.xi, words.lengths)
    # what is answered behind a whole sequence waits for it; too long ones are refused
    step = schedule_of(program).cycles(int(max(words.steps)) if program.sequences else 1)
    with _working_folder(out_dir) as folder:
        core = verilog
        if core is None:
            core = write_verilog(program, folder, progress=progress)
        return run(core, words, expected, folder, options, timeout=8 * step + 2000,
                   settle=step + 200, progress=progress)


def check_options(simulator, gaps, stalls, seed, waves, out_dir):
    """The options of a run as a dict, refused where a value is not possible."""
    if simulator not in SIMULATORS:
        raise RnnhwError(f"The simulator {simulator!r} is unknown; known are "
                         f"{', '.join(SIMULATORS)}.")
    for name, value in (("gaps", gaps), ("stalls", stalls)):
        if not 0 <= value <= 0.95:
            raise RnnhwError(f"{name} must be a probability within 0..0.95, not {value!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise RnnhwError(f"seed must be a whole number of at least 0, not {seed!r}.")
    suffix = SIMULATORS[simulator]
    if waves is True:
        waves = Path(out_dir or ".") / f"waves{suffix}"
    if waves and Path(waves).suffix != suffix:
        raise RnnhwError(f"The waves of {simulator} are {suffix[1:].upper()} files; name one that "
                         f"ends in {suffix}, not {str(waves)!r}.")
    if waves:
        _make_folder(Path(waves).parent)
    return {"simulator": simulator, "gaps": float(gaps), "stalls": float(stalls), "seed": seed,
            "waves": str(Path(waves).resolve()) if waves else None}


@contextmanager
def _working_folder(out_dir):
    """``out_dir`` made, or a temporary folder that goes when the ``with`` block ends."""
    if out_dir is None:
        with tempfile.TemporaryDirectory(prefix="rnnhw_") as folder:
            yield Path(folder)
    else:
        yield _make_folder(out_dir)


def _make_folder(path):
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RnnhwError(f"The folder {str(path)!r} cannot be made ({error.strerror}); "
                         "name another.") from None
    return path


def run(core, words, expected, folder, options, *, timeout, settle, progress=None):
    """Simulate the Verilog file ``core`` on ``words`` and compare with ``expected``.

    ``timeout`` cycles without a word moving end the run; ``settle`` more are run after the last
    word due, in which any word too many shows.
    """
    core = Path(core).resolve()
    if not core.is_file():
        raise RnnhwError(f"There is no Verilog file {str(core)!r}; give the path of a core.v.")
    simulator = options["simulator"]
    waves = options["waves"]
    folder = _make_folder(Path(folder).resolve() / "sim")
    build_dir = folder / (simulator + ("-waves" if waves else ""))
    environment = _environment(simulator, folder / "tools")
    stamp, print_ = build_dir / "built", hashlib.sha256(core.read_bytes()).hexdigest()
    built = stamp.is_file() and stamp.read_text() == print_
    if not built:
        stamp.unlink(missing_ok=True)

    results = folder / "results.npz"
    results.unlink(missing_ok=True)
    due = words.due(expected)
    np.savez(folder / "stimulus.npz", **words.sent(), **due)
    plan = folder / "plan.json"
    plan.write_text(json.dumps({
        **options, "core": str(core), "build_dir": str(build_dir), "build": not built,
        "stimulus": str(folder / "stimulus.npz"), "results": str(results),
        "timeout": timeout, "settle": settle}, indent=1), encoding="utf-8")
    if progress is not None:
        progress(f"Simulating {len(due['y_data'])} output words with {simulator}"
                 + ("." if built else ", which builds the core first."))
    log = folder / "log.txt"
    with open(log, "w", encoding="utf-8") as file:
        status = subprocess.run([sys.executable, "-m", "sim.launch", str(plan)], cwd=folder,
                                env=environment, stdin=subprocess.DEVNULL, stdout=file,
                                stderr=subprocess.STDOUT).returncode
    if not results.is_file():
        raise RnnhwError(f"{simulator} stopped before the simulation ended: {_last_words(log)}")
    stamp.write_text(print_)
    with np.load(results) as arrays:
        found = {key: arrays[key] for key in arrays.files}
    result = compare(words, expected, due, found, waves, timeout)
    if result.bit_exact != (status == 0):
        raise RnnhwError(f"The testbench and the comparison disagree: {_last_words(log)}")
    return result


def compare(words, expected, due, found, waves, timeout):
    """The result of a run whose words, cycles and flags are the arrays of ``found``."""
    y, y_cycles, x_cycles = found["y_data"], found["y_cycles"], found["x_cycles"]
    count = min(len(y), len(due["y_data"]))
    wrong = np.flatnonzero((y[:count] != due["y_data"][:count]) | found["y_undefined"][:count]
                           | (found["y_last"][:count] != due["y_last"][:count]))
    mismatch = None
    if len(wrong):
        k = int(wrong[0])
        at = place(words, k)
        value = "undefined bits" if found["y_undefined"][k] else y[k]
        mismatch = (f"Sequence {at.sequence}, step {at.step}, unit {at.unit}: "
                    f"expected {due['y_data'][k]}, found {value}")
        if value == due["y_data"][k]:
            mismatch += f", with y_last {found['y_last'][k]} where {due['y_last'][k]} is due"
        mismatch += f" ({len(wrong)} of {count} words differ)."
    elif len(y) < len(due["y_data"]):
        mismatch = (f"Only {len(y)} of {len(due['y_data'])} output words came: no word moved for "
                    f"{timeout} cycles, {len(x_cycles)} of {len(words.sent()['x_data'])} input "
                    "words having been taken.")
    elif len(y) > len(due["y_data"]):
        mismatch = f"{len(y)} output words came, but {len(due['y_data'])} are due."
    firsts, ends = words.x_starts(), words.y_ends()
    done = [b for b in range(len(ends)) if ends[b] <= len(y)]
    return SimulationResult(
        outputs=words.outputs(y), expected=expected, bit_exact=mismatch is None,
        cycles=int(y_cycles[count - 1] - x_cycles[0] + 1) if count and len(x_cycles) else 0,
        cycles_per_sequence=tuple(int(y_cycles[ends[b] - 1] - x_cycles[firsts[b]] + 1)
                                  for b in done),
        mismatch=mismatch, words_checked=count, saturated=int(found["saturated"]),
        simulated_cycles=int(found["end"]), waves=Path(waves) if waves else None)


def _environment(simulator, folder):
    """Environment of the simulation process, with ``sim`` importable."""
    if simulator == "verilator":
        environment = verilator_environment(folder)
    else:
        path = str(Path(require("iverilog", "Simulating with Icarus")).parent)
        require("vvp", "Simulating with Icarus")
        environment = {**os.environ, "PATH": os.pathsep.join([path, os.environ.get("PATH", "")])}
    try:
        import cocotb  # noqa: F401
    except ImportError:
        raise RnnhwError("Simulating needs the package cocotb; install it with: "
                         "pip install cocotb.") from None
    require_libpython()
    import sim

    here = str(Path(sim.__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(
        [here] + [p for p in (environment.get("PYTHONPATH"),) if p])
    for key in ("PYTEST_CURRENT_TEST", "COCOTB_TEST_FILTER", "WAVES", "GUI"):
        environment.pop(key, None)
    return environment


def _last_words(log):
    """The errors in a log, else its last lines, on one line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
             if line.strip(" *-\n")]
    errors = [line for line in lines if re.search(r"error\b", line, re.I)]
    return " / ".join((errors or lines)[-3:]) or "no message"
