"""Hard activations: a line, clipped."""

from dataclasses import dataclass
from fractions import Fraction
from math import atanh, sqrt, tanh

from .activation_base import HALF_LSB, SLOPE_FRAC, UNIT, Table

SIGMOID_SLOPES = {"hard_0.25": Fraction(1, 4), "hard_0.2": Fraction(1, 5),
                  "hard_1/6": Fraction(1, 6)}
SEGMENT_BITS = 2           # clips begin at 1, 1.25 and 1.5 in tanh's argument


@dataclass(frozen=True)
class HardTable(Table):
    """``tanh(x) = clip(x, -1, 1)`` and ``sigmoid(x) = clip(slope*x + 1/2, 0, 1)``.

    Entries 0 and 1 are line and limit of tanh, 2 and 3 those of sigmoid, whose line is
    ``4*slope`` steep in tanh's argument ``x/2``. ``i = first + (m >= starts[first + 1])``.

    ``error`` is against these functions, ``distance`` against tanh and sigmoid.
    """

    starts: tuple
    name: str

    @property
    def kind(self):
        return self.name

    def address(self, in_frac, sigmoid=False):
        return super().address(in_frac, sigmoid)[0], 2 * bool(sigmoid)

    def entry(self, m, first):
        return first + (m >= self.starts[first + 1])

    @property
    def memory(self):
        return None

    @property
    def bits(self):
        return sum(value.bit_length() for value in
                   (*self.slopes, *self.intercepts, *self.starts))

    @property
    def distance(self):
        slope = float(SIGMOID_SLOPES[self.name])
        # largest where the derivatives are equal or where the line is clipped
        t = sqrt(1 - 4 * slope)
        inside, end = t / 2 - slope * 2 * atanh(t), 0.5 - tanh(0.25 / slope) / 2
        return {"tanh": 1 - tanh(1) + HALF_LSB, "sigmoid": max(abs(inside), end) + HALF_LSB}


def hard(kind):
    """The table of a hard kind.

    Its slope has 16 fraction bits of sigmoid's argument, which leaves errors of at most half an
    LSB of 16/15 before rounding; +1.0 saturates by one.
    """
    steep = 4 * SIGMOID_SLOPES[kind]
    code = round(steep * 2**SLOPE_FRAC)
    slip = float(abs(Fraction(code, 2**SLOPE_FRAC) - steep) / steep / 2)
    return HardTable(max(2.0**-15, slip + HALF_LSB), SEGMENT_BITS, (1 << SLOPE_FRAC, 0, code, 0),
                     (0, UNIT, 0, UNIT), (0, 1 << SEGMENT_BITS, 0, int(2**SEGMENT_BITS / steep)),
                     kind)
