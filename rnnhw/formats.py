"""Rules by which formats are found: covering, weights by least error, alignment, fixed ones."""

from dataclasses import dataclass, field
from math import ceil, frexp, inf, log, log2

import numpy as np

from .cells import split
from .errors import RnnhwError
from .fixed import FixedFormat
from .layers import block_sizes

WORD_BITS = 18             # of a word at a multiplier, an operand's shift included
ACC_BITS = 48              # of an accumulator
SPECTRUM_BITS = 12         # of spectral weights, unless configured
DRAINED_BITS = 18          # of an accumulated spectrum before its transform back
FRAC_LIMIT = 40            # |frac_bits| that is ever chosen
# share of values that a fixed format may let saturate, and factor by which they may exceed it
STRICT = 0.01, 2
DENSE = 1, 2               # one fraction bit more than covers may have the less squared error
MILD = 0.2, 8              # before a function that is flat where they saturate


@dataclass
class Range:
    """What values of a tensor were seen; ``beyond`` counts those over 1 LSB outside ``fmt``."""

    low: float = inf
    high: float = -inf
    total: int = 0
    beyond: int = 0
    fmt: FixedFormat | None = field(default=None, repr=False)

    def add(self, values):
        """Take an array of values in."""
        if values.size:
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))
            self.total += values.size
            if self.fmt is not None:
                self.beyond += count_beyond(values, self.fmt)

    @property
    def largest(self):
        """Largest magnitude."""
        return max(-self.low, self.high)


def count_beyond(values, fmt):
    """Number of ``values`` that lie more than one LSB outside ``fmt``."""
    low, high = (fmt.min - 1) * fmt.lsb, (fmt.max + 1) * fmt.lsb
    return int(np.count_nonzero(values < low) + np.count_nonzero(values > high))


def cover(name, low, high, width):
    """Most fraction bits at which ``low`` and ``high`` round to codes of ``width`` bits.

    At most 40; a tensor that is all zero gets ``width - 1``.

    Raises
    ------
    RnnhwError
        If fewer than -40 would be needed.
    """
    largest = max(-low, high)
    if largest == 0:
        return width - 1
    frac = min(FRAC_LIMIT, width + 1 - frexp(largest)[1])
    while frac >= -FRAC_LIMIT:
        fmt = FixedFormat(width, frac)
        codes = np.floor(np.array([low, high]) * 2.0**frac + 0.5)
        if codes[0] >= fmt.min and codes[1] <= fmt.max:
            return frac
        frac -= 1
    raise RnnhwError(f"{name} reaches {largest:.3g}, which {width} bits hold only with fewer than "
                     f"-{FRAC_LIMIT} fraction bits; scale the model or its data.")


def weight_frac(name, values, width):
    """Fraction bits of a weight tensor: the less squared error of covering and one bit more."""
    frac = cover(name, values.min(initial=0), values.max(initial=0), width)
    errors = []
    for candidate in (frac, frac + 1):
        fmt = FixedFormat(width, candidate)
        errors.append(float(np.sum((fmt.to_float(fmt.quantize(values)) - values) ** 2)))
    return frac + (errors[1] < errors[0])


def tensors(layer):
    """Names of the tensors of a layer that have a format, in order."""
    cell, sizes = layer.description, block_sizes(layer)
    found = [*sizes, *cell.constants, *cell.rules]
    for product in split(cell, sizes).products:
        if product.block_size(sizes) is not None and product.spectrum not in found:
            found.insert(found.index(product.pre), product.spectrum)
    # values that one matrix multiplies have one format there
    shared = dict.fromkeys(cell.shared(name) for name in cell.operands)
    return [*found, *(f"{name}_operand" for name in shared)]


def known_names(model):
    """Names of all tensors whose format may be fixed, in order."""
    names = ["x"]
    for i, layer in enumerate(model.layers):
        names += [f"{i}.{tensor}" for tensor in tensors(layer)]
    last = model.layers[-1].description
    if last.output not in last.states:
        names.remove(f"{len(model.layers) - 1}.{last.output}_operand")
    return names


