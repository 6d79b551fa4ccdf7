"""1BitSquared iCEBreaker with an iCE40UP5K."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from .base import Board, Limits
from .pll import Ice40Pll


class Platform(ICEBreakerPlatform):
    """Pins of the board."""

    def lights(self, heartbeat, activity, alarm):
        """Which LED shows what; green beats and is inverted while the link is busy."""
        return {("led_r", 0): alarm, ("led_g", 0): heartbeat ^ activity}


UP5K = Limits(part="iCE40UP5K-SG48", family="ice40", luts=5280, registers=5280, block_rams=30,
              block_ram_bits=4096, multipliers=8, clock_mhz=24.0)
UP5K_OPTIONS = ("--up5k", "--package", "sg48")
ICEBREAKER = Board(name="icebreaker", title="iCEBreaker", limits=UP5K, input_clock_mhz=12.0,
                   place_options=UP5K_OPTIONS, platform=Platform, solver=Ice40Pll,
                   load="iceprog {}")
