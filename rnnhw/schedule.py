"""The cycle model: when every operand is issued, every vector element runs, every word leaves.

The core is a set of in-order machines with fixed distances between them, so each time is a
maximum of earlier times plus a constant; :class:`Schedule` evaluates these maxima block by block
and row by row. It knows the program and its ``latencies``, nothing of the
gateware. """

from collections import defaultdict
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from .program import TOKENS, X_BUFFERS, Y_BUFFERS

APART = 1 << 30    # cycles between steps that do not meet


def _in_order(earliest, start):
    """Times of items that go one a cycle, in order, none before its ``earliest`` or ``start``."""
    index = np.arange(len(earliest))
    return index + np.maximum(np.maximum.accumulate(earliest - index), start)


class Pass(NamedTuple):
    """One replay of the tables: a step, or the ``tail`` behind a sequence's last step.

    ``number`` is that of the step whose state the late rows see as the step before's; ``skip`` says
    that they have nothing to do, ``gives`` the step whose output leaves, or None.
    """

    number: int
    last: bool
    tail: bool = False
    skip: bool = False
    gives: int | None = None


def _passes(program, last):
    """The passes of steps that are their sequence's last where ``last`` says so."""
    found, skip = [], True
    for t, ends in enumerate(last):
        gives = t if ends or not program.last_step else None
        if program.late:
            gives = None if skip else t - 1
        found.append(Pass(t, ends, skip=program.late and skip, gives=gives))
        if program.late and ends:
            found.append(Pass(t + 1, False, tail=True, gives=t))
        skip = ends
    return found


