"""The command ``rnnhw``: one verb a step from model file to board."""

import argparse
import os
import sys

from . import __version__
from .errors import RnnhwError

SOURCE = "a model file (.onnx, .npz, .pt), a TOML file, a preset's name or a design folder"
EPILOG = """A preset is a network with random weights, for trying things: rnnhw presets lists them.
Exit status: 0 done; 1 simulated, but not bit exact; 2 something was wrong with what was given."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all others are."""

    def error(self, message):
        raise RnnhwError(f"{message}; see {self.prog} --help.")


class Progress:
    """What is being done, on stderr: one line that changes on a terminal, a line each in a pipe."""

    def __init__(self, stream, quiet=False):
        self.stream, self.quiet = stream, quiet
        self.terminal = stream.isatty()
        self.width = 0

    def __call__(self, sentence):
        if self.quiet:
            return
        if self.terminal:
            self.stream.write(f"\r{sentence:{self.width}}")
            self.width = len(sentence)
        else:
            self.stream.write(f"{sentence}\n")
        self.stream.flush()

    def note(self, sentence):
        """A line that stays."""
        self.done()
        if not self.quiet:
            self.stream.write(f"rnnhw: {sentence}\n")
            self.stream.flush()

    def done(self):
        """Clear the changing line."""
        if self.terminal and self.width:
            self.stream.write(f"\r{'':{self.width}}\r")
            self.stream.flush()
        self.width = 0


def _verb(verbs, name, text, **more):
    parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", **more)
    parser.set_defaults(verb=name)
    return parser


def _common(parser, trust=False):
    if trust:
        parser.add_argument("--trust", action="store_true",
                            help="load a .pt file, which may run code of its own "
                                 "(default: %(default)s)")
    parser.add_argument("--json", action="store_true",
                        help="print the report as JSON (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true",
                        help="show no progress on stderr (default: %(default)s)")


def _source(parser, calibration=True):
    parser.add_argument("source", metavar="MODEL|CONFIG|DIR", help=SOURCE)
    parser.add_argument("--config", metavar="C.toml",
                        help="TOML file whose keys go on top (default: %(default)s)")
    if calibration:
        parser.add_argument("--calibration", metavar="X.npz",
                            help="inputs x (with lengths, y) that settle the formats; None draws "
                                 "random ones (default: %(default)s)")


def _hardware(parser, board, clock):
    parser.add_argument("--board", metavar="NAME",
                        help=f"{board}; None takes the config's (default: %(default)s)")
    parser.add_argument("--clock", type=float, metavar="MHZ",
                        help=f"{clock}; None takes the config's, else the board's "
                             "(default: %(default)s)")
    parser.add_argument("--deadline-us", type=float, metavar="US",
                        help="take the cheapest design whose step, from its last input word to its "
                             "last output word, takes at most so many microseconds; None takes the "
                             "config's, else the fastest design (default: %(default)s)")


def _output(parser, what, required=True):
    default = "none, it must be given" if required else "None"
    parser.add_argument("-o", "--output", metavar="DIR", required=required,
                        help=f"{what} (default: {default})")


