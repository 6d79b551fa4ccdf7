"""From a program to a bitstream: fit, place and route at a clock that holds, and a report."""

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from .errors import RnnhwError
from .files import output_folder
from .memories import RAMS, lay_out, rams
from .protocol import BAUD, Identity, design_hash

SEEDS = (1, 2, 3)
HOPELESS = 0.85        # below this share of the clock, further seeds are not tried
MARGIN = 0.97          # of what was reached, when the clock is lowered
ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What was built.

    Parameters
    ----------
    board, part : str
    bitstream : Path, or None from :func:`measure`
    clock_mhz : float, or None from :func:`measure`
        What the PLL in the bitstream runs the core at.
    fmax_mhz : float
        What place and route reached, never below ``clock_mhz``.
    asked_mhz : float
        Clock that was aimed at.
    baud : int
    design : int
        32-bit hash that the board answers with.
    utilization : dict
        Resource -> (used, available), as place and route counts them.
    cells : dict
        Cell type -> number in the netlist.
    absorbed : dict
        Kind of register -> how many of the netlist block RAMs and multipliers took in.
    seed : int
    options : str
        Further options of place and route.
    tries : tuple of (clock_mhz, seed, options, fmax_mhz)
    seconds : float
    log, synthesis_log, timing : Path
        Logs of place and route and of synthesis, and place and route's own report.
    notes : tuple of str
        What the user should know, as a clock that was lowered.
    load : str
        Command that loads the bitstream.
    """

    board: str
    part: str
    bitstream: Path | None
    clock_mhz: float | None
    fmax_mhz: float
    asked_mhz: float
    baud: int
    design: int
    utilization: dict
    cells: dict
    seed: int
    options: str
    tries: tuple
    seconds: float
    log: Path
    synthesis_log: Path
    timing: Path
    notes: tuple = ()
    load: str = ""
    absorbed: dict = field(default_factory=dict)


def build(program, board, out_dir, clock_mhz=None, seeds=SEEDS, progress=None, design=None):
    """Make the bitstream of ``program`` for ``board`` in the folder ``out_dir``.

    Several seeds are tried until the clock holds. If none does, the clock is lowered and the report
    says so, unless ``clock_mhz`` fixes it. Equal arguments give equal bitstreams.

    Parameters
    ----------
    program : Program
    board : name of a board
    out_dir : folder for the bitstream, the logs and the report, all named after the board
    clock_mhz : float or None
        Clock of the core; the PLL makes the nearest not above it. None: the board's usual one.
    seeds : sequence of int
        Seeds of place and route, in the order they are tried.
    progress : callable taking one sentence, or None
    design : int or None
        32-bit hash for the board to answer with; None: of the program.

    Returns
    -------
    BuildReport

    Raises
    ------
    RnnhwError
        If the board is unknown, the clock cannot be made, the design does not fit (before place and
        route: resource, needed, available), a tool is missing, or a fixed clock was not reached.
    """
    identity = Identity.of(program, design_hash(program) if design is None else design)
    return build_core(lambda: _core(program, board), identity, board, out_dir, clock_mhz=clock_mhz,
                      seeds=seeds, progress=progress, need=certain_need(program, board),
                      soft=soft_vector_lanes(program, board))


def core_for(program, limits):
    """The core of ``program``, its memories cut and placed as suits a part's ``limits``."""
    from gateware.network import core_of

    return core_of(program, RAMS[limits.family],
                   [lay_out(part, limits).styles for part in program.passes])


def _core(program, board):
    from boards import get

    return core_for(program, get(board).limits)


def certain_need(program, board):
    """Resources of ``board`` that ``program`` takes beyond doubt, before any synthesis.

    One multiplier an array lane, and the block RAMs of its largest memory.
    """
    from boards import get

    largest = max(program.memories, key=lambda memory: memory[1] * memory[2])
    return {"multipliers": program.array_multipliers,
            "block_rams": rams([largest], get(board).limits.family)}


def soft_vector_lanes(program, board):
    """Whether ``board`` has multipliers for the array only; the vector lanes' are then logic."""
    from boards import get

    return program.total_multipliers > get(board).limits.multipliers


