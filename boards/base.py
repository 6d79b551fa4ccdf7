"""What a board says of itself."""

from collections.abc import Callable
from dataclasses import dataclass

from rnnhw.errors import RnnhwError

from .pll import Ecp5Pll, Ice40Pll


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a board offers.

    Parameters
    ----------
    part, family : str
        Name of the FPGA; "ecp5" or "ice40".
    luts : int
        Logic cells, each a 4-input LUT, a flip-flop and a bit of carry.
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
    block_rams: int
    block_ram_bits: int
    multipliers: int
    clock_mhz: float


PLLS = {"ecp5": Ecp5Pll, "ice40": Ice40Pll}


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
    place_options : tuple of str
        How place and route is told the part.
    platform : callable or None
        Makes the Amaranth platform; None for a pin-less bench.
    load : str
        Command that loads a bitstream, ``{}`` standing for its file.
    """

    name: str
    title: str
    limits: Limits
    input_clock_mhz: float
    place_options: tuple
    platform: Callable | None
    load: str = ""

    def pll(self, clock_mhz):
        """Settings for the highest clock this board makes that is not above ``clock_mhz``.

        Raises
        ------
        RnnhwError
            If the request is outside what the board's oscillator and PLL make.
        """
        solver = PLLS[self.limits.family]
        found = solver.solve(self.input_clock_mhz, clock_mhz)
        if found is None:
            low, high = solver.limits(self.input_clock_mhz)
            raise RnnhwError(f"A clock of {clock_mhz:g} MHz cannot be made on {self.name}; from "
                             f"its {self.input_clock_mhz:g} MHz come {low:g} to {high:g} MHz.")
        return found
