"""Random networks of all cells and directions: their Verilog against the golden model.

    python -m benchmarks.networks [--count 200] [--first 0]

Each network has one or two stages of one of the cells, forwards, backwards or both ways, joined
side by side, as a sum or as a product; some start at states of their own, have a residual, a linear
layer behind, give the last step only. Sizes, widths, lanes, gaps of the input and stalls of the
output are drawn. Icarus runs the generated Verilog; where nothing gaps or stalls, its cycles must
be those of the estimate. """

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np

import rnnhw
from rnnhw import drawn
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.layers import merged
from rnnhw.model import INPUT, Linear, Model
from rnnhw.network import schedule_of
from rnnhw.report import table

from .command import finish

# keys of [[layers]] that a kind of layer has
KINDS = (
    {"kind": "lstm"}, {"kind": "lstm", "peepholes": "diagonal"},
    {"kind": "lstm", "peepholes": "full"}, {"kind": "lstm", "input_forget": True},
    {"kind": "gru"}, {"kind": "gru", "reset_after": False}, {"kind": "rnn"},
    {"kind": "rnn", "activation": "relu"}, {"kind": "sru"}, {"kind": "qrnn"},
    {"kind": "qrnn", "filter_width": 2}, {"kind": "deep_transition"}, {"kind": "h_lstm"})
BITS = {"weight_bits": (3, 16), "activation_bits": (4, 16), "state_bits": (8, 18)}


def _pick(rng, things):
    return things[int(rng.integers(len(things)))]


def layer(rng, keys, inputs, reverse):
    """A layer with random weights, one in three of which starts at a state of its own."""
    made = replace(drawn.layer(0, keys, inputs, rng, 0), reverse=reverse)
    if rng.random() < 0.3 and "h" in made.description.states:
        made = replace(made, initial={"h": rng.uniform(-0.9, 0.9, made.output_size)})
    return made


def network(rng):
    """A random model."""
    layers, reads, before = [], [], (INPUT,)
    size = m = int(rng.integers(1, 17))
    for stage in range(int(rng.integers(1, 3))):
        n = int(rng.integers(1, 41 if not stage else 13))
        keys = _pick(rng, KINDS) | {"hidden_size": n}
        if keys["kind"] == "lstm" and rng.random() < 0.3:
            keys["proj_size"] = int(rng.integers(1, n + 1))
        ways = _pick(rng, ((False,), (True,), (False, True), (False, True)))
        here = [layer(rng, keys, m, way) for way in ways]
        reads += [before] * len(here)
        first = len(layers)
        layers += here
        before = tuple(range(first, len(layers)))
        m = here[0].output_size
        join = _pick(rng, ("concat", "concat", "sum", "multiply"))
        if len(here) == 2 and join != "concat":
            layers.append(merged(join, m))
            reads.append(before)
            before = (len(layers) - 1,)
        elif len(here) == 2:
            m *= 2
        elif ways == (False,) and not stage and m == size and rng.random() < 0.7:
            layers.append(merged("sum", m))
            reads.append((INPUT, *before))
            before = (len(layers) - 1,)
    if rng.random() < 0.4:
        layers.append(Linear(weight=rng.normal(size=(int(rng.integers(1, 9)), m)),
                             activation=_pick(rng, ("none", "relu", "sigmoid"))))
        reads.append(before)
        before = (len(layers) - 1,)
    recurrent = any(part.recurrent for part in layers)
    return Model(layers=layers, reads=reads, outputs=before,
                 last_step=recurrent and bool(rng.random() < 0.3))


def run(seed):
    """``(kind of network, outcome, sentence)`` of the network of ``seed``."""
    rng = np.random.default_rng(seed)
    model = network(rng)
    ways = {part.reverse for part in model.layers if part.recurrent}
    kind = {frozenset((True,)): "backwards", frozenset((False, True)): "both ways"}.get(
        frozenset(ways), "forwards")
    bits = {key: int(rng.integers(low, high + 1)) for key, (low, high) in BITS.items()}
    config = Config(**bits, lanes=int(rng.integers(4, 64)), vector_lanes=_pick(rng, (1, 2, 3)),
                    fast_inner_product=_pick(rng, (None, False)), max_length=8,
                    pipeline=_pick(rng, ("short", "deep")))
    x = rng.normal(size=(3, 6, model.input_size))
    lengths = rng.integers(1, 7, 3)
    gaps, stalls = _pick(rng, ((0, 0), (0, 0), (0.5, 0), (0, 0.6), (0.3, 0.3)))
    try:
        design = rnnhw.compile(model, config, x, lengths)
        found = design.simulate(x, lengths, simulator="icarus", gaps=gaps, stalls=stalls,
                                seed=seed)
    except RnnhwError as error:
        return kind, "refused", str(error)
    if not found.bit_exact:
        return kind, "differs", found.mismatch
    if not gaps and not stalls:
        due = schedule_of(design.program).cycles_of(lengths)[0]
        if found.cycles != due:
            return kind, "other cycles", f"{found.cycles} cycles, estimated {due}"
        return kind, "equal, cycles too", ""
    return kind, "equal", ""


def figures(say, count=200, first=0):
    """One row a network, ready for JSON."""
    rows = []
    for seed in range(first, first + count):
        kind, outcome, sentence = run(seed)
        rows.append({"seed": seed, "kind": kind, "outcome": outcome, "sentence": sentence})
        if seed % 10 == 9 or outcome in ("differs", "other cycles"):
            say(f"{len(rows)} of {count} networks. {sentence}".strip())
    return rows


def page(rows):
    """Counts by kind and outcome, and every sentence."""
    counts = Counter((row["kind"], row["outcome"]) for row in rows)
    text = table([[*key, n] for key, n in sorted(counts.items())], ["network", "outcome", "count"])
    return text + "".join(f"seed {row['seed']}: {row['sentence']}\n" for row in rows
                          if row["sentence"])


def failed(rows):
    """Whether any network differs, or takes other cycles than were estimated."""
    return any(row["outcome"] in ("differs", "other cycles") for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200,
                        help="networks (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0,
                        help="seed of the first (default: %(default)s)")
    args = parser.parse_args()
    finish("networks", lambda say: figures(say, args.count, args.first), page, failed)


if __name__ == "__main__":
    main()
