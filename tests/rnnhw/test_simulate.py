"""Simulation through the library: what it finds, and what it refuses."""

import os
import re
import sys

import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.simulate import simulate
from rnnhw.verilog import write_verilog
from tests.configurations import CASES
from tests.simulators import needs_icarus

CASE = next(case for case in CASES if case.name == "lstm_ragged")


@pytest.fixture(scope="module")
def design():
    return CASE.design()


def flip(text, memory, word, bit):
    """``text`` with one bit of one word of ``memory`` inverted."""
    def inverted(match):
        digits = match[3]
        return f"{match[1]}{match[2]}{int(digits, 16) ^ (1 << bit):0{len(digits)}x};"

    flipped, count = re.subn(rf"^(    {memory}\[{word}\] = )(\d+'h)([0-9a-f]+);$", inverted, text,
                             flags=re.M)
    assert count == 1
    return flipped


@pytest.mark.parametrize("simulator", [
    pytest.param("icarus", marks=needs_icarus),
    pytest.param("verilator", marks=pytest.mark.slow)])
def test_a_flipped_weight_bit_is_found(design, tmp_path, simulator):
    quantized, program = design
    xi, lengths = CASE.stimulus(quantized), np.array(CASE.lengths)
    core = write_verilog(program, tmp_path)
    good = simulate(quantized, program, xi, lengths, simulator=simulator, verilog=core,
                    out_dir=tmp_path / "good")
    assert good.bit_exact and good.mismatch is None

    # The sign bit of lane 0's first weight: the first input is not zero, so the sum must change.
    assert xi[0, 0, 0] != 0
    bad_core = tmp_path / "bad.v"
    bad_core.write_text(flip(core.read_text(), "weights", 0, program.weight_bits - 1))
    bad = simulate(quantized, program, xi, lengths, simulator=simulator, verilog=bad_core,
                   out_dir=tmp_path / "bad")
    assert not bad.bit_exact
    np.testing.assert_array_equal(bad.expected, good.outputs)
    sequence, step, unit = np.argwhere(bad.outputs != bad.expected)[0]
    assert bad.mismatch.startswith(
        f"Sequence {sequence}, step {step}, unit {unit}: expected "
        f"{bad.expected[sequence, step, unit]}, found {bad.outputs[sequence, step, unit]} (")
    assert bad.cycles == good.cycles


@pytest.mark.slow
def test_the_simulator_writes_nothing_elsewhere(design, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quantized, program = design
    notes = []
    result = simulate(quantized, program, CASE.stimulus(quantized)[0], progress=notes.append)
    assert result.bit_exact and result.outputs.shape == (4, program.output_size)
    assert os.listdir(tmp_path) == []
    assert notes[-1] == ("Simulating 20 output words with verilator, which builds the core first.")


@pytest.mark.parametrize("change, sentence", [
    (dict(simulator="ghdl"), "The simulator 'ghdl' is unknown; known are verilator, icarus."),
    (dict(xi=np.zeros((2, 4))), "xi is of type float64, but integer codes are needed"),
    (dict(xi=np.zeros((2, 4, 2), int)), "xi has 2 features a step, but the model takes 3"),
    (dict(xi=np.zeros(3, int)), r"xi has shape \(3,\), but \(seq_len, 3\) or"),
    (dict(xi=np.full((4, 3), 200)), r"xi reaches 200\.\.200, but the input format 8/\d+ holds"),
    (dict(lengths=np.array([5, 1])), r"lengths\[0\] is 5, but a length must be within 1\.\.4"),
    (dict(gaps=2), r"gaps must be a probability within 0\.\.0\.95, not 2"),
    (dict(verilog="nowhere.v"), r"There is no Verilog file '.*nowhere\.v'"),
])
def test_bad_arguments(design, change, sentence, tmp_path):
    quantized, program = design
    arguments = dict(xi=np.zeros((2, 4, 3), int), out_dir=tmp_path / "out") | change
    with pytest.raises(RnnhwError, match=sentence):
        simulate(quantized, program, **arguments)


@pytest.mark.parametrize("simulator, sentence", [
    ("icarus", "Simulating with Icarus needs the program iverilog; install it with: "
               "apt-get install iverilog."),
    ("verilator", "Simulating with Verilator needs the program make; install it with: "
                  "apt-get install make."),
])
def test_missing_tools(design, simulator, sentence, tmp_path, monkeypatch):
    quantized, program = design
    core = tmp_path / "core.v"
    core.write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(RnnhwError, match=sentence):
        simulate(quantized, program, np.zeros((4, 3), int), simulator=simulator, verilog=core,
                 out_dir=tmp_path)


def test_a_folder_that_cannot_be_made(design, tmp_path):
    quantized, program = design
    (tmp_path / "file").write_text("")
    with pytest.raises(RnnhwError, match="The folder '.*file/deep' cannot be made"):
        simulate(quantized, program, np.zeros((4, 3), int), out_dir=tmp_path / "file" / "deep")