def parser():
    """The parser of the whole command line."""
    top = _Parser(prog="rnnhw", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
                  description="Turn a trained recurrent network into an FPGA accelerator.")
    top.add_argument("--version", action="version", version=f"rnnhw {__version__}",
                     help="print the version and exit (default: off)")
    verbs = top.add_subparsers(metavar="VERB", required=True)

    p = _verb(verbs, "quantize", "make a design folder: integers, formats and their accuracy")
    _source(p)
    _output(p, "the design folder to write")
    _common(p, trust=True)

    p = _verb(verbs, "generate", "write the core as Verilog, with a page on its ports")
    _source(p)
    _hardware(p, "board whose part and limits count", "clock that times are counted at")
    _output(p, "folder for core.v, README.md and the report")
    _common(p, trust=True)

    p = _verb(verbs, "simulate", "simulate the Verilog and compare every output word")
    _source(p)
    p.add_argument("--input", metavar="X.npz",
                   help="sequences to run; None draws two of eight steps (default: %(default)s)")
    p.add_argument("--verilog", metavar="core.v",
                   help="simulate this core; None generates it (default: %(default)s)")
    p.add_argument("--gate-level", metavar="FAMILY",
                   help="synthesize for ecp5, ice40 or gowin, and simulate the netlist "
                        "(default: %(default)s)")
    p.add_argument("--simulator", choices=("verilator", "icarus"), default="verilator",
                   help="simulator to run (default: %(default)s)")
    p.add_argument("--gaps", type=float, default=0, metavar="P",
                   help="chance of a cycle without input, 0..0.95 (default: %(default)s)")
    p.add_argument("--stalls", type=float, default=0, metavar="P",
                   help="chance of a cycle without output taken, 0..0.95 (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0,
                   help="seed of gaps, stalls and drawn inputs (default: %(default)s)")
    p.add_argument("--waves", action="store_true",
                   help="keep waveforms in the folder of -o (default: %(default)s)")
    _output(p, "folder for the report, outputs and waveforms", required=False)
    _common(p, trust=True)

    p = _verb(verbs, "build", "synthesize, place and route for a board")
    _source(p)
    _hardware(p, "board, as rnnhw boards lists", "clock to build for")
    _output(p, "folder for the bitstream and the reports")
    _common(p, trust=True)

    p = _verb(verbs, "estimate", "count cycles, multipliers, memory and operations")
    _source(p)
    _hardware(p, "board whose clock and limits are compared", "clock that times are counted at")
    _output(p, "folder for the report", required=False)
    _common(p, trust=True)

    p = _verb(verbs, "compress", "make a block-circulant model of a dense one",
              epilog="The model goes wherever a model file goes. A projection alone seldom keeps "
                     "the accuracy; docs/circulant.md says how to train and how to choose K.")
    p.add_argument("source", metavar="MODEL",
                   help="a model file (.onnx, .npz, .pt), a TOML file or a preset's name")
    p.add_argument("--block-size", type=int, default=8, metavar="K",
                   help="size of the circulant blocks: 4, 8, 16, 32 or 64 (default: %(default)s)")
    p.add_argument("--layers", nargs="+", metavar="NAME[=K]",
                   help="matrices, as 0, 0.ih or 0.hh=16; None takes all that fit "
                        "(default: %(default)s)")
    p.add_argument("--data", metavar="X.npz",
                   help="sequences to compare outputs on, and to train on "
                        "(default: %(default)s)")
    p.add_argument("--test", metavar="X.npz",
                   help="further sequences to compare outputs on (default: %(default)s)")
    p.add_argument("--fine-tune", type=int, default=0, metavar="EPOCHS",
                   help="train the projected model on --data, with the extra torch "
                        "(default: %(default)s)")
    p.add_argument("--learning-rate", type=float, default=5e-3, metavar="LR",
                   help="largest learning rate of that training (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0,
                   help="seed of that training (default: %(default)s)")
    _output(p, "folder for model.npz and the report, or a .npz file for the model alone")
    _common(p, trust=True)

    p = _verb(verbs, "run", "send sequences to a board and print or check what comes back")
    p.add_argument("source", metavar="DIR", help="the design folder that was built")
    p.add_argument("--port", required=True,
                   help="serial port of the board (default: none, it must be given)")
    p.add_argument("--input", required=True, metavar="X.npz",
                   help="sequences to send (default: none, it must be given)")
    p.add_argument("--check", action="store_true",
                   help="compare every word with the integer model (default: %(default)s)")
    _output(p, "folder for the report and outputs.npz", required=False)
    _common(p)

    _common(_verb(verbs, "boards", "list the boards"))
    _common(_verb(verbs, "presets", "list the presets"))
    return top


def main(argv=None):
    """Run the command line; returns the exit status."""
    from . import verbs

    progress = Progress(sys.stderr)
    try:
        args = parser().parse_args(argv)
        progress.quiet = args.quiet
        status = verbs.VERBS[args.verb](args, progress)
        sys.stdout.flush()
        return status or 0
    except RnnhwError as error:
        fault = str(error)
    except BrokenPipeError:
        # a reader as head has gone; what it wanted it has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        fault = f"{error.filename} cannot be used: {error.strerror}."
    except KeyboardInterrupt:
        progress.done()
        print("rnnhw: interrupted", file=sys.stderr)
        return 130
    progress.done()
    print(f"rnnhw: error: {' '.join(fault.split())}", file=sys.stderr)
    return 2
