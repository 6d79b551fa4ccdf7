# amaranth: UnusedElaboratable=no
"""The client against the simulated device: both ends of the protocol are the real ones."""

import sys

import numpy as np
import pytest

import rnnhw
from boards.top import Top
from rnnhw import host
from rnnhw.errors import RnnhwError
from rnnhw.protocol import SYNC, Identity, crc8, short_hash

from ..boards.standin import Leaky
from ..gateware.line import Line


def simulated(core, identity, clock_mhz=12.0, **options):
    """A line to a simulated board top; the PLL is left out."""
    top = Top(core, identity=identity, clock_mhz=clock_mhz, baud=1_000_000)
    line = Line(top, top.rx, top.tx, bit=round(clock_mhz), **options)
    line.run(400)      # the wait after configuration
    return line


def leaky(**sizes):
    model = Leaky(**sizes)
    return model, host.Link(simulated(model.core(), model.identity))


class Script:
    """A line whose device says what it is told to."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.written = b""
        self.breaks = 0

    def write(self, data):
        self.written += data

    def read(self, size):
        if not self.answers:
            return b""
        taken, rest = self.answers[0][:size], self.answers[0][size:]
        self.answers[:1] = [rest] if rest else []
        return taken

    def send_break(self, duration):
        self.breaks += 1

    def reset_input_buffer(self):
        pass


def identify_answer(version=1, **changes):
    identity = Identity(**(dict(input_size=3, output_size=2, x_width=8, y_width=16, last_step=True,
                                slices=2, design=0xDEADBEEF) | changes))
    body = bytes([0xA0, version]) + identity.encode()[1:] + b"\x02\x01"
    return bytes([SYNC]) + body + bytes([crc8(b"\x20" + body)])


@pytest.mark.parametrize("last_step", [False, True])
def test_sequences_of_several_lengths(last_step):
    model, link = leaky(last_step=last_step)
    x = model.draw((3, 4))
    lengths = np.array([4, 1, 3])
    y = link.run_int(x, lengths)
    assert y.dtype == np.int64
    for i, n in enumerate(lengths):
        expected = model.reference(x[i, :n])
        np.testing.assert_array_equal(y[i] if last_step else y[i, :n], expected)
        if not last_step:
            assert not y[i, n:].any()
    np.testing.assert_array_equal(link.run_int(x[0]), y[0])


def test_identity_and_status_come_from_the_device():
    model, link = leaky(input_size=7, slices=9)
    assert link.identity == model.identity
    assert link.status() == host.Status(model.identity, (False,) * 9)
    link.run_int(-np.abs(model.draw((6,))))
    assert link.status().saturated == (True,) + (False,) * 8
    link.reset()
    assert link.status().saturated == (False,) * 9


def test_a_new_client_finds_a_device_in_the_middle_of_a_packet():
    model = Leaky()
    line = simulated(model.core(), model.identity)
    line.write(b"\xA5\x11\x01")
    x = model.draw((2,))
    np.testing.assert_array_equal(host.Link(line).run_int(x), model.reference(x))


def test_the_real_core_behind_its_uart_equals_the_integer_model():
    """GRU and a last-step classifier, float input to output words, all through the serial line."""
    from gateware.core import Core
    from rnnhw.compiler import lower
    from rnnhw.model import Linear, Model, Recurrent

    rng = np.random.default_rng(3)

    def draw(*shape):
        return rng.normal(size=shape) / 2

    model = Model(layers=(Recurrent(cell="gru", weight_ih=draw(12, 3), weight_hh=draw(12, 4),
                                    bias_ih=draw(12), bias_hh=draw(12)),
                          Linear(weight=draw(5, 4), bias=draw(5))), last_step=True)
    x = rng.normal(size=(3, 4, 3))
    design = rnnhw.compile(model, rnnhw.Config(), calibration=x)
    program = lower(design.quantized, 4, 2)
    identity = Identity.of(program, short_hash(design.hash))
    link = host.Link(simulated(Core(program), identity, 8.0))
    lengths = np.array([4, 2, 1])
    y = link.run(design, x, lengths)
    expected = design.run_int(design.quantize_input(x), lengths)
    assert y.dtype == expected.dtype and expected.any()
    np.testing.assert_array_equal(y, expected)
    link.line.write(b"\xA5\x11\x01")      # a step that is cut
    link.reset()
    np.testing.assert_array_equal(link.run(design, x[1, :2]), expected[1])


@pytest.mark.slow
def test_the_real_core_answering_every_step():
    """An LSTM whose two slices give 16-bit words at each step, against the golden model."""
    from gateware.core import Core
    from rnnhw import golden
    from rnnhw.protocol import design_hash
    from tests.configurations import CASES

    case = next(case for case in CASES if case.name == "lstm_ragged")
    quantized, program = case.design()
    x = case.stimulus(quantized)
    link = host.Link(simulated(Core(program), Identity.of(program, design_hash(program)), 8.0))
    assert link.identity.design == design_hash(case.design()[1])
    assert link.identity.design != design_hash(case.design(seed=1)[1])
    expected = golden.run(quantized, x, case.lengths)
    np.testing.assert_array_equal(link.run_int(x, case.lengths), expected)
    assert expected.any()


def test_outputs_that_come_a_step_late_are_refused():
    from rnnhw.protocol import design_hash
    from tests.configurations import CASES

    _, program = next(case for case in CASES if case.name == "late_lstm").design()
    with pytest.raises(RnnhwError, match=r"^A board's link answers each step before it takes the "
                                         r"next, but the outputs of this design come with the "
                                         r'next step; choose output_placement = "latency"\.$'):
        Identity.of(program, design_hash(program))


def test_another_design_is_refused():
    link = host.Link(Script(identify_answer()), name="/dev/x")

    class Design:
        hash = "0123456789abcdef"

    with pytest.raises(RnnhwError, match=r"^The device at /dev/x holds design deadbeef, not "
                                         r"01234567; build this design for the board and load "
                                         r"its bitstream\.$"):
        link.run(Design, None)


def test_another_version_is_refused():
    with pytest.raises(RnnhwError, match=r"^The device at p speaks version 9 of the protocol, but "
                                         r"this program version 1; build its bitstream again\.$"):
        host.Link(Script(identify_answer(version=9)), name="p")


def test_another_kind_of_device_is_refused():
    with pytest.raises(RnnhwError, match=r"^What answers at p is no rnnhw design \(it says 6c 6f "
                                         r"67 69\); load this design's bitstream\.$"):
        host.Link(Script(b"login: please, user"), name="p")


def test_silence_is_named():
    with pytest.raises(RnnhwError, match=r"^The device at p does not answer; check that the board "
                                         r"is powered, holds this design's bitstream and that "
                                         r"this is its port\.$"):
        host.Link(Script(), name="p")


def test_an_answer_that_stops_is_named():
    with pytest.raises(RnnhwError, match=r"^The device at p stopped after 9 of 15 bytes; check"):
        host.Link(Script(identify_answer()[:9]), name="p")


def test_a_damaged_answer_is_named_with_its_step():
    body = b"\x93\x01\x00\x02\x00\x00"
    link = host.Link(Script(identify_answer(), bytes([SYNC]) + body + b"\x00"), name="p")
    assert crc8(b"\x13\x01\x02\x03" + body) != 0
    with pytest.raises(RnnhwError, match=r"^The answer to step 0 of sequence 0 from p is damaged "
                                         r"\(echo or checksum is wrong\); check cable"):
        link.run_int([[1, 2, 3]])


def test_lost_bytes_are_named():
    body = b"\x93\x01\x00\x02\x00\x04"
    answer = bytes([SYNC]) + body + bytes([crc8(b"\x13\x01\x02\x03" + body)])
    link = host.Link(Script(identify_answer(), answer), name="p")
    with pytest.raises(RnnhwError, match=r"^The device at p lost bytes of step 0 of sequence 0; "
                                         r"something else writes to the port\.$"):
        link.run_int([[1, 2, 3]])


def test_inputs_are_checked():
    link = host.Link(Script(identify_answer()))
    with pytest.raises(RnnhwError, match="reaches 128..128"):
        link.run_int([[128, 128, 128]])
    with pytest.raises(RnnhwError, match="has 2 features a step, but the model takes 3"):
        link.run_int([[1, 2]])


def test_a_missing_port_lists_those_there_are(monkeypatch):
    from serial.tools import list_ports

    class Entry:
        device = "/dev/ttyUSB7"

    monkeypatch.setattr(list_ports, "comports", lambda: [Entry])
    with pytest.raises(RnnhwError, match=r"^There is no serial port /dev/rnnhw-none; found are "
                                         r"/dev/ttyUSB7\.$"):
        host.connect("/dev/rnnhw-none")
    monkeypatch.setattr(list_ports, "comports", lambda: [])
    with pytest.raises(RnnhwError, match=r"^There is no serial port /dev/rnnhw-none; none was "
                                         r"found; plug in a board\.$"):
        host.connect("/dev/rnnhw-none")


def test_a_port_that_is_there_but_does_not_open(monkeypatch, tmp_path):
    from serial.tools import list_ports

    class Entry:
        device = str(tmp_path)

    monkeypatch.setattr(list_ports, "comports", lambda: [Entry])
    with pytest.raises(RnnhwError, match=r"cannot be opened \(.*\); close what else uses it, and "
                                         r"see that you may read and write it\.$"):
        host.connect(str(tmp_path))


def test_pyserial_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(RnnhwError, match=r"^Talking to a board needs the package pyserial; install "
                                         r"it with: pip install pyserial\.$"):
        host.connect("/dev/ttyUSB0")


def test_a_pseudo_terminal_is_a_port_like_any(tmp_path):
    """pyserial on a real descriptor, a scripted device at the other end."""
    import os
    import threading
    import tty

    here, there = os.openpty()
    tty.setraw(here)
    tty.setraw(there)

    def device():
        asked = b""
        while not asked.endswith(b"\xA5\x20"):
            asked += os.read(here, 1)
        os.write(here, identify_answer())

    thread = threading.Thread(target=device)
    thread.start()
    try:
        with host.connect(os.ttyname(there)) as link:
            assert link.identity.design == 0xDEADBEEF
    finally:
        thread.join()
        os.close(here)
        os.close(there)
