"""Rows of the engine's two tables, and what they refer to: segments, ways to narrow a result."""

from dataclasses import dataclass

ONE_FRAC = 14              # a factor of one in the vector lane is 2**14


@dataclass(frozen=True)
class Segment:
    """A range of a space's operand memory, one word of ``slices`` elements after another; a word of
    a spectral one is a block.

    ``words`` are counted per step by a ready counter that starts one step ahead, so that the state
    before the first step counts as written. ``late`` ones are written by late rows.
    """

    name: str
    base: int
    length: int
    words: int
    on_last: bool
    late: bool = False
    space: int = 0


@dataclass(frozen=True)
class RangeRow:
    """A run of operands that the array multiplies, one element or pair a cycle.

    Parameters
    ----------
    segment : index of the segment, or -1 for the input ``x``
    base : first word of ``banks`` elements in operand memory
    count : cycles; an odd number of elements is padded to a pair
    need : words of the segment that must be written before its word 0 may be read
    previous : the elements are those of the previous step
    end_block : last run of its row block; the fields below then hold
    words : words drained per slice
    bias : address of the first bias word, or block row of biases
    first_bias : the same in a sequence's first step, -1 where it is no other: the products of the
        first state are in it
    drain : index into ``Program.drains``, or into those of the space
    space : of operands and sums; ``base`` and ``count`` are of its blocks, or pairs of them
    gates : sums of the block, each drained ``hold`` cycles behind the one before
    late : the run is of the step before, see :class:`Program`
    """

    segment: int
    base: int
    count: int
    need: int = 0
    previous: bool = False
    start_block: bool = False
    end_block: bool = False
    words: int = 0
    bias: int = 0
    drain: int = 0
    space: int = 0
    gates: int = 1
    hold: int = 0
    on_last: bool = False
    late: bool = False
    first_bias: int = -1

    @property
    def offsets(self):
        """Cycles that each drained word comes behind the first."""
        return [gate * self.hold + word for gate in range(self.gates)
                for word in range(self.words // self.gates)]


@dataclass(frozen=True)
class VectorRow:
    """One vector instruction: ``count`` elements, one a cycle in every slice.

    ``result = saturate(round(a*b +- (c << align)) >> shift) + half``; with a table ``fn``, ``b``
    and ``c`` are its slope and intercept. Addresses are of the slice's state memory, -1 where
    unused.

    Parameters
    ----------
    fn : "mac", "tanh" or "sigmoid"
    drain : operand a is the drained word
    a, b, c : addresses; ``b == -1`` of a mac multiplies by ``2**ONE_FRAC``
    old : which of "abc" are of the previous step and read zero in a sequence's first step
    first_a, first_b, first_c : addresses of those that are something else in a sequence's first
        step, -1 where they are not
    dst : address of the result in state memory
    out, align, index : indices into ``Program.outs``, ``aligns`` and ``indices``
    segment, operand, copy : of the operand copy: segment, first word, index into ``copies``
    targets : tuple of :class:`rnnhw.spaces.Target`, the copies that are transformed
    y : first word of the output buffer; a model that gives its last step only sends it then
    gap : cycles to wait behind the row before
    late : the row is of the step before, see :class:`Program`
    """

    fn: str
    count: int
    drain: bool = False
    a: int = -1
    b: int = -1
    c: int = -1
    old: str = ""
    subtract: bool = False
    relu: bool = False
    dst: int = -1
    out: int = 0
    align: int = 0
    index: int = 0
    segment: int = -1
    operand: int = -1
    copy: int = 0
    targets: tuple = ()
    y: int = -1
    gap: int = 0
    on_last: bool = False
    late: bool = False
    first_a: int = -1
    first_b: int = -1
    first_c: int = -1


@dataclass(frozen=True)
class Out:
    """How a vector result is narrowed: shift, width, and half of one where sigmoid needs it."""

    shift: int
    width: int
    half: int = 0


@dataclass(frozen=True)
class Copy:
    """How a result becomes an operand: requantised by ``shift`` to ``width``, stored shifted
    left; in ``lefts``, for each space of spectra, by how much before its transform."""

    shift: int
    width: int
    left: int
    lefts: tuple = ()
