"""Random small networks of every cell and function, and their RTL against golden model."""

import numpy as np

from gateware.testing import run_core
from rnnhw import golden
from rnnhw.cells import FAMILIES
from rnnhw.compiler import least_lanes, lower
from rnnhw.config import Config
from rnnhw.model import Linear, Model
from rnnhw.quantize import quantize
from rnnhw.schedule import Schedule
from tests.gateware.test_core import steps_of
from tests.rnnhw.variants import DRAWN, FUNCTIONS, layer


def pick(rng, things):
    return things[int(rng.integers(len(things)))]


def entry(rng, family):
    """Random options and functions of a family, and one of its cells."""
    options = pick(rng, FAMILIES[family].cells)[0]
    changes = {"clip": pick(rng, (None, None, 0.7, 3.0)),
               "clip_hidden": bool(rng.integers(2)),
               **({"activation": pick(rng, FUNCTIONS)} if family == "rnn" else {}),
               "activations": tuple(pick(rng, FUNCTIONS)
                                    for _ in options.get("activations", ()))}
    options = FAMILIES[family].checked(
        options | {key: value for key, value in changes.items() if key in options}, "a layer")
    return family, options, pick(rng, FAMILIES[family].make(**options))


def model(rng, family):
    """One or two layers of up to 20 units, the first perhaps of blocks, perhaps a linear one."""
    k = pick(rng, (None, None, None, 4, 8))
    # blocks may be padded, but only by so much
    m, n, p = (int(v) if k is None else k * (1 + int(v) // 8) - (v > 15)
               for v in rng.integers(1, 21, 3))
    layers = [layer(entry(rng, family), rng, m, n, min(p, n), float(pick(rng, (0.3, 1.0))), k)]
    if rng.random() < 0.3:
        n, p = (int(v) for v in rng.integers(1, 12, 2))
        layers.append(layer(entry(rng, pick(rng, DRAWN)), rng, layers[-1].output_size,
                            n, min(p, n), 0.5))
    if rng.random() < 0.3:
        size = int(rng.integers(1, 9))
        layers.append(Linear(weight=rng.normal(size=(size, layers[-1].output_size)),
                             activation=pick(rng, ("none", "relu", "sigmoid"))))
    return Model(layers=layers, last_step=bool(rng.random() < 0.2))


def check(seed, family):
    """Run the network of ``seed``; words must be those foretold, and cycles where nothing waits."""
    rng = np.random.default_rng(seed)
    network = model(rng, family)
    bits = [int(v) for v in rng.integers((3, 4, 8), 17)]
    config = Config(weight_bits=bits[0], activation_bits=bits[1], state_bits=bits[2],
                    cell_bits=int(rng.integers(8, 19)))
    quantized = quantize(network, config, rng.normal(size=(3, 8, network.input_size)))
    slices = int(pick(rng, (1, 2, 4 if any(quantized.layers[0].block_sizes.values()) else 3)))
    products = int(pick(rng, (3, 4)))
    lanes = least_lanes(quantized, slices, products) + slices * int(rng.integers(4))
    program = lower(quantized, lanes, slices, fast=bool(rng.integers(2)),
                    deep=bool(rng.integers(2)), products=products)
    fmt, lengths = quantized.input_format, tuple(int(v) for v in rng.integers(1, 5, 2))
    x = rng.integers(fmt.min, fmt.max, (2, max(lengths), network.input_size), endpoint=True)
    y = golden.run(quantized, x, np.array(lengths))
    expected = (y.reshape(-1) if network.last_step else
                np.concatenate([y[i, :n].reshape(-1) for i, n in enumerate(lengths)])).tolist()
    gap, stall = pick(rng, ((0, 0), (0.5, 0), (0, 0.6), (0.3, 0.3)))
    run = run_core(program, steps_of(x, lengths), words=len(expected), gap=gap, stall=stall,
                   seed=seed, timeout=60_000)
    assert [word for word, _ in run.words] == expected
    if not gap and not stall:
        assert run.y_cycles[-1] - run.x_cycles[0] + 1 == Schedule(program).cycles_of(lengths)[0]
    return [(part.kind, part.hidden_size) for part in network.layers], len(set(expected))
