"""What a user may choose, by question: which numbers, how parallel, which board."""

from dataclasses import dataclass, field, fields

from .activation import check_kind
from .bins import PRODUCTS
from .circulant import check_block_size
from .errors import RnnhwError
from .fixed import FixedFormat

PIPELINES = ("short", "deep")
PLACEMENTS = ("latency", "throughput")


def _positive(name, value, unit):
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))
                              or not 0 < value < 1e9):
        raise RnnhwError(f"{name} must be above 0 {unit}, not {value!r}.")


def _within(name, value, low, high):
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)
                              or not low <= value <= high):
        raise RnnhwError(f"{name} must be a whole number within {low}..{high}, not {value!r}.")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choices of the user; ``None`` lets the compiler choose.

    Parameters
    ----------
    weight_bits : int, 2..18
    activation_bits : int, 2..18
        Width of operands (inputs and the copies of h that meet a weight).
    state_bits : int, 8..18
        Width of h as state and output, and of gates.
    cell_bits : int, 8..18, or None for state_bits
        Width of an LSTM's c.
    activation_error : float or None
        Worst error of tanh's table over every input code; None: 2**-10 up to 8 activation bits,
        else 2**-12. Hard kinds have none.
    activation_kind : str
        How tanh and sigmoid are computed: pwl, octave, table, ralut, or hard_0.25, hard_0.2 and
        hard_1/6, named by the sigmoid's slope (see :mod:`rnnhw.activation`).
    formats : dict
        Formats fixed by the user, ``{"0.c": "16/9", "x": "8/4"}``: layer index and tensor name.
    lanes : int or None
        Upper limit of array lanes (one multiplier each).
    vector_lanes : int or None
        Number of slices T, each with one vector lane.
    max_multipliers : int or None
        Upper limit over all multipliers.
    fast_inner_product : bool or None
        Two products a multiplier and cycle; None: where it takes fewer cycles and its widths fit.
    pipeline : "short", "deep" or None
        Deep has a register more behind every memory and multiplier; None: as the part needs.
    output_placement : "latency" or "throughput"
        When linear layers behind the last recurrent one run, if every step is given: at the end of
        their own step, or beside the next one, where they fill the array's wait for the state.
        A step's output then comes with the next step, a sequence's last one behind it.
    deadline_us : float or None
        The cheapest design is taken whose step, from its last input word to its last output word,
        takes no more microseconds; None: the fastest.
    clock_mhz : float or None
        Clock that times are counted at; None: the board's usual one.
    block_size : int or None
        That the model's recurrent layers are block-circulant with blocks of this size, 4..64; drawn
        weights become so, others must be.
    spectrum_bits : int, 2..18, or None for 12
        Width of block-circulant weights, as spectra.
    guard_bits : int, 0..8, or None
        Bits below the operands of a transform; None: 3. Fewer where words would pass 17 bits, none
        for k = 4, whose transform is exact.
    spectral_products : 3, 4 or None
        Real products of a complex one; None lets the compiler choose.
    max_length : int, 1..65536
        Most steps of a sequence that a network which runs both ways keeps.
    board : str or None
        Board whose limits hold.
    seed : int
        Seed of whatever is drawn at random.
    """

    weight_bits: int = 8
    activation_bits: int = 8
    state_bits: int = 16
    cell_bits: int | None = None
    activation_error: float | None = None
    activation_kind: str = "pwl"
    formats: dict = field(default_factory=dict)
    lanes: int | None = None
    vector_lanes: int | None = None
    max_multipliers: int | None = None
    fast_inner_product: bool | None = None
    pipeline: str | None = None
    output_placement: str = "latency"
    deadline_us: float | None = None
    clock_mhz: float | None = None
    block_size: int | None = None
    spectrum_bits: int | None = None
    guard_bits: int | None = None
    spectral_products: int | None = None
    max_length: int = 256
    board: str | None = None
    seed: int = 0

    def __post_init__(self):
        _within("weight_bits", self.weight_bits, 2, 18)
        _within("activation_bits", self.activation_bits, 2, 18)
        _within("state_bits", self.state_bits, 8, 18)
        _within("cell_bits", self.cell_bits, 8, 18)
        _within("lanes", self.lanes, 1, 4096)
        _within("vector_lanes", self.vector_lanes, 1, 64)
        _within("max_multipliers", self.max_multipliers, 2, 8192)
        _within("max_length", self.max_length, 1, 65536)
        _within("seed", self.seed, 0, 2**63 - 1)
        _positive("deadline_us", self.deadline_us, "microseconds")
        _positive("clock_mhz", self.clock_mhz, "MHz")
        if self.activation_error is not None and not 2**-12 <= self.activation_error <= 2**-6:
            raise RnnhwError("activation_error must be within 2**-12..2**-6 "
                             f"({2**-12:.6f}..{2**-6:.6f}), not {self.activation_error!r}.")
        check_kind(self.activation_kind, self.activation_error)
        if self.fast_inner_product not in (None, True, False):
            raise RnnhwError("fast_inner_product must be true, false or left out, not "
                             f"{self.fast_inner_product!r}.")
        if self.pipeline not in (None, *PIPELINES):
            raise RnnhwError(f"pipeline must be {' or '.join(PIPELINES)}, or left out, not "
                             f"{self.pipeline!r}.")
        if self.output_placement not in PLACEMENTS:
            raise RnnhwError(f"output_placement must be {' or '.join(PLACEMENTS)}, not "
                             f"{self.output_placement!r}.")
        if self.block_size is not None:
            object.__setattr__(self, "block_size", check_block_size(self.block_size))
        _within("spectrum_bits", self.spectrum_bits, 2, 18)
        _within("guard_bits", self.guard_bits, 0, 8)
        if self.spectral_products is not None and (
                isinstance(self.spectral_products, bool) or self.spectral_products not in PRODUCTS):
            raise RnnhwError("spectral_products must be 3 or 4, or left out, not "
                             f"{self.spectral_products!r}.")
        parsed = {key: FixedFormat.parse(value) for key, value in dict(self.formats).items()}
        object.__setattr__(self, "formats", parsed)

    @classmethod
    def from_dict(cls, table):
        """Config from plain keys, as read from TOML; unknown keys are refused by name."""
        known = [f.name for f in fields(cls)]
        for key in table:
            if key not in known:
                raise RnnhwError(f"[config] has the unknown key {key!r}; known are "
                                 f"{', '.join(known)}.")
        return cls(**table)
