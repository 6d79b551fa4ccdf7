"""The encoder of a published network, from its checkpoint to a bitstream; prints one page.

    python examples/g2p/encoder.py            # all of it
    python examples/g2p/encoder.py --fast     # without the bitstream

The network is the grapheme-to-phoneme model of the package g2p-en: the letters of a word go through
a GRU of 256 units, and a decoder says the word's phones from the encoder's last state. The encoder
becomes hardware; the decoder runs here, in float, on both the float and the integer encoder's
states, to show what the integers change.

Exit status: 0 done; 1 a simulated word was wrong, a cycle count was not the estimated one or too
many words have other phones; 2 something else went wrong, in one sentence.
"""

import argparse
import importlib.util
import time
import zipfile
from pathlib import Path

import numpy as np

import rnnhw
from rnnhw import report, script
from rnnhw.model import Recurrent
from rnnhw.reference import sigmoid

HERE = Path(__file__).resolve().parent
PACKAGE = "g2p-en==2.1.0"
CONFIG = rnnhw.Config(weight_bits=8, activation_bits=8, lanes=64, vector_lanes=2,
                      fast_inner_product=True, board="ulx3s-85f")
SAME = 0.95                # share of words whose phones must not change
SIMULATED = ("rhythm", "ash", "psalm", "toe")

LETTERS = ("<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz")
PHONES = ("<pad>", "<unk>", "<s>", "</s>", *(
    "AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2 "
    "ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 "
    "P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH").split())
START, END = PHONES.index("<s>"), PHONES.index("</s>")
LONGEST = 20               # phones the decoder says at most

UNITS = 256
SHAPES = {"enc_emb": (len(LETTERS), UNITS), "dec_emb": (len(PHONES), UNITS),
          **{f"{part}_{name}": shape for part in ("enc", "dec") for name, shape in
             (("w_ih", (3 * UNITS, UNITS)), ("w_hh", (3 * UNITS, UNITS)),
              ("b_ih", (3 * UNITS,)), ("b_hh", (3 * UNITS,)))},
          "fc_w": (len(PHONES), UNITS), "fc_b": (len(PHONES),)}


def checkpoint(path=None):
    """Arrays of the checkpoint file, by default the one of the installed package, as float64.

    The package is not imported: that would need nltk, which downloads its data then.

    Raises
    ------
    RnnhwError
        If the package is not installed, or the file lacks an array or has one of another shape.
    """
    if path is None:
        found = importlib.util.find_spec("g2p_en")
        if found is None:
            raise rnnhw.RnnhwError(f"The network comes with the package {PACKAGE}; install it "
                                   f"with: pip install --no-deps {PACKAGE}.")
        path = Path(found.origin).parent / "checkpoint20.npz"
    try:
        with np.load(path) as file:
            arrays = {name: np.float64(file[name]) for name in file.files if name in SHAPES}
    except (OSError, ValueError, zipfile.BadZipFile):
        raise rnnhw.RnnhwError(f"{path} cannot be read as an .npz file; give checkpoint20.npz "
                               f"of {PACKAGE}.") from None
    for name, shape in SHAPES.items():
        if name not in arrays:
            raise rnnhw.RnnhwError(f"{path} lacks the array {name}; give checkpoint20.npz of "
                                   f"{PACKAGE}.")
        if arrays[name].shape != shape:
            raise rnnhw.RnnhwError(f"{path} has the array {name} with shape {arrays[name].shape}, "
                                   f"but {shape} is needed; give checkpoint20.npz of {PACKAGE}.")
    return arrays


def encoder(arrays):
    """The encoder as a model: embedded letters in, the state behind the last one out."""
    weights = {key: arrays[f"enc_{name}"] for key, name in
               (("weight_ih", "w_ih"), ("weight_hh", "w_hh"), ("bias_ih", "b_ih"),
                ("bias_hh", "b_hh"))}
    return rnnhw.Model(layers=(Recurrent(cell="gru", name="encoder", **weights),), last_step=True,
                       name="g2p-encoder")


