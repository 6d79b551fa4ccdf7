"""tanh and sigmoid of one table, ``sigmoid(x) = 1/2 + tanh(x/2)/2``, in the kinds to choose from.

==================================  ===========================================================
``pwl``                             lines on equal segments
``octave``                          lines on segments that double in width octave by octave
``table``                           a word for each step of the argument, no multiplication
``ralut``                           a word for each range of arguments, no multiplication
``hard_0.25 hard_0.2 hard_1/6``     ``clip(x, -1, 1)`` and ``clip(x/4 + 1/2, 0, 1)``, x/5, x/6
==================================  ===========================================================
"""

import functools
from dataclasses import fields

from .activation_base import HALF_LSB, INTERCEPT_FRAC, SLOPE_FRAC, Table
from .activation_hard import SIGMOID_SLOPES, HardTable, hard
from .activation_lines import MAX_ENTRIES, OctaveTable, octave, uniform
from .activation_words import MAX_RANGES, RangeTable, WordTable, ranges, words
from .errors import RnnhwError

__all__ = ["HALF_LSB", "HARD", "INTERCEPT_FRAC", "KINDS", "MAX_ENTRIES", "MAX_RANGES",
           "SLOPE_FRAC", "HardTable", "OctaveTable", "RangeTable", "Table", "WordTable",
           "check_kind", "make_table", "restore", "to_plain"]

_MAKERS = {"pwl": uniform, "octave": octave, "table": words, "ralut": ranges}
_CLASSES = {"pwl": Table, "octave": OctaveTable, "table": WordTable, "ralut": RangeTable,
            **dict.fromkeys(SIGMOID_SLOPES, HardTable)}
HARD = tuple(SIGMOID_SLOPES)
KINDS = tuple(_CLASSES)


def check_kind(kind, error):
    """Refuse an unknown kind, and an error that is given for a hard one."""
    if kind not in KINDS:
        raise RnnhwError(f"activation_kind {kind!r} is unknown; known are {', '.join(KINDS)}.")
    if kind in HARD and error is not None:
        raise RnnhwError(f"activation_error {error!r} does not go with activation_kind {kind!r}, "
                         "which approximates nothing; leave it out.")


@functools.cache
def make_table(error=None, kind="pwl"):
    """Smallest table of ``kind`` whose tanh into 16/15 errs by at most ``error`` on every code.

    That holds for every input format. An entry may err by ``error - 2**-16`` on its closed real
    interval; rounding to 16/15 adds up to ``2**-16``. Saturating +1.0 to ``1 - 2**-15`` never errs
    by more than ``2**-15``. Sigmoid errs by at most ``error/2 + 2**-16``. An output of ``f``
    fraction bits, not 15, replaces ``2**-16`` by ``2**-(f+1)``.

    A hard kind takes no ``error``: it differs from its own definition by at most ``2**-15``.

    Raises
    ------
    RnnhwError
        If ``kind`` is unknown, ``error`` is outside 2**-12..2**-6 or given for a hard kind, or
        if a ``ralut`` would need more than 1024 ranges.
    """
    check_kind(kind, error)
    if kind in HARD:
        return hard(kind)
    if error is None or not 2.0**-12 <= error <= 2.0**-6:
        raise RnnhwError(f"A table's error must be within 2**-12..2**-6, not {error!r}.")
    return _MAKERS[kind](error)


def to_plain(table):
    """A table as a dict ready for JSON, which :func:`restore` reads."""
    return {"kind": table.kind, **{f.name: getattr(table, f.name) for f in fields(table)}}


def restore(plain):
    """The table that :func:`to_plain` wrote."""
    values = {key: tuple(value) if isinstance(value, list) else value
              for key, value in plain.items()}
    return _CLASSES[values.pop("kind")](**values)
