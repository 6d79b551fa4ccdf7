"""The compiler's choice of lanes and slices under the user's limits."""

from .cells import CELLS
from .compiler import lower
from .errors import RnnhwError
from .schedule import Schedule

DEFAULT_LANES = 64
SLICES = (1, 2, 4, 8)
LUTS_PER_SLICE = 5000      # a slice costs about 800; a part should not be filled with them
WORTH = 1.02               # a design with fewer multipliers is taken if at most this much slower
MULTIPLIER_BITS = {"ice40": 16}
WIDEST = 18                # of a multiplier's factors, elsewhere


def choose(quantized, config, limits=None):
    """The program with the fewest cycles a step under the limits.

    ``config.lanes`` (the xi lane of fast ones not counted) and ``config.max_multipliers`` (over
    everything) are upper limits, ``config.vector_lanes`` is taken as it is; a board's ``limits``
    bound multipliers and slices. Among designs within 2 % of the fewest cycles the one with the
    fewest multipliers is taken.

    Raises
    ------
    RnnhwError
        If no design keeps the limits, or a width suits no multiplier of the part.
    """
    sums = max(len(p.sums) for q in quantized.layers for p in CELLS[q.layer.kind].products)
    total = config.max_multipliers or 1 << 20
    if limits is not None:
        total = min(total, limits.multipliers)
    most = config.lanes or DEFAULT_LANES
    deep = config.pipeline == "deep" or (
        config.pipeline is None and limits is not None and limits.family != "ice40")
    slices = [config.vector_lanes] if config.vector_lanes else [
        t for t in SLICES if limits is None or t <= max(1, limits.luts // LUTS_PER_SLICE)]
    found = []
    for fast in _kinds(quantized, config, limits):
        for t in slices:
            for lanes in _lane_counts(quantized, t, min(most, total - t - fast), sums):
                program = lower(quantized, lanes, t, fast, deep)
                found.append((Schedule(program).cycles_per_step, program))
    if not found:
        t = slices[0]
        raise RnnhwError(
            f"No design keeps the limits: this model needs at least {sums * t} lanes and {t} "
            f"vector lanes, {(sums + 1) * t} multipliers; at most {min(most, total)} lanes and "
            f"{total} multipliers are allowed.")
    fewest = min(cycles for cycles, _ in found)
    return min(((cycles, program) for cycles, program in found if cycles <= fewest * WORTH),
               key=lambda pair: (pair[1].total_multipliers, pair[0]))[1]


def _kinds(quantized, config, limits):
    """Kinds of lane worth a try: False for plain, True for fast."""
    factor = MULTIPLIER_BITS.get(limits.family if limits else "", WIDEST)
    weight = max(q.formats[name].width for q in quantized.layers
                 for name in ("weight_ih", "weight_hh") if name in q.formats)
    operand = max(fmt.width + quantized.shifts[name]
                  for name, fmt in quantized.operands.items())
    widest = max(weight, operand)
    if widest > factor:
        raise RnnhwError(f"Products of {weight}-bit weights and {operand}-bit operands (alignment "
                         f"included) need more than the {factor}-bit multipliers of "
                         f"{limits.part if limits else 'the engine'}; use fewer bits.")
    if config.fast_inner_product and widest + 1 > factor:
        raise RnnhwError(f"fast_inner_product adds weights and operands, {widest + 1} bits here "
                         f"(alignment included), but a multiplier takes {factor}; plain lanes, "
                         "fast_inner_product = false, can carry them.")
    wanted = (False, True) if config.fast_inner_product is None else (config.fast_inner_product,)
    return [fast for fast in wanted if widest + fast <= factor]


def _lane_counts(quantized, slices, most, sums):
    """Lane counts worth a try: the largest, and those that split a layer's rows evenly."""
    words = most // slices
    if words < sums:
        return []
    found = {words}
    for q in quantized.layers:
        units = -(-q.layer.output_size // slices)
        for product in CELLS[q.layer.kind].products:
            fit = words // len(product.sums)
            if fit:
                blocks = -(-units // fit)
                found |= {-(-units // n) * len(product.sums) for n in (blocks, blocks + 1)}
    return [words * slices for words in sorted(found) if sums <= words <= most // slices]
