"""PLL settings for a wanted clock, and the PLL itself, for ECP5, iCE40 and Gowin."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Const, Instance, Module
from amaranth.lib import io

TOLERANCE = 1e-9


@dataclass(frozen=True)
class FeedbackPll:
    """A PLL whose output is its feedback: ``clock = input * feedback / reference``.

    ``output`` divides the VCO to the clock, and so only sets the VCO. A family's class has the
    ranges of its dividers, and of its phase detector, VCO and clock in MHz.
    """

    REFERENCES: ClassVar = ()
    FEEDBACKS: ClassVar = ()
    OUTPUTS: ClassVar = ()
    PHASE: ClassVar = (0.0, 0.0)
    VCO: ClassVar = (0.0, 0.0)
    CLOCK: ClassVar = (0.0, 0.0)

    clock_mhz: float
    input_mhz: float
    reference: int
    feedback: int
    output: int

    @classmethod
    def _made(cls, input_mhz):
        """All settings there are, the VCO of each as near to its range's middle as it gets."""
        for reference in cls.REFERENCES:
            if not cls.PHASE[0] <= input_mhz / reference <= cls.PHASE[1]:
                continue
            for feedback in cls.FEEDBACKS:
                clock = input_mhz * feedback / reference
                outputs = [n for n in cls.OUTPUTS if cls.VCO[0] <= clock * n <= cls.VCO[1]]
                if cls.CLOCK[0] <= clock <= cls.CLOCK[1] and outputs:
                    output = min(outputs, key=lambda n: abs(clock * n - sum(cls.VCO) / 2))
                    yield cls(clock, input_mhz, reference, feedback, output)

    @classmethod
    def limits(cls, input_mhz):
        """Lowest and highest clock, MHz."""
        clocks = [pll.clock_mhz for pll in cls._made(input_mhz)]
        return min(clocks), max(clocks)

    @classmethod
    def solve(cls, input_mhz, wanted_mhz):
        """The highest clock not above ``wanted_mhz``; None if none."""
        low, high = cls.limits(input_mhz)
        if not low - TOLERANCE <= wanted_mhz <= high + TOLERANCE:
            return None
        return max((pll for pll in cls._made(input_mhz) if pll.clock_mhz <= wanted_mhz + TOLERANCE),
                   key=lambda pll: (round(pll.clock_mhz, 9), -pll.reference))

    @property
    def vco_mhz(self):
        """Frequency of the oscillator inside."""
        return self.clock_mhz * self.output


class Ecp5Pll(FeedbackPll):
    """EHXPLLL with its feedback from CLKOP.

    Ranges of the ECP5 and ECP5-5G family data sheet (FPGA-DS-02012), sysCLOCK PLL timing.
    """

    REFERENCES = FEEDBACKS = OUTPUTS = range(1, 129)
    PHASE, VCO, CLOCK = (3.125, 400.0), (400.0, 800.0), (3.125, 400.0)

    def instance(self, port, clock, locked):
        """Submodules that make ``clock`` and ``locked`` from the clock pin ``port``."""
        buffer = io.Buffer("i", port)
        pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{self.input_mhz:.6f}",
            a_FREQUENCY_PIN_CLKOP=f"{self.clock_mhz:.6f}",
            a_ICP_CURRENT="12", a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1", a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED", p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC", p_OUTDIVIDER_MUXD="DIVD",
            p_CLKI_DIV=self.reference, p_CLKFB_DIV=self.feedback, p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED", p_CLKOP_DIV=self.output,
            p_CLKOP_CPHASE=self.output // 2, p_CLKOP_FPHASE=0,
            i_RST=0, i_STDBY=0, i_CLKI=buffer.i, i_CLKFB=clock,
            i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=0, i_PHASESTEP=0, i_PHASELOADREG=0,
            i_PLLWAKESYNC=0, i_ENCLKOP=0,
            o_CLKOP=clock, o_LOCK=locked)
        return {"clock_buffer": buffer, "pll": pll}


