# amaranth: UnusedElaboratable=no
"""The framing, byte by byte, around a stand-in core; the expected bytes are written out here."""

import re
from pathlib import Path

import numpy as np
import pytest
from amaranth.lib.crc.catalog import CRC8_SMBUS

from boards.top import Top
from rnnhw.protocol import (
    FRAMING,
    NOISE,
    OVERRUN,
    SATURATED,
    crc8,
    pack_words,
    unpack_words,
)

from ..boards.standin import Leaky
from .line import Line

DOCUMENT = Path(__file__).parents[2] / "docs" / "uart.md"
CLOCK = 12.0
BIT = 12


def device(model, patience=3000, slow=0):
    top = Top(model.core(slow), identity=model.identity, clock_mhz=CLOCK, baud=1_000_000)
    line = Line(top, top.rx, top.tx, bit=BIT, patience=patience)
    line.run(400)
    return top, line


def request(x, width, flags):
    return bytes([0xA5, 0x10 | flags]) + pack_words(x, width)


def ask(line, message, size):
    """Send a request and return the payload and status of its answer of ``size`` payload bytes."""
    line.write(message)
    answer = line.read(size + 4)
    assert len(answer) == size + 4, f"answer {answer.hex()} is cut"
    assert answer[0] == 0xA5 and answer[1] == message[1] | 0x80
    assert crc8(message[1:] + answer[1:]) == 0
    return answer[2:-2], answer[-2]


