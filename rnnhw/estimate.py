"""What a design costs before it is built: cycles by the schedule model, memories, multipliers."""

from fractions import Fraction
from numbers import Integral

from .errors import RnnhwError
from .losses import bounds, losses, products
from .memories import block_rams
from .report import facts, page

STEPS = (1, 10, 100)       # lengths whose cycles a report lists


class Estimate:
    """Figures of a design; cycles are those that a simulation counts, exactly.

    Parameters
    ----------
    design : Design
    board : name of the board whose limits are compared, or None
    clock_mhz : float or None
        Clock of what was built for the board, whose fit is then no question; None: its usual one.
    """

    def __init__(self, design, board=None, clock_mhz=None):
        from .costs import Cost, cost
        from .design import clock_of
        from .network import schedule_of

        model = design.model
        self.board = board
        self.program = design.program
        self.schedule = schedule_of(self.program)
        self.cost = cost(model)
        self.step_cost = sum((cost(layer) for layer, last in zip(model.layers, model.on_last)
                              if not last), Cost())
        self.built = clock_mhz is not None
        self.deadline_us = design.config.deadline_us
        if board is not None:
            from boards import limits

            self.limits = limits(board)
        self.clock_mhz = clock_mhz if self.built else clock_of(board, design.config.clock_mhz)

    def cycles(self, seq_len):
        """Cycles from the first input word to the last output word of a sequence."""
        if not isinstance(seq_len, Integral) or seq_len < 1:
            raise RnnhwError(f"seq_len must be a whole number of at least 1, not {seq_len!r}.")
        return self.schedule.cycles(int(seq_len))

    @property
    def lengths(self):
        """Lengths of sequences whose cycles are listed."""
        most = self.program.max_steps
        return [n for n in STEPS if most is None or n <= most]

    @property
    def cycles_per_step(self) -> Fraction:
        """Cycles that a further step costs once the schedule is periodic."""
        return self.schedule.cycles_per_step

    @property
    def latency_cycles(self):
        """Cycles from the last input word of a step to its last output word.

        Where outputs come with the next step, of a sequence's last step.
        """
        return self.schedule.latency_cycles

    @property
    def array_multipliers(self):
        """Multipliers of the array."""
        return self.program.array_multipliers

    @property
    def total_multipliers(self):
        """Multipliers of the array and of the vector lanes."""
        return self.program.total_multipliers

    @property
    def memory_bits(self):
        """Bits of all memories."""
        return sum(depth * width for _, depth, width, _ in self.program.memories)

    @property
    def family(self):
        """Family of the board's device; ``ecp5``, whose RAMs hold 18 kbit, without a board."""
        return "ecp5" if self.board is None else self.limits.family

    @property
    def block_rams(self):
        """Block RAMs that the memories fill at most, laid out for the board, or for an ECP5."""
        return block_rams(self.program, self.limits if self.board else None)

    @property
    def macs_per_step(self):
        """Multiply-accumulates of the dense matrices in a step that is not a sequence's last.

        Layers that run for the last step only are left out, as they are in ``cycles_per_step``.
        """
        return self.step_cost.macs

    @property
    def products_per_step(self):
        """Real products that the array makes for them: fewer where matrices are block-circulant."""
        return products(self.program)

    @property
    def effective_macs_per_multiplier_cycle(self):
        """``macs_per_step / (array_multipliers * cycles_per_step)``.

        1 is a plain array that is never idle, 2 a fast one; spectra multiply it further.
        """
        return float(self.macs_per_step / (self.array_multipliers * self.cycles_per_step))

    @property
    def effective_macs_over_all(self):
        """The same over every multiplier of the core, be it a part's own or made from logic."""
        return float(self.macs_per_step / (self.total_multipliers * self.cycles_per_step))

    @property
    def bound_cycles(self):
        """Cycles a step that no schedule of this engine falls below: of its busiest part."""
        return max(bounds(self.program).values())

    @property
    def losses(self):
        """Share of the array's products lost to each cause (see :mod:`rnnhw.losses`)."""
        return losses(self.program, self.cycles_per_step)

    @property
    def operations(self):
        """Multiplications, additions and nonlinear functions of a step that runs every layer.

        Reference: Rezk et al. 2020, table 3.
        """
        return self.cost.operations

    @property
    def parameters(self):
        """Weights and biases of the model (Rezk et al. 2020, table 3)."""
        return self.cost.parameters

    def data(self):
        """Every figure, ready for JSON."""
        found = {"name": self.program.name, "lanes": self.program.lanes,
                 "fast": self.program.fast, "deep": self.program.deep,
                 "vector_lanes": self.program.slices, "late_outputs": self.program.late,
                 "cycles_per_step": self.cycles_per_step, "latency_cycles": self.latency_cycles,
                 "cycles": {str(n): self.cycles(n) for n in self.lengths},
                 "array_multipliers": self.array_multipliers,
                 "total_multipliers": self.total_multipliers, "memory_bits": self.memory_bits,
                 "block_rams": self.block_rams, "block_ram_family": self.family,
                 "block_sizes": [space.k for space in self.program.spaces],
                 "products_per_bin": self.program.products if self.program.spaces else None,
                 "macs_per_step": self.macs_per_step,
                 "products_per_step": self.products_per_step,
                 "effective_macs_per_multiplier_cycle": self.effective_macs_per_multiplier_cycle,
                 "effective_macs_over_all": self.effective_macs_over_all,
                 "bound_cycles": self.bound_cycles, "losses": self.losses,
                 "operations": self.operations, "parameters": self.parameters}
        if self.board is not None:
            found["board"] = {"name": self.board, **self._times(),
                              **({} if self.built else self._fit())}
        elif self.clock_mhz is not None:
            found["times"] = self._times()
        return found

    def _times(self):
        """Times at the clock, and whether the deadline holds if there is one."""
        step = float(self.cycles_per_step)
        latency = self.latency_cycles / self.clock_mhz
        found = {"clock_mhz": self.clock_mhz, "step_us": step / self.clock_mhz,
                 "latency_us": latency,
                 "gop_per_s": self.step_cost.operations * self.clock_mhz / step / 1e3,
                 "dense_gop_per_s": 2 * self.macs_per_step * self.clock_mhz / step / 1e3}
        if self.deadline_us is not None:
            found |= {"deadline_us": self.deadline_us, "deadline_met": latency <= self.deadline_us}
        return found

    def _fit(self):
        """Whether the board's part holds the design; None where synthesis decides."""
        from .build import certain_need, soft_vector_lanes

        soft = soft_vector_lanes(self.program, self.board)
        logic = soft and self.array_multipliers <= self.limits.multipliers
        most = {"multipliers": self.array_multipliers if logic else self.total_multipliers,
                "block_rams": self.block_rams}
        there = {name: getattr(self.limits, name) for name in most}
        least = certain_need(self.program, self.board)
        if all(most[name] <= there[name] for name in most):
            fits = True
        else:
            fits = None if all(least[name] <= there[name] for name in least) else False
        return {"at_most_available": {name: (most[name], there[name]) for name in most},
                "fits": fits}

    def _spectral_facts(self):
        """What the engine has for block-circulant matrices."""
        p = self.program
        for i, space in enumerate(p.spaces):
            rows = p.block_rows(i + 1)
            yield (f"blocks of {space.k}",
                   f"{rows} block row{'s' * (rows > 1)} of {p.engine.lanes(space.k)} lanes, "
                   f"{p.products} products a complex bin")
        if p.pair_multipliers:
            yield "multipliers for the xi of spectra", p.pair_multipliers

    def _passes(self):
        """What a network that runs both ways has."""
        if self.program.sequences:
            yield ("passes over a sequence",
                   ", ".join(f"{p.lanes} lanes" for p in self.program.passes))
            yield "most steps of a sequence", self.program.max_steps

    def text(self):
        """The figures as a page."""
        times = []
        if self.clock_mhz is not None:
            at = self._times()
            times = [("clock", f"{at['clock_mhz']:g} MHz"),
                     ("time a step", f"{at['step_us']:.4g} us"),
                     ("latency a step", f"{at['latency_us']:.4g} us"),
                     ("throughput", f"{at['gop_per_s']:.4g} GOP/s"),
                     ("of dense products", f"{at['dense_gop_per_s']:.4g} GOP/s")]
            if self.deadline_us is not None:
                times.insert(3, (f"deadline of {self.deadline_us:g} us",
                                 "met" if at["deadline_met"] else "missed"))
        if self.board is not None and not self.built:
            at = self._fit()
            times += [(name.replace("_", " "), f"{most} at most, of {there}")
                      for name, (most, there) in at["at_most_available"].items()]
            times.append(("fits", "only if synthesis saves memory" if at["fits"] is None
                          else at["fits"]))
        late = self.program.late
        kind = "fast, two products a cycle" if self.program.fast else "one product a cycle"
        return page(f"Estimate of {self.program.name}", [
            ("Cycles", facts([("a step, steady state", self.cycles_per_step),
                              ("no schedule falls below", self.bound_cycles),
                              ("latency, last word in to last word out"
                               + ", of a sequence's last step" * late, self.latency_cycles),
                              *((f"a sequence of {n} step{'s' * (n > 1)}", self.cycles(n))
                                for n in self.lengths)])),
            ("Engine", facts([("array lanes", f"{self.program.lanes} ({kind})"),
                              *self._spectral_facts(),
                              ("xi lane", bool(self.program.fast and self.program.plain)),
                              *self._passes(),
                              ("vector lanes", self.program.slices),
                              ("pipelines", "deep" if self.program.deep else "short"),
                              *([("outputs", "with the next step, or behind the last")] * late),
                              ("multipliers of the array", self.array_multipliers),
                              ("multipliers in all", self.total_multipliers),
                              ("effective MACs per array multiplier and cycle",
                               f"{self.effective_macs_per_multiplier_cycle:.4f}"),
                              ("effective MACs over all multipliers",
                               f"{self.effective_macs_over_all:.4f}"),
                              ("memory bits", self.memory_bits),
                              (f"block RAMs at most ({self.family})", self.block_rams)])),
            ("Network", facts([("multiply-accumulates a step, dense", self.macs_per_step),
                               ("real products made for them", self.products_per_step),
                               ("operations of a step of every layer", self.operations),
                               ("parameters", self.parameters)])),
            ("Products of the array that are not made, by cause",
             facts([(cause, f"{100 * share:.2f} %") for cause, share in self.losses.items()
                    if share])),
            (f"On {self.board}" if self.board else "Times", facts(times))])
