"""How the scripts of the examples speak and end."""

import re
import time

import pytest

from rnnhw.errors import RnnhwError
from rnnhw.script import Progress, run, status


def test_sentences_with_their_time(capsys):
    Progress(time.time())("Writing.")
    Progress(time.time() - 75, "board")("Building.")
    assert re.fullmatch(r"   0 s  Writing\.\n  75 s  board: Building\.\n", capsys.readouterr().err)


def test_status(capsys):
    assert status(iter(["One.", "Two."])) == 1
    assert capsys.readouterr() == ("", "One.\nTwo.\n")
    assert status([]) == 0 and capsys.readouterr() == ("", "")


def test_run(capsys):
    def refuse():
        raise RnnhwError("There is no such file.")

    for main, code, text in ((lambda: 1, 1, ""), (refuse, 2, "demo: There is no such file.\n")):
        with pytest.raises(SystemExit) as caught:
            run("demo", main)
        assert caught.value.code == code and capsys.readouterr().err == text
