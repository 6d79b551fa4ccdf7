"""The bytes between a host and a board: constants, checksum and identity (docs/uart.md)."""

import hashlib
from dataclasses import dataclass, fields, is_dataclass

import numpy as np

from .errors import RnnhwError

VERSION = 1
BAUD = 1_000_000

SYNC = 0xA5
STEP = 0x10            # | FIRST | LAST
FIRST = 0x01
LAST = 0x02
IDENTIFY = 0x20
ANSWER = 0x80          # set in the echo of a command

SATURATED = 0x01       # bits of an answer's status byte
FRAMING = 0x02
OVERRUN = 0x04
NOISE = 0x08


def word_bytes(width):
    """Bytes that carry a signed word of ``width`` bits."""
    return (width + 7) // 8


def crc8(data, crc=0):
    """CRC-8 of ``data``: polynomial x^8 + x^2 + x + 1, first value 0 (CRC-8/SMBUS)."""
    for byte in bytes(data):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def pack_words(words, width):
    """Signed ``words`` as bytes: least significant byte first, sign-extended to whole bytes."""
    size = word_bytes(width)
    words = np.asarray(words, dtype="<i8").reshape(-1)
    return words.view(np.uint8).reshape(-1, 8)[:, :size].tobytes()


def unpack_words(data, width):
    """Inverse of :func:`pack_words`: int64 (len(data) / word_bytes(width),)."""
    size = word_bytes(width)
    raw = np.frombuffer(bytes(data), dtype=np.uint8).reshape(-1, size)
    wide = np.where(raw[:, -1:] >= 0x80, 0xFF, 0).astype(np.uint8).repeat(8, axis=1)
    wide[:, :size] = raw
    return wide.view("<i8").reshape(-1).astype(np.int64)


def _plain(value):
    """``value`` as nested tuples of text and whole numbers, the same on every run and machine."""
    if is_dataclass(value):
        return tuple((f.name, _plain(getattr(value, f.name))) for f in fields(value)
                     if f.name != "name")
    if isinstance(value, dict):
        return tuple(sorted((str(key), _plain(item)) for key, item in value.items()))
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a design hash cannot cover {type(value).__name__}")


def short_hash(text):
    """The 32 bits of a design's hexadecimal hash that a board carries."""
    return int(text[:8], 16)


def design_hash(program):
    """First 32 bits of SHA-256 over everything in ``program`` but its layers' names."""
    return int.from_bytes(hashlib.sha256(repr(_plain(program)).encode()).digest()[:4], "big")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a device says about the design it holds.

    Parameters
    ----------
    input_size, output_size : int, 1..65535
        Words of a step, in and out.
    x_width, y_width : int, 1..64
        Bits of those words, signed.
    last_step : bool
        Only a sequence's last step is answered with words.
    slices : int, 1..255
        Number of sticky saturation flags.
    design : int
        32-bit hash of the design, :func:`design_hash`.
    """

    input_size: int
    output_size: int
    x_width: int
    y_width: int
    last_step: bool
    slices: int
    design: int

    def __post_init__(self):
        for name, low, high in (("input_size", 1, 0xFFFF), ("output_size", 1, 0xFFFF),
                                ("x_width", 1, 64), ("y_width", 1, 64), ("slices", 1, 255),
                                ("design", 0, 0xFFFFFFFF)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise RnnhwError(f"{name} is {value}, but a board's link carries {low}..{high}.")

    @classmethod
    def of(cls, program, design):
        """Identity of the device that runs ``program``; ``design`` is its hash.

        Raises
        ------
        RnnhwError
            If the program's outputs come a step late, or behind a whole sequence: the link answers
            each step before the next.
        """
        if program.sequences and not program.last_step:
            raise RnnhwError("A board's link answers each step before it takes the next, but a "
                             "network that runs both ways answers behind a sequence's last step; "
                             "give last_step = true, or connect core.v in another way.")
        if program.late:
            raise RnnhwError("A board's link answers each step before it takes the next, but the "
                             "outputs of this design come with the next step; choose "
                             "output_placement = \"latency\".")
        return cls(input_size=program.input_size, output_size=program.output_size,
                   x_width=program.x_width, y_width=program.y_width,
                   last_step=bool(program.last_step), slices=program.slices,
                   design=design)

    @property
    def flag_bytes(self):
        """Bytes that carry the saturation flags, one bit a slice."""
        return (self.slices + 7) // 8

    def encode(self):
        """The 13 constant bytes of an identify answer."""
        return (bytes([VERSION, int(self.last_step)])
                + self.input_size.to_bytes(2, "little") + self.output_size.to_bytes(2, "little")
                + bytes([self.x_width, self.y_width]) + self.design.to_bytes(4, "little")
                + bytes([self.slices]))

    @classmethod
    def decode(cls, data):
        """Inverse of :meth:`encode`; the version, byte 0, is the caller's to check."""
        return cls(input_size=int.from_bytes(data[2:4], "little"),
                   output_size=int.from_bytes(data[4:6], "little"),
                   x_width=data[6], y_width=data[7], last_step=bool(data[1] & 1),
                   slices=data[12], design=int.from_bytes(data[8:12], "little"))


IDENTITY_BYTES = 13
