"""The testbench itself, on a core whose faults can be chosen."""

import numpy as np
import pytest

from gateware.shell import Shell
from rnnhw import simulate
from rnnhw.errors import RnnhwError
from rnnhw.files import write_file
from rnnhw.verilog import convert
from rnnhw.words import Words
from tests.simulators import needs_icarus

from .running_sums import RunningSums, ref_running_sums

SIZE = 3


@pytest.fixture(scope="module")
def cores(tmp_path_factory):
    """A folder for each variant of the core, kept so that a variant is built once."""
    folders = {}

    def get(**options):
        key = tuple(sorted(options.items()))
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp("core")
            write_file(folders[key] / "core.v", convert(Shell(RunningSums(SIZE, **options))))
        return folders[key]
    return get


def sequences(batch=3, seq_len=5, seed=1):
    return np.random.default_rng(seed).integers(-128, 128, (batch, seq_len, SIZE))


def rtl_running_sums(folder, xi, lengths=None, last_step=False, simulator="icarus", waves=None,
                     **options):
    words = Words(xi, lengths, SIZE, last_step)
    expected = ref_running_sums(xi, SIZE)
    steps = words.steps
    if last_step:
        expected = np.stack([row[n - 1] for row, n in zip(expected, steps)])
    else:
        for row, n in zip(expected, steps):
            row[n:] = 0
    options = {"gaps": 0, "stalls": 0, "seed": 0} | options
    checked = simulate.check_options(simulator, options["gaps"], options["stalls"],
                                     options["seed"], waves, folder)
    return simulate.run(folder / "core.v", words, expected, folder, checked,
                        timeout=200, settle=50)


SIMULATORS = [pytest.param("icarus", marks=needs_icarus),
              pytest.param("verilator", marks=pytest.mark.slow)]


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_words_and_cycles(cores, simulator):
    xi = sequences()
    result = rtl_running_sums(cores(), xi, simulator=simulator)
    assert result.mismatch is None and result.bit_exact
    assert result.outputs.dtype == np.int64
    np.testing.assert_array_equal(result.outputs, ref_running_sums(xi, SIZE))
    assert result.cycles_per_sequence == (5 * 2 * SIZE,) * 3
    assert result.cycles == 3 * 5 * 2 * SIZE
    assert result.words_checked == 3 * 5 * SIZE


@needs_icarus
@pytest.mark.parametrize("gaps, stalls", [(0.3, 0), (0, 0.3), (0.5, 0.5)])
def test_gaps_and_stalls_change_cycles_only(cores, gaps, stalls):
    lengths = np.array([5, 1, 3])
    result = rtl_running_sums(cores(), sequences(), lengths, gaps=gaps, stalls=stalls)
    assert result.bit_exact and result.words_checked == 9 * SIZE
    assert result.cycles > 9 * 2 * SIZE
    assert not result.outputs[1, 1:].any() and result.outputs[1, 0].any()


@needs_icarus
@pytest.mark.slow
def test_gaps_and_stalls_follow_the_seed(cores):
    first, again, other = (rtl_running_sums(cores(), sequences(), gaps=0.4, stalls=0.4, seed=seed)
                           for seed in (1, 1, 2))
    assert first.bit_exact and again.bit_exact and other.bit_exact
    assert first.cycles_per_sequence == again.cycles_per_sequence != other.cycles_per_sequence


@needs_icarus
@pytest.mark.slow
def test_simulators_agree_on_every_cycle(cores):
    xi = sequences()
    icarus, verilator = (rtl_running_sums(cores(), xi, simulator=simulator, gaps=0.4, stalls=0.4)
                         for simulator in simulate.SIMULATORS)
    assert icarus.cycles_per_sequence == verilator.cycles_per_sequence


@needs_icarus
@pytest.mark.parametrize("lengths", [None, np.array([2, 5, 1])])
def test_last_step(cores, lengths):
    xi = sequences()
    result = rtl_running_sums(cores(last_step=True), xi, lengths, last_step=True, gaps=0.2)
    assert result.bit_exact and result.outputs.shape == (3, SIZE)
    ends = [5, 5, 5] if lengths is None else lengths
    np.testing.assert_array_equal(
        result.outputs, [row[n - 1] for row, n in zip(ref_running_sums(xi, SIZE), ends)])


@needs_icarus
def test_rank_two(cores):
    xi = sequences()[0]
    result = rtl_running_sums(cores(), xi)
    assert result.bit_exact and result.cycles == 5 * 2 * SIZE
    np.testing.assert_array_equal(result.outputs, ref_running_sums(xi, SIZE))