def embed(arrays, words):
    """Input of the encoder, ``x`` (words, longest, 256) and ``lengths``: words with their end."""
    rows = [[*(LETTERS.index(letter) for letter in word), LETTERS.index("</s>")] for word in words]
    lengths = np.array([len(row) for row in rows])
    x = np.zeros((len(rows), lengths.max(), UNITS))
    for k, row in enumerate(rows):
        x[k, :len(row)] = arrays["enc_emb"][row]
    return x, lengths


def decode(arrays, state):
    """Phones said from encoder states (words, 256): a list of names a word.

    ``h = GRU(embedding of the last phone, h)``, the next phone is the largest of ``W h + b``; the
    first phone is ``<s>``, and ``</s>`` or 20 phones end the word.
    """
    w_ih, w_hh, b_ih, b_hh = (arrays[f"dec_{name}"] for name in ("w_ih", "w_hh", "b_ih", "b_hh"))
    h, last = state, np.full(len(state), START)
    said, running = [[] for _ in state], np.ones(len(state), bool)
    for _ in range(LONGEST):
        xs = arrays["dec_emb"][last] @ w_ih.T + b_ih
        hs = h @ w_hh.T + b_hh
        r, z = (sigmoid(xs[:, k:k + UNITS] + hs[:, k:k + UNITS]) for k in (0, UNITS))
        n = np.tanh(xs[:, 2 * UNITS:] + r * hs[:, 2 * UNITS:])
        h = (1 - z) * n + z * h
        last = (h @ arrays["fc_w"].T + arrays["fc_b"]).argmax(axis=1)
        running &= last != END
        for k in np.flatnonzero(running):
            said[k].append(PHONES[last[k]])
    return said


def edits(a, b):
    """Fewest insertions, deletions and replacements that turn one list of phones into the other."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def quantize(arrays, config, words, say):
    """The design, its formats calibrated on every third word, and what it does to the others."""
    model = encoder(arrays)
    chosen, others = words[::3], [word for k, word in enumerate(words) if k % 3]
    x, lengths = embed(arrays, chosen)
    design = rnnhw.compile(model, config, calibration=x, lengths=lengths, progress=say)
    say(f"Running {len(others)} further words through the float and the integer encoder.")
    x, lengths = embed(arrays, others)
    y = model.run(x, lengths)
    fixed = design.run(x, lengths)
    wanted, found = decode(arrays, y), decode(arrays, fixed)
    wrong = [k for k in range(len(others)) if wanted[k] != found[k]]
    return design, {
        "calibration_words": len(chosen), "words": len(others),
        "weight_bits": config.weight_bits, "activation_bits": config.activation_bits,
        "sqnr_db": 10 * np.log10(np.sum(y**2) / np.sum((fixed - y)**2)),
        "same_phones": 1 - len(wrong) / len(others),
        "phone_errors": sum(edits(wanted[k], found[k]) for k in wrong) / sum(map(len, wanted)),
        "changed": {others[k]: [" ".join(wanted[k]), " ".join(found[k])] for k in wrong},
    }


def simulate(design, arrays, words, folder, say):
    """Simulate ``words``, once with gaps and stalls and once without; cycles beside the model's."""
    x, lengths = embed(arrays, words)
    say("Writing Verilog.")
    core, rough, smooth = script.twice(design, x, lengths, folder, say)
    return {
        "simulated": list(words), "words_checked": rough.words_checked + smooth.words_checked,
        "bit_exact": rough.bit_exact and smooth.bit_exact,
        "mismatch": rough.mismatch or smooth.mismatch,
        "cycles_simulated": list(smooth.cycles_per_sequence),
        "cycles_estimated": design.estimate().schedule.cycles_of(lengths.tolist())[1],
        "verilog": core,
    }


def engine(design):
    """What the engine is and how long it takes."""
    estimate = design.estimate()
    return {key: getattr(estimate, key) for key in (
        "array_multipliers", "total_multipliers", "cycles_per_step", "latency_cycles",
        "effective_macs_per_multiplier_cycle", "macs_per_step", "memory_bits", "block_rams")}


