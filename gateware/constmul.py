"""Products with constants as shifted sums: planned here, built by :class:`Network` as registers."""

from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Signal, Value, signed

ONE = -1                   # the symbol of the number one


class Term(NamedTuple):
    """``sign * (2**shift * symbol + plus)``."""

    symbol: int
    shift: int
    sign: int = 1
    plus: int = 0


def digits(value):
    """Canonical signed digits of an integer: its ``(shift, sign)``, of which no two are adjacent.

    Reference: Reitwiesner 1960.
    """
    found, shift = [], 0
    while value:
        if value & 1:
            sign = 2 - (value & 3)
            found.append((shift, sign))
            value -= sign
        value >>= 1
        shift += 1
    return found


def plan(forms, half, cycles):
    """Additions that make every ``sum_i forms[f][i] * x[i] + half``, one an adder and a cycle.

    Pairs of digits that occur more than once are added once (Hartley 1996), as long as the sum of
    ``2**age`` over the terms of each form stays within ``2**cycles``; then a tree in that many
    cycles exists (Kraft).

    Parameters
    ----------
    forms : tuples of ints; half : a power of two

    Returns
    -------
    (additions, results)
        Pairs of Terms, the first positive, whose sums are the symbols ``len(x), len(x) + 1, ...``;
        the Term of each form. AssertionError where the cycles do not suffice.
    """
    ages = dict.fromkeys(range(ONE, len(forms[0])), 0)
    additions = []

    def added(one, other):
        """The Term of a new symbol that is the sum of two."""
        if one.sign < other.sign or (one.sign == other.sign and one.shift > other.shift):
            one, other = other, one
        base = 0 if one.plus or other.plus else min(one.shift, other.shift)
        symbol = len(forms[0]) + len(additions)
        additions.append((Term(one.symbol, one.shift - base, 1, one.plus),
                          Term(other.symbol, other.shift - base, one.sign * other.sign,
                               other.plus)))
        ages[symbol] = 1 + max(ages[one.symbol], ages[other.symbol])
        return Term(symbol, base, one.sign)

    def load(form):
        return sum(1 << ages[term.symbol] for term in form)

    sums = [[Term(i, shift, sign) for i, value in enumerate(form) for shift, sign in digits(value)]
            for form in forms]
    refused = set()
    while True:
        shared = {key: pairs for key, pairs in _patterns(sums).items() if key not in refused}
        key = max(shared, key=lambda key: len(shared[key]), default=None)
        if key is None or len(shared[key]) < 2:
            break
        pairs = shared[key]
        late = 2 << max(ages[pairs[0][1].symbol], ages[pairs[0][2].symbol])
        kept = [list(form) for form in sums]
        for f, one, other in pairs:
            kept[f].remove(one)
            kept[f].remove(other)
        counts = [sum(f == g for g, _, _ in pairs) for f in range(len(sums))]
        if any(load(form) + count * late >= 1 << cycles for form, count in zip(kept, counts)):
            refused.add(key)
            continue
        _, one, other = pairs[0]
        new = added(one, other)
        for f, first, _ in pairs:
            move = first.shift - one.shift
            kept[f].append(Term(new.symbol, new.shift + move, new.sign * one.sign * first.sign))
        sums = kept

    results = []
    for form in sums:
        for i, term in enumerate(form):
            if term.sign > 0 and 1 << term.shift > half:
                form[i] = term._replace(plus=half)
                break
        else:
            form.append(Term(ONE, half.bit_length() - 1))
        while len(form) > 1:
            form.sort(key=lambda term: (ages[term.symbol], term.shift, term))
            form[:2] = [added(form[0], form[1])]
        results.append(form[0])
        assert form[0].sign > 0 and not form[0].plus and ages[form[0].symbol] <= cycles
    return additions, results


def _patterns(sums):
    """Pairs of terms that differ by a shift and a sign: key -> [(form, one, other)]."""
    found, used = {}, {}
    for f, form in enumerate(sums):
        for one, other in combinations(sorted(form), 2):
            key = one.symbol, other.symbol, other.shift - one.shift, one.sign * other.sign
            taken = used.setdefault((key, f), set())
            if not taken & {one, other}:
                taken |= {one, other}
                found.setdefault(key, []).append((f, one, other))
    return found


