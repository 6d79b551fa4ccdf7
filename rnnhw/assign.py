"""A format for every tensor of a model, from the ranges that were seen."""

from math import inf

from . import calibrate
from .activation import HARD, make_table
from .bounds import FRAC_LIMIT, Bounds, early_formats, late_formats, source
from .cells import plain, split
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
from .interpret import tables
from .layers import block_sizes
from .quantized import QuantizedLayer, QuantizedModel
from .reference import output_name
from .segments import components, growth, segment_key, spectrum_word_bits, widest

PRE_FRAC = 11              # fraction bits of a pre-activation beyond which range is worth more
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
        self._join_outputs()
        self.bounds = [Bounds(layer.description, i) for i, layer in enumerate(model.layers)]
        self.integers = Integers(model, config, self.formats, self.notes)
        self._assign()

    def _join_outputs(self):
        """What comes out side by side has one format, so one range."""
        names = [output_name(self.model, j) for j in self.model.outputs]
        if len(names) > 1:
            low = min(self.seen[name].low for name in names)
            high = max(self.seen[name].high for name in names)
            for name in names:
                self.seen[name].low, self.seen[name].high = low, high

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
            # a Linear layer's output follows from its sums
            if layer.kind != "linear":
                self._early(i)
            self._weights(i, layer)
        read = {j for found in self.model.reads for j in found}
        for group in components(self.model):
            self.integers.align(group, {i: self._acc_needed(i) for i in group})
            for i in group:
                self._drains(i)
                self._late(i)
                if layers[i].kind == "linear" and i in read:
                    self._copies(i, layers[i].description.output)

    def _pick_operand(self, segment, frac_of, **limits):
        """Pick the format of an operand segment, no wider than its spectra may be."""
        name = segment if segment == "x" else f"{segment}_operand"
        bits, fixed = self.config.activation_bits, self.config.formats.get(name)
        found = widest(self.model, self.config, segment)
        if found is not None:
            most, k = found
            if fixed is not None and fixed.width > most:
                raise RnnhwError(f"Format {fixed} fixed for {name} is {fixed.width} bits wide, but "
                                 f"operands of blocks of {k} have at most {most}, so that their "
                                 f"spectra fit {spectrum_word_bits(self.config)} bits.")
            if fixed is None and bits > most:
                self.notes.append(f"{name} has {most} bits instead of {bits}, so that spectra of "
                                  f"blocks of {k} fit {spectrum_word_bits(self.config)} bits.")
                bits = most
        return self.pick(name, bits, frac_of(bits), **limits)

    def _weights(self, i, layer):
        for key, k in block_sizes(layer).items():
            name = f"{i}.{key}"
            values = self.integers.values[name]
            self.seen[name] = Range(fmt=self.config.formats.get(name))
            self.seen[name].add(values)
            bits = self.config.weight_bits
            if k is not None:
                bits = self.config.spectrum_bits or SPECTRUM_BITS
            self.pick(name, bits, weight_frac(name, values, bits), dense=True)

    def _early(self, i):
        """Formats of a recurrent layer's gates, states and operand copies."""
        cell = self.model.layers[i].description
        for name in early_formats(cell):
            self._pick(i, name)
            if name in cell.operands:
                self._copies(i, name)
        for name in cell.operands:
            if cell.rules[name] == "tried":
                self._copies(i, name)

    def _copies(self, i, name):
        """Pick the format of the operand copies of a value and of those that share it."""
        cell, bounds = self.model.layers[i].description, self.bounds[i]
        copy = f"{cell.shared(name)}_operand"
        if f"{i}.{copy}" in self.formats:
            return
        names = [other for other in cell.operands if cell.shared(other) == cell.shared(name)]
        unit = all(cell.rules[other] == "unit" for other in names)
        seen = [self.seen[f"{i}.{other}_operand"] for other in names]
        low, high = min(s.low for s in seen), max(s.high for s in seen)
        frac = self._pick_operand(
            f"{i}.{cell.shared(name)}",
            lambda bits: bits - 1 if unit else cover(f"{i}.{copy}", low, high, bits),
            least=bounds.least[copy], most=bounds.most[copy])
        bounds.settle(copy, frac)

    def _late(self, i):
        """Formats of a layer's sums and of what follows from them, once its weights have theirs."""
        for product in self.model.layers[i].description.products:
            self.bounds[i].cap(product.pre, self.finest[f"{i}.{product.pre}"])
        for name in late_formats(self.model.layers[i].description):
            self._pick(i, name)

    def _pick(self, i, name):
        """Pick one format of layer ``i`` by its rule, within the bounds that the others leave."""
        cell, bounds = self.model.layers[i].description, self.bounds[i]
        full, bits = f"{i}.{name}", self.config.state_bits
        least, most, rule = bounds.least[name], bounds.most[name], cell.rules.get(name, "constant")
        if rule == "table":
            out = max(self.formats[f"{i}.{op.fmt}"].frac_bits for op in tables(cell, name))
            flat = flat_range(out)
            frac = max(self._default_frac(full), bits - flat.bit_length())
            frac = self.pick(full, bits, frac, least, most, enough=flat)
        elif rule == "tried":
            frac = self._pick_tried(i, name, least, most)
        else:
            frac = self.pick(full, bits, self._frac(rule, i, name), least, most)
        bounds.settle(name, frac)

    def _frac(self, rule, i, name):
        """Fraction bits that a rule would give."""
        bits = self.config.state_bits
        if rule in ("gate", "unit", "result"):
            return bits - 1
        if rule == "two":
            return bits - 2
        if rule == "sum":
            return self._default_frac(f"{i}.{name}")
        if rule == "same":
            return self.formats[f"{i}.{source(self.model.layers[i].description, name)}"].frac_bits
        # a bit of headroom where the width can spare it
        return self.cover(f"{i}.{name}", bits) - (rule == "wide" and bits >= HEADROOM_BITS)

    def _pick_tried(self, i, name, least, most):
        """Pick the first candidate of a format that is settled by the SQNR of the output."""
        cell, full = self.model.layers[i].description, f"{i}.{name}"
        bits = self.config.cell_bits or self.config.state_bits
        frac = self.cover(full, bits)
        if full not in self.config.formats:
            # finer than what is added is no use; finer than bits - 3 less than headroom of +-4
            gate = [self.formats[f"{i}.{gate}"].frac_bits for gate, rule in cell.formats
                    if rule == "gate"]
            most = max(least, min([most, max(PRE_FRAC, bits - 3), *gate]))
        found = self.pick(full, bits, frac, least, most, enough=inf)
        self._try(full, bits, range(frac, frac + 4), least, most)
        return found

    def _acc_needed(self, i):
        """Fraction bits that layer ``i``'s accumulators must have: no sum is shifted to the left.
        """
        names = [product.pre for product in self.model.layers[i].description.products]
        fixed = [self.config.formats.get(f"{i}.{name}") for name in names]
        return max([self.bounds[i].least[name] for name in names]
                   + [min(fmt.frac_bits, FRAC_LIMIT) for fmt in fixed if fmt is not None])

    def _drains(self, i):
        """Formats of the spectra of layer ``i``, and the finest that its sums may be drained in."""
        layer, integers = self.model.layers[i], self.integers
        sizes = block_sizes(layer)
        for product in split(layer.description, sizes).products:
            k = product.block_size(sizes)
            frac = acc = integers.acc_frac[i, product.weights[0]]
            if k is not None:
                name = f"{i}.{product.spectrum}"
                self.seen[name] = seen = self.seen.get(
                    name, Range(fmt=self.config.formats.get(name)))
                for sums in calibrate.spectral_sums(self.sample, self.model, integers, i,
                                                    product):
                    seen.add(sums)
                frac = min(frac, self.cover(name, DRAINED_BITS) - SPECTRUM_HEADROOM)
                least = self.bounds[i].least[product.pre] - growth(k)
                frac = self.pick(name, DRAINED_BITS, frac, least, acc) + growth(k)
            name = f"{i}.{product.pre}"
            self.finest[name] = min(frac, self.finest.get(name, frac))

    def _default_frac(self, name):
        """Fraction bits that cover ``name``; what passes 11, or the width less 5, is headroom."""
        bits = self.config.state_bits
        return min(self.cover(name, bits), max(PRE_FRAC, bits - 5))

    def _try(self, name, width, fracs, least, most):
        """Note formats of ``name`` to be tried where the user fixed none."""
        if name not in self.config.formats:
            fracs = dict.fromkeys(max(least, min(frac, most)) for frac in fracs)
            if len(fracs) > 1:
                self.choices[name] = [FixedFormat(width, frac) for frac in fracs]

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
            cell, sizes = layer.description, block_sizes(layer)
            formats = {tensor: self.formats[f"{i}.{tensor}"] for tensor in tensors(layer)
                       if not tensor.endswith("_operand")}
            layers.append(QuantizedLayer(
                layer=layer, formats=formats, constants=integers.quantize_constants(i),
                acc_fracs={name: integers.acc_frac[i, name] for name in sizes},
                **integers.layers[i]))
            for name in cell.operands:
                source = f"{i}.{cell.shared(name)}"
                if f"{source}_operand" in self.formats:
                    own = [sizes[weight] for product in cell.products
                           for operand, weight, _ in product.parts if plain(operand) == name]
                    add(f"{i}.{name}", source, *([] if name == cell.output else [own]))
        return QuantizedModel(model=model, layers=tuple(layers), operands=operands, shifts=shifts,
                              activation=self.table)
