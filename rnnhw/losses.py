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


def products(program, plain_macs):
    """Products of a step that is not a sequence's last: dense ones, and those of spectral bins."""
    found, block = plain_macs, []
    for row in getattr(program, "ranges", ()):
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
    if hasattr(program, "programs"):
        found = [*map(bounds, program.programs)]
        memories = max(max(m.in_size, m.out_size) for m in program.sequences)
        return {key: max(of[key] for of in found) for key in BOUNDS} | {
            "input words": max(memories, *(of["input words"] for of in found))}
    return dict(zip(BOUNDS, (
        sum(row.count for row in program.ranges if not row.on_last),
        sum(row.count for row in program.rows if not row.on_last),
        program.input_size, 0 if program.last_step else program.output_size), strict=True))


def _of_passes(network, cycles):
    """The same of all passes, each of which waits for the longest."""
    total, found = 0, dict.fromkeys(CAUSES, 0.0)
    for program, macs in zip(network.programs, network.macs):
        every = program.array_multipliers * program.per_cycle
        for cause, share in losses(program, cycles, products(program, macs)).items():
            found[cause] += share * every
        total += every
    return {cause: count / total for cause, count in found.items()}


def losses(program, cycles, made):
    """Shares of ``array_multipliers * per_cycle * cycles`` products that are not made, by cause.

    With the share of those ``made``, they add up to one. Where another part is busy for
    longer than the operands, what lies between the two is lost to that part; all above the larger
    is waiting, for a state or for room.

    Parameters
    ----------
    program : Program
    cycles : int or Fraction, of a step
    made : int, :func:`products` of a step
    """
    if hasattr(program, "programs"):
        return _of_passes(program, cycles)
    busy = bounds(program)
    bound = max(busy, key=busy.get)
    issued = busy["operands"]
    lengths = sum(_length(program, row) for row in program.ranges if not row.on_last)
    cycle = program.lanes * program.per_cycle
    lost = dict.fromkeys(CAUSES, 0)
    lost["xi lane"] = (program.array_multipliers - program.lanes) * program.per_cycle * cycles
    lost["padding of rows"] = program.lanes * lengths - made
    lost["padding of pairs"] = cycle * issued - program.lanes * lengths
    lost["waiting"] = cycle * (cycles - busy[bound])
    if bound != "operands":
        lost[bound] = cycle * (busy[bound] - issued)
    every = program.array_multipliers * program.per_cycle * cycles
    return {cause: float(count / every) for cause, count in lost.items()}
