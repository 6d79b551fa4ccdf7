"""A format for every tensor of a model, shifts that align products, integer weights and biases."""

from math import inf

import numpy as np

from .activation import HARD, make_table
from .errors import RnnhwError
from .fixed import FixedFormat
from .formats import (
    ACC_BITS,
    TENSORS,
    WORD_BITS,
    Range,
    align,
    check_fixed,
    cover,
    flat_range,
    weight_frac,
)
from .model import GATES
from .quantized import QuantizedLayer, QuantizedModel

PRE_FRAC = 11              # fraction bits of a pre-activation beyond which range is worth more
TABLE_FRAC_LIMIT = 24      # of a table's input, and of h: exact sums stay far below 63 bits
HEADROOM_BITS = 12         # width from which a Linear layer's sum keeps a bit of headroom


class Assignment:
    """Formats, shifts and integers of a model, from the ranges that were seen.

    Parameters
    ----------
    model : Model
    config : Config
    seen : dict of Range by tensor, as :func:`calibrate.ranges` gives

    Members
    -------
    formats : dict of FixedFormat by tensor
    shifts : dict by operand segment
    choices : dict of lists of FixedFormat
        What may be tried instead of the first, by tensor.
    notes : sentences on what differs from the plain rules
    """

    def __init__(self, model, config, seen):
        self.model, self.config, self.seen = model, config, seen
        error = config.activation_error
        if error is None and config.activation_kind not in HARD:
            error = 2.0**-10 if config.activation_bits <= 8 else 2.0**-12
        self.table = make_table(error, config.activation_kind)
        self.formats, self.shifts, self.acc_frac, self.layers = {}, {}, {}, {}
        self.choices, self.notes = {}, []
        self._assign()

    def pick(self, name, width, frac, least=-40, most=40, enough=None):
        """Format of ``name``: the fixed one, checked, or ``frac`` brought into ``least..most``.

        ``enough`` as of :func:`check_fixed`.
        """
        fmt = self.config.formats.get(name)
        if fmt is None:
            fmt = FixedFormat(width, max(least, min(frac, most)))
        else:
            if not least <= fmt.frac_bits <= most:
                bound, word = (most, "most") if fmt.frac_bits > most else (least, "least")
                raise RnnhwError(f"Format {fmt} fixed for {name} has {fmt.frac_bits} fraction bits,"
                                 f" but {bound} are the {word} beside the other formats: a shift "
                                 "would be negative or a word too wide.")
            check_fixed(name, fmt, self.seen[name], enough)
        self.formats[name] = fmt
        return fmt.frac_bits

    def cover(self, name, width):
        """Fraction bits at which ``width`` bits cover what was seen of ``name``."""
        return cover(name, self.seen[name].low, self.seen[name].high, width)

    def _assign(self):
        """Choose all formats, those that are to be tried as their first candidate."""
        layers = self.model.layers
        self.pick("x", self.config.activation_bits, self.cover("x", self.config.activation_bits))
        for i, layer in enumerate(layers):
            if layer.kind != "linear":
                self._state(i, layer)
            self._weights(i, layer)
        chain, head = [], "x"
        for i, layer in enumerate(layers):
            chain.append(i)
            if layer.kind == "linear" or i == len(layers) - 1:
                self._align(chain, head)
                for j in chain:
                    if layers[j].kind == "linear":
                        self._linear(j, layers[j])
                    else:
                        self._sums(j, layers[j])
                chain, head = [], f"{i}.y"

    def _weights(self, i, layer):
        for key in ("weight_ih", "weight_hh") if layer.kind != "linear" else ("weight_ih",):
            values = getattr(layer, key if layer.kind != "linear" else "weight")
            name = f"{i}.{key}"
            self.seen[name] = Range(fmt=self.config.formats.get(name))
            self.seen[name].add(values)
            self.pick(name, self.config.weight_bits,
                      weight_frac(name, values, self.config.weight_bits))

    def _state(self, i, layer):
        """Formats of a recurrent layer's gates, state and operand copy."""
        bits = self.config.state_bits
        lstm = layer.kind == "lstm"
        gate = self.pick(f"{i}.gate", bits, bits - 1, least=1)
        h = self.pick(f"{i}.h", bits, bits - 1, -40 if lstm else gate - 14,
                      min(TABLE_FRAC_LIMIT, 2 * gate) if lstm else TABLE_FRAC_LIMIT)
        operand = self.config.activation_bits
        copy = self.pick(f"{i}.h_operand", operand, operand - 1, most=h)
        if not lstm:
            self.pick(f"{i}.d", bits, bits - 2, max(0, h - gate), min(h + 14, 30))
        if layer.kind == "gru_reset_before":
            self.pick(f"{i}.q", bits, bits - 1, copy, h + gate)

    def _needed(self, i):
        """Fraction bits that a table's input must have in layer ``i``; -40 without a table."""
        layer = self.model.layers[i]
        if layer.kind != "linear":
            return max(2, self.formats[f"{i}.gate"].frac_bits - 14)
        if layer.activation not in ("sigmoid", "tanh"):
            return -40
        out = self.config.formats.get(f"{i}.y")
        out = self.config.state_bits - 1 if out is None else out.frac_bits
        return max(2, out - (16 if layer.activation == "sigmoid" else 14))

    def _acc_needed(self, i):
        """Fraction bits that layer ``i``'s accumulator must have: no sum is shifted to the left."""
        fixed = [self.config.formats.get(f"{i}.{key}") for key in TENSORS[self.model.layers[i].kind]
                 if key.startswith("pre")]
        return max([self._needed(i)] + [min(fmt.frac_bits, TABLE_FRAC_LIMIT) for fmt in fixed
                                        if fmt is not None])

    def _align(self, chain, head):
        """Shifts of a chain of layers that share operand segments, and their accumulators."""
        layers = self.model.layers
        segments, links, needs = [head], [], []
        for i in chain:
            needs.append((segments[-1], f"{i}.weight_ih", self._acc_needed(i)))
            if layers[i].kind != "linear":
                segments.append(f"{i}.h")
                links.append((*segments[-2:], f"{i}.weight_ih", f"{i}.weight_hh"))
        operands = {s: self.operand(s) for s in segments}
        weights = {f"{i}.{key}": self.formats[f"{i}.{key}"] for i in chain
                   for key in ("weight_ih", "weight_hh") if f"{i}.{key}" in self.formats}
        names = {s: s if s == "x" else f"{s}_operand" for s in segments} | {w: w for w in weights}
        fixed = [key for key, name in names.items() if name in self.config.formats]
        shifts, lost = align(segments, links, operands, weights, fixed, needs)
        for key, bits in lost.items():
            name = names[key]
            fmt = self.formats[name]
            self.formats[name] = FixedFormat(fmt.width, fmt.frac_bits - bits)
            self.notes.append(f"{name} lost {bits} fraction bit{'s' * (bits > 1)}, so that an "
                              f"operand with its shift fits {WORD_BITS} bits.")
        self.shifts |= shifts
        for i, (segment, _, need) in zip(chain, needs):
            names = [f"{i}.{key}" for key in ("weight_ih", "weight_hh")
                     if f"{i}.{key}" in self.formats]
            lost = 0
            while not self._integers(i, segment):
                if any(n in self.config.formats for n in names) or self.acc_frac[i] <= max(need, 0):
                    raise RnnhwError(f"Sums of layer {i} need more than {ACC_BITS} bits; fewer "
                                     f"fraction bits in {' and '.join(names)}, or a smaller bias, "
                                     "would do.")
                for name in names:
                    fmt = self.formats[name]
                    self.formats[name] = FixedFormat(fmt.width, fmt.frac_bits - 1)
                lost += 1
            if lost:
                self.notes += [f"{name} lost {lost} fraction bits, so that sums fit {ACC_BITS} "
                               "bits." for name in names]

    def operand(self, segment):
        """Format of an operand segment."""
        return self.formats[segment if segment == "x" else f"{segment}_operand"]

    def _integers(self, i, segment):
        """Weights and biases of layer ``i``; whether no sum can need more than 48 bits."""
        layer = self.model.layers[i]
        ih, bound = self.formats[f"{i}.weight_ih"], 0
        acc = ih.frac_bits + self.operand(segment).frac_bits + self.shifts[segment]
        integers = {"weight_hh": None}
        for key, name in (("weight_ih", segment), ("weight_hh", f"{i}.h")):
            fmt = self.formats.get(f"{i}.{key}")
            if fmt is not None:
                values = layer.weight if layer.kind == "linear" else getattr(layer, key)
                integers[key] = fmt.quantize(values)
                reach = self.operand(name).width - 1 + self.shifts[name]
                bound += int(np.abs(integers[key]).sum(axis=1).max()) << reach
        with np.errstate(over="ignore"):
            bias = {key: np.floor(np.ldexp(values, acc) + 0.5)
                    for key, values in _biases(layer).items()}
        largest = max(float(np.abs(values).max()) for values in bias.values())
        self.acc_frac[i] = acc
        if bound + largest >= 1 << (ACC_BITS - 1):
            return False
        self.layers[i] = integers | {"bias": {k: v.astype(np.int64) for k, v in bias.items()}}
        return True

    def _default_frac(self, name):
        """Fraction bits that cover ``name``; what passes 11, or the width less 5, is headroom."""
        bits = self.config.state_bits
        return min(self.cover(name, bits), max(PRE_FRAC, bits - 5))

    def _table_input(self, name, out, least, most):
        """Pick the format of a tensor that only feeds a table into ``out`` fraction bits.

        It need not hold more than where the functions are flat.
        """
        bits = self.config.state_bits
        flat = flat_range(out)
        frac = max(self._default_frac(name), bits - flat.bit_length())
        self.pick(name, bits, frac, least, min(most, TABLE_FRAC_LIMIT), enough=flat)

    def _sums(self, i, layer):
        """Formats of a recurrent layer's sums, and candidates for ``c``."""
        bits, acc = self.config.state_bits, self.acc_frac[i]
        gate, least = self.formats[f"{i}.gate"].frac_bits, self._needed(i)
        self._table_input(f"{i}.pre", gate, least, acc)
        if layer.kind == "gru":
            nh = self.pick(f"{i}.pre_nh", bits, self._default_frac(f"{i}.pre_nh"),
                           least - gate, min(acc, TABLE_FRAC_LIMIT))
            self.pick(f"{i}.pre_nx", bits, self._default_frac(f"{i}.pre_nx"),
                      nh + gate - 40, min(acc, nh + gate, TABLE_FRAC_LIMIT))
            self._table_input(f"{i}.s", gate, least, nh + gate)
        elif layer.kind == "gru_reset_before":
            self._table_input(f"{i}.pre_n", gate, least, acc)
        else:
            bits = self.config.cell_bits or bits
            frac = self.cover(f"{i}.c", bits)
            most = TABLE_FRAC_LIMIT
            if f"{i}.c" not in self.config.formats:
                # finer than p is no use; finer than bits - 3 less than the headroom of +-4
                most = min(gate, max(PRE_FRAC, bits - 3))
            self.pick(f"{i}.c", bits, frac, least, most, enough=inf)
            self._try(f"{i}.c", bits, range(frac, frac + 4), least, most)

    def _try(self, name, width, fracs, least, most):
        """Note formats of ``name`` to be tried where the user fixed none."""
        if name not in self.config.formats:
            fracs = dict.fromkeys(max(least, min(frac, most)) for frac in fracs)
            if len(fracs) > 1:
                self.choices[name] = [FixedFormat(width, frac) for frac in fracs]

    def _linear(self, i, layer):
        """Formats of a Linear layer's sum, output and operand copy."""
        bits, acc = self.config.state_bits, self.acc_frac[i]
        if layer.activation in ("sigmoid", "tanh"):
            y = self.pick(f"{i}.y", bits, bits - 1, least=1)
            self._table_input(f"{i}.pre", y, self._needed(i), acc)
        else:
            # a bit of headroom where the width can spare it
            frac = self.cover(f"{i}.pre", bits) - (bits >= HEADROOM_BITS)
            pre = self.pick(f"{i}.pre", bits, frac, most=acc)
            y = self.pick(f"{i}.y", bits, pre, most=pre + 14)
        if i < len(self.model.layers) - 1:
            bits = self.config.activation_bits
            self.pick(f"{i}.y_operand", bits, self.cover(f"{i}.y_operand", bits), most=y)

    def result(self, count=None):
        """The quantised model, or its first ``count`` layers."""
        model, layers, operands = self.model, [], {"x": self.formats["x"]}
        shifts = {"x": self.shifts["x"]}
        for i, layer in enumerate(model.layers[:count]):
            formats = {tensor: self.formats[f"{i}.{tensor}"] for tensor in TENSORS[layer.kind]
                       if not tensor.endswith("_operand")}
            layers.append(QuantizedLayer(layer=layer, formats=formats, acc_frac=self.acc_frac[i],
                                         **self.layers[i]))
            for key in {"gru_reset_before": "hq", "linear": "y"}.get(layer.kind, "h"):
                segment = f"{i}.{key}"
                source = f"{i}.h" if key == "q" else segment
                if f"{source}_operand" in self.formats:
                    operands[segment] = self.operand(source)
                    shifts[segment] = self.shifts[source]
        return QuantizedModel(model=model, layers=tuple(layers), operands=operands, shifts=shifts,
                              activation=self.table)


def _biases(layer):
    """Float biases of a layer's drained sums, by name; two biases of one sum are added first."""
    if layer.kind == "linear":
        return {"y": layer.bias}
    gates = GATES[layer.cell]
    ih, hh = (dict(zip(gates, np.split(b, len(gates)))) for b in (layer.bias_ih, layer.bias_hh))
    if layer.kind == "gru":
        return {"r": ih["r"] + hh["r"], "z": ih["z"] + hh["z"], "nx": ih["n"], "nh": hh["n"]}
    return {gate: ih[gate] + hh[gate] for gate in gates}
