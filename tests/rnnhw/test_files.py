import os

import pytest

from rnnhw.errors import RnnhwError
from rnnhw.files import output_folder, write_file


def names(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


def test_folder_appears_at_the_end(tmp_path):
    with output_folder(tmp_path / "a" / "out") as staging:
        (staging / "deep").mkdir()
        (staging / "deep" / "f").write_text("new")
        assert not (tmp_path / "a").exists()
    assert names(tmp_path) == ["a", "a/out", "a/out/deep", "a/out/deep/f"]


def test_nothing_is_left_when_the_body_raises(tmp_path):
    for error in (RnnhwError, KeyboardInterrupt):
        with pytest.raises(error), output_folder(tmp_path / "a" / "out") as staging:
            (staging / "f").write_text("half")
            raise error("no")
    assert names(tmp_path) == []


def test_an_existing_folder_keeps_its_other_files(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "theirs").write_text("kept")
    (out / "ours").write_text("old")
    with output_folder(out) as staging:
        (staging / "ours").write_text("new")
        assert (out / "ours").read_text() == "old"
    assert (out / "theirs").read_text() == "kept" and (out / "ours").read_text() == "new"
    assert names(tmp_path) == ["out", "out/ours", "out/theirs"]


def test_a_file_in_the_way_is_refused_before_work(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RnnhwError, match="out is a file; name a folder"):
        with output_folder(tmp_path / "out"):
            pytest.fail("the body ran")
    with pytest.raises(RnnhwError, match="cannot be written: .*out is a file, not a folder"):
        with output_folder(tmp_path / "out" / "deeper"):
            pytest.fail("the body ran")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_where_a_file_goes_is_refused_and_nothing_changes(tmp_path):
    (tmp_path / "out" / "b").mkdir(parents=True)
    with pytest.raises(RnnhwError, match="b is a folder where a file goes"):
        with output_folder(tmp_path / "out") as staging:
            (staging / "a").write_text("new")
            (staging / "b").write_text("new")
    assert names(tmp_path) == ["out", "out/b"]


def test_folder_has_the_usual_rights(tmp_path):
    (tmp_path / "usual").mkdir()
    with output_folder(tmp_path / "out") as staging:
        (staging / "f").write_text("x")
    assert os.stat(tmp_path / "out").st_mode == os.stat(tmp_path / "usual").st_mode


def test_write_file_replaces_whole(tmp_path):
    write_file(tmp_path / "f", "one")
    write_file(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two" and names(tmp_path) == ["f"]