def check_names(model, formats):
    """Refuse fixed formats of unknown names, of more than 18 bits or, of spectra, of fewer."""
    known = known_names(model)
    for name, fmt in formats.items():
        if name not in known:
            raise RnnhwError(f"formats has the unknown tensor {name!r}; known are "
                             f"{', '.join(known)}.")
        if not 2 <= fmt.width <= WORD_BITS:
            raise RnnhwError(f"Format {fmt} fixed for {name} is {fmt.width} bits wide; the engine "
                             f"takes 2..{WORD_BITS} bits.")
        if name.endswith("_spectrum") and fmt.width != DRAINED_BITS:
            raise RnnhwError(f"Format {fmt} fixed for {name} is {fmt.width} bits wide, but drained "
                             f"spectra have {DRAINED_BITS} bits.")


def flat_range(frac_bits):
    """Power of two beyond which sigmoid, and so tanh, is within half an LSB of its limit.

    ``1 - s(R) < 2**-(frac_bits + 1)``, that is ``R > ln(2) * (frac_bits + 1)``; 16 for 15 bits.
    """
    return 1 << ceil(log2(log(2) * (frac_bits + 1)))


def check_fixed(name, fmt, seen, enough=None, dense=False):
    """Refuse a fixed format that cannot hold its data.

    It cannot if over 1 % of the values (``dense`` weights: any share) lie more than an LSB outside
    or the largest is over twice what the format holds. Where ``enough`` is given, the limits are
    20 % and 8 times, and a format that holds ``-enough..enough`` to an LSB may saturate at will.
    Inputs and weights must not all round to zero.
    """
    if seen.largest == 0:
        return
    held = f"Format {fmt} fixed for {name} holds {fmt.min * fmt.lsb:g}..{fmt.max * fmt.lsb:g}"
    if name.endswith(".gate"):
        if fmt.frac_bits >= fmt.width:
            raise RnnhwError(f"{held}, but gates reach -1..1; {fmt.width - 1} fraction bits would "
                             "hold them.")
        return
    weights = ".weight" in name
    most_share, most_factor = DENSE if dense else STRICT if enough is None else MILD
    share = seen.beyond / max(1, seen.total)
    factor = max(seen.high / (fmt.max + 1), seen.low / fmt.min) / fmt.lsb
    reach = (fmt.max + 1) * fmt.lsb
    if (share > most_share or factor > most_factor) and (enough is None or reach < enough):
        best = cover(name, seen.low, seen.high, fmt.width)
        raise RnnhwError(
            f"{held}, but {100 * share:.3g} % of its {seen.total} values saturate and they reach "
            f"{seen.low:.4g}..{seen.high:.4g}; {best} fraction bits would hold them.")
    if (weights or name == "x") and seen.largest * 2.0**fmt.frac_bits < 0.5:
        best = cover(name, seen.low, seen.high, fmt.width)
        raise RnnhwError(f"Format {fmt} fixed for {name} is so coarse that all its values round to "
                         f"0, for they reach {seen.low:.4g}..{seen.high:.4g}; {best} fraction bits "
                         "would hold them.")