@dataclass(frozen=True)
class Ice40Pll:
    """SB_PLL40_PAD, simple feedback: ``clock = input * (divf + 1) / (2**divq * (divr + 1))``.

    Ranges of the iCE40 sysCLOCK PLL guide (FPGA-TN-02052) and the UltraPlus data sheet: phase
    detector 10..133 MHz, VCO 533..1066 MHz, output 16..275 MHz. Below 16 MHz the oscillator itself
    is the clock and ``divq`` is 0.
    """

    clock_mhz: float
    input_mhz: float
    divr: int = 0
    divf: int = 0
    divq: int = 0

    @classmethod
    def limits(cls, input_mhz):
        """Lowest and highest clock, MHz."""
        return min(input_mhz, 16.0), 275.0

    @classmethod
    def solve(cls, input_mhz, wanted_mhz):
        """The highest clock not above ``wanted_mhz``; None if none."""
        low, high = cls.limits(input_mhz)
        if not low <= wanted_mhz <= high:
            return None
        found = []
        for divr in range(16):
            phase = input_mhz / (divr + 1)
            if not 10 <= phase <= 133:
                continue
            for divq in range(1, 7):
                divf = min(128, int(min(1066, wanted_mhz * 2**divq) / phase + TOLERANCE)) - 1
                vco = phase * (divf + 1)
                if divf >= 0 and 533 <= vco <= 1066 and vco / 2**divq >= 16:
                    found.append((vco / 2**divq, -divr, divq, divf))
        if input_mhz <= wanted_mhz and not any(key[0] >= input_mhz for key in found):
            return cls(input_mhz, input_mhz)
        if not found:
            return None
        clock, divr, divq, divf = max(found)
        return cls(clock, input_mhz, -divr, divf, divq)

    @property
    def vco_mhz(self):
        """Frequency of the oscillator inside; 0 where the PLL is not used."""
        return self.clock_mhz * 2**self.divq if self.divq else 0.0

    @property
    def filter_range(self):
        """Loop filter setting for the frequency at the phase detector."""
        phase = self.input_mhz / (self.divr + 1)
        return 1 + sum(phase >= edge for edge in (17, 26, 44, 66, 101))

    def instance(self, port, clock, locked):
        """Submodules that make ``clock`` and ``locked`` from the clock pin ``port``."""
        if not self.divq:
            return {"clock_buffer": Instance("SB_GB_IO", io_PACKAGE_PIN=port.io,
                                             p_PIN_TYPE=Const(0b000001, 6),
                                             o_GLOBAL_BUFFER_OUTPUT=clock),
                    "always_locked": _always(locked)}
        pll = Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE", p_PLLOUT_SELECT="GENCLK",
            p_DIVR=self.divr, p_DIVF=self.divf, p_DIVQ=self.divq,
            p_FILTER_RANGE=self.filter_range,
            i_RESETB=1, i_BYPASS=0, io_PACKAGEPIN=port.io,
            o_PLLOUTGLOBAL=clock, o_LOCK=locked)
        return {"pll": pll}


class GowinPll(FeedbackPll):
    """rPLL with its feedback inside.

    Dividers of the Gowin clock guide (UG286). The subclasses have a part's ranges.
    """

    REFERENCES = FEEDBACKS = range(1, 65)
    OUTPUTS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
    DEVICE = ""

    def instance(self, port, clock, locked):
        """Submodules that make ``clock`` and ``locked`` from the clock pin ``port``."""
        buffer = io.Buffer("i", port)
        pll = Instance(
            "rPLL",
            p_DEVICE=self.DEVICE, p_FCLKIN=f"{self.input_mhz:g}",
            p_IDIV_SEL=self.reference - 1, p_FBDIV_SEL=self.feedback - 1, p_ODIV_SEL=self.output,
            p_DYN_IDIV_SEL="false", p_DYN_FBDIV_SEL="false", p_DYN_ODIV_SEL="false",
            p_DYN_SDIV_SEL=2, p_DYN_DA_EN="false", p_PSDA_SEL="0000", p_DUTYDA_SEL="1000",
            p_CLKFB_SEL="internal", p_CLKOUT_BYPASS="false", p_CLKOUTP_BYPASS="false",
            p_CLKOUTD_BYPASS="false", p_CLKOUTD_SRC="CLKOUT", p_CLKOUTD3_SRC="CLKOUT",
            i_RESET=0, i_RESET_P=0, i_CLKFB=0, i_FBDSEL=Const(0, 6), i_IDSEL=Const(0, 6),
            i_ODSEL=Const(0, 6), i_PSDA=Const(0, 4), i_DUTYDA=Const(0, 4), i_FDLY=Const(0, 4),
            i_CLKIN=buffer.i, o_CLKOUT=clock, o_LOCK=locked)
        return {"clock_buffer": buffer, "pll": pll}


class Gw1nr9Pll(GowinPll):
    """Ranges of the GW1NR data sheet (DS117), speed grade C6/I5."""

    DEVICE = "GW1NR-9C"
    PHASE, VCO, CLOCK = (3.0, 400.0), (400.0, 1200.0), (3.125, 600.0)


class Gw2ar18Pll(GowinPll):
    """Ranges of the GW2AR data sheet (DS226), speed grade C8/I7."""

    DEVICE = "GW2AR-18C"
    PHASE, VCO, CLOCK = (3.0, 500.0), (500.0, 1250.0), (3.90625, 625.0)


def _always(signal):
    m = Module()
    m.d.comb += signal.eq(1)
    return m
