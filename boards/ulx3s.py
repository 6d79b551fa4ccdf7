"""Radiona ULX3S with an ECP5-85F."""

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from .base import Board, Limits
from .pll import Ecp5Pll


class Platform(ULX3S_85F_Platform):
    """Pins of the board."""

    def lights(self, heartbeat, activity, alarm):
        """Which LED shows what."""
        return {("led", 0): heartbeat, ("led", 1): activity, ("led", 2): alarm}


LFE5U_85F = Limits(part="LFE5U-85F-6BG381", family="ecp5", luts=83640, registers=83640,
                   block_rams=208, block_ram_bits=18432, multipliers=156, clock_mhz=80.0)
LFE5U_85F_OPTIONS = ("--85k", "--package", "CABGA381", "--speed", "6")
ULX3S_85F = Board(name="ulx3s-85f", title="ULX3S-85F", limits=LFE5U_85F, input_clock_mhz=25.0,
                  place_options=LFE5U_85F_OPTIONS, platform=Platform, solver=Ecp5Pll,
                  load="openFPGALoader --board ulx3s {}")