def align(segments, links, operands, weights, fixed, needs, limit=WORD_BITS, guard=0, closing=()):
    """Left shifts of a chain's operand segments, so that the products of each sum have one scale.

    ``weights[v] + operands[a] + shift[a] = weights[w] + operands[b] + shift[b]`` for every link
    ``(a, b, v, w)``. Shifts are the smallest that are not negative and give each ``(segment,
    weight, frac_bits)`` of ``needs`` its accumulator fraction. Where an operand and its shift pass
    ``limit`` bits, the finest product loses fraction bits: in its operand, or in its weights where
    those have more bits left. All shifts are then ``guard`` bits larger, or as many as fit.

    Parameters
    ----------
    segments : names along the chain, input side first; the links join them to a tree
    operands, weights : dicts of FixedFormat by segment and by weight tensor
    fixed : names of segments and weight tensors whose format the user fixed
    closing : further links, which close rings; where the scales around one differ, a weight tensor
        loses fraction bits

    Returns
    -------
    shifts : dict by segment
    lost : dict of fraction bits that a segment or weight tensor lost
    """
    lost = {}
    room = {s: limit - operands[s].width for s in segments}
    formats = operands | weights

    def frac(name):
        return formats[name].frac_bits - lost.get(name, 0)

    def rise(link):
        a, b, v, w = link
        return frac(v) + frac(a) - frac(w) - frac(b)

    while True:
        totals = {segments[0]: 0}
        for _ in links:
            for a, b, *names in links:
                if a in totals:
                    totals.setdefault(b, totals[a] + rise((a, b, *names)))
                elif b in totals:
                    totals[a] = totals[b] - rise((a, b, *names))
        victim = _unlike(links, closing, totals, rise, formats, fixed, lost)
        if victim is not None:
            lost[victim] = lost.get(victim, 0) + 1
            continue
        lowest = min(totals.values())
        shifts = {s: totals[s] - lowest for s in segments}
        name = max(segments, key=lambda s: shifts[s] - room[s])
        if shifts[name] <= room[name]:
            break
        least = next(s for s in segments if not shifts[s])
        path = _path(links, least, name)
        # along the path to the worst segment, the products on the near side of a rise are finer
        finer = [(abs(rise(link)), near) for link, near, sign in path
                 if rise(link) * sign > 0 and near not in fixed]
        victims = [max(finer)[1]] if finer else []
        if least not in fixed:
            victims.append(least)
        if not victims:
            passed = [link for link, *_ in path]
            named = [w for link in links if link in passed for w in link[2:]]
            raise RnnhwError(f"Operands of {name}, {operands[name].width} bits wide, would need a "
                             f"left shift of {shifts[name]} bits, but words end at {limit} "
                             f"bits; fix fewer fraction bits in one of {', '.join(named)}.")
        victim = max(reversed(victims), key=lambda n: formats[n].width - lost.get(n, 0))
        lost[victim] = lost.get(victim, 0) + 1
    raised = max([min(guard, *(room[s] - shifts[s] for s in segments))]
                 + [need - (frac(w) + frac(s) + shifts[s]) for s, w, need in needs])
    shifts = {s: shift + raised for s, shift in shifts.items()}
    for s, weight, need in needs:
        if shifts[s] > room[s]:
            raise RnnhwError(f"Products of {s} and {weight} have {frac(s)} + {frac(weight)} "
                             f"fraction bits, but {need} are needed for their sums; scale the data "
                             "down, use fewer activation_bits or fix a coarser format of the sums.")
    return shifts, lost


def _unlike(links, closing, totals, rise, formats, fixed, lost):
    """A weight tensor that has to lose a fraction bit so that scales around a ring agree, or None.
    """
    every = [*links, *closing]
    for link in closing:
        a, b, v, w = link
        wrong = totals[a] + rise(link) - totals[b]
        if not wrong:
            continue
        path = [(link, 1), *((other, -sign) for other, _, sign in _path(links, a, b))]
        found = []
        for (_, _, near, far), sign in path:
            name = near if wrong * sign > 0 else far
            if near != far and name not in fixed and sum(name in other[2:] for other in every) == 1:
                found.append(name)
        if not found:
            named = dict.fromkeys(name for (_, _, *names), _ in path for name in names)
            raise RnnhwError(f"{', '.join(named)} would need other fraction bits, so that what is "
                             "read side by side has one scale; leave the format of one of them "
                             "free.")
        return max(found, key=lambda n: formats[n].width - lost.get(n, 0))
    return None


def _path(links, start, end):
    """``(link, weight on the near side, direction)`` of each link on the way through a tree."""
    ways = {start: []}
    while end not in ways:
        for link in links:
            a, b, v, w = link
            if a in ways:
                ways.setdefault(b, [*ways[a], (link, v, 1)])
            elif b in ways:
                ways[a] = [*ways[b], (link, w, -1)]
    return ways[end]
