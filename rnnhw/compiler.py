"""From a quantised model to the engine's program: row blocks, vector rows, memory contents."""

from dataclasses import replace
from math import ceil

import numpy as np

from .bins import bin_lanes
from .cells import cell_of, previous
from .costs import cost
from .errors import RnnhwError
from .fixed import FixedFormat
from .layers import matrices
from .listing import orders
from .placement import gaps, place
from .plain import Plain
from .program import Program
from .records import RangeRow, Segment
from .rowblocks import block_size, block_sizes, check_slices, row_blocks
from .schedule import Schedule
from .segments import parts, segment_of, split_key
from .spectra import Spectra
from .tables import early_end
from .vectorrows import VectorRows, addressed


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
    if lanes % slices and not block_sizes(quantized):
        raise RnnhwError(f"lanes must be a multiple of the {slices} vector lanes, not {lanes}.")
    check_slices(quantized, slices)
    need = least_lanes(quantized, slices, products)
    if lanes < need:
        raise RnnhwError(f"{lanes} lanes in {slices} slices are too few for this model; "
                         f"{need} are the least, or choose fewer vector_lanes.")
    model = quantized.model
    behind = model.behind if late and model.chain and not model.last_step else ()
    for on_last in (model.on_last, (False,) * len(model.layers)):
        program = _Lowering(quantized, lanes, slices, fast, deep, behind, products,
                            on_last).program()
        # what follows a step's first row is known once the step has begun, with that row
        if all(early_end(table) or len(table) == 1 for table in (program.ranges, program.rows)):
            return program
    raise RuntimeError("a table begins with what only a sequence's last step runs")


