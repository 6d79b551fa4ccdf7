"""The order in which arrays become stream words, and back."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Place(NamedTuple):
    """Where an output word belongs."""

    sequence: int
    step: int
    unit: int


@dataclass(frozen=True, eq=False)
class Words:
    """A batch of sequences as it goes over the core's streams: sequence by sequence, step by step,
    element by element, without padding.

    Parameters
    ----------
    xi : int64 (batch, seq_len, input_size) or (seq_len, input_size)
    lengths : int64 (batch,), or None where all are seq_len
    output_size : int
    last_step : bool
        Only the last step of a sequence comes out.
    """

    xi: np.ndarray
    lengths: np.ndarray | None
    output_size: int
    last_step: bool

    @property
    def steps(self):
        """Steps of each sequence, (batch,)."""
        batch, seq_len = (1,) * (3 - self.xi.ndim) + self.xi.shape[:-1]
        return np.full(batch, seq_len) if self.lengths is None else self.lengths

    @property
    def y_steps(self):
        """Steps of output of each sequence, (batch,)."""
        return np.ones_like(self.steps) if self.last_step else self.steps

    def sent(self):
        """Words of the input stream: dict of ``x_data x_first x_last``, one entry a word."""
        xi = self.xi.reshape((-1,) + self.xi.shape[-2:])
        steps, size = self.steps, xi.shape[-1]
        last = np.concatenate([np.arange(n) == n - 1 for n in steps])
        first = np.concatenate([np.arange(n) == 0 for n in steps])
        return {"x_data": np.concatenate([x[:n].ravel() for x, n in zip(xi, steps)]),
                "x_first": np.repeat(first, size).astype(np.int64),
                "x_last": np.repeat(last, size).astype(np.int64)}

    def due(self, expected):
        """Words of the output stream, ``y_data y_last``, from outputs shaped like run_int's."""
        size = self.output_size
        y = np.asarray(expected, np.int64).reshape(len(self.steps), -1, size)
        data = np.concatenate([row[:n].ravel() for row, n in zip(y, self.y_steps)])
        last = np.tile(np.arange(size) == size - 1, len(data) // size)
        return {"y_data": data, "y_last": last.astype(np.int64)}

    def outputs(self, y):
        """Outputs shaped like run_int's from words ``y``; zero where none came or is due."""
        size, seq_len = self.output_size, 1 if self.last_step else self.xi.shape[-2]
        outputs = np.zeros((len(self.steps), seq_len, size), np.int64)
        at = 0
        for row, n in zip(outputs, self.y_steps):
            part = y[at:at + n * size]
            row.reshape(-1)[:len(part)] = part
            at += n * size
        if self.last_step:
            outputs = outputs[:, 0]
        return outputs if self.xi.ndim == 3 else outputs[0]

    def x_starts(self):
        """Index of each sequence's first input word."""
        ends = np.cumsum(self.steps) * self.xi.shape[-1]
        return np.concatenate([[0], ends[:-1]])

    def y_ends(self):
        """Index behind each sequence's last output word."""
        return np.cumsum(self.y_steps) * self.output_size


def place(words, k):
    """The :class:`Place` of output word ``k``."""
    step, unit = divmod(k, words.output_size)
    ends = np.cumsum(words.y_steps)
    sequence = int(np.searchsorted(ends, step, side="right"))
    step -= int(ends[sequence - 1]) if sequence else 0
    if words.last_step:
        step = int(words.steps[sequence]) - 1
    return Place(sequence, step, unit)
