"""The compiler's choice of lanes and slices under the user's limits."""

from dataclasses import replace

from .candidates import Candidate, lane_counts
from .compiler import least_lanes
from .errors import RnnhwError
from .network import network
from .passes import needs_passes
from .rowblocks import block_sizes, check_slices
from .segments import growth, split_key

DEFAULT_LANES = 64
SLICES = (1, 2, 4, 8)
LUTS_PER_SLICE = 5000      # a slice costs about 800; a part should not be filled with them
WORTH = 1.02               # a design with fewer multipliers is taken if at most this much slower
MULTIPLIER_BITS = {"ice40": 16}
WIDEST = 18                # of a multiplier's factors, elsewhere
SOFT = ("ice40",)          # families so short of multipliers that vector lanes make do with logic
BOUNDING = ("lanes", "vector_lanes", "max_multipliers", "fast_inner_product", "board")
MOST = 1 << 20


def choose(quantized, config, limits=None, clock_mhz=None):
    """The program with the fewest cycles a step under the limits, or the cheapest in time.

    ``config.lanes`` (the xi lane of fast ones not counted) and ``config.max_multipliers`` (over
    everything) are upper limits, ``config.vector_lanes`` is taken as it is; a board's ``limits``
    bound multipliers, slices and block RAMs, those of the whole core.

    Without ``config.deadline_us``, among designs within 2 % of the fewest cycles the one with the
    fewest multipliers is taken. With it, among designs whose step takes at most so long from its
    last input word to its last output word at ``clock_mhz``, the one with the fewest multipliers,
    then the fewest block RAMs.

    Raises
    ------
    RnnhwError
        If no design keeps the limits or the deadline, or fits the part, or a width suits no
        multiplier of it.
    """
    if needs_passes(quantized.model):
        return network(quantized, config, lambda part, share: choose(
            part, _shared(part, config, limits, share), limits, clock_mhz))
    kinds = _kinds(quantized, config, limits)
    found = _candidates(quantized, config, limits, kinds)
    if not found:
        raise RnnhwError(_nearest(quantized, config, limits, kinds))
    if config.deadline_us is None:
        return _fastest(found, limits).program
    if clock_mhz is None:
        raise RnnhwError("deadline_us is a time, which needs a clock: give a board, or a clock in "
                         "MHz as clock_mhz or --clock.")
    return _cheapest(found, config, limits, clock_mhz).program


def _shared(part, config, limits, share):
    """``config`` with the share of lanes and multipliers that a pass has."""
    least = least_lanes(part, config.vector_lanes or 1)
    lanes = max(least, int((config.lanes or DEFAULT_LANES) * share))
    most = config.max_multipliers or (limits.multipliers if limits else None)
    return replace(config, lanes=lanes, max_multipliers=most and max(least + 2, int(most * share)))


def _fastest(found, limits):
    """Fewest multipliers of those that fit within ``WORTH`` of the fewest cycles a step."""
    tried = []
    for candidate in sorted(found, key=lambda c: c.least_cycles):
        if tried and candidate.least_cycles > WORTH * min(cycles for cycles, _ in tried):
            break
        if candidate.fits(limits):
            tried.append((candidate.schedule.cycles_per_step, candidate))
    if not tried:
        raise RnnhwError(_too_large(found, limits))
    fewest = min(cycles for cycles, _ in tried)
    return min((pair for pair in tried if pair[0] <= fewest * WORTH),
               key=lambda pair: (pair[1].total_multipliers, pair[0]))[1]


def _cheapest(found, config, limits, clock_mhz):
    """Fewest multipliers, then block RAMs, of those that meet the deadline."""
    most = config.deadline_us * clock_mhz
    best = None
    for candidate in sorted(found, key=lambda c: c.least_latency):
        if best and (candidate.least_latency >= best.schedule.latency_cycles
                     or best.schedule.latency_cycles <= most):
            break
        if candidate.fits(limits) and (
                best is None or candidate.schedule.latency_cycles < best.schedule.latency_cycles):
            best = candidate
    if best is None:
        raise RnnhwError(_too_large(found, limits))
    cycles = best.schedule.latency_cycles
    if cycles > most:
        chosen = [f"{name} = {getattr(config, name)}" for name in BOUNDING
                  if getattr(config, name) is not None]
        raise RnnhwError(
            f"The deadline of {config.deadline_us:g} us cannot be met: the best latency of a step "
            f"is {cycles / clock_mhz:.4g} us, {cycles} cycles at {clock_mhz:g} MHz, with "
            f"{best.lanes} lanes and {best.total_multipliers} multipliers"
            + (f" under {', '.join(chosen)}" if chosen else "") + "; allow more time"
            + (" or lift a limit." if chosen else "."))
    met = []
    for candidate in sorted(found, key=lambda c: (c.total_multipliers, c.least_latency)):
        if met and candidate.total_multipliers > met[0].total_multipliers:
            break
        if (candidate.least_latency <= most and candidate.fits(limits)
                and candidate.schedule.latency_cycles <= most):
            met.append(candidate)
    return min(met, key=lambda c: (c.block_rams(limits), c.schedule.latency_cycles))


