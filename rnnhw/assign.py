"""A format for every tensor of a model, from the ranges that were seen."""

from math import inf

from . import calibrate
from .activation import HARD, make_table
from .cells import cell_for
from .circulant import BLOCK_SIZES
from .errors import RnnhwError
from .fixed import FixedFormat
from .formats import (
    DRAINED_BITS,
    SPECTRUM_BITS,
    Range,
    check_fixed,
    cover,
    flat_range,
    tensors,
    weight_frac,
)
from .integers import Integers
from .model import block_sizes
from .quantized import QuantizedLayer, QuantizedModel
from .segments import SPECTRUM_WORD_BITS, growth, segment_key, widest

PRE_FRAC = 11              # fraction bits of a pre-activation beyond which range is worth more
TABLE_FRAC_LIMIT = 24      # of a table's input, and of h: exact sums stay far below 63 bits
SPECTRUM_HEADROOM = 1      # bits of a drained spectrum beyond what was seen
HEADROOM_BITS = 12         # width from which a Linear layer's sum keeps a bit of headroom


class Assignment:
    """Formats, shifts and integers of a model, from the ranges that were seen.

    Parameters
    ----------
    model : Model
    config : Config
    seen : dict of Range by tensor, as :func:`calibrate.ranges` gives
    sample : calibrate.Sample, on which spectra of sums are computed; None for a dense model

    Members
    -------
    formats : dict of FixedFormat by tensor
    integers : Integers
    choices : dict of lists of FixedFormat
        What may be tried instead of the first, by tensor.
    notes : sentences on what differs from the plain rules
    """

    def __init__(self, model, config, seen, sample=None):
        self.model, self.config, self.seen, self.sample = model, config, seen, sample
        error = config.activation_error
        if error is None and config.activation_kind not in HARD:
            error = 2.0**-10 if config.activation_bits <= 8 else 2.0**-12
        self.table = make_table(error, config.activation_kind)
        self.formats, self.choices, self.notes, self.finest = {}, {}, [], {}
        self.integers = Integers(model, config, self.formats, self.notes)
        self._assign()

    def pick(self, name, width, frac, least=-40, most=40, **rules):
        """Format of ``name``: the fixed one, checked, or ``frac`` brought into ``least..most``.

        ``rules`` as of :func:`check_fixed`.
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
            check_fixed(name, fmt, self.seen[name], **rules)
        self.formats[name] = fmt
        return fmt.frac_bits

    def cover(self, name, width):
        """Fraction bits at which ``width`` bits cover what was seen of ``name``."""
        return cover(name, self.seen[name].low, self.seen[name].high, width)

    def _assign(self):
        """Choose all formats, those that are to be tried as their first candidate."""
        layers = self.model.layers
        self._pick_operand("x", lambda bits: self.cover("x", bits))
        for i, layer in enumerate(layers):
            if layer.kind != "linear":
                self._state(i, layer)
            self._weights(i, layer)
        chain, head = [], "x"
        for i, layer in enumerate(layers):
            chain.append(i)
            if layer.kind == "linear" or i == len(layers) - 1:
                self.integers.align(chain, head, {j: self._acc_needed(j) for j in chain})
                for j, before in zip(chain, [head, *(f"{j}.h" for j in chain)]):
                    self._drains(j, before)
                    if layers[j].kind == "linear":
                        self._linear(j, layers[j])
                    else:
                        self._sums(j, layers[j])
                chain, head = [], f"{i}.y"

    def _pick_operand(self, segment, frac_of, **limits):
        """Pick the format of an operand segment, no wider than its spectra may be."""
        name = segment if segment == "x" else f"{segment}_operand"
        bits, fixed = self.config.activation_bits, self.config.formats.get(name)
        found = widest(self.model, segment)
        if found is not None:
            most, k = found
            if fixed is not None and fixed.width > most:
                raise RnnhwError(f"Format {fixed} fixed for {name} is {fixed.width} bits wide, but "
                                 f"operands of blocks of {k} have at most {most}, so that their "
                                 f"spectra fit {SPECTRUM_WORD_BITS} bits.")
            if fixed is None and bits > most:
                self.notes.append(f"{name} has {most} bits instead of {bits}, so that spectra of "
                                  f"blocks of {k} fit {SPECTRUM_WORD_BITS} bits.")
                bits = most
        return self.pick(name, bits, frac_of(bits), **limits)

    def _weights(self, i, layer):
        for key, k in zip(("weight_ih", "weight_hh"), block_sizes(layer)):
            name = f"{i}.{key}"
            values = self.integers.values.get(name)
            if values is None:
                continue
            self.seen[name] = Range(fmt=self.config.formats.get(name))
            self.seen[name].add(values)
            if k is None:
                bits = self.config.weight_bits
                self.pick(name, bits, weight_frac(name, values, bits), dense=True)
            else:
                # no component saturates, as in training
                bits = self.config.spectrum_bits or SPECTRUM_BITS
                self.pick(name, bits, self.cover(name, bits))

    def _state(self, i, layer):
        """Formats of a recurrent layer's gates, state and operand copy."""
        bits = self.config.state_bits
        lstm = layer.kind == "lstm"
        gate = self.pick(f"{i}.gate", bits, bits - 1, least=1)
        h = self.pick(f"{i}.h", bits, bits - 1, -40 if lstm else gate - 14,
                      min(TABLE_FRAC_LIMIT, 2 * gate) if lstm else TABLE_FRAC_LIMIT)
        copy = self._pick_operand(f"{i}.h", lambda bits: bits - 1, most=h)
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
        fixed = [self.config.formats.get(f"{i}.{key}") for key in tensors(self.model.layers[i])
                 if key.startswith("pre")]
        return max([self._needed(i)] + [min(fmt.frac_bits, TABLE_FRAC_LIMIT) for fmt in fixed
                                        if fmt is not None])

    def _drains(self, i, before):
        """Formats of the spectra of layer ``i``, and the finest that its sums may be drained in."""
        layer, integers = self.model.layers[i], self.integers
        sizes = block_sizes(layer)
        for product in cell_for(layer.kind, *sizes).products:
            k = product.block_size(*sizes)
            frac = integers.acc_frac[i, product.weight]
            if k is not None:
                name = f"{i}.{product.spectrum}"
                self.seen[name] = seen = self.seen.get(
                    name, Range(fmt=self.config.formats.get(name)))
                for sums in calibrate.spectral_sums(self.sample, self.model, integers, i, before,
                                                    product):
                    seen.add(sums)
                frac = min(frac, self.cover(name, DRAINED_BITS) - SPECTRUM_HEADROOM)
                frac = self.pick(name, DRAINED_BITS, frac, self._needed(i) - growth(k),
                                 integers.acc_frac[i, product.weight]) + growth(k)
            name = f"{i}.{product.pre}"
            self.finest[name] = min(frac, self.finest.get(name, frac))

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
        bits, finest = self.config.state_bits, self.finest
        gate, least = self.formats[f"{i}.gate"].frac_bits, self._needed(i)
        self._table_input(f"{i}.pre", gate, least, finest[f"{i}.pre"])
        if layer.kind == "gru":
            nh = self.pick(f"{i}.pre_nh", bits, self._default_frac(f"{i}.pre_nh"),
                           least - gate, min(finest[f"{i}.pre_nh"], TABLE_FRAC_LIMIT))
            self.pick(f"{i}.pre_nx", bits, self._default_frac(f"{i}.pre_nx"),
                      nh + gate - 40,
                      min(finest[f"{i}.pre_nx"], nh + gate, TABLE_FRAC_LIMIT))
            self._table_input(f"{i}.s", gate, least, nh + gate)
        elif layer.kind == "gru_reset_before":
            self._table_input(f"{i}.pre_n", gate, least, finest[f"{i}.pre_n"])
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
        bits, finest = self.config.state_bits, self.finest[f"{i}.pre"]
        if layer.activation in ("sigmoid", "tanh"):
            y = self.pick(f"{i}.y", bits, bits - 1, least=1)
            self._table_input(f"{i}.pre", y, self._needed(i), finest)
        else:
            # a bit of headroom where the width can spare it
            frac = self.cover(f"{i}.pre", bits) - (bits >= HEADROOM_BITS)
            pre = self.pick(f"{i}.pre", bits, frac, most=finest)
            y = self.pick(f"{i}.y", bits, pre, most=pre + 14)
        if i < len(self.model.layers) - 1:
            self._pick_operand(f"{i}.y", lambda bits: self.cover(f"{i}.y_operand", bits), most=y)

    def result(self, count=None):
        """The quantised model, or its first ``count`` layers."""
        model, integers = self.model, self.integers
        layers, operands, shifts = [], {}, {}

        def add(segment, source, sizes=(None, *BLOCK_SIZES)):
            operands[segment] = integers.operand(source)
            for k in sizes:
                if segment_key(source, k) in integers.shifts:
                    shifts[segment_key(segment, k)] = integers.shift(source, k)

        add("x", "x")
        for i, layer in enumerate(model.layers[:count]):
            formats = {tensor: self.formats[f"{i}.{tensor}"] for tensor in tensors(layer)
                       if not tensor.endswith("_operand")}
            acc = [integers.acc_frac.get((i, key)) for key in ("weight_ih", "weight_hh")]
            layers.append(QuantizedLayer(layer=layer, formats=formats, acc_frac=acc[0],
                                         acc_frac_hh=acc[1], **integers.layers[i]))
            source = f"{i}.{'y' if layer.kind == 'linear' else 'h'}"
            if f"{source}_operand" in self.formats:
                add(source, source)
            if layer.kind == "gru_reset_before":
                add(f"{i}.q", source, block_sizes(layer)[1:])
        return QuantizedModel(model=model, layers=tuple(layers), operands=operands, shifts=shifts,
                              activation=self.table)
