# amaranth: UnusedElaboratable=no
"""Where memories go, against what Yosys makes of them."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

import rnnhw
from boards import flow, limits
from boards.bench import Harness
from rnnhw.build import core_for
from rnnhw.memories import RAMS, Layout, Memory, cut, lay_out, rams, shape
from rnnhw.project import resolve
from rnnhw.tables import varying_bits


def part(family, block_rams, luts=5280):
    return SimpleNamespace(family=family, block_rams=block_rams, luts=luts)


def program(*memories, deep=False):
    return SimpleNamespace(deep=deep, memories=[Memory(*memory) for memory in memories])


# block RAMs of 256 x 16: 4, 1, 3 and 2
SOME = program(("weights", 256, 64, True), ("x0", 16, 10), ("rows", 200, 40, True),
               ("state0a", 256, 16), ("state1a", 256, 16))
BLOCK = dict.fromkeys(("weights", "x", "rows", "statea"), "block")


def test_a_deep_memory_is_cut_at_the_depth_of_a_block_ram():
    shapes = RAMS["ice40"]
    assert cut("w", 600, 48, shapes) == [("w0", 0, 256), ("w1", 256, 256), ("w2", 512, 88)]
    assert cut("w", 256, 48, shapes) == [("w", 0, 256)]
    assert cut("w", 600, 48, ()) == [("w", 0, 600)]
    for depth in (100, 300, 792, 1194, 2500):
        for width in (7, 36, 72):
            parts = cut("w", depth, width, shapes)
            assert sum(count for *_, count in parts) == depth
            assert all(count <= shape(depth, width, RAMS["ice40"])[0] for *_, count in parts[1:])
            assert (sum(rams([("w", count, width)], "ice40") for *_, count in parts)
                    <= rams([("w", depth, width)], "ice40"))


def test_what_fits_stays_in_block_rams():
    assert lay_out(SOME, part("ice40", 10)).block_rams == 10
    assert lay_out(SOME, part("ice40", 10)).styles == BLOCK
    assert lay_out(SOME) == Layout(6, {"x": "distributed"})


@pytest.mark.parametrize("there, moved, left", [
    (9, {"x": "logic"}, 9),            # 160 cells; the table would take 500 for three block RAMs
    (8, {"rows": "logic"}, 7),
    (7, {"rows": "logic"}, 7),
    (6, {"rows": "logic", "x": "logic"}, 6),
    (5, {"weights": "logic", "x": "logic"}, 5),
    (4, {}, 10)])                      # it would be more than a quarter of the part
def test_what_takes_the_fewest_cells_moves_into_logic(there, moved, left):
    found = lay_out(SOME, part("ice40", there))
    assert found.block_rams == left
    assert found.styles == BLOCK | moved


def test_what_logic_holds_as_cheaply_is_logic():
    found = lay_out(program(("ranges", 64, 32, True), ("biases", 65, 48, True), ("x0", 4, 16),
                            ("y0", 4, 17)), part("ice40", 30))
    assert found.styles == {"ranges": "logic", "biases": "block", "x": "logic", "y": "logic"}
    assert found.block_rams == 3


def test_a_part_too_small_for_the_logic_moves_nothing():
    assert lay_out(SOME, part("ice40", 9, luts=600)).block_rams == 10


@pytest.mark.parametrize("family", ["ecp5", "gowin"])
@pytest.mark.parametrize("depth, width, constant, style", [
    (80, 16, False, "distributed"), (96, 16, False, None), (128, 8, False, "distributed"),
    (200, 8, False, None), (64, 32, True, "logic"), (64, 33, True, None),
    (110, 37, True, "logic"), (114, 37, True, None)])
def test_lookup_tables_hold_what_yosys_puts_there(family, depth, width, constant, style):
    assert lay_out(program(("m", depth, width, constant)), part(family, 99)).styles == (
        {"m": style} if style else {})


def test_copies_move_together_and_into_lookup_tables_where_these_are_memories():
    large = program(("weights", 512, 72, True), ("rows", 200, 40, True), ("statea", 256, 16),
                    ("state1a", 256, 16))
    for family in ("ecp5", "gowin"):
        assert lay_out(large, part(family, 6)).styles == {}
        assert lay_out(large, part(family, 4)).styles == {"rows": "logic"}
        assert lay_out(large, part(family, 2)) == Layout(
            2, {"rows": "logic", "statea": "distributed"})
        assert lay_out(large, part(family, 1)) == Layout(6)


def test_the_output_buffer_of_deep_pipelines_is_block_ram():
    for family in ("ecp5", "gowin"):
        assert lay_out(program(("y0", 16, 16), deep=True), part(family, 9)).styles == {"y": "block"}
        assert lay_out(program(("y0", 16, 16)), part(family, 9)).styles == {"y": "distributed"}


def test_bits_that_no_record_changes_are_not_stored():
    assert varying_bits([{"a": 5, "b": 0}, {"a": 4, "b": 0}, {"a": 13, "b": 0}]) == 2
    assert varying_bits([{"a": 5}]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name, board, changes", [
    ("spoken-digits-small", "icebreaker", {}),
    ("spoken-digits-small", "icebreaker", {"fast_inner_product": False}),
    ("tiny", "icebreaker", {}), ("spoken-digits", "tangnano9k", {}),
    ("spoken-digits", "ulx3s-85f", {})])
def test_netlists_have_the_block_rams_that_were_counted(name, board, changes, tmp_path):
    from amaranth.back import rtlil

    project = resolve(name)
    design = rnnhw.compile(project.model, replace(project.config, board=board, **changes))
    there = limits(board)
    text = rtlil.convert(Harness(core_for(design.program, there)), name=flow.TOP, emit_src=False)
    cells, _ = flow.synthesize(flow.relax_collisions(text), there.family, tmp_path,
                               lambda text: None)
    need = flow.needed(cells, there.family)["block_rams"]
    assert need == design.estimate().block_rams <= there.block_rams