class _Lowering:
    """State of one lowering; ``program`` gives its result."""

    def __init__(self, quantized, lanes, slices, fast, deep, late, products, on_last):
        self.q, self.fast, self.deep, self.products = quantized, fast, deep, products
        self.P, self.T = lanes, slices
        self.late, self.on_last = late or (False,) * len(quantized.layers), on_last
        self.spaces = [Plain(quantized, lanes, slices, fast),
                       *(Spectra(quantized, k, space, lanes, slices, fast, products)
                         for space, k in enumerate(block_sizes(quantized), 1))]
        self.space_of = {space.k: space for space in self.spaces}
        self._inputs()
        self.segments = self._segments()
        self.by_name = {s.name: i for i, s in enumerate(self.segments)}
        self.ranges, self.weights, self.late_weights, self.acc_bound = [], [], [], 0
        self.vectors = VectorRows(quantized, slices, self.segments,
                                  {space.k: space.space for space in self.spaces}, self.late,
                                  self.on_last)

    def _inputs(self):
        """Where the parts of an input lie, and the words that it comes in.

        Parts begin at a word of the input's memories each, and come shifted.
        """
        q, step = self.q, 1 + self.fast
        sizes = q.model.inputs
        self.x_format, self.x_shift = q.operands["x"], q.shifts.get("x", 0)
        self.x_size, self.x_bases = q.model.input_size, {"x": 0}
        if sizes is None:
            return
        at, width = 0, 1
        for k, size in enumerate(sizes):
            name = segment_of(q.model, -1 - k)
            self.x_bases[name] = at
            width = max(width, q.operands[name].width + q.shifts[name])
            at += -(-size // step)
        self.x_format, self.x_shift, self.x_size = FixedFormat(width, 0), 0, max(2, at * step)

    def _segments(self):
        found, base = [], [0] * len(self.spaces)
        for i, q in enumerate(self.q.layers):
            cell = cell_of(q)
            for name in cell.operands:
                size = getattr(q.layer, cell.size(name))
                for space in self.spaces:
                    key = self.q.segment_key(f"{i}.{name}", space.k)
                    if key not in self.q.shifts:
                        continue
                    words = ceil(size / (space.k or self.T))
                    found.append(Segment(key, base[space.space], size, words,
                                         self.on_last[i], self.late[i], space.space))
                    base[space.space] += -(-words // space.align) * space.align
        return tuple(found)

    def _blocks(self):
        """The row blocks of all layers in the order that the array runs them: ``(layer, product,
        group, units)``."""
        layers = [[(i, *block) for block in row_blocks(q, self.P, self.T, self.products)]
                  for i, q in enumerate(self.q.layers)]
        blocks = [block for found, late in zip(layers, self.late) if not late for block in found]
        # the array knows no more than two runs before a step has started
        first = 1 if len(blocks[0][1].operands) > 1 else 2
        late = [found for found, late in zip(layers, self.late) if late][::-1]
        places = [max(first, len(blocks) - n) for n in range(len(late))]
        if any(self._tears(blocks, at, found[0][0]) for at, found in zip(places, late)):
            places = [len(blocks)] * len(late)
        for at, found in zip(places, late):
            blocks[at:at] = found
        return blocks

    def _tears(self, blocks, at, late):
        """Whether layer ``late`` in between would part what is gathered for one transform or, where
        lanes are fast, summed for one xi."""
        after = {i for i, *_ in blocks[at:]}
        ends = {i: max(units[1] for j, *_, units in blocks[:at] if j == i)
                for i, *_ in blocks[:at] if i in after}
        return any(self.fast or end % k for i, end in ends.items()
                   for k in sorted(self._transforms(i) & self._transforms(late)))

    def _transforms(self, i):
        """Block sizes of the spectra that are made of what layer ``i`` writes."""
        return {k for segment, k in map(split_key, self.q.shifts)
                if k and segment.startswith(f"{i}.")}

    def program(self):
        for i, product, group, units in self._blocks():
            self._block(i, product, *units)
            self.vectors.follow(i, product, group, units)
        self._check_turns()
        q, model, vectors = self.q, self.q.model, self.vectors
        words = [q.formats[f].width for q in self.q.layers for f in q.formats
                 if not f.startswith("weight") and not f.endswith("_spectrum")]
        plain = [s for s in self.segments if not s.space]
        operand_widths = [q.operands[s.name].width + q.shifts[s.name] for s in plain]
        weights = self.weights + self.late_weights
        columns = max(part.shape[1] for part in weights)
        weights = [np.pad(part, ((0, 0), (0, columns - part.shape[1]), (0, 0)))
                   for part in weights]
        program = Program(
            name=model.name, input_size=self.x_size, output_size=model.output_size,
            outputs=tuple(map(model.size, model.outputs)),
            last_step=model.last_step, lanes=self.P, slices=self.T, fast=self.fast, deep=self.deep,
            x_format=self.x_format, x_shift=self.x_shift, y_format=q.output_format,
            segments=self.segments,
            operand_words=max((s.base + s.words for s in plain), default=0),
            operand_width=max(operand_widths, default=1),
            ranges=tuple(self.ranges), rows=tuple(vectors.rows),
            weights=np.concatenate(weights), weight_bits=_weight_bits(q),
            biases=np.concatenate(self.spaces[0].biases or [np.zeros((0, self.T), np.int64)]),
            acc_width=int(self.acc_bound).bit_length() + 1,
            drains=tuple(self.spaces[0].drains), outs=tuple(vectors.outs),
            copies=tuple(vectors.copies), aligns=tuple(vectors.aligns),
            indices=tuple(vectors.indices), state_words=0, word_bits=max(words),
            products=self.products,
            spaces=tuple(space.result(self.segments) for space in self.spaces[1:]),
            table=q.activation if any(r.fn != "mac" for r in vectors.rows) else None,
            macs_per_step=cost(model).macs,
            dense_macs=sum(
                weight.size for layer, left_out in zip(model.layers, self.on_last) if not left_out
                for _, weight, circulant, _ in matrices(layer) if circulant is None))

        found = [self._ordered(program, order)
                 for order in orders(program, vectors.reads, vectors.writes)]
        return min(found, key=lambda program: Schedule(program).cycles_per_step)

    def _check_turns(self):
        """Refuse values that come in turns where a transform, or a xi, is to be made of each."""
        for space in self.spaces[1:]:
            before, left = -1, False
            for row in self.vectors.rows:
                for target in row.targets:
                    if target.space != space.space:
                        continue
                    segment = self.segments[target.segment]
                    if left and target.segment != before:
                        first = self.segments[before].name
                        raise RnnhwError(
                            f"{first} and {segment.name} come in turns, but what blocks of "
                            f"{space.k} transform must come one after the other; in the cell, give "
                            "each a product of its own.")
                    end = (target.word + row.count) * self.T
                    before = target.segment
                    left = end < segment.length and bool(self.fast or end % space.k)

    def _ordered(self, program, order):
        """``program`` with its rows in ``order``, placed and timed."""
        reads = [self.vectors.reads[k] for k in order]
        writes = [self.vectors.writes[k] for k in order]
        constants = self.vectors.constants()
        words, addresses = place(reads, writes, constants)
        rows = [addressed(program.rows[k], reads[i], writes[i], addresses)
                for i, k in enumerate(order)]
        waits = gaps(rows, reads, writes, program.latencies)
        rows = [replace(row, gap=gap) for row, gap in zip(rows, waits)]
        initial = [(addresses[value], contents) for value, contents in constants.items()]
        return replace(program, rows=tuple(rows), state_words=words, constants=tuple(initial))

    def _operands(self, i, product):
        """Operand runs of a block, oldest first, input, own last state, fresh values: ``(age, part,
        operand segment, fields)``."""
        found, k = [], block_size(self.q.layers[i], product)
        for part in parts(self.q.model, i, product):
            key = self.q.segment_key(part.segment, k)
            if part.segment in self.x_bases:
                found.append((0, part, key, {"base": self.x_bases[part.segment]}))
                continue
            own = part.operand != "x"
            segment = self.segments[self.by_name[key]]
            fresh = (not previous(part.operand) if own
                     else self.late[i] == self.late[int(part.segment.split(".")[0])])
            age = 1 if not fresh else 3 if own else 2
            found.append((age, part, key,
                          {"need": segment.words if fresh else 0, "previous": not fresh}))
        return sorted(found, key=lambda run: run[0])

    def _block(self, i, product, u0, u1):
        """Runs of a row block, and their weights."""
        runs, layer = self._operands(i, product), self.q.layers[i]
        space = self.space_of[block_size(layer, product)]
        for position, (_, part, key, fields) in enumerate(runs):
            contents = space.weights(layer, part, product, u0, u1)
            (self.late_weights if self.late[i] else self.weights).append(contents)
            segment = self.by_name.get(key, -1)
            if segment >= 0:
                fields = {"base": self.segments[segment].base // space.align, **fields}
            tail = {}
            if position == len(runs) - 1:
                tail, bound = space.drain(i, product, [run[1:3] for run in runs], u0, u1)
                if space is self.spaces[0]:
                    tail |= space.first_bias(i, [run[1:3] for run in runs], product, u0, u1)
                self.acc_bound = max(self.acc_bound, bound)
            self.ranges.append(RangeRow(
                segment=segment, count=len(contents), start_block=position == 0,
                on_last=self.on_last[i], late=self.late[i], space=space.space,
                **fields, **tail))


def least_lanes(quantized, slices, products=4):
    """The fewest lanes that compute one unit, or block of units, of every product."""
    return max(len(product.sums) * (len(bin_lanes(k, products)) if k else slices)
               for q in quantized.layers for product in cell_of(q).products
               for k in [block_size(q, product)])


def _weight_bits(quantized):
    """Bits of the widest plain weight."""
    return max([q.formats[name].width for q in quantized.layers
                for name, k in q.block_sizes.items() if k is None], default=1)
