"""What a board says of itself."""

from collections.abc import Callable
from dataclasses import dataclass

from rnnhw.errors import RnnhwError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a board offers.

    Parameters
    ----------
    part, family : str
        Name of the FPGA; "ecp5", "ice40" or "gowin".
    luts : int
        Logic cells, each a 4-input LUT, mostly with a flip-flop and a bit of carry.
    registers : int
        Flip-flops.
    block_rams, block_ram_bits : int
        Block RAMs, and bits of one.
    multipliers : int
        DSP multipliers of at least 16 by 16 bits.
    clock_mhz : float
        Clock that place and route reaches with a margin for designs of usual size.
    """

    part: str
    family: str
    luts: int
    registers: int
    block_rams: int
    block_ram_bits: int
    multipliers: int
    clock_mhz: float


@dataclass(frozen=True, kw_only=True)
class Board:
    """A target of ``rnnhw build``.

    Parameters
    ----------
    name, title : str
        Name on the command line, name in text.
    limits : Limits
    input_clock_mhz : float
        Oscillator.
    place_options, pack_options : tuple of str
        How place and route and the packer are told the part.
    platform : callable or None
        Makes the Amaranth platform; None for a pin-less bench.
    solver : class of boards.pll or None
        Solves for the part's PLL; None for a pin-less bench.
    bench_pins : str
        Pin constraints of a bench, where place and route wants some.
    load : str
        Command that loads a bitstream, ``{}`` standing for its file.
    """

    name: str
    title: str
    limits: Limits
    input_clock_mhz: float
    place_options: tuple
    pack_options: tuple = ()
    platform: Callable | None = None
    solver: type | None = None
    bench_pins: str = ""
    load: str = ""

    def pll(self, clock_mhz):
        """Settings for the highest clock this board makes that is not above ``clock_mhz``.

        Raises
        ------
        RnnhwError
            If the request is outside what the board's oscillator and PLL make.
        """
        found = self.solver.solve(self.input_clock_mhz, clock_mhz)
        if found is None:
            low, high = self.solver.limits(self.input_clock_mhz)
            raise RnnhwError(f"A clock of {clock_mhz:g} MHz cannot be made on {self.name}; from "
                             f"its {self.input_clock_mhz:g} MHz come {low:g} to {high:g} MHz.")
        return found
