"""Several cores in a row with sequence memories between them, and their exact cycles."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

from .costs import cost
from .errors import RnnhwError
from .fixed import FixedFormat
from .memories import Memory
from .passes import passes
from .program import Streams
from .schedule import Schedule, Timeline

BUFFERS = 2        # sequences that a memory holds: one being written, one being read
FULL = 2           # cycles from a sequence's last word until its replay may begin
OFFER = 2          # cycles from there until its first word is offered


@dataclass(frozen=True)
class Stored:
    """Elements of a step as they are kept: requantised by ``shift`` to ``width``, shifted left."""

    size: int
    shift: int
    width: int
    left: int


@dataclass(frozen=True)
class Replayed:
    """Elements of a step as they leave: ``size`` from element ``first`` on, then zeros to
    ``padded``; with ``reverse`` of the sequence's steps from the last to the first."""

    first: int
    size: int
    padded: int
    reverse: bool


@dataclass(frozen=True)
class Sequences:
    """A memory of whole sequences.

    Parameters
    ----------
    stored : tuple of Stored, a step's elements in the order they come
    replayed : tuple of Replayed, in the order they leave
    steps : most steps of a sequence
    in_width, out_width : bits of an element that comes, and that leaves
    """

    stored: tuple
    replayed: tuple
    steps: int
    in_width: int
    out_width: int

    @property
    def in_size(self):
        """Elements of a step that comes."""
        return sum(part.size for part in self.stored)

    @property
    def out_size(self):
        """Elements of a step that leaves."""
        return sum(part.padded for part in self.replayed)

    @property
    def depth(self):
        """Elements of a sequence, rounded up to a power of two."""
        return 1 << max(1, (self.steps * self.in_size - 1).bit_length())

    @property
    def width(self):
        """Bits of an element that is kept."""
        return max(part.width + part.left for part in self.stored)

    @property
    def memory(self):
        """What holds it."""
        return Memory("sequences", BUFFERS * self.depth, self.width)


@dataclass(frozen=True, eq=False, kw_only=True)
class Network(Streams):
    """What the core of a network that runs both ways is generated from.

    Parameters
    ----------
    passes : tuple of Program
    sequences : tuple of Sequences, one in front of each pass, and one behind the last where what
        comes out of it has to be brought into the order of time
    x_format, y_format : FixedFormat
    """

    name: str
    passes: tuple
    sequences: tuple
    x_format: FixedFormat
    y_format: FixedFormat

    late, spaces, products, pair_multipliers, plain = False, (), 4, 0, True

    @property
    def input_size(self):
        return self.sequences[0].in_size

    @property
    def output_size(self):
        return self.passes[-1].output_size

    @property
    def last_step(self):
        return self.passes[-1].last_step

    @property
    def max_steps(self):
        """Most steps of a sequence."""
        return self.sequences[0].steps

    @property
    def fast(self):
        return all(part.fast for part in self.passes)

    @property
    def deep(self):
        return any(part.deep for part in self.passes)

    def _sum(self, name):
        return sum(getattr(part, name) for part in self.passes)

    lanes = property(lambda self: self._sum("lanes"))
    slices = property(lambda self: self._sum("slices"))
    array_multipliers = property(lambda self: self._sum("array_multipliers"))
    total_multipliers = property(lambda self: self._sum("total_multipliers"))
    macs_per_step = property(lambda self: self._sum("macs_per_step"))

    @property
    def memories(self):
        """Every memory, those of the sequences first."""
        return [*(memory.memory for memory in self.sequences),
                *(memory for part in self.passes for memory in part.memories)]


def network(quantized, config, choose):
    """The network of a quantised model that runs both ways.

    ``choose`` gives the program of a pass and its share of the multiply-accumulates.
    """
    found = passes(quantized)
    work = [cost(part.quantized.model).macs for part in found]
    programs = [choose(part.quantized, n / sum(work)) for part, n in zip(found, work)]
    sequences = [_before(quantized, part, before, program, config.max_length)
                 for part, before, program in zip(found, [None, *found], programs)]
    model = quantized.model
    if not model.last_step and any(model.layers[j].reverse for j in model.outputs):
        sequences.append(_behind(quantized, config.max_length))
    return Network(name=model.name, passes=tuple(programs), sequences=tuple(sequences),
                   x_format=quantized.input_format, y_format=quantized.output_format)


def _behind(quantized, steps):
    """The memory behind the last pass."""
    model, width = quantized.model, quantized.output_format.width
    sizes = [model.size(j) for j in model.outputs]
    return Sequences(
        tuple(Stored(size, 0, width, 0) for size in sizes),
        tuple(Replayed(end - size, size, size, model.layers[j].reverse)
              for end, size, j in zip(accumulate(sizes), sizes, model.outputs)),
        steps, width, width)


