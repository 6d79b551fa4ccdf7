"""The cells that layers may be of, by family: built in, and those a user registers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

from ..errors import RnnhwError
from . import deep, gru, lstm, simple
from .describe import Cell
from .functions import check_clip, normal

MOST_TAPS = 16             # steps that the filter of a QRNN sees
MOST_LAYERS = 8            # further layers of a deep cell


@dataclass(frozen=True)
class Family:
    """Cells under one name, told apart by options and by the arrays that a layer has.

    Parameters
    ----------
    make : function of the options that gives its cells, the plainest first
    options : dict of defaults
    choices : dict of the values of an option that :attr:`cells` goes through
    checks : dict of functions of an option's value and of what has it, that give the value or
        refuse it; an option without one may only have its ``choices``
    """

    make: Callable
    options: dict = field(default_factory=dict)
    choices: dict = field(default_factory=dict)
    checks: dict = field(default_factory=dict)

    def checked(self, options, what):
        """All options, of those given and the defaults.

        Raises
        ------
        RnnhwError
            If one is unknown or has a value that it may not have; ``what`` names the layer.
        """
        found = dict(self.options)
        for key, value in options.items():
            if key not in self.options:
                raise RnnhwError(f"{what} has the unknown option {key!r}; known are "
                                 f"{', '.join(self.options) or 'none'}.")
            if key in self.checks:
                value = self.checks[key](value, what)
            elif value not in self.choices[key]:
                raise RnnhwError(f"{key} of {what} must be "
                                 f"{' or '.join(map(repr, self.choices[key]))}, not {value!r}.")
            found[key] = value
        return found

    def types(self):
        """The types of each option's values as text files write them."""
        kinds = {type(None): (int, float), tuple: list}
        found = {key: kinds.get(type(value), type(value)) for key, value in self.options.items()}
        return found | ({"activation": (str, list)} if "activation" in self.checks else {})

    def pick(self, options, names):
        """The cell of these options that takes most of the arrays ``names``, the plainest such."""
        return max(self.make(**options),
                   key=lambda cell: sum(name in cell.arrays for name in names))

    @property
    def cells(self):
        """``(options, cell)`` of all cells but those of other functions, the plainest first."""
        found = []
        for values in product(*self.choices.values()):
            options = self.options | dict(zip(self.choices, values))
            found += [(options, cell) for cell in self.make(**options)]
        return tuple(found)


def _activations(defaults):
    def check(given, what):
        if given is None:
            return defaults
        if isinstance(given, str) or len(given) != len(defaults):
            raise RnnhwError(f"activations of {what} must be {len(defaults)} functions, not "
                             f"{given!r}.")
        return tuple(normal(function, what) for function in given)
    return check


def _activation(given, what):
    """That of a simple RNN: ``"tanh"``, ``"relu"`` or any other function."""
    found = normal(given, what)
    return found.lower() if found in ("Tanh", "Relu") else found


def _flag(key):
    def check(given, what):
        if not isinstance(given, bool):
            raise RnnhwError(f"{key} of {what} must be False or True, not {given!r}.")
        return given
    return check


def _whole(key, most):
    def check(given, what):
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
            raise RnnhwError(f"{key} of {what} must be a whole number within 1..{most}, not "
                             f"{given!r}.")
        return given
    return check


def _one(cell):
    return Family(lambda: (cell,))


FAMILIES = {
    "lstm": Family(
        lstm.cells,
        {"input_forget": False, "activations": lstm.ACTIVATIONS, "clip": None, "clip_hidden": True},
        {"input_forget": (False, True)},
        {"activations": _activations(lstm.ACTIVATIONS), "clip": check_clip,
         "clip_hidden": _flag("clip_hidden")}),
    "gru": Family(
        lambda **options: (gru.gru(**options),),
        {"reset_after": True, "activations": gru.ACTIVATIONS, "clip": None},
        {"reset_after": (True, False)},
        {"activations": _activations(gru.ACTIVATIONS), "clip": check_clip}),
    "rnn": Family(
        lambda **options: (simple.rnn(**options),), {"activation": "tanh", "clip": None},
        {"activation": ("tanh", "relu")}, {"activation": _activation, "clip": check_clip}),
    "sru": _one(simple.SRU),
    "qrnn": Family(
        lambda **options: (simple.qrnn(**options),), {"filter_width": 1},
        {"filter_width": (1, 2, 3)}, {"filter_width": _whole("filter_width", MOST_TAPS)}),
    "multiply": _one(simple.MULTIPLY),
    **{kind: Family(
        lambda kind=kind, **options: (deep.deep(kind, **options),),
        {"depth": 1, "activation": "tanh"},
        {"depth": (1, 2), "activation": ("tanh", "relu")}, {"depth": _whole("depth", MOST_LAYERS)})
       for kind in ("deep_transition", "deep_output")},
    "h_lstm": Family(
        lambda **options: (deep.h_lstm(**options),), {"depth": 1, "activation": "relu"},
        {"depth": (1, 2), "activation": ("relu", "tanh")}, {"depth": _whole("depth", MOST_LAYERS)}),
}
_BUILT_IN = tuple(FAMILIES)
LINEAR = simple.LINEAR
CELLS = {cell.kind: cell for family in FAMILIES.values() for _, cell in family.cells}
CELLS["linear"] = LINEAR["none"]


def register(cell):
    """Make a cell of one's own known, so that ``Recurrent(cell=cell.kind, ...)`` takes it.

    Raises
    ------
    RnnhwError
        If its name is that of another cell, or it has no weight to tell its sizes by.
    """
    if not isinstance(cell, Cell):
        raise RnnhwError(f"register takes a rnnhw.cells.Cell, not {type(cell).__name__}.")
    if cell.kind in CELLS and cell != CELLS[cell.kind] or cell.kind in _BUILT_IN:
        raise RnnhwError(f"There is a cell {cell.kind!r} already; give yours another name.")
    columns = [matrix.columns for matrix in cell.matrices]
    if "input_size" not in columns:
        raise RnnhwError(f"Cell {cell.kind!r} has no matrix with input_size columns, so nothing "
                         "says how many inputs a layer of it takes.")
    FAMILIES[cell.kind] = _one(cell)
    CELLS[cell.kind] = cell
    return cell
