"""Where the products go that an array could make in a step: the bound of its cycles, the losses."""

BOUNDS = ("operands", "vector elements", "input words", "output words")
CAUSES = ("xi lane", "padding of rows", "padding of pairs", *BOUNDS[1:], "waiting")


def _length(program, row):
    """Elements, or blocks, of a run of operands, padding left out."""
    if row.segment >= 0:
        segment = program.segments[row.segment]
        return segment.words if row.space else segment.length
    if row.space:
        return program.spaces[row.space - 1].x_blocks
    return min(program.input_size, row.count * program.per_cycle)


def products(program):
    """Products of a step that is not a sequence's last: dense ones, and those of spectral bins."""
    return sum(map(_products, program.passes))


def _products(program):
    found, block = program.dense_macs, []
    for row in program.ranges:
        block.append(row)
        if row.end_block:
            if row.space and not row.on_last:
                k = program.spaces[row.space - 1].k
                rows = row.gates * row.hold // program.engine.words(k)
                found += (rows * program.engine.lanes(k)
                          * sum(_length(program, run) for run in block))
            block = []
    return found


def bounds(program):
    """Cycles that each part of the core is busy in a step that is not a sequence's last.

    No schedule is shorter than the largest: operands are issued one word a cycle, vector elements
    one a cycle and slice, words move one a cycle. Keys are ``BOUNDS``.
    """
    busy = [_busy(part) for part in program.passes]
    busy += [{"input words": max(memory.in_size, memory.out_size)} for memory in program.sequences]
    return {key: max(part.get(key, 0) for part in busy) for key in BOUNDS}


def _busy(program):
    return dict(zip(BOUNDS, (
        sum(row.count for row in program.ranges if not row.on_last),
        sum(row.count for row in program.rows if not row.on_last),
        program.input_size, 0 if program.last_step else program.output_size), strict=True))


def losses(program, cycles):
    """Shares of ``array_multipliers * per_cycle * cycles`` products that are not made, by cause.

    With the share of :func:`products`, they add up to one. Where another part is busy for
    longer than the operands, what lies between the two is lost to that part; all above the larger
    is waiting, for a state, for room or for a longer pass.

    Parameters
    ----------
    program : Program or Network
    cycles : int or Fraction, of a step
    """
    every = sum(part.array_multipliers * part.per_cycle for part in program.passes) * cycles
    lost = [_lost(part, cycles) for part in program.passes]
    return {cause: float(sum(part[cause] for part in lost) / every) for cause in CAUSES}


def _lost(program, cycles):
    """Products of the array of one pass that are not made."""
    busy = _busy(program)
    bound = max(busy, key=busy.get)
    issued = busy["operands"]
    lengths = sum(_length(program, row) for row in program.ranges if not row.on_last)
    cycle = program.lanes * program.per_cycle
    lost = dict.fromkeys(CAUSES, 0)
    lost["xi lane"] = (program.array_multipliers - program.lanes) * program.per_cycle * cycles
    lost["padding of rows"] = program.lanes * lengths - _products(program)
    lost["padding of pairs"] = cycle * issued - program.lanes * lengths
    lost["waiting"] = cycle * (cycles - busy[bound])
    if bound != "operands":
        lost[bound] = cycle * (busy[bound] - issued)
    return lost