def steps(line, model, x):
    """A sequence, step by step; returns its words and the statuses."""
    words, statuses = [], []
    sizes = model.sizes
    size = sizes["output_size"] * ((sizes["y_width"] + 7) // 8)
    for t, step in enumerate(x):
        flags = (t == 0) | (t == len(x) - 1) << 1
        silent = sizes["last_step"] and t < len(x) - 1
        payload, status = ask(line, request(step, sizes["x_width"], flags), 0 if silent else size)
        words.append(unpack_words(payload, sizes["y_width"]))
        statuses.append(status)
    return words, statuses


def check_sequence(line, model, length=3, seed=1):
    x = model.draw((length,), seed)
    words, statuses = steps(line, model, x)
    expected = model.reference(x)
    if model.sizes["last_step"]:
        assert all(len(w) == 0 for w in words[:-1])
        np.testing.assert_array_equal(words[-1], expected)
    else:
        np.testing.assert_array_equal(np.stack(words), expected)
    return statuses


@pytest.mark.parametrize("sizes", [
    dict(),
    dict(last_step=True),
    dict(x_width=12, y_width=18),
    dict(x_width=18, y_width=8),
    dict(input_size=1, output_size=1, x_width=5, y_width=7, slices=1),
    dict(input_size=4, x_width=9, y_width=24, slices=9),
])
def test_sequences_are_answered_word_by_word(sizes):
    model = Leaky(**sizes)
    _, line = device(model)
    for seed in (1, 2):
        check_sequence(line, model, seed=seed)
    assert line.bad_stops == 0 and line.received == b""


def test_a_slow_core_holds_back_the_end_of_the_answer():
    model = Leaky(last_step=True)
    _, line = device(model, patience=9000, slow=4000)
    statuses = check_sequence(line, model, length=3)
    assert all(status & OVERRUN == 0 for status in statuses)


def test_identify():
    model = Leaky(input_size=300, output_size=5, x_width=8, y_width=16, last_step=True, slices=10)
    _, line = device(model)
    payload, status = ask(line, b"\xA5\x20", 15)
    assert payload == bytes([1, 1, 44, 1, 5, 0, 8, 16, 0x78, 0x56, 0x34, 0x12, 10, 0, 0])
    assert status == 0


def test_saturation_is_reported_until_a_break_resets_it():
    model = Leaky(input_size=1, output_size=1)
    model.weights[:] = 1
    _, line = device(model)
    payload, status = ask(line, request([5], 8, 3), 2)
    assert (payload, status) == (b"\x05\x00", 0)
    payload, status = ask(line, request([-5], 8, 3), 2)
    assert (payload, status) == (b"\xFB\xFF", SATURATED)
    payload, status = ask(line, b"\xA5\x20", 14)
    assert payload[-1] == 1 and status == SATURATED
    line.send_break()
    payload, status = ask(line, b"\xA5\x20", 14)
    assert payload[-1] == 0 and status == 0


def test_the_state_of_a_sequence_lasts_until_a_step_marked_first():
    model = Leaky()
    _, line = device(model)
    x = model.draw((4,))
    words = [unpack_words(ask(line, request(step, 8, int(t == 0)), 10)[0], 16)
             for t, step in enumerate(x)]
    np.testing.assert_array_equal(np.stack(words), model.reference(x))


def test_garbage_before_a_packet_is_skipped_and_reported_once():
    model = Leaky()
    _, line = device(model)
    line.write(bytes([0x00, 0x13, 0xFF, 0xA5, 0x77, 0xA5]))
    assert check_sequence(line, model)[0] & ~SATURATED == NOISE
    assert check_sequence(line, model)[0] & ~SATURATED == 0


def test_zeros_between_packets_are_no_noise():
    model = Leaky()
    _, line = device(model)
    line.write(bytes(5))
    assert check_sequence(line, model)[0] & ~SATURATED == 0


def test_a_repeated_sync_byte_is_harmless():
    model = Leaky()
    _, line = device(model)
    line.write(b"\xA5\xA5")
    assert check_sequence(line, model)[0] & ~SATURATED == 0


@pytest.mark.parametrize("kept", [1, 2, 3, 4])
def test_a_break_recovers_from_a_cut_packet(kept):
    model = Leaky()
    _, line = device(model)
    line.write(request([1, 2, 3], 8, 1)[:kept])
    line.send_break()
    assert check_sequence(line, model)[0] & ~SATURATED == 0
    assert line.received == b""


@pytest.mark.parametrize("kept", [2, 3, 4])
def test_zeros_complete_a_cut_packet(kept):
    model = Leaky()
    _, line = device(model)
    line.write(request([1, 2, 3], 8, 1)[:kept] + bytes(5 - kept))
    assert len(line.read(14)) == 14
    check_sequence(line, model)


def test_a_break_stops_an_answer():
    model = Leaky(output_size=40)
    _, line = device(model)
    line.write(request([1, 2, 3], 8, 1))
    assert len(line.read(10)) == 10
    line.send_break()
    line.flush()
    line.run(300)
    line.reset_input_buffer()
    check_sequence(line, model)


def test_a_request_on_the_heels_of_another_overruns_and_a_break_recovers():
    model = Leaky(output_size=1)
    _, line = device(model)
    message = request([1, 2, 3], 8, 3)
    line.write(message * 2)
    answer = line.read(6)
    assert crc8(message[1:] + answer[1:]) == 0 and answer[-2] & OVERRUN
    assert line.read(1) == b""
    line.send_break()
    assert ask(line, b"\xA5\x20", 14)[1] == 0


def test_bytes_sent_during_an_answer_are_reported_once():
    model = Leaky(output_size=20)
    _, line = device(model)
    message = request([1, 2, 3], 8, 3)
    line.write(message + bytes(4))
    answer = line.read(44)
    assert crc8(message[1:] + answer[1:]) == 0
    assert answer[-2] & ~SATURATED == OVERRUN
    assert ask(line, b"\xA5\x20", 14)[1] & ~SATURATED == 0


def test_a_wrong_stop_bit_is_reported_and_the_byte_counts():
    model = Leaky()
    _, line = device(model)
    message = request([1, 2, 3], 8, 3)
    line.write(message[:-1])
    line.write_frame([0, *(message[-1] >> i & 1 for i in range(8)), 0])
    line.write_frame([1] * 4)
    answer = line.read(14)
    assert crc8(message[1:] + answer[1:]) == 0
    assert answer[-2] & ~SATURATED == FRAMING


def test_a_flipped_bit_on_the_way_in_shows_in_the_checksum():
    model = Leaky()
    _, line = device(model)
    message = request([1, 2, 3], 8, 3)
    line.write(message[:-1] + bytes([message[-1] ^ 4]))
    answer = line.read(14)
    assert len(answer) == 14 and crc8(message[1:] + answer[1:]) != 0


def test_the_example_of_the_documentation():
    """docs/uart.md: the bytes as printed there, from the device itself."""
    lines = re.findall(r"^ +(host|device) +([0-9A-F ]+)$", DOCUMENT.read_text(), re.M)
    (_, asked), (_, answered) = lines
    model = Leaky(input_size=3, output_size=2, last_step=True, slices=1)
    model.weights[:] = [[100, -79, 14], [0, 2, 1]]
    assert model.reference(np.array([[1, -2, 3]])).tolist() == [300, -1]
    _, line = device(model)
    line.write(bytes.fromhex(asked))
    answer = line.read(8)
    assert answer[-2] == SATURATED      # the stand-in marks a negative output
    assert answer[:-2] == bytes.fromhex(answered)[:-2]
    asked, answered = bytes.fromhex(asked), bytes.fromhex(answered)
    assert crc8(asked[1:] + answered[1:]) == 0


def test_lights_and_settling():
    model = Leaky(input_size=1, output_size=1)
    model.weights[:] = 1
    top = Top(model.core(), identity=model.identity, clock_mhz=CLOCK, baud=1_000_000)
    line = Line(top, top.rx, top.tx, bit=BIT, patience=3000)
    line.write(b"\xA5\x20")
    assert line.read(1) == b"", "a request during the wait after configuration is not heard"
    assert line.get(top.lights) == (0,)
    ask(line, request([-1], 8, 3), 2)
    assert line.get(top.lights)[0] & 4
    line.send_break()
    line.flush()
    assert not line.get(top.lights)[0] & 4


def test_the_checksum_is_the_catalog_one():
    parameters = CRC8_SMBUS(data_width=8)
    for message in (b"", b"\x00", b"123456789", bytes(range(256))):
        assert crc8(message) == parameters.compute(message)


@pytest.mark.parametrize("width", [2, 7, 8, 9, 16, 18, 24, 33, 64])
def test_words_survive_packing(width):
    high = 1 << (width - 1)
    words = np.array([0, 1, -1, high - 1, -high])
    packed = pack_words(words, width)
    assert packed == b"".join(int(w).to_bytes((width + 7) // 8, "little", signed=True)
                              for w in words)
    np.testing.assert_array_equal(unpack_words(packed, width), words)
