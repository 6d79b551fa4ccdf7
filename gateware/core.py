"""The core: streams of input and output elements around array, slices and the two sequencers."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .arith import NO_STYLES, delay
from .array import Drain, MacArray, plain_factors, spectral_factors
from .blocks import BlockSequencer
from .buffers import InputBuffer, OutputBuffer, SpectralInput, x_layout, y_layout
from .operands import OperandMemory
from .rows import RowSequencer
from .spaces import SpectralSpace
from .vector import VectorLane


class Core(wiring.Component):
    """A recurrent network as a machine from input elements to output elements.

    A step's ``input_size`` elements enter one a word with the flags ``first`` and ``last`` of
    their step in its sequence; ``output_size`` elements leave, the last one marked. A model that
    gives only its last step answers steps marked ``last`` alone. State is kept until a step
    marked ``first``. Input and output may stall at any time; cycles are those of
    :class:`rnnhw.schedule.Schedule`.

    Parameters
    ----------
    program : rnnhw.program.Program
    ram_shapes : (depth, width) of the part's block RAMs, for weights that one RAM cannot hold
    styles : dict, where memories are kept, as :class:`rnnhw.memories.Layout` says

    Members
    -------
    x : In(stream of x_layout(x_width))
    y : Out(stream of y_layout(y_width))
    saturated : Out(slices), sticky: a number was clipped in that slice
    """

    def __init__(self, program, ram_shapes=(), styles=NO_STYLES):
        self.program, self.ram_shapes, self.styles = program, ram_shapes, styles
        super().__init__({
            "x": In(stream.Signature(x_layout(program.x_width))),
            "y": Out(stream.Signature(y_layout(program.y_width))),
            "saturated": Out(program.slices)})

    def elaborate(self, platform):
        m = Module()
        p, styles = self.program, self.styles
        m.submodules.blocks = blocks = BlockSequencer(p, styles.get("ranges"))
        m.submodules.rows = rows = RowSequencer(p, styles.get("rows"))
        m.submodules.input = source = self._input(p, styles)
        m.submodules.output = sink = OutputBuffer(
            sizes=p.outputs, width=p.y_width, slices=p.slices, style=styles.get("y"),
            deep=p.deep)
        factors = []
        if p.plain:
            m.submodules.operands = operands = OperandMemory(
                words=p.operand_depth, banks=p.banks, slices=p.slices, per_cycle=p.per_cycle,
                width=p.operand_width, x_width=p.x_width + p.x_shift, issue=blocks.issue_layout,
                deep=p.deep, style=styles.get("operands"))
            factors.append(plain_factors(p.plain_lanes, len(operands.operands[0]), p.weight_bits))
        spaces = []
        for i, space in enumerate(p.spaces):
            spaces.append(SpectralSpace(p, i + 1, blocks.issue_layout, blocks.block_layout, styles))
            m.submodules[f"space{i + 1}"] = spaces[-1]
            factors.append(spectral_factors(space, p.block_rows(i + 1), bool(space.x_blocks),
                                            p.products))
        m.submodules.array = array = MacArray(
            weights=p.weight_words, weight_width=p.weight_width, lanes=p.lanes,
            per_cycle=p.per_cycle, spaces=factors, plain=p.plain, acc_width=p.acc_width,
            issue=blocks.issue_layout, deep=p.deep, prepared=bool(p.engine.prepared),
            ram_shapes=self.ram_shapes, styles=styles)
        drains = []
        if p.plain:
            m.submodules.drain = drain = Drain(
                biases=p.biases, lanes=p.plain_lanes, acc_width=p.acc_width, word_bits=p.word_bits,
                drains=p.drains, block=blocks.block_layout, latency=p.latencies.array - 1,
                xi=p.fast, deep=p.deep, wait=p.latencies.drain - 3, style=styles.get("biases"))
            drains.append(drain)
        drains += spaces

        wiring.connect(m, wiring.flipped(self.x), source.x)
        wiring.connect(m, sink.y, wiring.flipped(self.y))
        m.d.comb += [
            blocks.whole.eq(source.whole), blocks.first.eq(source.first),
            blocks.last.eq(source.last), source.start.eq(blocks.start & blocks.takes_input),
            source.release.eq(blocks.release),
            blocks.y_free.eq(sink.free), sink.start.eq(blocks.start & blocks.gives_output),
            blocks.token_free.eq(rows.token_free), rows.start.eq(blocks.start),
            rows.first.eq(blocks.step_first), rows.last.eq(blocks.step_last),
            rows.pushing.eq(_any(part.pushing for part in drains)), blocks.popped.eq(rows.popped),
        ]
        if not p.x_space:
            m.d.comb += [source.parity.eq(blocks.issue.parity),
                         source.index.eq(blocks.issue.index)]
        if p.plain:
            m.d.comb += operands.issue.eq(blocks.issue)
        m.d.comb += array.issue.eq(blocks.issue)
        if p.plain:
            self._plain(m, p, source, operands, array, drain, blocks)
        for i, space in enumerate(spaces):
            self._spectral(m, p, space, i + 1, source, array, blocks)

        issue = rows.issue
        far = 8 + 3 * p.deep
        written = delay(m, issue.copied, far - 1, "written")
        segment = delay(m, issue.segment, far - 1, "segment")
        if p.plain:
            m.d.comb += [
                operands.write.eq(delay(m, written, 2, "write")),
                operands.write_parity.eq(delay(m, issue.parity, far + 1, "parity")),
                operands.write_word.eq(delay(m, issue.operand, far + 1, "operand")),
            ]
        for i, space in enumerate(spaces, 1):
            m.d.comb += [
                getattr(space, name).eq(delay(m, issue[f"{field}{i}"], far + 1, f"{field}{i}"))
                for name, field in (("valid", "points"), ("point", "point"),
                                    ("segment", "pointed"))]
            m.d.comb += space.parity.eq(delay(m, issue.parity, far + 1, "parity"))
        ready = [written & (segment == i) if s.space == 0
                 else spaces[s.space - 1].written[p.slot(i)] for i, s in enumerate(p.segments)]
        m.d.comb += [
            blocks.written.eq(Cat(ready)),
            sink.write.eq(delay(m, issue.sent, far, "sent")),
            sink.word.eq(delay(m, issue.y, far, "y_word")),
        ]
        for s in range(p.slices):
            lane = VectorLane(p, rows.issue_layout, styles, s)
            m.submodules[f"vector{s}"] = lane
            sticky = Signal(name=f"saturated{s}")
            pushed = drains[-1].words[s]
            for part in drains[-2::-1]:
                pushed = Mux(part.push, part.words[s], pushed)
            m.d.comb += [
                lane.issue.eq(issue), lane.push.eq(_any(part.push for part in drains)),
                lane.pushed.eq(pushed), sink.elements[s].eq(lane.result),
            ]
            if p.plain:
                m.d.comb += operands.elements[s].eq(lane.copy)
            m.d.comb += self.saturated[s].eq(sticky)
            for i, space in enumerate(spaces, 1):
                m.d.comb += space.elements[s].eq(getattr(lane, f"point{i}"))
            clipped = _any(part.clipped[s] for part in drains)
            m.d.sync += sticky.eq(sticky | clipped | lane.clipped)
        return m

    def _input(self, p, styles):
        if p.x_space:
            return SpectralInput(size=p.input_size, width=p.x_width, wait=p.x_delay,
                                 shift=p.spaces[p.x_space - 1].x_width - p.x_width)
        return InputBuffer(size=p.input_size, width=p.x_width, shift=p.x_shift,
                           per_cycle=p.per_cycle, style=styles.get("x"))

    def _plain(self, m, p, source, operands, array, drain, blocks):
        """Elements as operands, and their sums."""
        m.d.comb += drain.block.eq(blocks.block)
        if p.spaces:
            m.d.comb += drain.block.valid.eq(blocks.block.valid & (blocks.block.space == 0))
        for i in range(p.per_cycle):
            if not p.x_space:
                m.d.comb += operands.x_operands[i].eq(source.operands[i])
            m.d.comb += array.operands[i].eq(operands.operands[i])
        m.d.comb += [drain.accumulators[lane].eq(array.accumulators[lane])
                     for lane in range(p.plain_lanes)]
        if p.fast:
            m.d.comb += drain.accumulators[p.plain_lanes].eq(array.accumulators[p.lanes])

    def _spectral(self, m, p, space, index, source, array, blocks):
        """Spectra as operands, and their sums."""
        m.d.comb += [space.issue.eq(blocks.issue), space.block.eq(blocks.block)]
        m.d.comb += [
            operand.eq(component) for operand, component in
            zip(array.broadcast(index - 1 + p.plain), space.operands)]
        m.d.comb += [accumulator.eq(array.accumulators[i])
                     for i, accumulator in enumerate(space.accumulators)]
        if index == p.x_space:
            m.d.comb += [space.x_valid.eq(source.valid), space.x_element.eq(source.element),
                         space.x_point.eq(source.point), space.x_parity.eq(source.filling)]


def _any(flags):
    """Whether any of them is set."""
    first, *others = flags
    for flag in others:
        first |= flag
    return first