def _too_large(found, limits):
    """A sentence on the design that needs the fewest block RAMs of a part, which has too few."""
    least = min(c.certain_rams(limits) for c in found)
    nearest = min((c for c in found if c.certain_rams(limits) == least),
                  key=lambda c: c.least_cycles)
    return (f"No design of this model fits {limits.part}: the nearest, with {nearest.lanes} lanes "
            f"and {nearest.total_multipliers} multipliers in all, needs "
            f"{nearest.block_rams(limits)} block RAMs of {limits.block_rams}; use fewer weight "
            "bits, a smaller model or a larger part.")


def _widths(quantized, products=4):
    """Widest weight, and widest operand with the shift that aligns it, as lanes multiply them.

    Of three products a complex bin, factors are sums of two components.
    """
    weights, operands = [], []
    for q in quantized.layers:
        weights += [q.formats[name].width + bool(k and products == 3)
                    for name, k in q.block_sizes.items()]
    for key, shift in quantized.shifts.items():
        name, k = split_key(key)
        operands.append(quantized.operands[name].width + shift + growth(k)
                        + bool(k and products == 3))
    return max(weights), max(operands)


def _kinds(quantized, config, limits):
    """Kinds of lane that carry the widths and are worth a try, ``(fast, products)``."""
    wanted = (4, 3) if config.spectral_products is None else (config.spectral_products,)
    if not block_sizes(quantized):
        if config.spectral_products is not None:
            raise RnnhwError(f"spectral_products = {config.spectral_products} is of "
                             "block-circulant layers, but the model has none; leave it out, or "
                             "make some with: rnnhw compress MODEL --block-size 8.")
        wanted = (4,)
    found, trouble = [], None
    for products in wanted:
        try:
            found += [(fast, products) for fast in _fast_kinds(quantized, config, limits, products)]
        except RnnhwError as error:
            trouble = trouble or error
    if not found:
        raise trouble
    return found


def _fast_kinds(quantized, config, limits, products):
    """Of lanes with so many products a complex bin: False for plain, True for fast."""
    factor = MULTIPLIER_BITS.get(limits.family if limits else "", WIDEST)
    weight, operand = _widths(quantized, products)
    widest = max(weight, operand)
    if widest > factor:
        raise RnnhwError(
            f"Products of {weight}-bit weights and {operand}-bit operands (alignment included) "
            f"need more than the {factor}-bit multipliers of "
            f"{limits.part if limits else 'the engine'}; plain lanes carry up to {factor} bits "
            f"there, fast ones up to {factor - 1}, so use fewer.")
    if config.fast_inner_product and widest + 1 > factor:
        raise RnnhwError(f"fast_inner_product adds weights and operands, {widest + 1} bits here "
                         f"(alignment included), but a multiplier takes {factor}; plain lanes, "
                         "fast_inner_product = false, can carry them.")
    wanted = (False, True) if config.fast_inner_product is None else (config.fast_inner_product,)
    return [bool(fast) for fast in wanted if widest + fast <= factor]


def _allowed(config, limits):
    """``(lanes, multipliers of the array, multipliers in all)`` that the limits allow."""
    lanes = config.lanes or (MOST if config.deadline_us else DEFAULT_LANES)
    array = total = config.max_multipliers or MOST
    if limits is not None:
        array = min(array, limits.multipliers)
        if limits.family not in SOFT:
            total = min(total, limits.multipliers)
    return lanes, array, total


def _slices(quantized, config, limits):
    """Numbers of vector lanes worth a try."""
    if config.vector_lanes:
        check_slices(quantized, config.vector_lanes)
        return [config.vector_lanes]
    least = min(block_sizes(quantized), default=max(SLICES))
    return [t for t in SLICES if t <= least
            and (limits is None or t <= max(1, limits.luts // LUTS_PER_SLICE))]


def _candidates(quantized, config, limits, kinds):
    deep = config.pipeline == "deep" or (
        config.pipeline is None and limits is not None and limits.family != "ice40")
    lanes, array, total = _allowed(config, limits)
    late = config.output_placement == "throughput"
    found = []
    for fast, products in kinds:
        for t in _slices(quantized, config, limits):
            least = Candidate(quantized, 0, t, fast, deep, late, products).array_multipliers
            most = min(lanes, array - least, total - t - least)
            found += [Candidate(quantized, count, t, fast, deep, late, products)
                      for count in lane_counts(quantized, t, most, products)]
    return found


def _nearest(quantized, config, limits, kinds):
    """A sentence on the smallest engine, which the limits rule out."""
    t = _slices(quantized, config, limits)[0]
    fast, products = min(kinds)
    least = min(least_lanes(quantized, t, kind) for _, kind in kinds)
    more = Candidate(quantized, 0, t, fast, False, False, products).array_multipliers
    lanes, array, total = _allowed(config, limits)
    allowed = [(lanes, "lanes"), (total, "multipliers"), (array, "multipliers in the array")]
    allowed = [f"{count} {what}" for count, what in allowed[:2 + (array < total)] if count < MOST]
    return (f"No design keeps the limits: the nearest has {least} lanes and {t} vector "
            f"lane{'s' * (t > 1)}, {least + more + t} multipliers in all; at most "
            f"{' and '.join(allowed)} are allowed.")
