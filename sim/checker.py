"""The model's side of a testbench: the words due, and their comparison with those that came."""

import numpy as np


class Model:
    """The golden model's words, computed beforehand, handed out in order.

    Parameters
    ----------
    path : .npz with ``x_data x_first x_last`` and ``y_data y_last``, each one entry a word

    Members
    -------
    x : list of (data, first, last) to send
    y : list of (data, last) due
    """

    def __init__(self, path):
        with np.load(path) as arrays:
            self.x = list(zip(*(arrays[f"x_{key}"].tolist() for key in ("data", "first", "last"))))
            self.y = list(zip(*(arrays[f"y_{key}"].tolist() for key in ("data", "last"))))


class InOrderChecker:
    """Compares the words that come with those due, one by one, and counts both."""

    def __init__(self, due):
        self.due = due
        self.seen = 0
        self.faults = []

    def receive(self, data, last):
        """Take the next word that came."""
        place, self.seen = self.seen, self.seen + 1
        due = self.due[place] if place < len(self.due) else None
        if (data, last) != due:
            self.faults.append((place, due, (data, last)))

    @property
    def complete(self):
        """Whether as many words came as are due."""
        return self.seen >= len(self.due)

    def finish(self):
        """Fail unless all the words due came, in order, and no other.

        Raises
        ------
        AssertionError
            Names the first word that differs, or the numbers of words.
        """
        if self.faults:
            place, due, found = self.faults[0]
            raise AssertionError(f"{len(self.faults)} words differ; the first is word {place}: "
                                 f"(data, last) must be {due}, found {found}")
        if self.seen != len(self.due):
            raise AssertionError(f"{self.seen} words came, {len(self.due)} are due")
