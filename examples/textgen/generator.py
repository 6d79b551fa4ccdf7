"""The two LSTMs of a published network that writes texts, as integers and as hardware.

    python examples/textgen/generator.py            # with a simulation of the hardware
    python examples/textgen/generator.py --fast     # without

The network is the one that the package textgenrnn comes with: the last 40 characters of a text are
embedded in 100 numbers each and go through two LSTMs of 128 units; attention over all steps of the
embedding and of both LSTMs, and a Dense layer, say which character comes next. Embedding and LSTMs
become hardware; attention and Dense run here, in float, on the LSTMs of floats and of integers.

Exit status: 0 done; 1 the integers are too coarse, a simulated word was wrong or a cycle count was
not the estimated one; 2 something else went wrong, in one sentence.
"""

import argparse
import importlib.util
import io
import json
import tarfile
import time
from pathlib import Path

import numpy as np

import rnnhw
from rnnhw import report, script
from rnnhw.importers.keras_recurrent import layer_of
from rnnhw.model import Model

HERE = Path(__file__).resolve().parent
PACKAGE = "textgenrnn==2.0.0"
WEIGHTS, VOCABULARY = "textgenrnn_weights.hdf5", "textgenrnn_vocab.json"
CONFIG = rnnhw.Config(weight_bits=16, activation_bits=16, state_bits=16, lanes=64)
WINDOW, START = 40, "<s>"  # characters that the network sees, and what stands before a text
SQNR, SAME = 40.0, 0.99    # decibels asked, and share of characters said alike
SIMULATED = 10             # last characters of the windows that are simulated
PREFIX = "What is the "    # a text to go on with

CHARACTERS, EMBEDDED, UNITS = 465, 100, 128
SHAPES = {"embedding/embedding/embeddings:0": (CHARACTERS, EMBEDDED),
          "attention/attention/attention_W:0": (EMBEDDED + 2 * UNITS, 1),
          "output/output/kernel:0": (EMBEDDED + 2 * UNITS, CHARACTERS),
          "output/output/bias:0": (CHARACTERS,)}
for k, inputs in ((1, EMBEDDED), (2, UNITS)):
    SHAPES |= {f"rnn_{k}/rnn_{k}/kernel:0": (inputs, 4 * UNITS),
               f"rnn_{k}/rnn_{k}/recurrent_kernel:0": (UNITS, 4 * UNITS),
               f"rnn_{k}/rnn_{k}/bias:0": (8 * UNITS,)}


def package(path=None):
    """The bytes of the package's weights and vocabulary.

    Parameters
    ----------
    path : its source archive, or a folder with both files; None: where pip put it

    Raises
    ------
    RnnhwError
        If the package is not installed, or a file is missing.
    """
    if path is None:
        # looked for, not imported: that would need TensorFlow
        found = importlib.util.find_spec("textgenrnn")
        if found is None:
            raise rnnhw.RnnhwError(f"The network comes with the package {PACKAGE}; install it with "
                                   f"pip install --no-deps {PACKAGE}, or give its archive.")
        path = Path(found.origin).parent
    try:
        if path.is_dir():
            return [(path / name).read_bytes() for name in (WEIGHTS, VOCABULARY)]
        with tarfile.open(path) as archive:
            members = {Path(member.name).name: member for member in archive if member.isfile()}
            return [archive.extractfile(members[name]).read() for name in (WEIGHTS, VOCABULARY)]
    except (OSError, KeyError, EOFError, tarfile.TarError):
        raise rnnhw.RnnhwError(f"{path} does not hold {WEIGHTS} and {VOCABULARY}; give the source "
                               f"archive of {PACKAGE}.") from None


def network(path=None):
    """``(arrays, vocabulary)``: float64 arrays by name, and the number of each character.

    Raises
    ------
    RnnhwError
        If an array is missing or of another shape.
    """
    import h5py

    weights, vocabulary = package(path)
    arrays = {}
    with h5py.File(io.BytesIO(weights), "r") as file:
        for name, shape in SHAPES.items():
            if name not in file or file[name].shape != shape:
                raise rnnhw.RnnhwError(f"{WEIGHTS} has no array {name} of the shape {shape}; give "
                                       f"that of {PACKAGE}.")
            arrays[name] = np.float64(file[name])
    return arrays, json.loads(vocabulary)


def model(arrays):
    """Embedding and LSTMs, whose weights the package keeps as cuDNN takes them."""
    layers = []
    for name in ("rnn_1", "rnn_2"):
        found = [arrays[f"{name}/{name}/{kind}:0"]
                 for kind in ("kernel", "recurrent_kernel", "bias")]
        layers.append(layer_of("CuDNNLSTM", name, *found))
    return Model(layers=layers, outputs=(0, 1), name="textgenrnn",
                 embedding=arrays["embedding/embedding/embeddings:0"])


def windows(texts, vocabulary):
    """What the network sees before each character, (characters, 40), and that character."""
    seen, said = [], []
    for text in texts:
        codes = [vocabulary[START], *(vocabulary[character] for character in text)]
        for k in range(1, len(codes)):
            last = codes[max(0, k - WINDOW):k]
            seen.append([0] * (WINDOW - len(last)) + last)
            said.append(codes[k])
    return np.array(seen), np.array(said)


