"""The cells that layers may be of, by family: built in, and those a user registers."""

from dataclasses import dataclass, field

from ..errors import RnnhwError
from . import gru, lstm, simple
from .describe import Cell


@dataclass(frozen=True)
class Family:
    """Cells under one name, told apart by options and by the arrays that a layer has.

    Parameters
    ----------
    cells : tuple of ``(options, Cell)``, the plainest first
    options : dict of defaults
    """

    cells: tuple
    options: dict = field(default_factory=dict)

    def pick(self, options, names):
        """The cell of these options that takes most of the arrays ``names``, the plainest such."""
        found = [cell for wanted, cell in self.cells if wanted == options]
        return max(found, key=lambda cell: sum(name in cell.arrays for name in names),
                   default=None)

    def values(self, option):
        """What an option may be."""
        return tuple(dict.fromkeys(wanted[option] for wanted, _ in self.cells))


FAMILIES = {
    "lstm": Family(tuple(({"input_forget": coupled}, cell)
                         for (coupled, _, _), cell in lstm.CELLS.items()),
                   {"input_forget": False}),
    "gru": Family((({"reset_after": True}, gru.AFTER), ({"reset_after": False}, gru.BEFORE)),
                  {"reset_after": True}),
    "rnn": Family(tuple(({"activation": name}, cell) for name, cell in simple.RNN.items()),
                  {"activation": "tanh"}),
    "sru": Family((({}, simple.SRU),)),
    "qrnn": Family((({}, simple.QRNN),)),
    "multiply": Family((({}, simple.MULTIPLY),)),
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
    FAMILIES[cell.kind] = Family((({}, cell),))
    CELLS[cell.kind] = cell
    return cell
