"""Signed fixed point: formats, quantisation of floats and the one narrowing operation."""

from dataclasses import dataclass

import numpy as np

from .errors import RnnhwError


@dataclass(frozen=True, order=True)
class FixedFormat:
    """A signed two's-complement number of ``width`` bits, ``frac_bits`` of them behind the point.

    An integer ``v`` in this format means ``v * 2**-frac_bits``. ``frac_bits`` may be negative or
    exceed ``width``. Written ``"16/11"``: 16 bits, 11 of them fractional.

    Raises
    ------
    RnnhwError
        If ``width`` is not within 1..64.
    """

    width: int
    frac_bits: int

    def __post_init__(self):
        if not 1 <= self.width <= 64:
            raise RnnhwError(f"A format's width must be within 1..64 bits, not {self.width!r}.")

    @classmethod
    def parse(cls, text):
        """Read ``"width/frac_bits"``."""
        try:
            width, frac_bits = (int(part) for part in str(text).split("/"))
        except ValueError:
            raise RnnhwError(
                f"A format is written width/frac_bits, as 16/11, not {text!r}.") from None
        return cls(width, frac_bits)

    @property
    def min(self):
        """Smallest integer code."""
        return -(1 << (self.width - 1))

    @property
    def max(self):
        """Largest integer code."""
        return (1 << (self.width - 1)) - 1

    @property
    def lsb(self):
        """Value of one code, ``2**-frac_bits``."""
        return 2.0 ** -self.frac_bits

    def saturate(self, codes):
        """Clamp integer codes to the format."""
        return np.clip(codes, self.min, self.max)

    def quantize(self, values):
        """Nearest codes of float ``values``, half up, saturated: ``clamp(floor(v/lsb + 1/2))``."""
        scaled = np.floor(np.asarray(values, np.float64) * 2.0 ** self.frac_bits + 0.5)
        return np.clip(scaled, self.min, self.max).astype(np.int64)

    def to_float(self, codes):
        """Values of integer ``codes``."""
        return np.asarray(codes, np.float64) * self.lsb

    def __str__(self):
        return f"{self.width}/{self.frac_bits}"


def round_shift(value, shift):
    """Drop ``shift >= 0`` bits, half up: ``(v + 2**(shift-1)) >> shift``; ``v`` where it is 0."""
    if shift < 0:
        raise ValueError(f"shift must not be negative, not {shift!r}")
    return (value + ((1 << shift) >> 1)) >> shift


def requantize(value, shift, fmt):
    """Drop ``shift`` bits, half up, and saturate to ``fmt``: the only narrowing there is."""
    return fmt.saturate(round_shift(value, shift))
