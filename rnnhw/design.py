"""A network in integers with its choices: what the rest of the tool works on."""

from dataclasses import replace
from functools import cached_property

from .config import Config
from .errors import RnnhwError
from .model import Model
from .reference import embedded, head


def compile(model, config=None, calibration=None, lengths=None, labels=None, progress=None):
    """Quantise ``model`` into a :class:`Design`.

    Parameters
    ----------
    model : Model
    config : Config or None for the defaults
    calibration : float (seq_len, input_size) or (batch, seq_len, input_size), or None
        Inputs that settle the formats; None draws seeded random ones, and the report says so.
    lengths : int (batch,) or None
    labels : class integers (batch,) or targets in the output's shape, or None
    progress : callable taking one sentence, or None

    Raises
    ------
    RnnhwError
        If an argument does not fit the model, or a format fixed by the user cannot hold its data.
    """
    from .quantize import quantize

    if not isinstance(model, Model):
        raise RnnhwError(f"compile takes a Model, not {type(model).__name__}; rnnhw.load(path) and "
                         "rnnhw.from_torch(module) make one.")
    config = Config() if config is None else config
    if not isinstance(config, Config):
        raise RnnhwError(f"config must be a Config, not {type(config).__name__}.")
    return Design(quantize(model, config, calibration, lengths, labels, progress), config)


def clock_of(board, clock_mhz=None):
    """The clock in MHz that ``board`` makes for ``clock_mhz``, or for None as its usual one.

    Raises
    ------
    RnnhwError
        If the board is unknown, or makes no such clock.
    """
    if board is None:
        return clock_mhz
    from boards import get

    target = get(board)
    asked = target.limits.clock_mhz if clock_mhz is None else clock_mhz
    return asked if target.platform is None else target.pll(asked).clock_mhz


class Design:
    """A quantised network and the engine chosen for it.

    ``run_int`` is the specification of every bit; ``simulate`` runs the generated Verilog against
    it. Arrays are (seq_len, size) or (batch, seq_len, size); a model that gives its last step only
    drops the seq axis of outputs. Every sequence starts at zero state unless ``state`` is given.
    Outputs past a sequence's length are zero and not compared.

    Parameters
    ----------
    quantized : QuantizedModel
    config : Config
    """

    def __init__(self, quantized, config):
        self.quantized = quantized
        self.config = config

    @property
    def model(self):
        """The float model."""
        return self.quantized.model

    @property
    def input_format(self):
        """Format of the integers that go in."""
        return self.quantized.input_format

    @property
    def output_format(self):
        """Format of the integers that come out."""
        return self.quantized.output_format

    @property
    def report(self):
        """JSON-ready account of the quantisation."""
        return self.quantized.report

    @cached_property
    def program(self):
        """The engine's program, chosen under the config's limits and its board's."""
        from .choose import choose

        limits = None
        if self.config.board is not None:
            from boards import limits as limits_of

            limits = limits_of(self.config.board)
        return choose(self.quantized, self.config, limits, self.clock_mhz)

    @property
    def clock_mhz(self):
        """Clock that times are counted at: the config's, else the board's usual one, else None.

        A board with a PLL runs at the nearest clock not above it.
        """
        return clock_of(self.config.board, self.config.clock_mhz)

    @cached_property
    def hash(self):
        """SHA-256 over every integer and format: equal hashes give equal outputs."""
        from .folder import digest

        return digest(self.quantized)

    def with_hardware(self, **choices):
        """The same integers, with other choices of lanes, limits, pipeline, clock, board."""
        return Design(self.quantized, replace(self.config, **choices)) if choices else self

    def quantize_input(self, x):
        """Integer codes of float inputs, nearest, saturated; int64, ``input_format``.

        Of a model with an embedding: of the table's rows for whole numbers.

        Raises
        ------
        RnnhwError
            If ``x`` has another rank or number of features, is empty, or holds NaN or infinity.
        """
        return self.input_format.quantize(embedded(self.model, x))

    def run_int(self, xi, lengths=None, state=None, counts=None):
        """Outputs of the integer model for integer inputs; int64, ``output_format``.

        Parameters
        ----------
        xi : int array of codes within ``input_format``
        lengths : int (batch,) or None
        state : dict or None
            Codes of the state before the first step, ``{"0.h": (batch, units), "0.c": ...}``.
        counts : dict or None
            Filled with ``{tensor: (saturated, total, largest overshoot in LSB)}``.
        """
        from . import golden

        return golden.run(self.quantized, xi, lengths, counts, state)

    def run(self, x, lengths=None, state=None):
        """Outputs of the integer model for float inputs, as floats; ``state`` is in floats too.

        The model's head, a softmax or the like, is applied to them in floats.
        """
        formats = {f"{i}.{name}": layer.formats[name] for i, layer in
                   enumerate(self.quantized.layers) for name in ("h", "c") if name in layer.formats}
        codes = {key: formats[key].quantize(value) if key in formats else value
                 for key, value in (state or {}).items()}
        y = self.output_format.to_float(self.run_int(self.quantize_input(x), lengths, codes))
        return head(self.model, y, lengths)

    def estimate(self, board=None, clock_mhz=None):
        """Cycles, multipliers, memory and operations; ``board`` adds its clock and limits.

        ``clock_mhz`` is that of a bitstream that was built.
        """
        from .estimate import Estimate

        return Estimate(self, self.config.board if board is None else board, clock_mhz)

    def simulate(self, x, lengths=None, state=None, simulator="verilator", out=None, **options):
        """Simulate the generated Verilog on float inputs and compare every output word.

        Parameters
        ----------
        simulator : "verilator" or "icarus"
        out : folder that keeps the simulator's files, or None
        options : gaps, stalls, seed, waves, verilog of :func:`rnnhw.simulate.simulate`
        """
        from . import simulate

        if state is not None:
            raise RnnhwError("state= is not built yet in simulate; every sequence starts at zero "
                             "state there.")
        xi = self.quantize_input(x)
        return simulate.simulate(self.quantized, self.program, xi, lengths, simulator=simulator,
                                 out_dir=out, **options)

    def write_verilog(self, out):
        """Write ``core.v`` and its README into the folder ``out``; the path of ``core.v``."""
        from .verilog import write_verilog

        return write_verilog(self.program, out)

    def build(self, board, out, **options):
        """Place and route for ``board``; bitstream and reports go into the folder ``out``.

        Parameters
        ----------
        options : clock_mhz, seeds, progress of :func:`rnnhw.build.build`
        """
        from .build import build
        from .protocol import short_hash

        options.setdefault("clock_mhz", self.config.clock_mhz)
        return build(self.with_hardware(board=board).program, board, out,
                     design=short_hash(self.hash), **options)

    def save(self, folder):
        """Write the design folder: ``design.json``, ``design.npz`` (integers), ``model.npz``.

        Equal designs give equal bytes; nothing half-written is left.
        """
        from . import folder as design_folder
        from .files import output_folder

        with output_folder(folder) as staging:
            design_folder.write(self, staging)