def build_core(make_core, identity, board, out_dir, *, clock_mhz=None, seeds=SEEDS, progress=None,
               need=None, soft=False, baud=BAUD):
    """As :func:`build`, for anything with the core's ports.

    Parameters
    ----------
    make_core : callable returning a new component with ports ``x``, ``y`` and ``saturated``
    identity : Identity
    need : dict of resources known to be needed, or None
    soft : build the vector lanes' multipliers from logic
    """
    from boards import BENCHES, BOARDS, flow, get

    target = get(board)
    if board in BENCHES:
        raise RnnhwError(f"{board} has no pins to build a bitstream for; "
                         f"boards are {', '.join(BOARDS)}.")
    say = progress or (lambda text: None)
    begun = time.monotonic()
    aim = target.limits.clock_mhz if clock_mhz is None else clock_mhz
    pll = target.pll(aim)
    flow.check_fit(need or {}, target, BOARDS.values())
    tries, lowered = [], []
    with tempfile.TemporaryDirectory(prefix="rnnhw-build-") as folder:
        folder = Path(folder)
        for _ in range(ROUNDS):
            say(f"Synthesizing for {target.title} at {pll.clock_mhz:g} MHz.")
            made, constraints = _synthesize(make_core(), identity, target, pll, folder, say,
                                            baud, soft)
            placed = _place(target, pll.clock_mhz, seeds, folder, say, tries, constraints)
            if placed.fmax_mhz >= pll.clock_mhz:
                break
            reached = max(fmax for _, _, _, fmax in tries)
            if clock_mhz is not None:
                raise RnnhwError(
                    f"Place and route reached {reached:.1f} MHz at best in {len(tries)} tries on "
                    f"{target.name}, below the {pll.clock_mhz:g} MHz asked for; ask for less, or "
                    "leave the clock out to have it chosen.")
            pll = _lower(target, placed.fmax_mhz * MARGIN, baud)
            lowered = [f"The clock was lowered from {aim:g} to {pll.clock_mhz:g} MHz: place and "
                       f"route reached {reached:.1f} MHz."]
            say(lowered[0])
        else:
            raise RnnhwError(
                f"Place and route held no clock on {target.name} in {len(tries)} tries, the last "
                f"of which reached {tries[-1][3]:.1f} of {tries[-1][0]:g} MHz; give a lower clock.")
        say("Packing the bitstream.")
        bitstream = flow.pack(target, folder, placed.stem)
        return _finish(target, folder, out_dir, placed, bitstream, asked_mhz=aim,
                       clock_mhz=pll.clock_mhz, baud=baud, design=identity.design,
                       **made, tries=tries, notes=lowered, begun=begun)


def measure(program, bench, out_dir, mhz=None, seeds=SEEDS[:1], progress=None):
    """Area and clock of the bare core on a pin-less target; the best of all tries.

    Parameters
    ----------
    program : Program
    bench : name of a bench target
    mhz : float or None
        Clock to aim at; None: twice the board's usual one, so that place and route does its best.

    Raises
    ------
    RnnhwError
        Also if the netlist has fewer multipliers than the program has lanes, for then something
        removed a part of the core and its figures would mean nothing.
    """
    return measure_core(lambda: _core(program, bench), bench, out_dir, mhz=mhz, seeds=seeds,
                        progress=progress, design=design_hash(program),
                        multipliers=program.array_multipliers,
                        soft=soft_vector_lanes(program, bench))


def measure_core(make_core, bench, out_dir, *, mhz=None, seeds=SEEDS[:1], progress=None, design=0,
                 multipliers=0, soft=False):
    """As :func:`measure`, for anything with the core's ports and at least so many multipliers."""
    from amaranth.back import rtlil

    from boards import BENCHES, BOARDS, flow, get
    from boards.bench import Harness

    target = get(bench)
    if bench not in BENCHES:
        raise RnnhwError(f"{bench} is no bench target; these are {', '.join(BENCHES)}.")
    say = progress or (lambda text: None)
    begun = time.monotonic()
    aim = 2 * target.limits.clock_mhz if mhz is None else mhz
    with tempfile.TemporaryDirectory(prefix="rnnhw-bench-") as folder:
        folder = Path(folder)
        say(f"Synthesizing for {target.title}.")
        text = rtlil.convert(Harness(make_core()), name=flow.TOP, emit_src=False)
        cells, absorbed = flow.synthesize(flow.relax_collisions(text), target.limits.family,
                                          folder, say, soft)
        flow.check_fit(flow.needed(cells, target.limits.family), target, BOARDS.values())
        found = flow.products(cells, target.limits.family)
        if found < multipliers:
            raise RnnhwError(f"The netlist for {bench} has {found} multipliers where the core has "
                             f"{multipliers} lanes; a part of it was removed or built from logic.")
        tries = []
        placed = _place(target, aim, seeds, folder, say, tries, None, every=True)
        return _finish(target, folder, out_dir, placed, None, asked_mhz=aim, clock_mhz=None,
                       baud=0, design=design, cells=cells, absorbed=absorbed, tries=tries,
                       notes=[], begun=begun)


