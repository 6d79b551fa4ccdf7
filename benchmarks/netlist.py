"""One core as Verilog, and the figures that all come from it: hash, cycles, multipliers."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

import rnnhw
from boards import get
from boards.bench import BENCH_ECP5
from gateware.shell import Shell
from rnnhw.build import core_for
from rnnhw.files import write_file
from rnnhw.project import resolve
from rnnhw.verilog import convert

ANY = 1 << 20              # block RAMs of a part of any size
STEPS = (1, 5, 6)          # lengths of the sequences that are simulated


def design_for(preset, board, **choices):
    """The design of a preset under a board's limits, its pipelines as the part needs.

    Without a board it is one for an ECP5 of any size. ``choices`` are further ones, as
    :meth:`rnnhw.Design.with_hardware` takes them.
    """
    project = resolve(preset)
    choices |= {"board": board}
    if board is None:
        choices |= {"pipeline": project.config.pipeline or "deep"}
    return rnnhw.compile(project.model, project.config).with_hardware(**choices)


def write_core(design, folder):
    """``(path, SHA-256)`` of ``core.v``, its memories cut as they are for the design's board."""
    board = design.config.board
    limits = get(board).limits if board else replace(BENCH_ECP5.limits, block_rams=ANY)
    path = Path(folder) / "core.v"
    write_file(path, convert(Shell(core_for(design.program, limits))))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def simulate(design, core, folder, steps):
    """Result for a random sequence of ``steps`` on the Verilog ``core``."""
    fmt = design.input_format
    codes = np.random.default_rng(0).integers(
        fmt.min, fmt.max, (1, steps, design.model.input_size), endpoint=True)
    return design.simulate(codes * fmt.lsb, verilog=core, out=folder)


def figures(preset, board, folder, say, **choices):
    """What one netlist gives: a dict ready for JSON, and its design.

    ``cycles`` are simulated, by sequence length; ``equal`` says whether every output bit and every
    count was as the integer model and the estimate have it. The latency is the estimate's, and
    simulated: a sequence of one step takes its input words, then the latency, or less where the
    output of a step before would come in between. ``choices`` are those of :func:`design_for`.
    """
    target = board or "an ECP5 of any size"
    say(f"{preset} for {target}: writing core.v.")
    design = design_for(preset, board, **choices)
    core, digest = write_core(design, folder)
    estimate, program = design.estimate(), design.program
    cycles, equal = {}, True
    for steps in STEPS:
        say(f"{preset} for {target}: simulating {steps} step{'s' * (steps > 1)}.")
        result = simulate(design, core, folder, steps)
        cycles[steps] = result.cycles
        equal &= result.bit_exact and result.cycles == estimate.cycles(steps)
    simulated = cycles[1] - design.model.input_size
    latency = estimate.latency_cycles
    equal &= simulated <= latency if program.late else simulated == latency
    return {"network": preset, "board": board, "netlist": digest, "cycles": cycles, "equal": equal,
            "lanes": program.lanes, "vector_lanes": program.slices, "fast": program.fast,
            "deep": program.deep, "array_multipliers": estimate.array_multipliers,
            "total_multipliers": estimate.total_multipliers,
            "cycles_per_step": float(estimate.cycles_per_step),
            "placement": design.config.output_placement, "latency_cycles": latency,
            "macs_per_step": estimate.macs_per_step,
            "effective_macs_per_multiplier_cycle": estimate.effective_macs_per_multiplier_cycle,
            "effective_macs_over_all": estimate.effective_macs_over_all,
            "bound_cycles": estimate.bound_cycles, "losses": estimate.losses}, design
