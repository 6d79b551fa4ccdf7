"""The program's two tables as the core stores them: one record of unsigned fields a row."""

FUNCTIONS = ("mac", "tanh", "sigmoid")


def early_end(rows):
    """Index of the last row of a step that is not its sequence's last."""
    return max(k for k, row in enumerate(rows) if not row.on_last)


def _plain(records):
    return [{key: int(value) for key, value in record.items()} for record in records]


def _most(program, row):
    """Newest word of a run's segment."""
    return row.need + (program.segments[row.segment].words - 1 if row.segment >= 0 else 0)


def range_records(program):
    """Records of the array's table; ``count`` is one less than the elements of the run."""
    return _plain({**({"late": row.late} if program.late else {}),
        **({"first_bias": row.bias if row.first_bias < 0 else row.first_bias}
           if program.first_biases else {}),
        **(_spectral_range(program, row) if program.spaces else {}),
        "x": row.segment < 0, "segment": max(0, row.segment), "base": row.base,
        "count": row.count - 1, "single": row.count == 1, "need": row.need,
        "most": _most(program, row),
        "previous": row.previous, "start_block": row.start_block, "end_block": row.end_block,
        "words": row.words, "bias": row.bias, "drain": row.drain,
        } for row in program.ranges)


def _spectral_range(program, row):
    """Fields of a run where there are spectra: space, number among its segments, the newest words
    that its first and its second word of operands need, and how long its block's sums take to drain
    and stay in the chain."""
    # slices divide a block: no pair of elements starts in one word and ends in the next
    step = program.per_cycle if row.space else program.banks // program.slices
    most = _most(program, row)
    return {"newest": min(row.need + step - 1, most), "beyond": min(row.need + 2 * step - 1, most),
            "space": row.space, "slot": program.slot(row.segment) if row.segment >= 0 else 0,
            "cycles": row.gates * row.hold, "busy": program.busy(row)}


def _targets(program, row):
    """For each space, whether and where a row's results go as points of a spectrum.

    ``point`` is the word among all of the space's, ``pointed`` the segment's number among them.
    """
    found = {}
    for i, space in enumerate(program.spaces):
        words = program.engine.words(space.k)
        target = next((t for t in row.targets if t.space == i + 1), None)
        segment = program.segments[target.segment] if target else None
        point = segment.base * words + target.word if target else 0
        found |= {f"point{i + 1}": point, f"points{i + 1}": target is not None,
                  f"pointed{i + 1}": program.slot(target.segment) if target else 0}
    return found


def _firsts(program, row):
    """Whether and where a row's operands lie in a sequence's first step, if there is any such row.
    """
    found = {}
    if program.first_values:
        for letter in "abc":
            address = getattr(row, f"first_{letter}")
            found |= {f"begins_{letter}": address >= 0, f"first_{letter}": max(0, address)}
    return found


def row_records(program):
    """Records of the vector lanes' table; ``count`` is one less than the elements of the row."""
    return _plain({**({"late": row.late} if program.late else {}),
        **_targets(program, row),
        "fn": FUNCTIONS.index(row.fn), "drain": row.drain,
        "a": max(0, row.a), "b": max(0, row.b), "c": max(0, row.c),
        "one": row.b < 0, "has_c": row.c >= 0,
        **{f"old_{letter}": letter in row.old and getattr(row, f"first_{letter}") < 0
           for letter in "abc"}, **_firsts(program, row),
        "subtract": row.subtract, "relu": row.relu, "store": row.dst >= 0, "dst": max(0, row.dst),
        "out": row.out, "align": row.align, "index": row.index,
        "copied": row.segment >= 0, "segment": max(0, row.segment),
        "operand": max(0, row.operand), "copy": row.copy, "sent": row.y >= 0, "y": max(0, row.y),
        "count": row.count - 1, "single": row.count == 1, "gap": row.gap,
        } for row in program.rows)


def varying_bits(records):
    """Bits of a record that differ among records: those that a memory must hold."""
    found = 0
    for key in records[0]:
        ones, zeros = 0, -1
        for record in records:
            ones, zeros = ones | record[key], zeros & record[key]
        found += (ones & ~zeros).bit_count()
    return found
