"""The engine's program: tables, memory contents and constants that turn the core into one network.

The compiler writes it, the schedule model times it, the gateware is generated from it. One step
replays both tables: :class:`rnnhw.records.RangeRow` feeds the
array, :class:`rnnhw.records.VectorRow` the vector lanes.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

import numpy as np

from .fixed import FixedFormat
from .latencies import latencies
from .memories import Memory
from .spaces import Engine
from .tables import range_records, row_records, varying_bits

X_BUFFERS = 2      # steps of input that may wait or be in use
Y_BUFFERS = 2      # steps of output that may be under way
TOKENS = 4         # steps the array may be ahead of the vector lanes


class Streams:
    """Widths of the words that enter and leave a core."""

    @property
    def x_width(self):
        """Bits of an input word."""
        return self.x_format.width

    @property
    def y_width(self):
        """Bits of an output word."""
        return self.y_format.width


class Multipliers:
    """Multipliers of an engine of ``lanes`` (``fast`` or not) in ``slices``.

    ``pair_multipliers`` are those that sum the xi of spectra.
    """

    @property
    def array_multipliers(self):
        """Multipliers of the array: one a lane, the xi lane of fast plain ones, xi of spectra."""
        return self.lanes + (self.fast and self.engine.plain) + self.pair_multipliers

    @property
    def total_multipliers(self):
        """Multipliers of the whole core: the array's and one a vector lane."""
        return self.array_multipliers + self.slices


