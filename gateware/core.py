"""The core: streams of input and output elements around array, slices and the two sequencers."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .arith import NO_STYLES, delay
from .array import Drain, MacArray
from .blocks import BlockSequencer
from .buffers import InputBuffer, OutputBuffer, x_layout, y_layout
from .operands import OperandMemory
from .rows import RowSequencer
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
        m.submodules.input = source = InputBuffer(
            size=p.input_size, width=p.x_width, shift=p.x_shift, per_cycle=p.per_cycle,
            style=styles.get("x"))
        m.submodules.output = sink = OutputBuffer(
            size=p.output_size, width=p.y_width, slices=p.slices, style=styles.get("y"),
            deep=p.deep)
        m.submodules.operands = operands = OperandMemory(
            words=p.operand_depth, banks=p.banks, slices=p.slices, per_cycle=p.per_cycle,
            width=p.operand_width, x_width=p.x_width + p.x_shift, issue=blocks.issue_layout,
            deep=p.deep, style=styles.get("operands"))
        m.submodules.array = array = MacArray(
            weights=p.weights, weight_bits=p.weight_bits,
            operand_bits=len(operands.operands[0]), acc_width=p.acc_width,
            issue=blocks.issue_layout, deep=p.deep, ram_shapes=self.ram_shapes,
            styles=styles)
        m.submodules.drain = drain = Drain(
            biases=p.biases, lanes=p.lanes, acc_width=p.acc_width, word_bits=p.word_bits,
            drains=p.drains, block=blocks.block_layout, latency=p.latencies.array - 1,
            xi=p.fast, deep=p.deep, style=styles.get("biases"))

        wiring.connect(m, wiring.flipped(self.x), source.x)
        wiring.connect(m, sink.y, wiring.flipped(self.y))
        m.d.comb += [
            blocks.whole.eq(source.whole), blocks.first.eq(source.first),
            blocks.last.eq(source.last), source.start.eq(blocks.start & blocks.takes_input),
            source.release.eq(blocks.release),
            blocks.y_free.eq(sink.free), sink.start.eq(blocks.start & blocks.gives_output),
            blocks.token_free.eq(rows.token_free), rows.start.eq(blocks.start),
            rows.first.eq(blocks.step_first), rows.last.eq(blocks.step_last),
            rows.pushing.eq(drain.pushing), blocks.popped.eq(rows.popped),
            source.parity.eq(blocks.issue.parity), source.index.eq(blocks.issue.index),
            operands.issue.eq(blocks.issue), array.issue.eq(blocks.issue),
            drain.block.eq(blocks.block),
        ]
        for i in range(p.per_cycle):
            m.d.comb += [operands.x_operands[i].eq(source.operands[i]),
                         array.operands[i].eq(operands.operands[i])]
        for lane in range(p.lanes + p.fast):
            m.d.comb += drain.accumulators[lane].eq(array.accumulators[lane])

        issue = rows.issue
        far = 8 + 3 * p.deep
        written = delay(m, issue.copied, far - 1, "written")
        segment = delay(m, issue.segment, far - 1, "segment")
        m.d.comb += [
            operands.write.eq(delay(m, written, 2, "write")),
            operands.write_parity.eq(delay(m, issue.parity, far + 1, "parity")),
            operands.write_word.eq(delay(m, issue.operand, far + 1, "operand")),
            blocks.written.eq(Cat(written & (segment == i) for i in range(len(p.segments)))),
            sink.write.eq(delay(m, issue.sent, far, "sent")),
            sink.word.eq(delay(m, issue.y, far, "y_word")),
        ]
        for s in range(p.slices):
            lane = VectorLane(p, rows.issue_layout, styles)
            m.submodules[f"vector{s}"] = lane
            sticky = Signal(name=f"saturated{s}")
            m.d.comb += [
                lane.issue.eq(issue), lane.push.eq(drain.push), lane.pushed.eq(drain.words[s]),
                sink.elements[s].eq(lane.result), operands.elements[s].eq(lane.copy),
                self.saturated[s].eq(sticky),
            ]
            m.d.sync += sticky.eq(sticky | drain.clipped[s] | lane.clipped)
        return m
