"""The core as one Verilog file, with a page on how to connect it."""

import re
from pathlib import Path

from .files import output_folder, write_file
from .tools import yosys

TOP = "rnnhw_core"
PORTS = ("clk", "rst", "x_data", "x_first", "x_last", "x_valid", "x_ready",
         "y_data", "y_last", "y_valid", "y_ready", "saturated")

SCRIPT = """read_rtlil <<rtlil
{rtlil}
rtlil
proc -nomux -norom
memory_collect
attrmap -remove generator -remove top -remove init
attrmap -modattr -remove generator -remove top
write_verilog -norename
"""


def convert(component, name=TOP, header="", progress=None):
    """Verilog text of an Amaranth component; names kept, memory contents inside.

    The same component gives the same text on every machine: it holds no path, date or version.

    Parameters
    ----------
    component : wiring.Component
    name : str
        Name of the top module; modules below it are named ``name.instance``.
    header : str
        Comment at the head of the file, lines without comment marks.
    """
    from amaranth.back import rtlil

    text = yosys(SCRIPT.format(rtlil=rtlil.convert(component, name=name, emit_src=False)),
                 progress=progress)
    text = re.sub(r"\A/\*.*?\*/\s*", "", text, flags=re.S)
    # Yosys names a register after its own source line; the number would change with its version.
    text = re.sub(r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$(\d+) ", r"\\$start$\1 ", text)
    text = re.sub(rf"^module {re.escape(name)}\((.*)\);$",
                  lambda m: f"module {name}({', '.join(_in_order(m[1].split(', ')))});",
                  text, count=1, flags=re.M)
    return "".join(f"// {line}".rstrip() + "\n" for line in header.splitlines()) + text


def write_verilog(program, out_dir, progress=None):
    """Write ``core.v`` and ``README.md`` to ``out_dir`` and return the path of ``core.v``.

    ``core.v`` holds the module ``rnnhw_core`` with all it needs; ``README.md`` its ports, protocol
    and number formats.

    Parameters
    ----------
    program : rnnhw.program.Program
    out_dir : path, made where it does not exist
    progress : callable taking one sentence, or None

    Raises
    ------
    RnnhwError
        If ``out_dir`` cannot be written or Yosys is missing.
    """
    from gateware.network import core_of
    from gateware.shell import Shell

    header = (f"{TOP}: {program.name}, {program.input_size} inputs, {program.output_size} outputs, "
              f"{program.lanes} lanes in {program.slices} slices.\n"
              "Generated; ports, protocol and number formats are in README.md beside this file.")
    text = convert(Shell(core_of(program)), header=header, progress=progress)
    with output_folder(out_dir) as folder:
        write_file(folder / "core.v", text)
        write_file(folder / "README.md", describe(program))
    return Path(out_dir) / "core.v"


def describe(program):
    """The page on ports, protocol, formats and sizes of a program's core, in Markdown."""
    x, y = program.x_format, program.y_format
    steps = ("only for the last step of a sequence (the step sent with `x_last` = 1)"
             if program.last_step else "for every step")
    waits = ("\n  They come while the next step is worked on, those of a step with `x_last` = 1 "
             "behind it." if program.late else "")
    spectra = "".join(
        f"\nCirculant blocks of {space.k} are multiplied as spectra, by block rows of "
        f"{program.engine.lanes(space.k)} lanes: {program.block_rows(i)} at once.\n"
        for i, space in enumerate(program.spaces, 1))
    memory_bits = sum(depth * width for _, depth, width, _ in program.memories)
    return f"""# {TOP}: {program.name}

`core.v` is self-contained Verilog-2005: module `{TOP}` with its submodules and memory contents.

## Ports

| port | direction | bits | meaning |
|---|---|---|---|
| `clk` | in | 1 | clock, rising edge |
| `rst` | in | 1 | synchronous reset, active high; power-up needs none |
| `x_data` | in | {x.width} signed | one input element |
| `x_first` | in | 1 | the element's step is the first of a sequence: the state starts at zero |
| `x_last` | in | 1 | the element's step is the last of a sequence |
| `x_valid` | in | 1 | an element is offered |
| `x_ready` | out | 1 | an element can be taken |
| `y_data` | out | {y.width} signed | one output element |
| `y_last` | out | 1 | the last element of a step's output |
| `y_valid` | out | 1 | an element is offered |
| `y_ready` | in | 1 | an element can be taken |
| `saturated` | out | {program.slices} | bit s is set once slice s clipped a value, until reset |

## Protocol

* A word moves on each rising edge of `clk` where `valid` and `ready` of its side are both 1.
  Once `valid` is 1, it and the word stay until the word has moved. `ready` may wait for `valid`.
* A step is {program.input_size} words of x, element 0 first. `x_first` and `x_last` are the same on
  all words of a step. The first step after reset acts as `x_first` whatever it says. Without
  `x_first` the state of the step before is kept, so a long sequence may come in parts.
* The core answers with {program.output_size} words of y, element 0 first, {steps}.{waits}
  Steps are answered in order. Input waits while output is not taken; nothing is lost.

## Formats

Integers are two's complement; an integer v means v * 2**-frac.

| stream | width | frac | range |
|---|---|---|---|
| x | {x.width} | {x.frac_bits} | {x.min * x.lsb:g} .. {x.max * x.lsb:g} |
| y | {y.width} | {y.frac_bits} | {y.min * y.lsb:g} .. {y.max * y.lsb:g} |

## Sizes

{program.lanes} lanes in {program.slices} slices, {program.total_multipliers} multipliers,
{memory_bits} bits of memory, {program.macs_per_step} multiply-accumulates a step{" of the dense"
" matrices that its block-circulant ones stand for" if spectra else ""}.
{spectra}"""


def _in_order(ports):
    """``ports`` in the order of ``PORTS``, others behind them."""
    return [p for p in PORTS if p in ports] + [p for p in ports if p not in PORTS]
