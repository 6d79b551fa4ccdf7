"""Where vector values live in a slice's state memory, and how long a row must wait for another."""


def place(reads, writes, constants=()):
    """Addresses of all values: ``(words, {value: address})``, first fit over their lifetimes.

    A value lives from the first row that writes it to the last that reads it; one that the next
    step reads (its name ends in a prime) keeps its words for good, as ``constants`` do.
    """
    born, dies = dict.fromkeys(constants, -1), {}
    for k, write in enumerate(writes):
        if write:
            born.setdefault(write[0], k)
        for value, _, _ in reads[k].values():
            dies[value] = k
    kept = sorted((v for v in born if v.name.endswith("'")), key=lambda v: born[v])
    addresses, top = {}, 0
    for value in kept:
        addresses[value] = top
        top += value.words
    words, live = top, []
    for k in range(len(writes)):
        for value in [v for v in born if born[v] == k and v not in addresses]:
            start = top
            for base, other in sorted(live):
                if base - start >= value.words:
                    break
                start = max(start, base + other.words)
            addresses[value] = start
            live.append((start, value))
            words = max(words, start + value.words)
        live = [(base, v) for base, v in live if dies[v] > k]
    return words, addresses


def gaps(rows, reads, writes, far):
    """Cycles that each row waits behind the one before, so that no operand is read too early.

    ``far`` are the core's Latencies. With row i starting at ``s_i``, element j of an operand
    written by element j' of row k needs ``s_i + j >= s_k + j' + L``; the table repeats every
    step, the shortest of which leaves out the rows that run on the last step only. Stalls only
    lengthen these distances.
    """
    producers = {}
    for k, write in enumerate(writes):
        if write:
            value, word = write
            producers.setdefault(value, []).append((k, word, rows[k].count))
    gap = [0] * len(rows)
    starts, period = [0] * len(rows), None
    while True:
        before, now, shortest = (list(gap), list(starts), period), 0, 0
        for i, row in enumerate(rows):
            now += gap[i]
            late = 0
            for letter, (value, word, old) in reads[i].items():
                if old and period is None:
                    continue
                latency = far.vector_a if letter == "a" else far.vector_bc
                for k, first, count in producers.get(value, ()):
                    if max(word, first) < min(word + row.count, first + count):
                        ready = starts[k] - first + latency - (period if old else 0)
                        late = max(late, ready - (now - word))
            gap[i] += late
            starts[i] = now + late
            now = starts[i] + row.count
            if not row.on_last:
                shortest = now
        period = shortest
        if (gap, starts, period) == before:
            return gap