def next_character(arrays, seen, h):
    """Probabilities (windows, characters), of what both LSTMs give, (windows, 40, 256).

    ``s = [e, h1, h2]`` of a step, ``a = softmax over steps of w s``, ``softmax(W sum(a s) + b)``.
    """
    s = np.concatenate([arrays["embedding/embedding/embeddings:0"][seen], h], axis=-1)
    a = s @ arrays["attention/attention/attention_W:0"]
    a = np.exp(a - a.max(axis=1, keepdims=True))
    found = (s * a).sum(axis=1) / a.sum(axis=1)
    found = found @ arrays["output/output/kernel:0"] + arrays["output/output/bias:0"]
    found = np.exp(found - found.max(axis=-1, keepdims=True))
    return found / found.sum(axis=-1, keepdims=True)


def go_on(arrays, vocabulary, run, text, longest=60):
    """``text`` and what is said behind it, the most likely character each time."""
    names = {code: character for character, code in vocabulary.items()}
    while len(text) < longest:
        seen, _ = windows([text + " "], vocabulary)  # the last one says what is behind the text
        said = names.get(int(next_character(arrays, seen[-1:], run(seen[-1:])).argmax()), START)
        if said == START:
            break
        text += said
    return text


def decibels(y, found):
    return float(10 * np.log10(np.sum(y**2) / np.sum((found - y)**2)))


def quantize(arrays, vocabulary, texts, say):
    """The design, calibrated on every third text, and what it makes of the others."""
    net = model(arrays)
    design = rnnhw.compile(net, CONFIG, calibration=windows(texts[::3], vocabulary)[0],
                           progress=say)
    others = [text for k, text in enumerate(texts) if k % 3]
    seen, said = windows(others, vocabulary)
    say(f"Running {len(seen)} windows through the float and the integer LSTMs.")
    y, fixed = net.run(seen), design.run(seen)
    wanted, found = (next_character(arrays, seen, h) for h in (y, fixed))
    every = np.arange(len(said))
    return design, {
        "texts": len(others), "characters": len(said),
        "sqnr_db": {f"rnn_{k + 1}": decibels(y[..., part], fixed[..., part]) for k, part in
                    enumerate((slice(0, UNITS), slice(UNITS, None)))},
        "same_character": float((wanted.argmax(axis=1) == found.argmax(axis=1)).mean()),
        "bits_per_character": [float(-np.log2(p[every, said]).mean()) for p in (wanted, found)],
        "text": [go_on(arrays, vocabulary, run, PREFIX) for run in (net.run, design.run)],
    }


def simulate(design, seen, folder, say):
    """Simulate the ends of windows, with gaps and stalls."""
    say("Writing and simulating Verilog.")
    seen = seen[:, -SIMULATED:]
    _, rough, smooth = script.twice(design, seen, None, folder, say)
    return {"words_checked": rough.words_checked + smooth.words_checked,
            "bit_exact": rough.bit_exact and smooth.bit_exact,
            "mismatch": rough.mismatch or smooth.mismatch,
            "cycles_simulated": list(smooth.cycles_per_sequence),
            "cycles_estimated": design.estimate().schedule.cycles_of([SIMULATED] * len(seen))[1]}


def failures(r):
    """What must not be, a sentence each."""
    for layer, db in r["sqnr_db"].items():
        if db < SQNR:
            yield f"{layer} has an SQNR of {db:.1f} dB; {SQNR:.0f} are needed."
    if r["same_character"] < SAME:
        yield (f"{100 * r['same_character']:.1f} % of the characters are said alike; "
               f"{100 * SAME:.0f} % are needed.")
    if not r.get("bit_exact", True):
        yield f"The simulation differs from the integers. {r['mismatch']}"
    if r.get("cycles_simulated") != r.get("cycles_estimated"):
        yield (f"{r['cycles_simulated']} cycles were simulated where {r['cycles_estimated']} were "
               "estimated.")


def lines(r):
    """What the page says, ``(label, value)`` each."""
    yield "characters", f"{r['characters']} of {r['texts']} texts that did not calibrate"
    for layer, db in r["sqnr_db"].items():
        yield f"SQNR of {layer}", f"{db:.1f} dB"
    yield "said alike", f"{100 * r['same_character']:.2f} %"
    floats, integers = r["bits_per_character"]
    yield "bits a character", f"{floats:.4f} of floats, {integers:.4f} of integers"
    yield "floats go on", r["text"][0]
    yield "integers go on", r["text"][1]
    yield "cycles a character", f"{r['cycles_per_step']:g}"
    if "bit_exact" in r:
        yield "simulated and equal", f"{'all' if r['bit_exact'] else 'NOT ALL'} " \
            f"{r['words_checked']} output words, with gaps and stalls and without"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, metavar="PATH",
                        help=f"source archive of {PACKAGE} or folder with its files (default: "
                             "those of the installed package)")
    parser.add_argument("--fast", action="store_true", help="simulate nothing")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/textgen"), metavar="DIR",
                        help="folder for the files (default: %(default)s)")
    options = parser.parse_args(arguments)
    say = script.Progress(time.time())
    arrays, vocabulary = network(options.package)
    texts = (HERE / "texts.txt").read_text().splitlines()
    design, result = quantize(arrays, vocabulary, texts, say)
    design.save(options.out / "design")
    result["cycles_per_step"] = float(design.estimate().cycles_per_step)
    if not options.fast:
        result |= simulate(design, windows(texts[1:2], vocabulary)[0][-2:], options.out, say)
    text = report.page(f"LSTMs of {PACKAGE}", [("", report.facts(lines(result)))])
    report.write(options.out, text, result)
    print(text, end="")
    return script.status(failures(result))


if __name__ == "__main__":
    script.run("generator", main)
