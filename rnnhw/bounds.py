"""How many fraction bits each value of a cell may have, beside the others: no shift is negative.

Every rule is a linear inequality, ``sum of +-frac <= limit``; bounds are what they leave of each
unknown once those of the others are known.
"""

from .cells import plain
from .errors import RnnhwError
from .interpret import is_copy
from .records import ONE_FRAC

SLOPE_FRAC = 14            # of a table's slopes
TABLE_FRAC = 2             # least of a table's input
ALIGN_LIMIT = 40           # most bits that an op's c is shifted left
FRAC_LIMIT = 24            # of sums, values and tables' inputs: exact sums stay far below 63 bits
LIMITS = {"two": 30, "gate": 40, "wide": 40, "result": 40, "same": 40}


class Bounds:
    """Bounds of the fraction bits of a cell's formats and of its operand copies.

    ``least[name]`` and ``most[name]`` by format; :meth:`settle` and :meth:`cap` narrow the others.
    """

    def __init__(self, cell, layer=0):
        self.rules, self.layer = [], layer
        self.least = dict.fromkeys([*cell.rules, *cell.constants], -40)
        self.most = {name: LIMITS.get(rule, FRAC_LIMIT) for name, rule in cell.formats}
        self.most |= dict.fromkeys(cell.constants, FRAC_LIMIT)
        for name in cell.operands:
            copy = f"{cell.shared(name)}_operand"
            self.least[copy], self.most[copy] = -40, 40
            self._rule((1, copy), (-1, name))
        for op, product in zip(cell.ops, cell.drains):
            self._op(cell, op, product)
        self._narrow()

    def _op(self, cell, op, product):
        a = product.pre if product is not None else cell.format_of(op.a)
        if op.is_table:
            # a sigmoid is looked up at half its input
            self._rule((1, op.fmt), (-1, a), limit=SLOPE_FRAC + 2 * (op.fn == "sigmoid"))
            self.least[a] = max(self.least[a], TABLE_FRAC)
            # half of 1 is a code
            self.least[op.fmt] = max(self.least[op.fmt], 1)
            return
        factors, one = [(-1, a)], ONE_FRAC
        if op.b:
            factors, one = [(-1, a), (-1, cell.format_of(plain(op.b)))], 0
        self._rule((1, op.fmt), *factors, limit=one)
        if op.c:
            c = cell.format_of(plain(op.c))
            self._rule((1, c), *factors, limit=one)
            self._rule((-1, c), *((-sign, name) for sign, name in factors),
                       limit=ALIGN_LIMIT - one)

    def _rule(self, *terms, limit=0):
        """``sum of sign*frac <= limit``; a name that cancels says nothing."""
        total = {}
        for sign, name in terms:
            total[name] = total.get(name, 0) + sign
        terms = [(sign, name) for name, sign in total.items() if sign]
        if terms:
            self.rules.append((terms, limit))

    def settle(self, name, frac):
        """``name`` has ``frac`` fraction bits."""
        self.least[name] = self.most[name] = frac
        self._narrow()

    def cap(self, name, most):
        """``name`` has at most ``most`` fraction bits.

        Raises
        ------
        RnnhwError
            If that leaves none for a format.
        """
        self.most[name] = min(self.most[name], most)
        self._narrow()
        for name, least in self.least.items():
            if least > self.most[name]:
                raise RnnhwError(f"{self.layer}.{name} would need at least {least} and at most "
                                 f"{self.most[name]} fraction bits beside the other formats of its "
                                 "layer; fix fewer of them, or scale the data down.")

    def _narrow(self):
        for _ in self.rules:
            before = dict(self.least), dict(self.most)
            for terms, limit in self.rules:
                lows = [sign * (self.least if sign > 0 else self.most)[name]
                        for sign, name in terms]
                for (sign, name), low in zip(terms, lows):
                    room = limit - (sum(lows) - low)
                    # sign may be 2 where a name stands twice
                    if sign > 0:
                        self.most[name] = min(self.most[name], room // sign)
                    else:
                        self.least[name] = max(self.least[name], -(room // -sign))
            if (self.least, self.most) == before:
                break


def early_formats(cell):
    """Formats picked before weights align: gates, what is kept or multiplied, bounded values."""
    kept = [name for name in (*cell.states, *cell.operands) if cell.rules[name] != "tried"]
    found = [name for name, rule in cell.formats if rule in ("gate", "unit", "two")]
    found.sort(key=lambda name: (cell.rules[name] != "gate", name not in kept))
    return list(dict.fromkeys([*found, *kept])) if cell.kind != "linear" else []


def late_formats(cell):
    """The others, sums behind the factors of the products they are added to."""
    first = early_formats(cell)
    left, found = [*cell.constants, *(name for name in cell.rules if name not in first)], []
    left.sort(key=lambda name: cell.rules.get(name) != "result")
    while left:
        free = [name for name in left if not _factors(cell, name) & set(left) - {name}] or left
        untried = [name for name in free if cell.rules.get(name) != "tried"]
        found.append((untried or free)[0])
        left.remove(found[-1])
    return found


def _factors(cell, name):
    """Formats of what is multiplied by ops that make or add values in the format ``name``."""
    found = set()
    for op, product in zip(cell.ops, cell.drains):
        if not op.is_table and not is_copy(op, product):
            made = {op.fmt} | ({cell.format_of(op.c)} if op.c else set())
            if name in made:
                found.add(product.pre if product is not None else cell.format_of(op.a))
                found |= {cell.format_of(op.b)} if op.b else set()
    return found


def source(cell, name):
    """Format of what the first value in the format ``name`` is made of."""
    op, product = next(pair for pair in zip(cell.ops, cell.drains) if pair[0].fmt == name)
    return cell.format_of(op.a) if product is None else product.pre
