"""Sipeed Tang Nano 20K with a GW2AR-18C."""

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import GowinPlatform
from amaranth_boards.resources import ButtonResources, LEDResources, UARTResource

from .base import Board, Limits
from .pll import Gw2ar18Pll

LVCMOS = {"IO_TYPE": "LVCMOS33"}


class Platform(GowinPlatform):
    """Pins of the board: oscillator, two buttons, six LEDs, serial line to the USB bridge.

    Pin numbers: litex-boards, platforms/sipeed_tang_nano_20k.py; the nets PIN69_SYS_TX and
    PIN70_SYS_RX of Sipeed's schematic are named from the FPGA's side.
    """

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    default_clk = "clk27"
    connectors = ()
    resources = (
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), Attrs(**LVCMOS)),
        *ButtonResources(pins="88 87", attrs=Attrs(**LVCMOS)),
        *LEDResources(pins="15 16 17 18 19 20", invert=True, attrs=Attrs(**LVCMOS)),
        UARTResource(0, rx="70", tx="69", attrs=Attrs(PULL_MODE="UP", **LVCMOS)),
    )

    def __init__(self):
        super().__init__(toolchain="Apicula")

    def lights(self, heartbeat, activity, alarm):
        """Which LED shows what."""
        return {("led", 0): heartbeat, ("led", 1): activity, ("led", 2): alarm}


GW2AR_18 = Limits(part="GW2AR-LV18QN88C8/I7", family="gowin", luts=20736, registers=15552,
                  block_rams=46, block_ram_bits=18432, multipliers=48, clock_mhz=54.0)
GW2AR_18_OPTIONS = ("--device", GW2AR_18.part, "--vopt", "family=GW2A-18C")
TANGNANO20K = Board(name="tangnano20k", title="Tang Nano 20K", limits=GW2AR_18,
                    input_clock_mhz=27.0, place_options=GW2AR_18_OPTIONS,
                    pack_options=("-d", "GW2A-18C"), platform=Platform, solver=Gw2ar18Pll,
                    load="openFPGALoader --board tangnano20k {}")
