"""FPGA boards, and pin-less targets for area and clock of a bare core."""

from rnnhw.errors import RnnhwError

from .base import Board, Limits
from .bench import BENCH_ECP5, BENCH_GW2A, BENCH_ICE40
from .icebreaker import ICEBREAKER
from .tangnano9k import TANGNANO9K
from .tangnano20k import TANGNANO20K
from .ulx3s import ULX3S_85F

__all__ = ["BENCHES", "BOARDS", "Board", "Limits", "get", "limits"]

BOARDS = {board.name: board for board in (ULX3S_85F, ICEBREAKER, TANGNANO9K, TANGNANO20K)}
BENCHES = {board.name: board for board in (BENCH_ECP5, BENCH_ICE40, BENCH_GW2A)}


def get(name):
    """The board or bench target of that name.

    Raises
    ------
    RnnhwError
        If there is none; the sentence lists the known.
    """
    known = BOARDS | BENCHES
    if name not in known:
        raise RnnhwError(f"There is no board {name!r}; known are {', '.join(known)}.")
    return known[name]


def limits(name):
    """What the board offers, :class:`Limits`."""
    return get(name).limits
