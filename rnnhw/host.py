"""A board's client: sequences out over a serial port, words back (docs/uart.md)."""

import time
from dataclasses import dataclass

import numpy as np

from .data import check_codes, check_lengths
from .errors import RnnhwError
from .fixed import FixedFormat
from .protocol import (
    ANSWER,
    BAUD,
    FIRST,
    IDENTIFY,
    IDENTITY_BYTES,
    LAST,
    OVERRUN,
    STEP,
    SYNC,
    VERSION,
    Identity,
    crc8,
    pack_words,
    short_hash,
    unpack_words,
    word_bytes,
)

TIMEOUT = 2.0          # seconds without a byte after which a device counts as silent
BREAK = 0.01           # seconds; longer than any frame at 9600 baud and above


@dataclass(frozen=True)
class Status:
    """What a device says of itself.

    Parameters
    ----------
    identity : Identity
    saturated : tuple of bool
        For each slice, whether a value has saturated since the device was reset.
    """

    identity: Identity
    saturated: tuple


def connect(port, baud=BAUD, timeout=TIMEOUT):
    """Open a serial port and bring the device behind it to its initial state.

    Raises
    ------
    RnnhwError
        If pyserial is not installed, the port is missing (lists those found) or cannot be opened,
        or nobody answers.
    """
    try:
        import serial
        from serial.tools import list_ports
    except ImportError:
        raise RnnhwError("Talking to a board needs the package pyserial; install it with: "
                         "pip install pyserial.") from None
    try:
        line = serial.Serial(str(port), baud, timeout=timeout, exclusive=True)
    except (OSError, ValueError) as error:
        found = sorted(entry.device for entry in list_ports.comports())
        if port not in found:
            there = f"found are {', '.join(found)}" if found else "none was found; plug in a board"
            raise RnnhwError(f"There is no serial port {port}; {there}.") from None
        raise RnnhwError(f"The serial port {port} cannot be opened ({error}); close what else uses "
                         "it, and see that you may read and write it.") from None
    _hurry(line)
    try:
        return Link(line, name=str(port))
    except BaseException:
        line.close()
        raise


def _hurry(line):
    """Ask the driver for a short latency, where it can."""
    try:
        line.set_low_latency_mode(True)
    except (AttributeError, NotImplementedError, OSError, ValueError):
        pass


class Link:
    """Requests and answers over an open line.

    Parameters
    ----------
    line : object
        ``read(size)`` that returns fewer bytes when nothing comes for a while, ``write(data)``,
        ``send_break(duration)``, ``reset_input_buffer()``, as pyserial has them; ``close()`` where
        there is something to close.
    name : str
        What sentences call it.

    Raises
    ------
    RnnhwError
        If the device does not answer, or speaks another version of the protocol.
    """

    def __init__(self, line, name="the line"):
        self.line, self.name = line, name
        self.reset()
        self.identity = self.status().identity

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Close the line."""
        close = getattr(self.line, "close", None)
        if close is not None:
            close()

    def reset(self):
        """Bring the device to its initial state by a break, and forget what it was saying."""
        self.line.send_break(BREAK)
        flush = getattr(self.line, "flush", None)
        if flush is not None:
            flush()
        time.sleep(BREAK)
        self.line.reset_input_buffer()

    def status(self):
        """Ask the device what it is, :class:`Status`."""
        request = bytes([SYNC, IDENTIFY])
        self.line.write(request)
        data = self._read(2 + IDENTITY_BYTES)
        if data[:2] != bytes([SYNC, IDENTIFY | ANSWER]):
            raise RnnhwError(f"What answers at {self.name} is no rnnhw design (it says "
                             f"{data[:4].hex(' ')}); load this design's bitstream.")
        if data[2] != VERSION:
            raise RnnhwError(f"The device at {self.name} speaks version {data[2]} of the protocol, "
                             f"but this program version {VERSION}; build its bitstream again.")
        identity = Identity.decode(data[2:])
        data += self._read(identity.flag_bytes + 2)
        self._check(request, data, "to identify itself")
        flags = np.unpackbits(np.frombuffer(data[2 + IDENTITY_BYTES:-2], np.uint8),
                              bitorder="little")[:identity.slices]
        return Status(identity, tuple(bool(flag) for flag in flags))

    def step(self, words, first, last, what="a step"):
        """Send one step's input words; its output words, int64, empty where it has none."""
        me = self.identity
        request = bytes([SYNC, STEP | FIRST * bool(first) | LAST * bool(last)])
        request += pack_words(words, me.x_width)
        self.line.write(request)
        silent = me.last_step and not last
        size = 0 if silent else me.output_size * word_bytes(me.y_width)
        data = self._read(2 + size + 2)
        status = self._check(request, data, what)
        if status & OVERRUN:
            raise RnnhwError(f"The device at {self.name} lost bytes of {what}; something else "
                             "writes to the port.")
        return unpack_words(data[2:-2], me.y_width)

    def run_int(self, xi, lengths=None, progress=None):
        """Outputs for integer inputs, of the shape and type of ``Design.run_int``.

        Parameters
        ----------
        xi : integers (seq_len, input_size) or (batch, seq_len, input_size)
        lengths : (batch,) integers within 1..seq_len, or None for seq_len
        progress : callable taking one sentence, or None
        """
        me = self.identity
        xi = check_codes(xi, me.input_size, FixedFormat(me.x_width, 0))
        lengths = check_lengths(lengths, xi)
        batch = xi if xi.ndim == 3 else xi[None]
        shape = (len(batch), me.output_size) if me.last_step else (*batch.shape[:2], me.output_size)
        y = np.zeros(shape, np.int64)
        ends = [batch.shape[1]] * len(batch) if lengths is None else lengths
        for i, (sequence, end) in enumerate(zip(batch, ends)):
            if progress is not None:
                progress(f"Sequence {i + 1} of {len(batch)} on the board.")
            for t in range(end):
                words = self.step(sequence[t], t == 0, t == end - 1,
                                  f"step {t} of sequence {i}")
                if not me.last_step:
                    y[i, t] = words
                elif t == end - 1:
                    y[i] = words
        return y if xi.ndim == 3 else y[0]

    def run(self, design, x, lengths=None, progress=None):
        """Outputs for float inputs, integers in the design's output format.

        Raises
        ------
        RnnhwError
            Also if the device holds another design.
        """
        self.check(design)
        return self.run_int(design.quantize_input(x), lengths, progress)

    def check(self, design):
        """Refuse a device that does not hold ``design``."""
        mine = short_hash(design.hash)
        if self.identity.design != mine:
            raise RnnhwError(f"The device at {self.name} holds design {self.identity.design:08x}, "
                             f"not {mine:08x}; build this design for the board and load its "
                             "bitstream.")

    def _read(self, size):
        data = b""
        while len(data) < size:
            more = self.line.read(size - len(data))
            if not more:
                part = f"stopped after {len(data)} of {size} bytes" if data else "does not answer"
                raise RnnhwError(f"The device at {self.name} {part}; check that the board is "
                                 "powered, holds this design's bitstream and that this is its "
                                 "port.")
            data += more
        return data

    def _check(self, request, answer, what):
        """The answer's status byte, after its echo and checksum."""
        if answer[:2] != bytes([SYNC, request[1] | ANSWER]) or crc8(request[1:] + answer[1:]):
            raise RnnhwError(f"The answer to {what} from {self.name} is damaged (echo or checksum "
                             "is wrong); check cable and baud rate and run again.")
        return answer[-2]
