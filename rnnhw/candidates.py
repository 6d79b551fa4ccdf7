"""Engines that the compiler may choose from, each with a bound below which its cycles cannot go."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import ceil

from .bins import bin_lanes
from .cells import cell_of
from .compiler import least_lanes, lower
from .latencies import latencies
from .memories import RAMS, lay_out, rams, shape
from .program import Multipliers
from .rowblocks import block_size, block_sizes, row_blocks
from .rowblocks import units as unit_count
from .schedule import Schedule
from .segments import parts, split_key
from .spaces import Engine


@dataclass(frozen=True, eq=False)
class Candidate(Multipliers):
    """An engine for ``quantized``, lowered only when its ``program`` is asked for.

    Parameters
    ----------
    lanes, slices, fast, deep, late, products : as :func:`rnnhw.compiler.lower` takes them
    """

    quantized: object
    lanes: int
    slices: int
    fast: bool
    deep: bool
    late: bool = False
    products: int = 4

    @cached_property
    def engine(self):
        """Constants of its spaces."""
        plain = any(block_size(q, product) is None for q in self.quantized.layers
                    for product in cell_of(q).products)
        return Engine(self.slices, self.fast, self.deep, self.products,
                      len(block_sizes(self.quantized)), plain)

    @cached_property
    def pair_multipliers(self):
        """Multipliers that sum the xi of spectra."""
        found, layers = {}, self.quantized.layers
        for key in self.quantized.shifts:
            name, k = split_key(key)
            if k:
                layer, _, value = name.partition(".")
                size = _length(layers[int(layer)], value) if value else layers[0].layer.input_size
                found.setdefault((k, name == "x"), []).append(size)
        return sum(self.engine.pair_multipliers(k, lengths, x)
                   for (k, x), lengths in found.items())

    @cached_property
    def issued(self):
        """Cycles in which operands are issued: ``(of a usual step, of a sequence's last)``."""
        usual, last = 0, 0
        model = self.quantized.model
        for i, (q, on_last) in enumerate(zip(self.quantized.layers, model.on_last)):
            cycles = sum(ceil(ceil(n / (block_size(q, product) or 1)) / (1 + self.fast))
                         for product, _, _ in self._blocks(q)
                         for n in (part.stop - part.start for part in parts(model, i, product)))
            usual, last = usual + cycles * (not on_last), last + cycles
        return usual, last

    def _blocks(self, q):
        return row_blocks(q, self.lanes, self.slices, self.products)

    @property
    def least_cycles(self):
        """Bound of the cycles a step: operands, and input words, go one a cycle."""
        return max(self.issued[0], self.quantized.model.input_size)

    @property
    def least_latency(self):
        """Bound of the cycles from a step's last input word to its last output word.

        Either half of the core is passed once, and the other works for its longest.
        """
        far = latencies(self.fast, self.deep)
        elements = sum(len(cell_of(q).ops) * ceil(q.layer.output_size / self.slices)
                       for q in self.quantized.layers)
        return far.array + far.drain + far.output + max(self.issued[1], elements)

    @property
    def weights(self):
        """``(depth, width)`` of the memory of weights."""
        widths, spectral = [], self.engine.spaces > 0
        for q in self.quantized.layers:
            for product, _, units in self._blocks(q):
                k = block_size(q, product)
                names = product.weights if k else [
                    name for name, size in q.block_sizes.items() if not size]
                bits = max(q.formats[name].width for name in names)
                columns = self.lanes
                if k is not None:
                    columns = self.lanes // self.engine.lanes(k) * k
                elif spectral:
                    columns = self.slices * len(product.sums) * ceil(
                        (units[1] - units[0]) / self.slices)
                widths.append(columns * bits)
        return self.issued[1], max(widths) * (1 + self.fast)

    def certain_rams(self, limits):
        """Block RAMs of a part that hold nothing but weights, known without a program."""
        depth, width = self.weights
        whole = depth - depth % shape(depth, width, RAMS[limits.family])[0]
        return rams([("weights", whole, width)], limits.family)

    def block_rams(self, limits):
        """Block RAMs of a part that the whole core fills."""
        return lay_out(self.program, limits).block_rams

    def fits(self, limits):
        """Whether the block RAMs of a part, if one is given, hold the whole core."""
        return limits is None or (self.certain_rams(limits) <= limits.block_rams
                                  and self.block_rams(limits) <= limits.block_rams)

    @cached_property
    def program(self):
        """The engine's program."""
        return lower(self.quantized, self.lanes, self.slices, self.fast, self.deep, self.late,
                     self.products)

    @cached_property
    def schedule(self):
        """Its cycles."""
        return Schedule(self.program)


def _length(layer, operand):
    """Elements of an operand of a layer's products."""
    if operand == "x":
        return layer.layer.input_size
    return getattr(layer.layer, cell_of(layer).size(operand))


def lane_counts(quantized, slices, most, products=4):
    """Lane counts at most ``most``: of each, fewer lanes would make more row blocks."""
    units = {k: len(bin_lanes(k, products)) for k in block_sizes(quantized)} or {1: slices}
    useful = max(len(p.sums) * ceil(unit_count(q, p) / (k or slices)) * (units.get(k, slices))
                 for q in quantized.layers for p in cell_of(q).products
                 for k in [block_size(q, p)])
    least, found, before = least_lanes(quantized, slices, products), [], None
    counts = {n for unit in units.values() for n in range(unit, min(most, useful) + 1, unit)}
    for lanes in sorted(n for n in counts if n >= least):
        blocks = [Counter(product for product, _, _ in row_blocks(q, lanes, slices, products))
                  for q in quantized.layers]
        if blocks != before:
            found.append(lanes)
            before = blocks
    return found