def _synthesize(core, identity, target, pll, folder, say, baud, soft):
    """Netlist in ``folder``; what the report says of it, and the name of the pin constraints."""
    from boards import BOARDS, flow
    from boards.top import Top

    top = Top(core, identity=identity, clock_mhz=pll.clock_mhz, baud=baud, pll=pll)
    plan = target.platform().prepare(top, name=flow.TOP, emit_src=False)
    family = target.limits.family
    constraints = f"{flow.TOP}.{flow.FAMILIES[family].constraints}"
    (folder / constraints).write_text(plan.files[constraints])
    text = flow.relax_collisions(plan.files[f"{flow.TOP}.il"])
    cells, absorbed = flow.synthesize(text, family, folder, say, soft)
    flow.check_fit(flow.needed(cells, family), target, BOARDS.values())
    return {"cells": cells, "absorbed": absorbed}, constraints


def _place(target, mhz, seeds, folder, say, tries, constraints, every=False):
    """The first run of place and route that reaches ``mhz``, or the best of all."""
    from boards import flow

    if not seeds:
        raise RnnhwError("seeds is empty; give at least one whole number.")
    best = None
    runs = [(seed, "") for seed in seeds]
    runs += [(seeds[0], options) for options in flow.FAMILIES[target.limits.family].others]
    for seed, options in runs:
        say(f"Placing and routing, seed {seed}{', ' if options else ''}"
            f"{options.removeprefix('--')}.")
        placed = flow.place(target, folder, stem=f"try{len(tries)}", mhz=mhz, seed=seed,
                            options=options, constraints=constraints)
        say(f"Reached {placed.fmax_mhz:.1f} MHz.")
        tries.append((mhz, seed, options, placed.fmax_mhz))
        if best is None or placed.fmax_mhz > best.fmax_mhz:
            best = placed
        if not every and (best.fmax_mhz >= mhz or best.fmax_mhz < HOPELESS * mhz):
            break
    return best


def _lower(target, mhz, baud):
    """PLL settings at or below ``mhz`` from which the baud rate can be made."""
    from gateware.uart import divisor

    step = mhz
    while True:
        try:
            pll = target.pll(step)
        except RnnhwError:
            raise RnnhwError(f"{target.name} makes no clock as low as the {mhz:.1f} MHz that this "
                             "design would hold; use fewer lanes or vector lanes, or narrower "
                             "numbers.") from None
        try:
            divisor(pll.clock_mhz * 1e6, baud)
            return pll
        except RnnhwError:
            step = pll.clock_mhz - 0.25


def _finish(target, folder, out_dir, placed, bitstream, *, begun, tries, notes, cells, **facts):
    """Move what is kept to ``out_dir`` and report on it."""
    from boards import flow

    from .report import to_json

    out_dir = Path(out_dir)
    caveat = flow.FAMILIES[target.limits.family].caveat
    kept = {"log": (f"{placed.stem}.txt", f"{target.name}.place.txt"),
            "synthesis_log": ("synthesis.txt", f"{target.name}.synthesis.txt"),
            "timing": (f"{placed.stem}.timing.json", f"{target.name}.timing.json")}
    found = BuildReport(
        board=target.name, part=target.limits.part,
        bitstream=out_dir / bitstream if bitstream else None,
        load=target.load.format(bitstream) if bitstream else "",
        fmax_mhz=placed.fmax_mhz, utilization=placed.utilization,
        cells=dict(sorted(cells.items())), seed=placed.seed, options=placed.options,
        tries=tuple(tries), notes=(*notes, *([caveat] if caveat else ())),
        seconds=time.monotonic() - begun,
        **{key: out_dir / name for key, (_, name) in kept.items()}, **facts)
    with output_folder(out_dir) as staging:
        for source, name in kept.values():
            shutil.copyfile(folder / source, staging / name)
        if bitstream:
            shutil.copyfile(folder / bitstream, staging / bitstream)
        (staging / f"{target.name}.json").write_text(to_json(found))
    return found
