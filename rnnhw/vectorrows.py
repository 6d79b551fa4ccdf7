"""Vector rows of a cell's element-wise equations, emitted as row blocks complete their operands."""

from dataclasses import dataclass, replace
from math import ceil

from .cells import cell_of, plain
from .records import ONE_FRAC, Copy, Out, VectorRow
from .spaces import Target


class Pool:
    """Distinct constants of one kind, numbered in order of first use."""

    def __init__(self):
        self.items = {}

    def __call__(self, item):
        return self.items.setdefault(item, len(self.items))

    def __iter__(self):
        return iter(self.items)


@dataclass(frozen=True)
class Value:
    """An element-wise value for one group of units: layer, name, first word, words."""

    layer: int
    name: str
    first: int
    words: int


class VectorRows:
    """The rows of all layers in the order of their row blocks, values not yet placed.

    Parameters
    ----------
    quantized : QuantizedModel
    slices : T; unit u lives in slice ``u mod T``
    segments : tuple of Segment
    space_of : dict of spaces by block size, None for plain operands
    late : for each layer, whether its rows are of the step before
    on_last : for each layer, whether its rows are left out of all steps but the last

    Members
    -------
    rows : VectorRows without addresses
    reads : for each row, ``{operand letter: (Value, word, whether of the step before)}``
    writes : for each row, ``(Value, word)``, or None where nothing reads its result
    outs, copies, aligns, indices : pools of the rows' constants
    """

    def __init__(self, quantized, slices, segments, space_of, late, on_last):
        self.q, self.T, self.segments = quantized, slices, segments
        self.late, self.on_last = late, on_last
        self.space_of = space_of
        self.by_name = {s.name: i for i, s in enumerate(segments)}
        self.outs, self.copies, self.aligns, self.indices = (Pool() for _ in range(4))
        self.rows, self.reads, self.writes, self.emitted = [], [], [], {}
        self.first_word, words = {}, 0
        for i in quantized.model.outputs:
            self.first_word[i] = words
            words += ceil(quantized.model.size(i) / slices)

    def follow(self, i, product, group, units):
        """Rows that the block over ``units`` makes possible, drained ones first."""
        cell = cell_of(self.q.layers[i])
        emitted = self.emitted.setdefault((i, group), set())
        takes = {op.a: op for op, drained in zip(cell.ops, cell.drains) if drained == product}
        for total in product.sums:
            op = takes[total]
            self._row(i, op, product, group, units)
            emitted.update((op.dst, u) for u in range(*units))
        for op, drained in zip(cell.ops, cell.drains):
            if drained is not None:
                continue
            needs = [name for name in op.names
                     if name == plain(name) and name not in cell.constants]
            needs += cell.readers[op.dst]
            ready = [u for u in range(*self._span(i, op.dst, group)) if (op.dst, u) not in emitted
                     and all((name, u) in emitted for name in needs)]
            if ready:
                self._row(i, op, None, group, (ready[0], ready[-1] + 1))
                emitted.update((op.dst, u) for u in ready)

    def _size(self, i, name):
        """Units of a value."""
        q = self.q.layers[i]
        return getattr(q.layer, cell_of(q).size(name))

    def _span(self, i, name, group):
        """First and end unit of a value in a group, or of all its units where that is None."""
        return group or (0, self._size(i, name))

    def _row(self, i, op, product, group, units):
        """One row of ``op`` over ``units``; ``product`` given: its operand a is drained."""
        q = self.q.layers[i]
        cell = cell_of(q)
        count = ceil((units[1] - units[0]) / self.T)
        word = units[0] // self.T
        relu, fn = op.fn == "relu", "mac" if op.fn == "relu" else op.fn
        reads = {}
        fracs = {"a": q.formats[product.pre].frac_bits} if product else {}
        for letter, name in (("a", "" if product else op.a), ("b", op.b), ("c", op.c)):
            if name:
                reads[letter] = (self._value(i, plain(name), group), word, name != plain(name))
                fracs[letter] = q.formats[cell.format_of(name)].frac_bits
        out = q.formats[op.fmt]
        fields = self._arithmetic(fn, fracs, out)
        fields |= dict(old="".join(k for k in "abc" if k in reads and reads[k][2]),
                       subtract=op.subtract, relu=relu, drain=product is not None,
                       on_last=self.on_last[i], late=self.late[i])
        key = f"{i}.{op.dst}"
        if op.dst in cell.operands and key in self.q.operands:
            fields |= self._copied(key, out, word)
        if op.dst == cell.output and i in self.first_word:
            fields["y"] = self.first_word[i] + word
        read_later = any(op.dst == plain(name) for other, drained in zip(cell.ops, cell.drains)
                         for name in other.names[drained is not None:]
                         if other is not op or name != plain(name))
        self.rows.append(VectorRow(fn=fn, count=count, **fields))
        self.reads.append(reads)
        self.writes.append((self._value(i, op.dst, group), word) if read_later else None)

    def _copied(self, key, out, word):
        """Fields of a row whose result, from ``word`` on, is the operand ``key`` of any space."""
        operand, fields, lefts, targets = self.q.operands[key], {}, [], []
        for k, space in self.space_of.items():
            name = self.q.segment_key(key, k)
            segment = self.by_name.get(name)
            lefts.append(self.q.shifts[name] if segment is not None else 0)
            if segment is None:
                continue
            if space:
                targets.append(Target(space, segment, word))
            else:
                fields = dict(segment=segment, operand=self.segments[segment].base + word)
        if fields or targets:
            fields["targets"] = tuple(targets)
            fields["copy"] = self.copies(Copy(out.frac_bits - operand.frac_bits, operand.width,
                                              lefts[0], tuple(lefts[1:])))
        return fields

    def _arithmetic(self, fn, fracs, out):
        """Constants of a row from the fraction bits of its operands and its result."""
        if fn == "mac":
            product = fracs["a"] + fracs.get("b", ONE_FRAC)
            align = product - fracs["c"] if "c" in fracs else 0
            half = 0
            index = 0
        else:
            sigmoid = fn == "sigmoid"
            product = fracs["a"] + ONE_FRAC + 2 * sigmoid
            align = fracs["a"] - 2 + sigmoid
            half = 1 << (out.frac_bits - 1) if sigmoid else 0
            index = self.indices(self.q.activation.address(fracs["a"], sigmoid))
        shift = product - out.frac_bits
        if shift < 0 or align < 0:
            raise ValueError(f"a vector row would need a shift of {shift} and {align} bits")
        return dict(out=self.outs(Out(shift, out.width, half)), align=self.aligns(align),
                    index=index)

    def _value(self, i, name, group):
        """The value ``name`` of a layer: of the whole layer where a step reads the one before."""
        cell = cell_of(self.q.layers[i])
        kept = name in cell.constants or any(f"{name}'" in op.names for op in cell.ops)
        first, last = self._span(i, name, None if kept else group)
        first //= self.T
        return Value(i, name + "'" * kept, first, ceil(last / self.T) - first)

    def constants(self):
        """Words of each element-wise constant in state memory: ``{Value: int64 (words, T)}``."""
        found = {}
        for i, q in enumerate(self.q.layers):
            for name in cell_of(q).constants:
                value = self._value(i, name, None)
                words = q.constants[name].copy()
                words.resize(value.words * self.T)
                found[value] = words.reshape(-1, self.T)
            for name, codes in q.initial.items():
                value = self._value(i, name, None)
                if codes.any() and value.name != name:
                    words = codes.copy()
                    words.resize(value.words * self.T)
                    found[_initial(value)] = words.reshape(-1, self.T)
        return found


def _initial(value):
    """The constant that a state is in a sequence's first step."""
    return replace(value, name=f"initial {value.name}")


def addressed(row, reads, write, addresses):
    """``row`` with state addresses in place of values."""
    fields = {letter: addresses[value] + word - value.first
              for letter, (value, word, _) in reads.items()}
    fields |= {f"first_{letter}": addresses[_initial(value)] + word - value.first
               for letter, (value, word, old) in reads.items()
               if old and _initial(value) in addresses}
    if write:
        value, word = write
        fields["dst"] = addresses[value] + word - value.first
    return replace(row, **fields)
