"""From a quantised model to the engine's program: row blocks, vector rows, memory contents."""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from .bins import bin_lanes
from .cells import cell_of
from .errors import RnnhwError
from .listing import orders
from .placement import gaps, place
from .program import ONE_FRAC, Copy, Out, Program, RangeRow, Segment, VectorRow
from .rowblocks import block_size, block_sizes, row_blocks
from .schedule import Schedule
from .spaces import Target
from .spectra import Spectra


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


def lower(quantized, lanes, slices, fast=False, deep=False, late=False, products=4):
    """The program of ``quantized`` on ``lanes`` array lanes in ``slices`` slices.

    ``fast`` lanes take two operands a cycle,
    ``x0*w0 + x1*w1 = (x0 + w1)*(x1 + w0) - x0*x1 - w0*w1``; the sum of the last products, eta, is
    taken off the bias, that of ``x0*x1``, xi, in the drain.

    Circulant blocks are multiplied as spectra, a bin in ``products`` real products (see
    :mod:`rnnhw.spectra`).

    A row block drains ``gates * ceil(units/T)`` words a slice, gate by gate; unit u lives in slice
    ``u mod T``; the blocks of a cell run group of units by group of units, and each vector row
    follows the block that completes its operands.

    ``late``: where every step is given, the layers behind the last recurrent one run a step later,
    as late rows (see :class:`rnnhw.program.Program`). The last of them follows the next step's row
    blocks, whose own state is then under way, each other one lies a block before.

    Raises
    ------
    RnnhwError
        If ``lanes`` is no multiple of ``slices``, or too few for one unit of the widest block; if
        ``slices`` does not divide a circulant block.
    """
    sizes = block_sizes(quantized)
    if lanes % slices and not sizes:
        raise RnnhwError(f"lanes must be a multiple of the {slices} vector lanes, not {lanes}.")
    for k in sizes:
        if k % slices:
            raise RnnhwError(f"vector_lanes must divide circulant blocks of {k}, which {slices} "
                             "does not.")
    need = least_lanes(quantized, slices, products)
    if lanes < need:
        raise RnnhwError(f"{lanes} lanes in {slices} slices are too few for this model; "
                         f"{need} are the least, or choose fewer vector_lanes.")
    behind = quantized.model.behind if late and not quantized.model.last_step else ()
    return _Lowering(quantized, lanes, slices, fast, deep, behind, products).program()


