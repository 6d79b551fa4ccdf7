"""Block-circulant matrices: a matrix of k x k blocks, each stored as its first column."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import RnnhwError

BLOCK_SIZES = (4, 8, 16, 32, 64)
PADDING = 1.25             # most that padding may multiply rows or columns by


def check_block_size(k, name="block_size"):
    """``k`` as an int if it is a power of two within 4..64."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k not in BLOCK_SIZES:
        raise RnnhwError(f"{name} must be a power of two within {BLOCK_SIZES[0]}..{BLOCK_SIZES[-1]}"
                         f", not {k!r}.")
    return int(k)


def padded(size, k):
    """``size`` rounded up to whole blocks of ``k``."""
    return -(-size // k) * k


def fits(size, k):
    """Whether blocks of ``k`` pad ``size`` by no more than a quarter."""
    return padded(size, k) <= PADDING * size


def check_padding(rows, columns, k, name="The matrix"):
    """Refuse a matrix whose rows or columns whole blocks would pad by more than a quarter."""
    for what, size in (("rows of a gate", rows), ("columns", columns)):
        if not fits(size, k):
            whole = padded(size, k)
            smaller = [other for other in BLOCK_SIZES
                       if fits(rows, other) and fits(columns, other)]
            also = f" or blocks of {max(smaller)}" if smaller else ""
            raise RnnhwError(f"{name} has {size} {what}, which blocks of {k} would pad to {whole}, "
                             f"by more than a quarter; {int(np.ceil(whole / PADDING))} to {whole}"
                             f"{also} would fit.")


def wrapped(k):
    """``(a - b) mod k`` for row a and column b of a block, (k, k)."""
    return (np.arange(k)[:, None] - np.arange(k)) % k


@dataclass(frozen=True, eq=False)
class Circulant:
    """Gates stacked as in a dense weight, each a matrix of circulant blocks.

    ``W[i, j][a, b] = blocks[g, i, j, (a - b) mod k]``, so a block times x is a circular
    convolution, ``FFT(y) = FFT(w) FFT(x)``. Rows and columns are padded with zeros to whole blocks.

    Parameters
    ----------
    blocks : float (gates, p, q, k), the first column of each block
    rows, columns : int
        Sizes of one gate's matrix; ``p = ceil(rows / k)``, ``q = ceil(columns / k)``.

    Raises
    ------
    RnnhwError
        If k is not a power of two within 4..64, if p and q do not belong to the sizes, if padding
        makes rows or columns more than a quarter longer, or if a value is NaN or infinite.

    Reference: Ding et al. 2017 (CirCNN), eq. 1-3; Wang et al. 2018 (C-LSTM), section 3.
    """

    blocks: np.ndarray
    rows: int
    columns: int

    def __post_init__(self):
        blocks = np.array(self.blocks, np.float64)
        if blocks.ndim != 4 or 0 in blocks.shape:
            raise RnnhwError(f"Circulant blocks have shape {blocks.shape}, but (gates, p, q, k) is "
                             "needed.")
        k = check_block_size(blocks.shape[3], "The size of circulant blocks")
        for axis, what, size in ((1, "rows", self.rows), (2, "columns", self.columns)):
            if size < 1 or -(-size // k) != blocks.shape[axis]:
                raise RnnhwError(f"Circulant blocks have shape {blocks.shape}, which does not go "
                                 f"with {size} {what}: {-(-size // k)} blocks of {k} would.")
        check_padding(self.rows, self.columns, k)
        bad = int((~np.isfinite(blocks)).sum())
        if bad:
            raise RnnhwError(f"Circulant blocks hold {bad} values that are NaN or infinite; "
                             "every value must be finite.")
        blocks.setflags(write=False)
        object.__setattr__(self, "blocks", blocks)

    @property
    def block_size(self):
        """k."""
        return self.blocks.shape[3]

    @cached_property
    def dense(self):
        """The matrix written out without its padding, (gates*rows, columns), read-only."""
        gates, p, q, k = self.blocks.shape
        full = self.blocks[..., wrapped(k)].transpose(0, 1, 3, 2, 4).reshape(gates, p * k, q * k)
        dense = full[:, :self.rows, :self.columns].reshape(-1, self.columns).copy()
        dense.setflags(write=False)
        return dense

    @classmethod
    def project(cls, weight, gates, block_size, name="The matrix"):
        """The block-circulant matrix nearest to ``weight`` in least squares.

        ``w[d]`` is the mean of the entries with ``(a - b) mod k = d``; of a block that padding
        cuts, of those that exist, and 0 where there is none.

        Parameters
        ----------
        weight : float (gates*rows, columns)
        gates : int
        block_size : int
        name : what errors call the matrix
        """
        k = check_block_size(block_size)
        weight = np.asarray(weight, np.float64)
        if weight.ndim != 2 or not weight.size or weight.shape[0] % gates:
            raise RnnhwError(f"{name} has shape {weight.shape}, which is not {gates} gates of "
                             "equal size.")
        rows, columns = weight.shape[0] // gates, weight.shape[1]
        check_padding(rows, columns, k, name)
        p, q = -(-rows // k), -(-columns // k)

        def blocks(values):
            full = np.zeros((values.shape[0], p * k, q * k))
            full[:, :rows, :columns] = values
            return full.reshape(-1, p, k, q, k).transpose(0, 1, 3, 2, 4)

        # entry [d, b] is row (b + d) mod k, column b
        b = np.arange(k)
        a = (b + b[:, None]) % k
        total = blocks(weight.reshape(gates, rows, columns))[..., a, b].sum(axis=-1)
        count = blocks(np.ones((1, rows, columns)))[..., a, b].sum(axis=-1)
        return cls(total / np.maximum(count, 1), rows, columns)


def weight_of(name, weight, circulant, shape):
    """The dense matrix of a layer given as either; the other must be None.

    A ``weight`` that is ``circulant.dense`` itself, as of a layer taken apart, is the same matrix.
    """
    key = name.rsplit(".", 1)[-1]
    other = key.replace("weight", "circulant")
    if circulant is None:
        if weight is None:
            raise RnnhwError(f"{name} is missing; give {key} or {other}.")
        return weight
    if not isinstance(circulant, Circulant):
        raise RnnhwError(f"{name.replace('weight', 'circulant')} is a {type(circulant).__name__}, "
                         "but a rnnhw.circulant.Circulant is needed.")
    if weight is not None and weight is not circulant.dense:
        raise RnnhwError(f"{name} is given both dense and block-circulant; give {key} or {other}.")
    gates, rows, columns = circulant.blocks.shape[0], circulant.rows, circulant.columns
    wanted = (shape[0], circulant.rows if shape[1] is None else shape[1],
              circulant.columns if shape[2] is None else shape[2])
    if (gates, rows, columns) != wanted:
        raise RnnhwError(f"{name} is block-circulant with {gates} gates of ({rows}, {columns}), "
                         f"but {wanted[0]} of ({wanted[1]}, {wanted[2]}) are needed.")
    return circulant.dense