@dataclass(frozen=True, eq=False, kw_only=True)
class Program(Streams, Multipliers):
    """Everything the core is generated from.

    A step replays the tables. Rows that are ``late`` do the work of the step before: the array
    leaves them out where nothing is left to do, in the first step of a sequence, whose vector rows
    then do nothing for as long as they take; behind a sequence's last step the late rows alone are
    run, as a tail.

    Parameters
    ----------
    lanes, slices : P and T; ``lanes`` is a multiple of ``slices``
    outputs : numbers of elements of an output that begin a word each, one after the other
    segments, ranges, rows : tuples of Segment, RangeRow, VectorRow
    fast : bool
        Fast inner product: two operands a cycle, two products a multiplier (Winograd 1968).
    deep : bool
        Deep pipelines, for parts whose block RAMs and multipliers are slow without registers.
    weights : int64 (words, columns, elements a cycle), in the order the array reads them; those of
        late runs last. A column is a lane's weight, or a component of a block row's
    biases : int64 (words, slices), with half an LSB of rounding added, less eta where ``fast``
    drains : tuple of (shift, width) of the drain's requantize
    outs, copies : tuples of Out and Copy
    aligns : tuple of left shifts of c
    indices : tuple of (bits an address drops, first entry), as the table's ``address`` gives
    table : rnnhw.activation.Table or None where no row needs one
    constants : tuple of (first address, int64 (words, slices)), state memory's contents at first
    macs_per_step : multiply-accumulates of a step that runs every layer, were all matrices dense
    dense_macs : those of the dense matrices in a step that is not a sequence's last
    products : real products of a complex bin of spectra
    spaces : tuple of :class:`rnnhw.spaces.Space`, from space 1 on
    """

    name: str
    input_size: int
    output_size: int
    outputs: tuple
    last_step: bool
    lanes: int
    slices: int
    fast: bool
    deep: bool
    x_format: FixedFormat
    x_shift: int
    y_format: FixedFormat
    segments: tuple
    operand_words: int
    operand_width: int
    ranges: tuple
    rows: tuple
    weights: np.ndarray
    weight_bits: int
    biases: np.ndarray
    acc_width: int
    drains: tuple
    outs: tuple
    copies: tuple
    aligns: tuple
    indices: tuple
    state_words: int
    word_bits: int
    table: object
    macs_per_step: int
    dense_macs: int
    constants: tuple = ()
    products: int = 4
    spaces: tuple = ()

    # of a network of several passes: its memories of sequences, and the most steps they hold
    sequences, max_steps = (), None

    @property
    def passes(self):
        """The programs of a core's passes over a sequence: this one."""
        return (self,)

    @cached_property
    def plain(self):
        """Whether any operands are elements, not spectra."""
        return any(row.space == 0 for row in self.ranges)

    @cached_property
    def engine(self):
        """Constants of its spaces."""
        return Engine(self.slices, self.fast, self.deep, self.products, len(self.spaces),
                      self.plain)

    @cached_property
    def latencies(self):
        """Pipeline distances of this program's core."""
        far = latencies(self.fast, self.deep)
        extra = max((self.drain_extra(row) for row in self.ranges), default=0)
        return replace(far, array=self.engine.array, drain=far.drain + extra)

    def drain_extra(self, row):
        """Cycles that the words of a run's block are drained later than a plain block's."""
        return self.engine.drain_extra(self.spaces[row.space - 1].k) if row.space else 0

    def busy(self, row):
        """Cycles that a block's sums stay in the drain's chain."""
        wait = self.latencies.drain - 3 - self.drain_extra(row)
        return max(row.words, row.gates * row.hold) + wait

    @property
    def x_space(self):
        """Space of the input."""
        return next(row.space for row in self.ranges if row.segment < 0)

    @property
    def x_delay(self):
        """Cycles that a whole step of input waits for its last transform."""
        if not self.x_space:
            return 0
        space = self.spaces[self.x_space - 1]
        return max(0, self.engine.operand_cycles(space.k, space.x_lengths, True) - 3)

    @property
    def pair_multipliers(self):
        """Multipliers that sum the xi of spectra."""
        return sum(self.engine.pair_multipliers(space.k, lengths, x) for space in self.spaces
                   for x, lengths in ((False, space.lengths), (True, space.x_lengths)))

    @property
    def plain_lanes(self):
        """Lanes that multiply elements."""
        if not self.spaces:
            return self.lanes
        return self.slices * max((row.words for row in self.ranges if row.space == 0), default=0)

    def slot(self, segment):
        """Number of a segment among those of its space."""
        space = self.segments[segment].space
        return sum(other.space == space for other in self.segments[:segment])

    def block_rows(self, space):
        """Block rows that the lanes work on at once in ``space``."""
        return self.lanes // self.engine.lanes(self.spaces[space - 1].k)

    @property
    def weight_width(self):
        """Bits of a word of weights."""
        widths = [self.plain_lanes * self.weight_bits]
        widths += [self.block_rows(i + 1) * space.k * space.weight_bits
                   for i, space in enumerate(self.spaces)]
        return max(widths) * self.per_cycle

    @cached_property
    def weight_words(self):
        """Weights as unsigned words: column c, element e in bits ``(c*per_cycle + e) * width``."""
        runs = sorted(self.ranges, key=lambda row: row.late)
        found, at = [], 0
        for row in runs:
            space = self.spaces[row.space - 1] if row.space else None
            bits = space.weight_bits if space else self.weight_bits
            columns = self.block_rows(row.space) * space.k if space else self.plain_lanes
            part = self.weights[at:at + row.count, :columns].reshape(row.count, -1)
            mask = (1 << bits) - 1
            found += [sum((value & mask) << (bits * i) for i, value in enumerate(word))
                      for word in part.tolist()]
            at += row.count
        return found

    @cached_property
    def first_biases(self):
        """Whether sums have other biases in a sequence's first step."""
        return any(row.first_bias >= 0 for row in self.ranges)

    @cached_property
    def first_values(self):
        """Whether rows read other values in a sequence's first step."""
        return any(max(row.first_a, row.first_b, row.first_c) >= 0 for row in self.rows)

    @cached_property
    def late(self):
        """Whether outputs come a step later, by late rows."""
        return any(row.late for row in self.ranges)

    @property
    def late_weights(self):
        """Word at which the weights of late runs begin."""
        return len(self.weights) - sum(row.count for row in self.ranges if row.late)

    @property
    def per_cycle(self):
        """Operands broadcast a cycle."""
        return 2 if self.fast else 1

    @property
    def banks(self):
        """Elements of a word of operand memory: a multiple of what is written and read at once."""
        return self.slices * (self.per_cycle if self.slices % self.per_cycle else 1)

    @property
    def operand_depth(self):
        """Words of ``banks`` elements of one step in operand memory."""
        return ceil(self.operand_words * self.slices / self.banks)

    @property
    def chain(self):
        """Words of a slice's drain chain, P/T."""
        return self.lanes // self.slices

    @property
    def y_words(self):
        """Words of ``slices`` elements of one step's output."""
        return len(self.y_elements)

    @cached_property
    def y_elements(self):
        """Elements of an output that each of its words holds."""
        return tuple(min(self.slices, size - at) for size in self.outputs
                     for at in range(0, size, self.slices))

    @cached_property
    def fifo_depth(self):
        """Words of the FIFO behind the requantiser: a power of two that holds two row blocks."""
        words = max(row.words for row in self.ranges)
        return 1 << max(2, (2 * words - 1).bit_length())

    @property
    def memories(self):
        """A :class:`rnnhw.memories.Memory` for every memory, one a copy."""
        found = [Memory("weights", len(self.weights), self.weight_width, True)]
        if self.plain:
            found.append(Memory("biases", len(self.biases), self.slices * self.acc_width, True))
        if not self.x_space:
            found += [Memory(f"x{i}", X_BUFFERS << bits(ceil(self.input_size / self.per_cycle) - 1),
                             self.x_width + self.x_shift) for i in range(self.per_cycle)]
        for i, space in enumerate(self.spaces):
            found += self._spectral_memories(i + 1, space)
        if self.operand_words:
            found += [Memory(f"operands{b}", 2 << bits(self.operand_depth - 1), self.operand_width)
                      for b in range(self.banks)]
        for s in range(self.slices):
            found.append(Memory(f"drain{s}", self.fifo_depth, self.word_bits))
            found += [Memory(f"state{s}{letter}", self.state_words, self.word_bits)
                      for letter in "abc" if any(getattr(row, letter) >= 0 for row in self.rows)]
            if self.table is not None and self.table.memory is not None:
                found.append(Memory(f"activation{s}", *self.table.memory, True))
            found.append(Memory(f"y{s}", Y_BUFFERS << bits(self.y_words - 1), self.y_width))
        for name, records in (("ranges", range_records(self)), ("rows", row_records(self))):
            found.append(Memory(name, len(records), varying_bits(records), True))
        return found


    def _spectral_memories(self, index, space):
        """Those of a space: biases, and of each source spectra and xi."""
        yield Memory(f"spectralbiases{index}", len(space.biases),
                     space.k * self.acc_width + bits(self.engine.words(space.k)), True)
        segments = sum(segment.space == index for segment in self.segments)
        for name, blocks, width, slots in (
                ("spectra", space.blocks, space.width, 2 * segments),
                ("spectrax", space.x_blocks, space.x_width, X_BUFFERS)):
            if blocks:
                depth = 2 << bits(ceil(blocks / self.per_cycle) - 1)
                for bank in range(self.per_cycle):
                    yield Memory(f"{name}{index}{bank}", depth,
                                 space.k * (width + space.growth))
                if self.fast:
                    yield Memory(f"pairs{index}{name[7:]}", slots, space.k * self.acc_width)


def bits(value):
    """Bits that hold the unsigned ``value``."""
    return max(0, int(value).bit_length())