@needs_icarus
@pytest.mark.parametrize("fault, sentence", [
    ("stops", "Only 5 of 45 output words came: no word moved for 200 cycles, "
              "6 of 45 input words having been taken."),
    ("extra", "Sequence 1, step 0, unit 0: expected "),
    ("last", "Sequence 0, step 0, unit 0: expected {y}, found {y}, with y_last 1 where 0 is due "
             "(30 of 45 words differ)."),
    ("loses", "Sequence 0, step 1, unit 0: expected "),
    ("undefined", "Sequence 0, step 0, unit 2: expected {z}, found undefined bits ("),
])
def test_faults_are_named(cores, fault, sentence):
    xi = sequences()
    xi[0, 0, 0] = xi[0, 0, 1]      # "undefined" reads word 1 for word 0
    result = rtl_running_sums(cores(fault=fault), xi)
    assert not result.bit_exact
    assert result.mismatch.startswith(sentence.format(y=xi[0, 0, 0], z=xi[0, 0, 2]))


@needs_icarus
def test_a_word_too_many_is_named(cores):
    result = rtl_running_sums(cores(fault="extra"), sequences(batch=1))
    assert not result.bit_exact
    assert result.mismatch == "16 output words came, but 15 are due."
    assert result.cycles == 5 * 2 * SIZE


@needs_icarus
def test_a_wrong_expectation_is_found(cores):
    xi = sequences()
    words = Words(xi, None, SIZE, False)
    expected = ref_running_sums(xi, SIZE)
    expected[2, 3, 1] += 1
    options = simulate.check_options("icarus", 0, 0, 0, None, None)
    folder = cores()
    result = simulate.run(folder / "core.v", words, expected, folder, options, timeout=200,
                          settle=50)
    found = int(expected[2, 3, 1]) - 1
    assert not result.bit_exact
    assert result.mismatch == (f"Sequence 2, step 3, unit 1: expected {found + 1}, found {found} "
                               "(1 of 45 words differ).")


@pytest.mark.parametrize("simulator, head", [
    pytest.param("icarus", b"", marks=needs_icarus),
    pytest.param("verilator", b"$version", marks=pytest.mark.slow)])
def test_waves(cores, tmp_path, simulator, head):
    suffix = simulate.SIMULATORS[simulator]
    result = rtl_running_sums(cores(), sequences(), simulator=simulator,
                              waves=tmp_path / f"deep/w{suffix}")
    assert result.waves == tmp_path / f"deep/w{suffix}"
    assert result.waves.read_bytes().startswith(head) and result.waves.stat().st_size > 500


@needs_icarus
def test_an_unchanged_core_is_not_built_again(cores):
    folder, xi = cores(), sequences()
    rtl_running_sums(folder, xi)
    built = (folder / "sim/icarus/sim.vvp").stat().st_mtime_ns
    rtl_running_sums(folder, xi, gaps=0.1)
    assert (folder / "sim/icarus/sim.vvp").stat().st_mtime_ns == built
    with open(folder / "core.v", "a", encoding="utf-8") as file:
        file.write("// changed\n")
    assert rtl_running_sums(folder, xi).bit_exact
    assert (folder / "sim/icarus/sim.vvp").stat().st_mtime_ns > built


@pytest.mark.parametrize("options, sentence", [
    (dict(simulator="questa"), "The simulator 'questa' is unknown; known are verilator, icarus."),
    (dict(gaps=1), r"gaps must be a probability within 0\.\.0\.95, not 1\."),
    (dict(stalls=-0.1), r"stalls must be a probability within 0\.\.0\.95, not -0\.1\."),
    (dict(seed=1.5), r"seed must be a whole number of at least 0, not 1\.5\."),
    (dict(waves="a.vcd"), r"The waves of icarus are FST files; name one that ends in \.fst, "
                          r"not 'a\.vcd'\."),
])
def test_options_out_of_range(options, sentence, tmp_path):
    default = dict(simulator="icarus", gaps=0, stalls=0, seed=0, waves=None, out_dir=tmp_path)
    with pytest.raises(RnnhwError, match=sentence):
        simulate.check_options(**default | options)


def test_missing_verilog_file(tmp_path):
    words = Words(sequences(), None, SIZE, False)
    options = simulate.check_options("icarus", 0, 0, 0, None, None)
    with pytest.raises(RnnhwError, match=r"There is no Verilog file '.*none\.v'; give the path"):
        simulate.run(tmp_path / "none.v", words, words.xi, tmp_path, options, timeout=1, settle=1)


@needs_icarus
def test_verilog_that_does_not_compile(tmp_path):
    (tmp_path / "core.v").write_text("module rnnhw_core(input clk);\n")
    words = Words(sequences(), None, SIZE, False)
    options = simulate.check_options("icarus", 0, 0, 0, None, None)
    with pytest.raises(RnnhwError, match="icarus stopped before the simulation ended: .*syntax"):
        simulate.run(tmp_path / "core.v", words, words.xi, tmp_path, options, timeout=1, settle=1)