class Timeline:
    """One run of the core over ``last`` (one bool a step), with words always offered and taken.

    ``offered`` gives the cycle from which each step's words are offered, 0 where left out.

    Attributes
    ----------
    x_first, x_last : cycle in which a step's first and last x word is accepted
    start, issued : cycle of a pass's start and of its last array decision
    y_last : cycle in which a step's last y word is taken, or None where it gives none
    """

    def __init__(self, program, last, offered=()):
        self.p, self.far = program, program.latencies
        self.passes = _passes(program, last)
        self.offered = [*offered, *[0] * (len(last) - len(offered))]
        self.x_first, self.x_last, self.start, self.issued = [], [], [], []
        self.released = []                    # decision that frees a step's input
        self.y_last = [None] * len(last)
        self.vector_start = []
        self.written = defaultdict(list)      # (segment, step) -> decisions of its words, + operand
        self.drained = []                     # decision from which each drained word may be taken
        self.popped = []                      # decision that took it
        self.row_at, self.row_end = (0, 0), -1
        self.y_taken, self.y_passes = -1, []
        late = [k for k, row in enumerate(program.rows) if row.late]
        early = [k for k, row in enumerate(program.rows) if not row.on_last]
        self.rows = {(tail, ends): late if tail else range(len(program.rows)) if ends else early
                     for tail in (False, True) for ends in (False, True)}
        self._run()

    def _run(self):
        array, cooled = -1, 0
        for n, now in enumerate(self.passes):
            if not now.tail:
                self._input(now.number)
            ready = 0 if now.tail else self.x_last[now.number] + 2 + self.p.x_delay
            start = max(array + now.tail, ready,
                        self._output_credit(n), self.start[-1] + 2 if n else 0)
            if n >= TOKENS:
                self._rows_until(lambda n=n: len(self.vector_start) > n - TOKENS)
                start = max(start, self.vector_start[n - TOKENS] + 2)
            self.start.append(start)
            array = start
            for k, row in enumerate(self.p.ranges):
                if (row.on_last and not now.last or row.late and now.skip
                        or now.tail and not row.late):
                    continue
                # whether the third run is next is known once its step has started
                third = self.p.ranges[2] if k == 1 and len(self.p.ranges) > 2 else None
                if third and (third.on_last or third.late):
                    array = max(array, start + 2)
                times = _in_order(self._ready(row, now.number), array + 1)
                if row.end_block:
                    room = len(self.drained) + row.words - self.p.fifo_depth
                    self._rows_until(lambda room=room: len(self.popped) >= room)
                    freed = self.popped[room - 1] + 2 if room > 0 else 0
                    times[-1] = max(times[-1], cooled, freed)
                    cooled = times[-1] + max(2, self.p.busy(row))
                    self.drained += [times[-1] + self.far.array + self.far.drain + j
                                     for j in row.offsets]
                array = int(times[-1])
            self.issued.append(array)
            if not now.tail:
                self.released.append(array)
        self._rows_until(lambda: self.row_at[0] == len(self.passes))

    def _input(self, t):
        first = max(self.offered[t], self.x_last[t - 1] + 1 if t else 0)
        if t >= X_BUFFERS:
            first = max(first, self.released[t - X_BUFFERS] + 2)
        self.x_first.append(first)
        self.x_last.append(first + self.p.input_size - 1)

    def _output_credit(self, n):
        if self.passes[n].gives is None:
            return 0
        self.y_passes.append(n)
        if len(self.y_passes) <= Y_BUFFERS:
            return 0
        owner = self.y_passes[-1 - Y_BUFFERS]
        self._rows_until(lambda: self.row_at[0] > owner)
        return self.y_last[self.passes[owner].gives] + 2

    def _ready(self, row, t):
        """Earliest decisions to issue the elements of a run."""
        step = t - row.previous
        if row.segment < 0 or step < 0:
            return np.zeros(row.count, np.int64)
        segment = self.p.segments[row.segment]
        written = self.written[row.segment, step]
        self._rows_until(lambda: len(written) == segment.words)
        step = self.p.per_cycle
        if row.space:
            newest = np.minimum(np.arange(row.count) * step + step, segment.words) - 1
            return np.array(written)[newest]
        newest = np.minimum(np.arange(row.count) * step + step, segment.length) - 1
        return np.array(written)[newest // self.p.slices]

    def _rows_until(self, reached):
        while not reached():
            self._vector_row()

    def _vector_row(self):
        n, i = self.row_at
        found = self.rows[self.passes[n].tail, self.passes[n].last]
        row = self.p.rows[found[i]]
        self._issue(n, row, self._begin(n, i == 0) + 1 + row.gap)
        self.row_at = (n, i + 1) if i + 1 < len(found) else (n + 1, 0)

    def _begin(self, n, first):
        """Cycle in which the next row becomes the current one; ``first`` of its pass's."""
        begin = self.row_end
        if first:
            begin = max(begin, self.start[n] + 1)
            self.vector_start.append(begin)
        return begin

    def _issue(self, n, row, earliest):
        """Run ``row`` of pass ``n``; the decisions of its elements."""
        p, now = self.p, self.passes[n]
        times = np.zeros(row.count, np.int64)
        if row.late and now.skip:
            times = _in_order(times, earliest)
            self.row_end = int(times[-1])
            return times
        if row.drain:
            first = len(self.popped)
            if first + row.count > len(self.drained):
                raise RuntimeError("a vector row waits for a row block that waits for it")
            times = np.array(self.drained[first:first + row.count])
        times = _in_order(times, earliest)
        if row.drain:
            self.popped += times.tolist()
        if row.segment >= 0:
            self.written[row.segment, now.number] += (times + self.far.operand).tolist()
            self.written.pop((row.segment, now.number - 2), None)
        for target in row.targets:
            self._transform(target, times, now.number)
        if row.y >= 0 and now.gives is not None:
            held = p.y_elements[row.y:row.y + row.count]
            words = np.repeat(times + self.far.output, held)
            self.y_taken = int(_in_order(words, self.y_taken + 1)[-1])
            self.y_last[now.gives] = self.y_taken
        self.row_end = int(times[-1])
        return times


    def _transform(self, target, times, step):
        """Note when the blocks are readable that a row's elements, taken at ``times``, complete."""
        p, segment = self.p, self.p.segments[target.segment]
        space = p.spaces[target.space - 1]
        words, last = p.engine.words(space.k), -(-segment.length // p.slices) - 1
        far = self.far.operand + p.engine.operand_cycles(space.k, space.lengths)
        self.written[target.segment, step] += [
            int(time) + far for word, time in enumerate(times, target.word)
            if word % words == words - 1 or word == last]
        self.written.pop((target.segment, step - 2), None)


class Schedule:
    """Exact cycles of a program, by evaluating its :class:`Timeline`."""

    def __init__(self, program):
        self.program = program
        self._periodic = None

    def cycles_of(self, lengths):
        """Cycles of sequences of ``lengths`` steps sent back to back: ``(total, [per sequence])``.

        From a sequence's first accepted x word to its last y word, both counted.
        """
        last = [step == n - 1 for n in lengths for step in range(n)]
        run = Timeline(self.program, last)
        per, t = [], 0
        for n in lengths:
            per.append(run.y_last[t + n - 1] - run.x_first[t] + 1)
            t += n
        return run.y_last[-1] - run.x_first[0] + 1, per

    def cycles(self, seq_len):
        """Cycles of one sequence of ``seq_len`` steps, from its first x word to its last y word."""
        return self.cycles_of([seq_len])[0]

    @property
    def latency_cycles(self):
        """Cycles from the last x word of a step to its last y word, on an idle core.

        Where outputs come a step later, of a sequence's last step, whose tail gives its output;
        behind that of the step before, with which the core is otherwise done.
        """
        if not self.program.late:
            run = Timeline(self.program, [True])
        else:
            run = Timeline(self.program, [False, True], offered=(0, APART))
        return run.y_last[-1] - run.x_last[-1]

    @property
    def cycles_per_step(self):
        """Cycles that one more step costs once the schedule repeats, a Fraction."""
        if self._periodic is None:
            steps = 32
            run = Timeline(self.program, [False] * (steps - 1) + [True])
            issued = run.issued
            if self.program.last_step or self.program.late:
                issued = issued[:-1]
            self._periodic = Fraction(issued[-1] - issued[len(issued) // 2],
                                      len(issued) - 1 - len(issued) // 2)
            for period in range(1, 9):
                spans = {issued[-1 - k] - issued[-1 - k - period] for k in range(period)}
                if len(spans) == 1:
                    self._periodic = Fraction(spans.pop(), period)
                    break
        return self._periodic
