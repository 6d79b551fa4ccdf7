import json
from fractions import Fraction

import numpy as np
import pytest

from rnnhw import report
from rnnhw.fixed import FixedFormat


def test_json_has_plain_types_only():
    value = {"a": np.int64(3), "b": np.array([1.5, np.inf]), "c": FixedFormat(16, 11),
             "d": Fraction(3, 2), "e": Fraction(4), 5: (np.bool_(True), None, float("nan"))}
    assert json.loads(report.to_json(value)) == {
        "a": 3, "b": [1.5, None], "c": "16/11", "d": 1.5, "e": 4, "5": [True, None, None]}


def test_json_refuses_what_it_cannot_hold():
    with pytest.raises(TypeError, match="cannot hold set"):
        report.to_json({"a": {1, 2}})


def test_table_aligns_numbers_right_and_text_left():
    text = report.table([["a", 1], ["long", 12345]], ["name", "n"])
    assert text == "name       n\n----  ------\na          1\nlong  12,345\n"


@pytest.mark.parametrize("value, text", [
    (1234567, "1,234,567"), (0.123456, "0.1235"), (123456.7, "123,457"), (Fraction(9, 2), "4.5"),
    (Fraction(2048), "2,048"), (True, "yes"), (None, "-"), ("8/7", "8/7")])
def test_numbers_for_a_reader(value, text):
    assert report.number(value) == text


def test_page_leaves_empty_sections_out():
    assert report.page("T", [("A", "a\n"), ("B", "")]) == "T\n=\n\nA\na\n"


def test_write_puts_page_and_json_side_by_side(tmp_path):
    report.write(tmp_path, "page\n", {"a": 1})
    assert (tmp_path / "report.txt").read_text() == "page\n"
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 2
