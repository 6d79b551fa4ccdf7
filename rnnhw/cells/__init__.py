"""What each cell computes, as data: its arrays, its matrix products, its element-wise program.

A further cell is a further description; nothing else of the package names one.
"""

from .describe import Cell, Matrix, Op, Product, Vector, plain, previous
from .lstm import PEEPHOLES
from .registry import CELLS, FAMILIES, LINEAR, Family, register
from .split import split

__all__ = ["CELLS", "FAMILIES", "LINEAR", "PEEPHOLES",
           "Cell", "Family", "Matrix", "Op", "Product", "Vector",
           "cell_of", "plain", "previous", "register", "split"]


def cell_of(qlayer):
    """The cell of a quantised layer, split where its matrices have different block sizes."""
    return split(qlayer.layer.description, qlayer.block_sizes)