class _Lowering:
    """State of one lowering; ``program`` gives its result."""

    def __init__(self, quantized, lanes, slices, fast, deep, late, products):
        self.q, self.fast, self.deep = quantized, fast, deep
        self.step = 2 if fast else 1
        self.align = self.step if slices % self.step else 1
        self.P, self.T = lanes, slices
        self.late = late or (False,) * len(quantized.layers)
        self.drains, self.outs, self.copies, self.aligns, self.indices = (Pool() for _ in range(5))
        self.ranges, self.rows, self.reads, self.writes = [], [], [], []
        self.weights, self.late_weights, self.biases = [], [], []
        self.acc_bound = 0
        self.products = products
        self.spectra = [Spectra(quantized, k, lanes, slices, fast, products)
                        for k in block_sizes(quantized)]
        self.space_of = {None: 0} | {s.k: i + 1 for i, s in enumerate(self.spectra)}
        self.segments = self._segments()
        self.by_name = {s.name: i for i, s in enumerate(self.segments)}

    def _segments(self):
        found, base = [], [0] * len(self.space_of)
        for i, q in enumerate(self.q.layers):
            size = q.layer.output_size
            for name in cell_of(q).operands:
                for k, space in self.space_of.items():
                    key = self.q.segment_key(f"{i}.{name}", k)
                    if key not in self.q.shifts:
                        continue
                    words = ceil(size / (k or self.T))
                    align = self.step if k else self.align
                    found.append(Segment(key, base[space], size, words, self.q.model.on_last[i],
                                         self.late[i], space))
                    base[space] += -(-words // align) * align
        return tuple(found)

    def _blocks(self):
        """The row blocks of all layers in the order that the array runs them."""
        layers = [self._layer(i) for i in range(len(self.q.layers))]
        blocks = [block for found, late in zip(layers, self.late) if not late for block in found]
        # the array knows no more than two runs before a step has started
        first = 1 if len(blocks[0][2].operands) > 1 else 2
        at = len(blocks)
        for found in [found for found, late in zip(layers, self.late) if late][::-1]:
            blocks[at:at] = found
            at = max(first, at - 1)
        return blocks

    def program(self):
        for block in self._blocks():
            self._emit(*block)
        q, model = self.q, self.q.model
        words = [q.formats[f].width for q in self.q.layers for f in q.formats
                 if not f.startswith("weight") and not f.endswith("_spectrum")]
        plain = [s for s in self.segments if not s.space]
        operand_widths = [q.operands[s.name].width + q.shifts[s.name] for s in plain]
        weights = self.weights + self.late_weights
        columns = max(part.shape[1] for part in weights)
        weights = [np.pad(part, ((0, 0), (0, columns - part.shape[1]), (0, 0)))
                   for part in weights]
        program = Program(
            name=model.name, input_size=model.input_size, output_size=model.output_size,
            last_step=model.last_step, lanes=self.P, slices=self.T, fast=self.fast, deep=self.deep,
            x_format=q.operands["x"], x_shift=q.shifts.get("x", 0), y_format=q.output_format,
            segments=self.segments,
            operand_words=max((s.base + s.words for s in plain), default=0),
            operand_width=max(operand_widths, default=1),
            ranges=tuple(self.ranges), rows=tuple(self.rows),
            weights=np.concatenate(weights), weight_bits=_weight_bits(q),
            biases=np.concatenate(self.biases or [np.zeros((0, self.T), np.int64)]),
            acc_width=int(self.acc_bound).bit_length() + 1,
            drains=tuple(self.drains), outs=tuple(self.outs), copies=tuple(self.copies),
            aligns=tuple(self.aligns), indices=tuple(self.indices),
            state_words=0, word_bits=max(words), products=self.products,
            spaces=tuple(spectra.space(self.segments, i + 1)
                         for i, spectra in enumerate(self.spectra)),
            table=q.activation if any(r.fn != "mac" for r in self.rows) else None,
            macs_per_step=sum(layer.weight_ih.size + (0 if layer.weight_hh is None
                                                      else layer.weight_hh.size)
                              for layer in q.layers))

        found = [self._ordered(program, order)
                 for order in orders(program, self.reads, self.writes)]
        return min(found, key=lambda program: Schedule(program).cycles_per_step)

    def _ordered(self, program, order):
        """``program`` with its rows in ``order``, placed and timed."""
        reads = [self.reads[k] for k in order]
        writes = [self.writes[k] for k in order]
        words, addresses = place(reads, writes)
        rows = [self._addressed(program.rows[k], reads[i], writes[i], addresses)
                for i, k in enumerate(order)]
        waits = gaps(rows, reads, writes, program.latencies)
        rows = [replace(row, gap=gap) for row, gap in zip(rows, waits)]
        return replace(program, rows=tuple(rows), state_words=words)

    def _layer(self, i):
        """Row blocks of layer ``i`` in order, as ``_emit`` takes them."""
        cell, emitted = cell_of(self.q.layers[i]), {}
        return [(i, cell, product, group, units, emitted.setdefault(group, set()))
                for product, group, units in row_blocks(self.q.layers[i], self.P, self.T,
                                                        self.products)]

    def _emit(self, i, cell, product, group, units, emitted):
        """A row block of layer ``i`` and the vector rows that follow it."""
        k = block_size(self.q.layers[i], product)
        if k is None:
            self._block(i, product, *units)
        else:
            spectra = self.spectra[self.space_of[k] - 1]
            self._spectral_block(i, spectra, product, *units)
        self._follow(i, cell, product, group, units, emitted)

    def _operands(self, i, product):
        """Operand runs of a block, oldest first: input, own last state, fresh outputs."""
        found = []
        k = block_size(self.q.layers[i], product)
        for name in product.operands:
            if name == "x" and i == 0:
                found.append((0, "weight_ih", self.q.model.input_size,
                              self.q.segment_key("x", k), {}))
                continue
            own = name != "x"
            key = f"{i}.{name}" if own else self._output_segment(i - 1)
            key = self.q.segment_key(key, k)
            segment = self.segments[self.by_name[key]]
            fresh = name != "h" and (own or self.late[i] == self.late[i - 1])
            age = 1 if not fresh else 3 if own else 2
            found.append((age, "weight_hh" if own else "weight_ih", segment.length, key,
                          {"need": segment.words if fresh else 0, "previous": not fresh}))
        return sorted(found, key=lambda run: run[0])

    def _output_segment(self, i):
        return f"{i}.{cell_of(self.q.layers[i]).output}"

    def _block(self, i, product, u0, u1):
        q = self.q.layers[i]
        size = q.layer.output_size
        words = ceil((u1 - u0) / self.T)
        pre = q.formats[product.pre]
        shift = _acc_frac(q, product) - pre.frac_bits
        half = (1 << shift) >> 1
        lane, row, bias, name = [], [], [], []
        for k, (total, gate) in enumerate(zip(product.sums, product.gates)):
            for u in range(u0, u1):
                position, s = k * words + (u - u0) // self.T, (u - u0) % self.T
                lane.append(position * self.T + s)
                row.append(gate * size + u)
                bias.append((int(q.bias[total][u]) if total in q.bias else 0) + half)
                name.append(total)
        lane, row, bias = np.array(lane), np.array(row), np.array(bias, np.int64)
        bound = np.abs(bias)
        runs = self._operands(i, product)
        for position, (_, weight, count, key, fields) in enumerate(runs):
            matrix = getattr(q, weight)[row]
            cycles = ceil(count / self.step)
            padded = np.zeros((len(row), cycles * self.step), np.int64)
            padded[:, :count] = matrix
            pairs = padded.reshape(len(row), cycles, self.step)
            contents = np.zeros((cycles, self.P, self.step), np.int64)
            contents[:, lane] = pairs.transpose(1, 0, 2)
            (self.late_weights if self.late[i] else self.weights).append(contents)
            if self.fast:
                bias = bias - pairs.prod(axis=2).sum(axis=1)
            operand = self.q.operands[key]
            bound = bound + np.abs(matrix).sum(axis=1) * (1 << (operand.width - 1
                                                               + self.q.shifts[key]))
            segment = self.by_name.get(key, -1)
            base = self.segments[segment].base // self.align if segment >= 0 else 0
            end = position == len(runs) - 1
            tail = dict(end_block=True, words=words * len(product.sums),
                        bias=sum(len(b) for b in self.biases),
                        drain=self.drains((shift, pre.width))) if end else {}
            self.ranges.append(RangeRow(
                segment=segment, base=base, count=cycles, start_block=position == 0,
                on_last=self.q.model.on_last[i], late=self.late[i], **fields, **tail))
        self.acc_bound = max(self.acc_bound, int(bound.max()))
        contents = np.zeros(words * len(product.sums) * self.T, np.int64)
        contents[lane] = bias
        self.biases.append(contents.reshape(-1, self.T))

    def _spectral_block(self, i, spectra, product, u0, u1):
        """Runs of a row block of circulant blocks, and their weights."""
        runs = self._operands(i, product)
        space = self.space_of[spectra.k]
        for position, (_, weight, _, key, fields) in enumerate(runs):
            contents = spectra.weights(self.q.layers[i], weight, product, u0, u1)
            (self.late_weights if self.late[i] else self.weights).append(contents)
            segment = self.by_name.get(key, -1)
            base = self.segments[segment].base // self.step if segment >= 0 else 0
            tail = {}
            if position == len(runs) - 1:
                tail, bound = spectra.drain(i, product, [(w, k) for _, w, _, k, _ in runs], u0, u1)
                self.acc_bound = max(self.acc_bound, bound)
            self.ranges.append(RangeRow(
                segment=segment, base=base, count=len(contents), start_block=position == 0,
                on_last=self.q.model.on_last[i], late=self.late[i], space=space, **fields, **tail))

    def _follow(self, i, cell, product, group, units, emitted):
        """Vector rows that the block over ``units`` makes possible, drained ones first."""
        drained = {}
        seen = set()
        for op in cell.ops:
            if op.a not in seen and any(op.a in p.sums for p in cell.products):
                drained[op.dst] = op.a
            seen.add(op.dst)
        for total in product.sums:
            op = next(op for op in cell.ops if drained.get(op.dst) == total)
            self._row(i, op, product, group, units)
            emitted.update((op.dst, u) for u in range(*units))
        for op in cell.ops:
            if op.dst in drained:
                continue
            needs = [name for name in (op.a, op.b, op.c) if name and not name.endswith("'")]
            ready = [u for u in range(*group) if (op.dst, u) not in emitted
                     and all((name, u) in emitted for name in needs)]
            if ready:
                self._row(i, op, None, group, (ready[0], ready[-1] + 1))
                emitted.update((op.dst, u) for u in ready)

    def _row(self, i, op, product, group, units):
        """One vector row of ``op`` over ``units``; ``product`` given: its operand a is drained."""
        q = self.q.layers[i]
        cell = cell_of(q)
        count = ceil((units[1] - units[0]) / self.T)
        fn = op.fn if op.fn != "activation" else q.layer.activation
        relu, fn = fn == "relu", "mac" if fn in ("none", "relu") else fn
        reads = {}
        fracs = {"a": q.formats[product.pre].frac_bits} if product else {}
        for letter, name in (("a", "" if product else op.a), ("b", op.b), ("c", op.c)):
            if name:
                plain = name.rstrip("'")
                reads[letter] = (self._value(i, plain, group), units[0] // self.T, name != plain)
                fracs[letter] = q.formats[_format_of(cell, plain)].frac_bits
        out = q.formats[op.fmt]
        fields = self._arithmetic(fn, fracs, out)
        fields |= dict(old="".join(k for k in "abc" if k in reads and reads[k][2]),
                       subtract=op.subtract, relu=relu, drain=product is not None,
                       on_last=self.q.model.on_last[i], late=self.late[i])
        key = f"{i}.{op.dst}"
        if op.dst in cell.operands and key in self.q.operands:
            fields |= self._copied(key, out, units[0] // self.T)
        if op.dst == cell.output and i == len(self.q.layers) - 1:
            fields["y"] = units[0] // self.T
        read_later = any(op.dst == name.rstrip("'") for other in cell.ops
                         for name in (other.a, other.b, other.c) if other is not op or "'" in name)
        self.rows.append(VectorRow(fn=fn, count=count, **fields))
        self.reads.append(reads)
        self.writes.append((self._value(i, op.dst, group), units[0] // self.T)
                           if read_later else None)

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
        kept = any(f"{name}'" in (op.a, op.b, op.c) for op in cell.ops)
        first, last = (0, self.q.layers[i].layer.output_size) if kept else group
        first //= self.T
        return Value(i, name + "'" * kept, first, ceil(last / self.T) - first)

    def _addressed(self, row, reads, write, addresses):
        """``row`` with state addresses in place of values."""
        fields = {letter: addresses[value] + word - value.first
                  for letter, (value, word, _) in reads.items()}
        if write:
            value, word = write
            fields["dst"] = addresses[value] + word - value.first
        return replace(row, **fields)


def least_lanes(quantized, slices, products=4):
    """The fewest lanes that compute one unit, or block of units, of every product."""
    return max(len(product.sums) * (len(bin_lanes(k, products)) if k else slices)
               for q in quantized.layers for product in cell_of(q).products
               for k in [block_size(q, product)])


def _acc_frac(layer, product):
    """Fraction bits of a product's accumulator."""
    return layer.acc_frac if product.weight == "weight_ih" else layer.acc_frac_hh


def _weight_bits(quantized):
    """Bits of the widest plain weight."""
    return max([q.formats[name].width for q in quantized.layers
                for name in ("weight_ih", "weight_hh")
                if name in q.formats and getattr(q, name).ndim == 2], default=1)


def _format_of(cell, name):
    """Name of the format that a cell's value is kept in."""
    return next(op.fmt for op in cell.ops if op.dst == name)
