"""Engines that the compiler may choose from, each with a bound below which its cycles cannot go."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import ceil

from .cells import CELLS
from .compiler import lower
from .memories import RAMS, lay_out, rams, shape
from .program import Multipliers, latencies
from .rowblocks import row_blocks
from .schedule import Schedule


@dataclass(frozen=True, eq=False)
class Candidate(Multipliers):
    """An engine for ``quantized``, lowered only when its ``program`` is asked for.

    Parameters
    ----------
    lanes, slices, fast, deep, late : as :func:`rnnhw.compiler.lower` takes them
    """

    quantized: object
    lanes: int
    slices: int
    fast: bool
    deep: bool
    late: bool = False

    @cached_property
    def issued(self):
        """Cycles in which operands are issued: ``(of a usual step, of a sequence's last)``."""
        usual, last = 0, 0
        for q, on_last in zip(self.quantized.layers, self.quantized.model.on_last):
            cycles = sum(ceil(n / (1 + self.fast)) for product, _, _
                         in row_blocks(q.layer, self.lanes // self.slices, self.slices)
                         for n in (q.layer.input_size if name == "x" else q.layer.output_size
                                   for name in product.operands))
            usual, last = usual + cycles * (not on_last), last + cycles
        return usual, last

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
        elements = sum(len(CELLS[q.layer.kind].ops) * ceil(q.layer.output_size / self.slices)
                       for q in self.quantized.layers)
        return far.array + far.drain + far.output + max(self.issued[1], elements)

    @property
    def weights(self):
        """``(depth, width)`` of the memory of weights."""
        bits = max(q.formats[name].width for q in self.quantized.layers
                   for name in ("weight_ih", "weight_hh") if name in q.formats)
        return self.issued[1], self.lanes * (1 + self.fast) * bits

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
        return lower(self.quantized, self.lanes, self.slices, self.fast, self.deep, self.late)

    @cached_property
    def schedule(self):
        """Its cycles."""
        return Schedule(self.program)


def lane_counts(quantized, slices, most):
    """Lane counts at most ``most``: of each, fewer lanes would make more row blocks."""
    layers = [q.layer for q in quantized.layers]
    least = max(len(p.sums) for layer in layers for p in CELLS[layer.kind].products)
    useful = max(len(p.sums) * ceil(layer.output_size / slices) for layer in layers
                 for p in CELLS[layer.kind].products)
    found, before = [], None
    for words in range(least, min(most // slices, useful) + 1):
        counts = [Counter(product for product, _, _ in row_blocks(layer, words, slices))
                  for layer in layers]
        if counts != before:
            found.append(words * slices)
            before = counts
    return found