def failures(result):
    """What must not be, a sentence each."""
    found = []
    if not result["bit_exact"]:
        found.append(f"The simulation differs from the integers. {result['mismatch']}")
    if result["cycles_simulated"] != result["cycles_estimated"]:
        found.append(f"{result['cycles_simulated']} cycles were simulated where "
                     f"{result['cycles_estimated']} were estimated.")
    if result["same_phones"] < SAME:
        found.append(f"{100 * result['same_phones']:.1f} % of the words keep their phones; "
                     f"{100 * SAME:.0f} % are needed.")
    return found


def lines(r):
    """What the page says, ``(label, value)`` each."""
    cycles = float(r["cycles_per_step"])
    yield "bits of weights, activations", f"{r['weight_bits']}, {r['activation_bits']}"
    yield "words", f"{r['words']}, none of the {r['calibration_words']} that calibrated"
    yield "SQNR of the last states", f"{r['sqnr_db']:.1f} dB"
    yield "words with the same phones", f"{100 * r['same_phones']:.2f} %"
    yield "phones changed", f"{100 * r['phone_errors']:.2f} %"
    for word, (wanted, found) in r["changed"].items():
        yield f"  {word}", f"{wanted} became {found}"
    yield "words simulated", ", ".join(r["simulated"])
    yield "simulated and equal", f"{'all' if r['bit_exact'] else 'NOT ALL'} " \
        f"{r['words_checked']} output words, with gaps and stalls and without"
    yield "multipliers, array + others", f"{r['array_multipliers']} + " \
        f"{r['total_multipliers'] - r['array_multipliers']}"
    yield "cycles a letter", f"{cycles:g}"
    yield "MACs a multiplier and cycle", f"{r['effective_macs_per_multiplier_cycle']:.3f}"
    yield "memory", f"{r['memory_bits']:,} bits, {r['block_rams']} block RAMs at most"
    if "bitstream" not in r:
        return
    mhz = r["clock_mhz"]
    yield "clock of the bitstream", f"{mhz:.1f} MHz"
    yield "place and route reached", f"{r['fmax_mhz']:.1f} MHz, in {r['build_seconds']:.0f} s"
    yield "a letter", f"{cycles / mhz:.2f} us"
    yield "dense GOP/s", f"{2 * r['macs_per_step'] * mhz / cycles / 1e3:.1f}"
    for label, key in (("LUTs", "luts"), ("block RAMs", "block_rams"),
                       ("DSP multipliers", "multipliers")):
        used, available = r["utilization"][key]
        yield label, f"{used:,} of {available:,}"
    yield "bitstream", str(r["bitstream"])


def build(design, clock_mhz, folder, say):
    """The bitstream."""
    built = design.build(board=design.config.board, out=folder / "bitstream",
                         clock_mhz=clock_mhz, progress=say)
    return {"bitstream": built.bitstream, "clock_mhz": built.clock_mhz,
            "fmax_mhz": built.fmax_mhz, "utilization": built.utilization,
            "build_seconds": built.seconds, "notes": list(built.notes)}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, metavar="FILE",
                        help="checkpoint20.npz (default: that of the installed package)")
    parser.add_argument("--fast", action="store_true", help="build no bitstream")
    parser.add_argument("--clock", type=float, metavar="MHZ",
                        help="clock of the bitstream (default: the board's usual one)")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/g2p"), metavar="DIR",
                        help="folder for the files (default: %(default)s)")
    options = parser.parse_args(arguments)
    say = script.Progress(time.time())
    arrays = checkpoint(options.checkpoint)
    words = (HERE / "words.txt").read_text().split()
    design, result = quantize(arrays, CONFIG, words, say)
    design.save(options.out / "design")
    result |= engine(design)
    result |= simulate(design, arrays, SIMULATED, options.out, say)
    if not options.fast:
        result |= build(design, options.clock, options.out, say)

    notes = "".join(f"{note}\n" for note in result.get("notes", ()))
    text = report.page(f"Encoder of {PACKAGE}", [("", report.facts(lines(result))), ("", notes)])
    report.write(options.out, text, result)
    print(text, end="")
    return script.status(failures(result))


if __name__ == "__main__":
    script.run("encoder", main)
