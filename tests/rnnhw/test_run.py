"""``rnnhw run`` against a device in software behind a pseudo-terminal, speaking docs/uart.md."""

import json
import os
import threading
import tty
from contextlib import contextmanager

import numpy as np
import pytest

import rnnhw
from rnnhw import golden, protocol
from rnnhw.cli import main


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "d"
    assert main(["quantize", "spoken-digits", "-o", str(folder), "--quiet"]) == 0
    return rnnhw.load_design(folder), str(folder)


def serve(fd, design, alter):
    """Answer requests until the line closes; ``alter`` changes output words."""
    me = protocol.Identity.of(design.program, protocol.short_hash(design.hash))
    size = 2 + me.input_size * protocol.word_bytes(me.x_width)
    state = {}

    def take(count):
        data = b""
        while len(data) < count:
            data += os.read(fd, count - len(data)) or exit_thread()
        return data

    def exit_thread():
        raise OSError

    def answer(command, body, crc):
        body = bytes([command | protocol.ANSWER]) + body + b"\0"
        os.write(fd, bytes([protocol.SYNC]) + body + bytes([protocol.crc8(body, crc)]))

    try:
        while True:
            head = take(1)
            if head[0] != protocol.SYNC:
                continue
            head += take(1)
            crc = protocol.crc8(head[1:])
            if head[1] == protocol.IDENTIFY:
                answer(head[1], me.encode() + bytes(me.flag_bytes), crc)
                continue
            words = take(size - 2)
            crc = protocol.crc8(words, crc)
            xi = protocol.unpack_words(words, me.x_width)[None]
            if head[1] & protocol.FIRST:
                state = {}
            y, state = golden.run(design.quantized, xi, state=state, return_state=True)
            last = head[1] & protocol.LAST
            body = protocol.pack_words(alter(y), me.y_width) if last or not me.last_step else b""
            answer(head[1], body, crc)
    except OSError:
        pass


@contextmanager
def device(design, alter=lambda y: y):
    """Port of a device that holds ``design``."""
    master, slave = os.openpty()
    tty.setraw(slave)
    thread = threading.Thread(target=serve, args=(master, design, alter), daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)
        thread.join(10)     # or it would read from the next line that gets this number
        os.close(master)


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).standard_normal((3, 4, 13))
    np.savez("x.npz", x=x, lengths=[4, 1, 3])
    return x


def test_outputs_come_back_and_are_checked(design, inputs, capsys):
    design, folder = design
    with device(design) as port:
        status = main(["run", folder, "--port", port, "--input", "x.npz", "--check", "-o", "r",
                       "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert status == 0 and facts["bit_exact"] is True and facts["steps"] == 8
    assert sorted(os.listdir("r")) == ["outputs.npz", "report.json", "report.txt"]
    expected = design.run_int(design.quantize_input(inputs), [4, 1, 3])
    assert (np.load("r/outputs.npz")["y"] == expected).all()


def test_a_wrong_word_is_named_and_exits_with_1(design, inputs, capsys):
    design, folder = design
    with device(design, lambda y: y ^ np.eye(1, y.size, 7, dtype=int)[0]) as port:
        status = main(["run", folder, "--port", port, "--input", "x.npz", "--check"])
    out, err = capsys.readouterr()
    assert status == 1 and "bit exact  no" in out
    assert "rnnhw: not bit exact: Sequence 0, step 3, unit 7: expected " in err
    assert "(3 of 30 words differ)" in err


def test_a_board_with_another_design_is_refused(design, inputs, capsys, tmp_path):
    design, folder = design
    assert main(["quantize", "tiny", "-o", "other", "--quiet"]) == 0
    capsys.readouterr()
    with device(rnnhw.load_design("other")) as port:
        assert main(["run", folder, "--port", port, "--input", "x.npz", "-o", "r"]) == 2
    assert f"holds design {rnnhw.load_design('other').hash[:8]}, not {design.hash[:8]};" in (
        capsys.readouterr().err)
    assert not os.path.exists("r")


def test_a_port_that_is_not_there_is_refused(design, inputs, capsys):
    assert main(["run", design[1], "--port", "no-port", "--input", "x.npz"]) == 2
    assert "rnnhw: error: There is no serial port no-port; " in capsys.readouterr().err
