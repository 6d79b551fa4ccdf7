"""The cycle model: when every operand is issued, every vector element runs, every word leaves.

The core is a set of in-order machines with fixed distances between them, so each time is a
maximum of earlier times plus a constant; :class:`Schedule` evaluates these maxima block by block
and row by row. It knows the program and its ``latencies``, nothing of the
gateware. """

from collections import defaultdict
from fractions import Fraction

import numpy as np

from .program import TOKENS, X_BUFFERS, Y_BUFFERS


def _in_order(earliest, start):
    """Times of items that go one a cycle, in order, none before its ``earliest`` or ``start``."""
    index = np.arange(len(earliest))
    return index + np.maximum(np.maximum.accumulate(earliest - index), start)


class Timeline:
    """One run of the core over ``last`` (one bool a step), with words always offered and taken.

    Attributes
    ----------
    x_first, x_last : cycle in which a step's first and last x word is accepted
    start, issued : cycle of a step's start and of its last array decision
    y_last : cycle in which a step's last y word is taken, or None where it gives none
    """

    def __init__(self, program, last):
        self.p, self.far = program, program.latencies
        self.last = list(last)
        self.x_first, self.x_last, self.start, self.issued = [], [], [], []
        self.y_last = [None] * len(self.last)
        self.vector_start = []
        self.written = defaultdict(list)      # (segment, step) -> decisions of its words, + operand
        self.drained = []                     # decision from which each drained word may be taken
        self.popped = []                      # decision that took it
        self.row_at, self.row_end = (0, 0), -1
        self.y_taken, self.y_steps = -1, []
        self._run()

    def _run(self):
        array, cooled = -1, 0
        for t, last in enumerate(self.last):
            self._input(t)
            start = max(array, self.x_last[t] + 2, self._output_credit(t, last),
                        self.start[-1] + 2 if t else 0)
            if t >= TOKENS:
                self._rows_until(lambda t=t: len(self.vector_start) > t - TOKENS)
                start = max(start, self.vector_start[t - TOKENS] + 2)
            self.start.append(start)
            array = start
            for k, row in enumerate(self.p.ranges):
                if row.on_last and not last:
                    continue
                if k == 1 and k + 1 < len(self.p.ranges) and self.p.ranges[2].on_last:
                    array = max(array, start + 2)
                times = _in_order(self._ready(row, t), array + 1)
                if row.end_block:
                    room = len(self.drained) + row.words - self.p.fifo_depth
                    self._rows_until(lambda room=room: len(self.popped) >= room)
                    freed = self.popped[room - 1] + 2 if room > 0 else 0
                    times[-1] = max(times[-1], cooled, freed)
                    cooled = times[-1] + max(2, row.words)
                    self.drained += [times[-1] + self.far.array + self.far.drain + j
                                     for j in range(row.words)]
                array = int(times[-1])
            self.issued.append(array)
        self._rows_until(lambda: self.row_at[0] == len(self.last))

    def _input(self, t):
        first = self.x_last[t - 1] + 1 if t else 0
        if t >= X_BUFFERS:
            first = max(first, self.issued[t - X_BUFFERS] + 2)
        self.x_first.append(first)
        self.x_last.append(first + self.p.input_size - 1)

    def _output_credit(self, t, last):
        if self.p.last_step and not last:
            return 0
        self.y_steps.append(t)
        if len(self.y_steps) <= Y_BUFFERS:
            return 0
        owner = self.y_steps[-1 - Y_BUFFERS]
        self._rows_until(lambda: self.row_at[0] > owner)
        return self.y_last[owner] + 2

    def _ready(self, row, t):
        """Earliest decisions to issue the elements of a run."""
        step = t - row.previous
        if row.segment < 0 or step < 0:
            return np.zeros(row.count, np.int64)
        segment = self.p.segments[row.segment]
        written = self.written[row.segment, step]
        self._rows_until(lambda: len(written) == segment.words)
        step = self.p.per_cycle
        newest = np.minimum(np.arange(row.count) * step + step, segment.length) - 1
        return np.array(written)[newest // self.p.slices]

    def _rows_until(self, reached):
        while not reached():
            self._vector_row()

    def _vector_row(self):
        t, k = self.row_at
        row = self.p.rows[k]
        self._issue(t, row, self._begin(t, k == 0) + 1 + row.gap)
        k += 1
        while k < len(self.p.rows) and self.p.rows[k].on_last and not self.last[t]:
            k += 1
        self.row_at = (t, k) if k < len(self.p.rows) else (t + 1, 0)

    def _begin(self, t, first):
        """Cycle in which the next row becomes the current one; ``first`` of its step's."""
        begin = self.row_end
        if first:
            begin = max(begin, self.start[t] + 1)
            self.vector_start.append(begin)
        return begin

    def _issue(self, t, row, earliest):
        """Run ``row`` of step ``t``; the decisions of its elements."""
        p = self.p
        times = np.zeros(row.count, np.int64)
        if row.drain:
            first = len(self.popped)
            if first + row.count > len(self.drained):
                raise RuntimeError("a vector row waits for a row block that waits for it")
            times = np.array(self.drained[first:first + row.count])
        times = _in_order(times, earliest)
        if row.drain:
            self.popped += times.tolist()
        if row.segment >= 0:
            self.written[row.segment, t] += (times + self.far.operand).tolist()
            self.written.pop((row.segment, t - 2), None)
        if row.y >= 0 and (self.last[t] or not p.last_step):
            words = np.repeat(times + self.far.output, p.slices)
            words = words[:p.output_size - row.y * p.slices]
            self.y_taken = int(_in_order(words, self.y_taken + 1)[-1])
            self.y_last[t] = self.y_taken
        self.row_end = int(times[-1])
        return times


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
        """Cycles from the last x word of a step to its last y word, on an idle core."""
        run = Timeline(self.program, [True])
        return run.y_last[0] - run.x_last[0]

    @property
    def cycles_per_step(self):
        """Cycles that one more step costs once the schedule repeats, a Fraction."""
        if self._periodic is None:
            steps = 32
            run = Timeline(self.program, [False] * (steps - 1) + [True])
            issued = run.issued[:-1] if self.program.last_step else run.issued
            self._periodic = Fraction(issued[-1] - issued[len(issued) // 2],
                                      len(issued) - 1 - len(issued) // 2)
            for period in range(1, 9):
                spans = {issued[-1 - k] - issued[-1 - k - period] for k in range(period)}
                if len(spans) == 1:
                    self._periodic = Fraction(spans.pop(), period)
                    break
        return self._periodic