def _before(quantized, part, before, program, steps):
    """The memory in front of a pass; ``before`` is the pass in front of it, or None."""
    if before is None:
        fmt = quantized.input_format
        stored = {-1: Stored(quantized.model.input_size, 0, fmt.width, quantized.shifts["x"])}
        in_width = fmt.width
    else:
        stored = {}
        for j in before.outputs:
            name = quantized.model.layers[j].description.output
            kept, operand = quantized.layers[j].formats[name], quantized.operands[f"{j}.{name}"]
            stored[j] = Stored(quantized.model.size(j), kept.frac_bits - operand.frac_bits,
                               operand.width, quantized.shifts[f"{j}.{name}"])
        in_width = max(q.formats[q.layer.description.output].width
                       for q in (quantized.layers[j] for j in before.outputs))
    firsts, at = {}, 0
    for j, entry in stored.items():
        firsts[j], at = at, at + entry.size
    step, replayed, total = program.per_cycle, [], 0
    for source in part.sources:
        size = stored[source.layer].size
        replayed.append(Replayed(firsts[source.layer], size, -(-size // step) * step,
                                 source.reverse))
        total += replayed[-1].padded
    if total < program.input_size:
        replayed[-1] = replace(replayed[-1], padded=replayed[-1].padded + 1)
    return Sequences(tuple(stored.values()), tuple(replayed), steps, in_width, program.x_width)


def schedule_of(program):
    """The cycle model of a Program, or of a Network."""
    return NetworkSchedule(program) if program.sequences else Schedule(program)


class NetworkSchedule:
    """Exact cycles of a :class:`Network`, as :class:`rnnhw.schedule.Schedule` has them."""

    def __init__(self, network):
        self.network = network

    def cycles_of(self, lengths):
        """Cycles of sequences of ``lengths`` steps sent back to back: ``(total, [per sequence])``.
        """
        p = self.network
        for n in lengths:
            if n > p.max_steps:
                raise RnnhwError(f"A sequence of {n} steps does not fit the sequence memory, which "
                                 f"holds {p.max_steps}; choose a larger max_length.")
        lengths = [int(n) for n in lengths]
        stages = [_Stage(memory, program) for memory, program in
                  zip(p.sequences, (*p.passes, None))]
        first, ends, x_end = [], [], -1
        for i, n in enumerate(lengths):
            begin = max(x_end + 1, stages[0].released[i - BUFFERS] + 1 if i >= BUFFERS else 0)
            first.append(begin)
            x_end = came = begin + n * p.input_size - 1
            for stage, after in zip(stages, (*stages[1:], None)):
                free = after.released[i - BUFFERS] + 1 if after and i >= BUFFERS else 0
                came = stage.run(n, came, free)
            ends.append(came)
        return ends[-1] - first[0] + 1, [end - begin + 1 for begin, end in zip(first, ends)]

    def cycles(self, seq_len):
        """Cycles of one sequence of ``seq_len`` steps, from its first x word to its last y word."""
        return self.cycles_of([seq_len])[0]

    @property
    def latency_cycles(self):
        """Cycles from the last x word of a sequence of one step to its last y word."""
        return self.cycles(1) - self.network.input_size

    @cached_property
    def cycles_per_step(self):
        """Cycles that one more step costs, of long sequences sent back to back, a Fraction."""
        p = self.network
        return max(*(Schedule(program).cycles_per_step for program in p.passes),
                   *(max(memory.in_size, memory.out_size) for memory in p.sequences))


class _Stage:
    """A sequence memory and the core behind it, or none; ``released`` are the cycles in which the
    last word of each sequence leaves the memory."""

    def __init__(self, memory, program):
        self.memory, self.program = memory, program
        self.released, self.last, self.offered = [], [], []

    def run(self, n, came, free):
        """The cycle in which the last word of a sequence of ``n`` steps leaves the stage.

        ``came`` is the cycle in which its last word comes, ``free`` from which there is room for it
        behind the stage.
        """
        start = max(came + FULL, free, self.released[-1] if self.released else 0)
        if self.program is None:
            self.released.append(start + OFFER + n * self.memory.out_size - 1)
            return self.released[-1]
        self.last += [False] * (n - 1) + [True]
        self.offered += [start + OFFER] * n
        run = Timeline(self.program, self.last, self.offered)
        self.released.append(run.x_last[-1])
        return run.y_last[-1]
