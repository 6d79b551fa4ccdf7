"""The order of a step's vector rows: a list schedule, found by running the cycle model greedily.

The row sequencer runs its table in order. The compiler therefore runs the model with a sequencer
that takes, whenever one ends, the row that can start first, and writes the table in the order it
found. """

from bisect import insort

import numpy as np

from .schedule import Timeline

STEPS = 5


class _Greedy(Timeline):
    """A run whose vector rows go in the order they become ready, ties by ``rank``."""

    def __init__(self, program, reads, writes, rank):
        self.rank = sorted((k for k, row in enumerate(program.rows) if not row.on_last),
                           key=lambda k: (rank[k], k))
        self.before = _kept_order(program.rows)
        self.sources = _sources(program.rows, reads, writes)
        self.needs = {k: {*self.before[k], *(other for _, other, *_, old in self.sources[k]
                                             if not old)} for k in self.rank}
        for k in self.rank:
            # a value of the step before is read before this step's takes its place
            for _, other, *_, old in self.sources[k]:
                if old and k < other:
                    self.needs[other].add(k)
        self.followers = {k: [] for k in self.rank}
        for k in self.rank:
            for other in self.needs[k]:
                self.followers[other].append(k)
        self.place = {k: i for i, k in enumerate(self.rank)}
        self.times, self.orders, self.pending = {}, [], 0
        super().__init__(program, [False] * STEPS)

    def _vector_row(self):
        t, _ = self.row_at
        if not self.pending:
            self.pending = len(self.rank)
            self.unmet = {k: len(self.needs[k]) for k in self.rank}
            self.able = [k for k in self.rank if not self.unmet[k]]
            self.orders.append([])
        self.begin = self._begin(t, not self.orders[-1])
        best = None
        for k in self.able:
            start = self._start(t, k)
            if start is not None and (best is None or start < best[0]):
                best = (start, k)
                if start == self.begin + 1:
                    break
        if best is None:
            raise RuntimeError("a vector row waits for a row block that waits for it")
        start, k = best
        self.times[t, k] = self._issue(t, self.p.rows[k], start)
        self.orders[-1].append(k)
        self.pending -= 1
        self.able.remove(k)
        for other in self.followers[k]:
            self.unmet[other] -= 1
            if not self.unmet[other]:
                insort(self.able, other, key=self.place.get)
        self.row_at = (t, 1) if self.pending else (t + 1, 0)

    def _start(self, t, k):
        """Earliest start of row ``k``, whose operands of step ``t`` are all under way, or None
        while its drained words are not."""
        row, start = self.p.rows[k], self.begin + 1
        if row.drain and not (row.late and self.passes[t].skip):
            if len(self.popped) + row.count > len(self.drained):
                return None
            start = max(start, self.drained[len(self.popped)])
        for letter, other, word, first, low, high, old in self.sources[k]:
            if t >= old:
                latency = self.far.vector_a if letter == "a" else self.far.vector_bc
                times = self.times[t - old, other][low - first:high - first]
                start = max(start, int((times - np.arange(low - word, high - word)).max())
                            + latency)
        return start


def _sources(rows, reads, writes):
    """Of each row, the rows that write what it reads: ``(letter, row, word, first word, overlap's
    first and last, old)``."""
    producers = _producers(rows, writes)
    found = []
    for k, row in enumerate(rows):
        found.append([])
        for letter, (value, word, old) in reads[k].items():
            for other, first, count in producers.get(value, ()):
                low, high = max(word, first), min(word + row.count, first + count)
                if low < high:
                    found[k].append((letter, other, word, first, low, high, bool(old)))
    return found


def _producers(rows, writes):
    found = {}
    for k, write in enumerate(writes):
        if write:
            found.setdefault(write[0], []).append((k, write[1], rows[k].count))
    return found


def _kept_order(rows):
    """For each row, the rows before it of those that must keep their order: of the drain, of a
    segment's words, of a space's blocks, of the output's words."""
    before, last = [], {}
    for k, row in enumerate(rows):
        keys = [key for key, on in (("drain", row.drain), (("segment", row.segment),
                                                           row.segment >= 0),
                                    ("y", row.y >= 0)) if on]
        keys += [("space", target.space) for target in row.targets]
        before.append([last[key] for key in keys if key in last])
        last.update((key, k) for key in keys)
    return before


def _depths(rows, reads, writes):
    """Elements and latencies on the longest way from each row to the end of the step."""
    producers = _producers(rows, writes)
    depth = [0] * len(rows)
    for k in reversed(range(len(rows))):
        depth[k] += rows[k].count + 9
        for value, _, old in reads[k].values():
            if not old:
                for other, _, _ in producers.get(value, ()):
                    depth[other] = max(depth[other], depth[k])
    return depth


def orders(program, reads, writes):
    """Orders of the rows worth a try, the program's own first; each a list of row indices."""
    rows = program.rows
    tail = [k for k, row in enumerate(rows) if row.on_last]
    natural = list(range(len(rows)))
    depth = _depths(rows, reads, writes)
    ranks = (natural, [row.drain for row in rows], [-d for d in depth])
    found = [natural]
    for rank in ranks:
        order = _Greedy(program, reads, writes, rank).orders[-1] + tail
        if order not in found:
            found.append(order)
    return found