@dataclass(eq=False)
class Node:
    """A number of a network: ``value``, or its negative, ``age`` cycles behind the inputs."""

    value: Value
    low: int
    high: int
    age: int = 0
    negated: bool = False
    later: list = field(default_factory=list)


class Network:
    """Builds a pipeline whose operands always meet at the same age.

    A node has as many bits as the interval of its values needs; the intervals follow from the
    inputs'. Where a narrower bound is known, it is given as ``bits``.
    """

    def __init__(self, m):
        self.m, self.count = m, 0

    def _register(self, value, low, high, bits=64):
        width = min(bits, max(high.bit_length(), (~low).bit_length(), 1) + 1)
        signal = Signal(signed(width), name=f"node{self.count}", reset_less=True)
        self.count += 1
        self.m.d.sync += signal.eq(value)
        return signal, max(low, -1 << (width - 1)), min(high, (1 << (width - 1)) - 1)

    def input(self, value):
        """Node of a signed input."""
        return Node(value, -1 << (len(value) - 1), (1 << (len(value) - 1)) - 1)

    def late(self, node, age):
        """``node`` at a later ``age``, through registers that all users share."""
        if node.age == age or node.low == node.high:
            return node
        assert age > node.age
        while len(node.later) < age - node.age:
            before = node.later[-1] if node.later else node
            signal, low, high = self._register(before.value, node.low, node.high)
            node.later.append(Node(signal, low, high, before.age + 1, node.negated))
        return node.later[age - node.age - 1]

    def shifted(self, node, shift, plus=0):
        """``2**shift * node + plus``, which costs nothing; ``plus`` is below ``2**shift``."""
        if not shift:
            return node
        assert not (plus and node.negated)
        return Node(Cat(Const(plus, shift), node.value).as_signed(), (node.low << shift) + plus,
                    (node.high << shift) + plus, node.age, node.negated)

    def cut(self, node, shift, bits):
        """``node >> shift``, known to fit ``bits``."""
        assert not node.negated
        value = node.value[shift:][:bits]
        return Node(value.as_signed(), max(node.low >> shift, -1 << (bits - 1)),
                    min(node.high >> shift, (1 << (bits - 1)) - 1), node.age)

    def negative(self, node):
        """``-node``, which the next sum sees to."""
        return Node(node.value, node.low, node.high, node.age, not node.negated,
                    [Node(n.value, n.low, n.high, n.age, not n.negated) for n in node.later])

    def add(self, one, other, bits=64):
        """``one + other``, a cycle behind the later of them."""
        age = max(one.age, other.age)
        one, other = self.late(one, age), self.late(other, age)
        if one.negated and not other.negated:
            one, other = other, one
        if one.negated == other.negated:
            value, low, high = one.value + other.value, one.low + other.low, one.high + other.high
        else:
            value, low, high = one.value - other.value, one.low - other.high, one.high - other.low
        return Node(*self._register(value, low, high, bits), age + 1, one.negated)

    def products(self, nodes, forms, fraction, cycles, bits):
        """``(sum_i forms[f][i] * nodes[i] + half) >> fraction`` of each form, ``cycles`` later.

        ``half`` rounds half up; the results are known to fit ``bits``.
        """
        forms = tuple(tuple(-c if node.negated else c for node, c in zip(nodes, form))
                      for form in forms)
        plain = [self.negative(node) if node.negated else node for node in nodes]
        additions, results = plan(forms, 1 << (fraction - 1), cycles)
        symbols = {ONE: Node(Const(1, signed(2)), 1, 1), **dict(enumerate(plain))}
        for pair in additions:
            age = max(symbols[term.symbol].age for term in pair)
            first, second = (self.shifted(self.late(symbols[term.symbol], age), term.shift,
                                          term.plus) for term in pair)
            total = self.add(first, self.negative(second) if pair[1].sign < 0 else second)
            symbols[len(symbols) - 1] = total
        age = max(node.age for node in nodes) + cycles
        return [self.late(self.cut(symbols[term.symbol], fraction - term.shift, bits), age)
                for term in results]
