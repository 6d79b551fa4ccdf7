"""Sipeed Tang Nano 9K with a GW1NR-9C."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from .base import Board, Limits
from .pll import Gw1nr9Pll


class Platform(TangNano9kPlatform):
    """Pins of the board."""

    def __init__(self):
        super().__init__(toolchain="Apicula")

    def lights(self, heartbeat, activity, alarm):
        """Which LED shows what."""
        return {("led", 0): heartbeat, ("led", 1): activity, ("led", 2): alarm}


GW1NR_9 = Limits(part="GW1NR-LV9QN88PC6/I5", family="gowin", luts=8640, registers=6480,
                 block_rams=26, block_ram_bits=18432, multipliers=20, clock_mhz=27.0)
TANGNANO9K = Board(name="tangnano9k", title="Tang Nano 9K", limits=GW1NR_9, input_clock_mhz=27.0,
                   place_options=("--device", GW1NR_9.part, "--vopt", "family=GW1N-9C"),
                   pack_options=("-d", "GW1N-9C"), platform=Platform, solver=Gw1nr9Pll,
                   load="openFPGALoader --board tangnano9k {}")
