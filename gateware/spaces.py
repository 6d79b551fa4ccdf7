"""A space of spectra in the core: sources, operands on their way to the lanes, drain."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .arith import copies, delay
from .spectral import SpectralSource
from .spectraldrain import SpectralDrain


class SpectralSpace(wiring.Component):
    """Everything of one block size beside the array: elements in, spectra out, sums in, words out.

    Operands come two cycles behind ``issue`` (three where deep), as plain ones do; of a state
    before the first step they are zero, and so is its xi.

    Parameters
    ----------
    program : rnnhw.program.Program
    index : of the space
    issue, block : layouts of the records
    styles : dict, where memories are kept, as :class:`rnnhw.memories.Layout` says

    Members
    -------
    issue, block : In
    valid, elements, point, segment, parity : In, results as points, as
        :class:`gateware.spectral.SpectralSource` takes them
    x_valid, x_element, x_point, x_parity : In, the same of the input
    written : Out, one bit a segment
    operands : Out array of components, element by element
    accumulators : In array; pushing, push, words, clipped : Out, of the drain
    """

    def __init__(self, program, index, issue, block, styles):
        self.p, self.index, self.styles = program, index, styles
        self.space = space = program.spaces[index - 1]
        self.rows = program.block_rows(index)
        k, n = space.k, program.slices
        self.segments = [s for s in program.segments if s.space == index]
        self.width = max(space.width, space.x_width) + space.growth
        super().__init__({
            "issue": In(issue), "block": In(block),
            "valid": In(1), "elements": In(signed(max(1, space.width))).array(n),
            "point": In(max(1, ceil_log2(max(1, space.blocks) * (k // n)))),
            "segment": In(range(max(1, len(self.segments)))), "parity": In(1),
            "x_valid": In(1), "x_element": In(signed(max(1, space.x_width))),
            "x_point": In(max(1, ceil_log2(max(1, space.x_blocks * k)))), "x_parity": In(1),
            "written": Out(max(1, len(self.segments))),
            "operands": Out(signed(self.width)).array(program.per_cycle * k),
            "accumulators": In(signed(program.acc_width)).array(
                self.rows * program.engine.lanes(k)),
            "pushing": Out(1), "push": Out(1),
            "words": Out(signed(program.word_bits)).array(n), "clipped": Out(n)})

    def _source(self, x):
        p, space = self.p, self.space
        segments = [(0, p.input_size)] if x else [(s.base, s.length) for s in self.segments]
        lengths = space.x_lengths if x else space.lengths
        return SpectralSource(
            k=space.k, width=space.x_width if x else space.width,
            together=1 if x else p.slices, per_cycle=p.per_cycle, segments=segments,
            blocks=space.x_blocks if x else space.blocks, products=p.products,
            acc_width=p.acc_width, spacing=p.engine.spacing(space.k, lengths, x),
            operand_cycles=p.engine.operand_cycles(space.k, lengths, x), deep=p.deep,
            style=self.styles.get("spectrax" if x else "spectra"),
            pairs_style=self.styles.get("pairsx" if x else "pairs"))

    def elaborate(self, platform):
        m = Module()
        p, issue = self.p, self.issue
        m.submodules.drain = drain = SpectralDrain(
            space=self.space, products=p.products, rows=self.rows, slices=p.slices,
            acc_width=p.acc_width, word_bits=p.word_bits, block=self.block.shape(),
            latency=p.latencies.array - 1, xi=p.fast,
            wait=p.latencies.drain - 3 - p.engine.drain_extra(self.space.k),
            style=self.styles.get("spectralbiases"))
        m.d.comb += [
            drain.block.eq(self.block),
            drain.block.valid.eq(self.block.valid & (self.block.space == self.index)),
            self.pushing.eq(drain.pushing), self.push.eq(drain.push),
            self.clipped.eq(drain.clipped),
            *(out.eq(word) for out, word in zip(self.words, drain.words)),
            *(a.eq(b) for a, b in zip(drain.accumulators, self.accumulators)),
        ]
        sources = {}
        if self.space.blocks:
            m.submodules.state = state = sources["state"] = self._source(False)
            m.d.comb += [
                state.valid.eq(self.valid), state.point.eq(self.point),
                state.segment.eq(self.segment), state.parity.eq(self.parity),
                *(a.eq(b) for a, b in zip(state.elements, self.elements)),
                self.written.eq(state.written), state.address.eq(issue.word)]
        if self.space.x_blocks:
            m.submodules.x = x = sources["x"] = self._source(True)
            m.d.comb += [
                x.valid.eq(self.x_valid), x.point.eq(self.x_point), x.parity.eq(self.x_parity),
                x.elements[0].eq(self.x_element), x.address.eq(issue.index)]
        for source in sources.values():
            m.d.comb += source.read_parity.eq(issue.parity)

        count = len(self.operands)
        is_x, zero = (copies(m, delay(m, flag, p.deep, name), count, name, each=4)
                      for flag, name in ((issue.x, "is_x"), (issue.zero, "zero")))
        for i, operand in enumerate(self.operands):
            chosen = Signal(signed(self.width), name=f"chosen{i}", reset_less=True)
            m.d.sync += chosen.eq(_either(is_x[i], sources, "blocks", i, zero[i]))
            m.d.comb += operand.eq(chosen)
        if p.fast:
            self._xi(m, sources, drain)
        return m

    def _xi(self, m, sources, drain):
        """Sums of a run go to the drain as its last product is in the accumulators."""
        issue, far = self.issue, self.p.latencies.array - 1
        here = issue.run_end & (issue.space == self.index)
        for name, source in sources.items():
            slot = issue.parity if name == "x" else (issue.slot << 1) | issue.parity
            m.d.comb += source.read_slot.eq(delay(m, slot, far - 3, f"slot_{name}"))
        is_x, zero = (copies(m, delay(m, flag, far - 2, name), len(drain.sums), name, each=1)
                      for flag, name in ((issue.x, "sums_x"), (issue.zero, "sums_zero")))
        for c, xi in enumerate(drain.sums):
            chosen = Signal.like(xi, name=f"sums{c}", reset_less=True)
            m.d.sync += chosen.eq(_either(is_x[c], sources, "sums", c, zero[c]))
            m.d.comb += xi.eq(chosen)
        m.d.comb += [drain.run_end.eq(delay(m, here, far - 1, "run_end")),
                     drain.run_first.eq(delay(m, issue.run_first, far - 1, "run_first"))]


def _either(is_x, sources, name, i, zero):
    """Member ``name[i]`` of the source in use; zero for a state that is not there yet."""
    state = Mux(zero, 0, getattr(sources["state"], name)[i]) if "state" in sources else 0
    return Mux(is_x, getattr(sources["x"], name)[i], state) if "x" in sources else state
