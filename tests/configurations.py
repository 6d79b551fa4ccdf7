"""The committed list of configurations on which gateware, golden model and cycle model must agree.

Cells, stacks, sizes that do not divide into rows, slices, pairs or circulant blocks, plain and fast
lanes, short and deep pipelines, widths, activations, last step and every step, outputs a step late,
random and trained weights; the tests run all of them in Amaranth's simulator and every third in
cocotb, of circulant ones a few; the benchmark prints them. """

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rnnhw.circulant import Circulant
from rnnhw.compiler import lower
from rnnhw.config import Config
from rnnhw.load import load
from rnnhw.model import GATES, Linear, Model, Recurrent
from rnnhw.quantize import quantize

TRAINED = Path(__file__).parent.parent / "examples" / "spoken_digits"


@dataclass(frozen=True)
class Case:
    """A network, its numbers and its parallelism.

    ``layers`` are ``(kind, size)`` or ``(kind, size, activation)``, ``kind`` being lstm, gru,
    gru_reset_before or linear; ``lengths`` the sequences that are run one after another. ``fast``
    and ``deep`` are those of :func:`rnnhw.compiler.lower`, ``late`` and ``products`` likewise.
    ``blocks`` gives each layer's block size, None for dense matrices; a pair stands for the two
    matrices of a recurrent layer. ``file`` names a trained model among the examples, in place of
    ``layers`` and ``blocks``; ``last_step`` is then the model's.
    """

    name: str
    inputs: int
    layers: tuple
    lanes: int
    slices: int
    lengths: tuple = (4, 1, 3)
    last_step: bool = False
    config: dict = field(default_factory=dict)
    fast: bool = False
    deep: bool = False
    late: bool = False
    blocks: tuple = ()
    products: int = 4
    file: str = ""

    def _matrix(self, name, weight, gates, k):
        """A matrix as its layer takes it, dense or projected onto blocks of ``k``."""
        if k is None:
            return {name: weight}
        return {name.replace("weight", "circulant"): Circulant.project(weight, gates, k)}

    def model(self, seed=0):
        """The float model, its weights random and all different, or read from ``file``."""
        if self.file:
            return replace(load(TRAINED / self.file), name=self.name, last_step=self.last_step)
        rng = np.random.default_rng(seed)
        size, layers = self.inputs, []
        blocks = self.blocks or (None,) * len(self.layers)
        for (kind, units, *activation), k in zip(self.layers, blocks, strict=True):
            bound = 2 / np.sqrt(units + size)
            if kind == "linear":
                layers.append(Linear(**self._matrix(
                    "weight", rng.uniform(-bound, bound, (units, size)), 1, k),
                                     bias=rng.uniform(-0.5, 0.5, units),
                                     activation=activation[0] if activation else "none"))
            else:
                cell = kind.removesuffix("_reset_before")
                gates = len(GATES[cell])
                rows = gates * units
                k_ih, k_hh = k if isinstance(k, tuple) else (k, k)
                layers.append(Recurrent(
                    cell=cell, reset_after=kind == cell,
                    **self._matrix("weight_ih", rng.uniform(-bound, bound, (rows, size)), gates,
                                   k_ih),
                    **self._matrix("weight_hh", rng.uniform(-bound, bound, (rows, units)), gates,
                                   k_hh),
                    bias_ih=rng.uniform(-0.5, 0.5, rows), bias_hh=rng.uniform(-0.5, 0.5, rows)))
            size = units
        return Model(layers=layers, last_step=self.last_step, name=self.name)

    def design(self, seed=0):
        """``(quantized, program)`` of the case."""
        rng = np.random.default_rng(seed + 1)
        config = Config(seed=seed, **self.config)
        calibration = rng.normal(size=(4, 12, self.inputs))
        quantized = quantize(self.model(seed), config, calibration)
        return quantized, lower(quantized, self.lanes, self.slices, self.fast, self.deep,
                                self.late, self.products)

    def stimulus(self, quantized, seed=0):
        """Input codes ``(sequences, steps, inputs)``: random, with the extremes of the format."""
        rng = np.random.default_rng(seed + 2)
        low, high = quantized.input_format.min, quantized.input_format.max
        x = rng.integers(low, high, (len(self.lengths), max(self.lengths), self.inputs),
                         endpoint=True)
        x[:, 0] = np.where(rng.random(x[:, 0].shape) < 0.5, low, high)
        return x


DENSE = (
    Case("lstm_even", 8, (("lstm", 8),), 8, 1),
    Case("lstm_ragged", 3, (("lstm", 5),), 8, 2),
    Case("lstm_one_unit", 1, (("lstm", 1),), 4, 1, (3, 2)),
    Case("lstm_many_slices", 6, (("lstm", 20),), 28, 7, (5, 2)),
    Case("lstm_idle_lanes", 4, (("lstm", 10),), 15, 3),
    Case("lstm_wide_state", 5, (("lstm", 9),), 16, 2, config={"cell_bits": 18}),
    Case("lstm_4_bit", 7, (("lstm", 12),), 16, 4, config={"weight_bits": 4, "activation_bits": 4}),
    Case("lstm_16_bit", 4, (("lstm", 6),), 8, 2,
         config={"weight_bits": 16, "activation_bits": 16}),
    Case("lstm_one_block", 40, (("lstm", 4),), 16, 4),
    Case("gru_even", 8, (("gru", 8),), 8, 2),
    Case("gru_ragged", 5, (("gru", 7),), 6, 2),
    Case("gru_one_input", 1, (("gru", 3),), 4, 1),
    Case("gru_wide_array", 13, (("gru", 16),), 32, 4),
    Case("gru_2_bit", 6, (("gru", 11),), 9, 3, config={"weight_bits": 2, "activation_bits": 5}),
    Case("gru_18_bit", 3, (("gru", 5),), 4, 2,
         config={"weight_bits": 18, "activation_bits": 17, "state_bits": 18}),
    Case("gru_before", 4, (("gru_reset_before", 6),), 6, 2),
    Case("gru_before_ragged", 9, (("gru_reset_before", 13),), 12, 4),
    Case("linear_relu", 6, (("linear", 9, "relu"),), 4, 2),
    Case("linear_stack", 5, (("linear", 12, "tanh"), ("linear", 7, "sigmoid"), ("linear", 3)),
         8, 2),
    Case("lstm_classifier", 6, (("lstm", 8), ("linear", 5)), 8, 2, last_step=True),
    Case("gru_classifier", 13, (("gru", 12), ("linear", 10, "relu"), ("linear", 4)), 12, 2,
         last_step=True),
    Case("gru_last_state", 6, (("gru", 9),), 8, 2, last_step=True),
    Case("lstm_stack", 4, (("lstm", 6), ("lstm", 5), ("lstm", 7)), 8, 2),
    Case("gru_stack_every_step", 5, (("gru", 6), ("gru", 9), ("linear", 3, "sigmoid")), 6, 1),
    Case("mixed_stack", 4, (("linear", 6, "relu"), ("gru_reset_before", 5), ("lstm", 4),
                            ("linear", 6)), 8, 2, last_step=True),
    Case("before_stack", 3, (("gru_reset_before", 4), ("gru_reset_before", 6)), 4, 1),
    Case("octave_lstm", 4, (("lstm", 6),), 8, 2, config={"activation_kind": "octave"}),
    Case("octave_16_bit", 5, (("gru", 5), ("linear", 4, "sigmoid")), 8, 2,
         config={"activation_kind": "octave", "weight_bits": 16, "activation_bits": 16}),
    Case("table_lstm", 3, (("lstm", 5), ("linear", 3, "tanh")), 8, 2,
         config={"activation_kind": "table", "activation_error": 2**-8}),
    Case("ralut_lstm", 5, (("lstm", 4),), 4, 1,
         config={"activation_kind": "ralut", "activation_error": 2**-7}),
    Case("ralut_8_bit", 4, (("gru", 6), ("linear", 3, "sigmoid")), 6, 2,
         config={"activation_kind": "ralut", "activation_error": 2**-6, "state_bits": 8}),
    Case("hard_quarter", 4, (("lstm", 5),), 8, 2, config={"activation_kind": "hard_0.25"}),
    Case("hard_fifth", 6, (("gru", 6),), 6, 2, config={"activation_kind": "hard_0.2"}),
    Case("hard_sixth", 3, (("gru_reset_before", 4), ("linear", 5, "tanh")), 4, 1,
         config={"activation_kind": "hard_1/6"}),
    Case("fast_lstm", 8, (("lstm", 8),), 8, 1, fast=True),
    Case("fast_odd_sizes", 3, (("lstm", 5),), 8, 2, fast=True),
    Case("fast_one_unit", 1, (("lstm", 1),), 4, 1, (3, 2), fast=True, deep=True),
    Case("fast_seven_slices", 6, (("lstm", 20),), 28, 7, (5, 2), fast=True),
    Case("fast_three_slices", 7, (("gru", 11),), 9, 3, fast=True, deep=True),
    Case("fast_gru", 13, (("gru", 16),), 32, 4, fast=True),
    Case("fast_before", 9, (("gru_reset_before", 13),), 12, 3, fast=True),
    Case("fast_2_bit", 6, (("gru", 11),), 6, 1, fast=True,
         config={"weight_bits": 2, "activation_bits": 3}),
    Case("fast_17_bit", 5, (("lstm", 7),), 8, 2, fast=True,
         config={"weight_bits": 17, "activation_bits": 12}),
    Case("fast_stack", 4, (("lstm", 6), ("lstm", 5), ("lstm", 7)), 10, 1, fast=True, deep=True),
    Case("fast_classifier", 13, (("gru", 12), ("linear", 10, "relu"), ("linear", 4)), 12, 2,
         fast=True, last_step=True),
    Case("fast_linear", 7, (("linear", 9, "tanh"), ("linear", 3)), 6, 3, fast=True),
    Case("deep_lstm", 6, (("lstm", 20),), 28, 7, deep=True),
    Case("deep_gru", 5, (("gru", 7), ("linear", 3)), 6, 2, deep=True, last_step=True),
    Case("deep_before_stack", 3, (("gru_reset_before", 4), ("lstm", 6)), 8, 1, deep=True),
    Case("deep_one_input", 1, (("gru", 3),), 4, 1, deep=True),
    Case("fast_five_slices", 5, (("lstm", 13),), 20, 5, fast=True),
    Case("fast_six_slices", 4, (("gru", 13),), 18, 6, fast=True, deep=True),
    Case("fast_idle_lanes", 4, (("lstm", 10),), 15, 3, fast=True),
    Case("fast_one_block", 41, (("lstm", 4),), 16, 4, fast=True, deep=True),
    Case("fast_one_input", 1, (("gru", 3),), 4, 1, fast=True),
    Case("fast_4_bit", 7, (("lstm", 12),), 16, 4, fast=True, deep=True,
         config={"weight_bits": 4, "activation_bits": 4}),
    Case("fast_6_bit", 13, (("gru", 9), ("linear", 5)), 6, 1, fast=True, last_step=True,
         config={"weight_bits": 6}),
    Case("fast_10_bit", 5, (("gru_reset_before", 7),), 8, 4, fast=True,
         config={"weight_bits": 10, "activation_bits": 9}),
    Case("fast_12_bit", 6, (("lstm", 9),), 16, 2, fast=True, deep=True,
         config={"weight_bits": 12, "activation_bits": 14, "cell_bits": 18}),
    Case("fast_16_bit", 4, (("lstm", 6),), 8, 2, fast=True,
         config={"weight_bits": 16, "activation_bits": 16}),
    Case("fast_17_bit_operands", 3, (("gru", 6),), 4, 2, fast=True, deep=True,
         config={"weight_bits": 9, "activation_bits": 17, "state_bits": 18}),
    Case("fast_before_deep", 5, (("gru_reset_before", 6),), 5, 1, fast=True, deep=True),
    Case("fast_mixed_stack", 5, (("linear", 7, "relu"), ("gru_reset_before", 5), ("lstm", 3),
                                 ("linear", 6)), 12, 3, fast=True, deep=True, last_step=True),
    Case("fast_gru_stack", 5, (("gru", 6), ("gru", 9), ("linear", 3, "sigmoid")), 6, 2, fast=True),
    Case("fast_wide_lstm", 16, (("lstm", 24),), 32, 4, (3, 1, 4), fast=True, deep=True),
    Case("fast_last_state", 7, (("gru", 9),), 8, 4, fast=True, last_step=True),
    Case("fast_linear_odd", 3, (("linear", 5), ("linear", 9, "sigmoid")), 5, 5, fast=True,
         deep=True),
    Case("fast_octave", 3, (("gru", 5),), 6, 3, fast=True, deep=True,
         config={"activation_kind": "octave"}),
    Case("deep_18_bit", 3, (("lstm", 5),), 8, 2, deep=True,
         config={"weight_bits": 18, "activation_bits": 18, "state_bits": 18}),
    Case("deep_3_bit", 6, (("gru_reset_before", 9),), 9, 3, deep=True,
         config={"weight_bits": 3, "activation_bits": 2}),
    Case("deep_five_slices", 6, (("lstm", 11), ("linear", 7, "tanh")), 20, 5, deep=True),
    Case("deep_wide_gru", 13, (("gru", 16),), 32, 4, deep=True),
    Case("late_lstm", 5, (("lstm", 6), ("linear", 3)), 8, 1, late=True),
    Case("late_one_step_sequences", 4, (("gru", 5), ("linear", 4)), 6, 2, (1, 1, 2, 1, 1, 1, 3),
         late=True),
    Case("late_activation", 6, (("lstm", 9), ("linear", 7, "tanh")), 12, 3, (2, 1, 5), late=True),
    Case("late_stack", 4, (("gru", 6), ("lstm", 5), ("linear", 9, "relu"), ("linear", 4)), 8, 2,
         late=True),
    Case("late_three_layers", 3, (("gru_reset_before", 6), ("linear", 8, "relu"),
                                  ("linear", 5, "sigmoid"), ("linear", 2)), 6, 2, (3, 1, 1, 4),
         fast=True, late=True),
    Case("late_fast_deep", 13, (("gru", 16), ("linear", 10)), 16, 4, (1, 5, 2), fast=True,
         deep=True, late=True),
    Case("late_few_blocks", 7, (("lstm", 4), ("linear", 11), ("linear", 6)), 16, 4, (2, 1, 1, 3),
         fast=True, late=True),
    Case("late_wide_output", 2, (("gru", 3), ("linear", 40)), 8, 4, (3, 1, 2), deep=True,
         late=True),
    Case("late_behind_linear", 4, (("linear", 6, "relu"), ("gru", 5), ("linear", 3)), 5, 1,
         (4, 1, 1, 2), late=True),
    Case("late_fast_lstm", 5, (("lstm", 13), ("linear", 6, "sigmoid")), 20, 5, (1, 1, 4), fast=True,
         late=True),
    Case("late_one_unit", 1, (("lstm", 1), ("linear", 1)), 4, 1, (3, 1, 1, 1, 2), deep=True,
         late=True),
    Case("late_last_step", 6, (("lstm", 8), ("linear", 5)), 8, 2, last_step=True, late=True),
)

CIRCULANT = (
    Case("circulant_lstm", 16, (("lstm", 16),), 56, 2, blocks=(8,)),
    Case("circulant_lstm_fast", 16, (("lstm", 16),), 56, 2, blocks=(8,), fast=True),
    Case("circulant_lstm_three", 16, (("lstm", 16),), 44, 2, blocks=(8,), products=3),
    Case("circulant_lstm_fast_three", 16, (("lstm", 16),), 44, 2, blocks=(8,), products=3,
         fast=True),
    Case("circulant_lstm_deep", 16, (("lstm", 16),), 112, 4, blocks=(8,), deep=True),
    Case("circulant_lstm_fast_deep", 16, (("lstm", 16),), 112, 4, blocks=(8,), fast=True,
         deep=True),
    Case("circulant_lstm_three_deep", 16, (("lstm", 16),), 88, 4, blocks=(8,), products=3,
         deep=True),
    Case("circulant_lstm_fast_three_deep", 16, (("lstm", 16),), 88, 4, blocks=(8,), products=3,
         fast=True, deep=True),
    Case("circulant_gru_k4", 7, (("gru", 11),), 25, 4, blocks=(4,), products=3),
    Case("circulant_lstm_k4_fast", 10, (("lstm", 19),), 24, 1, (3, 1, 1), blocks=(4,), fast=True),
    Case("circulant_before_k4", 12, (("gru_reset_before", 15),), 31, 2, blocks=(4,), deep=True,
         fast=True, products=3),
    Case("circulant_gru_k16", 16, (("gru", 16),), 60, 4, (3, 2), blocks=(16,)),
    Case("circulant_gru_k16_fast", 15, (("gru", 29),), 60, 4, (2, 1), blocks=(16,), fast=True),
    Case("circulant_lstm_k16_three", 30, (("lstm", 14),), 92, 8, (2, 1), blocks=(16,),
         products=3, deep=True),
    Case("circulant_before_k16", 29, (("gru_reset_before", 16),), 46, 1, (2, 1), blocks=(16,),
         fast=True, products=3, deep=True),
    Case("circulant_gru_k32", 32, (("gru", 32),), 124, 8, (2,), blocks=(32,)),
    Case("circulant_linear_k32_fast", 27, (("linear", 64, "tanh"),), 50, 32, (2, 1), blocks=(32,),
         fast=True, products=3, deep=True),
    Case("circulant_linear_k64", 64, (("linear", 64, "sigmoid"),), 126, 16, (1, 1), blocks=(64,)),
    Case("circulant_gru_k64_fast", 60, (("gru", 52),), 190, 16, (2,), blocks=(64,), fast=True,
         products=3),
    Case("circulant_linear_one_block", 4, (("linear", 4, "relu"),), 6, 1, (1, 2, 1), blocks=(4,)),
    Case("circulant_one_block_fast", 7, (("lstm", 7),), 44, 8, (2, 1, 1), blocks=(8,), fast=True,
         products=3),
    Case("circulant_odd_blocks_fast", 23, (("lstm", 24),), 59, 2, (2, 1), blocks=(8,), fast=True),
    Case("circulant_linear_stack", 12, (("linear", 20, "relu"), ("linear", 7, "sigmoid"),
                                        ("linear", 4)), 17, 2, blocks=(4, 4, 4), fast=True),
    Case("circulant_classifier", 13, (("gru", 16), ("linear", 10)), 30, 2, blocks=(8, None),
         last_step=True, products=3),
    Case("circulant_classifier_fast", 13, (("gru", 24), ("linear", 10, "relu"), ("linear", 4)), 47,
         4, (2, 1, 1), blocks=(8, None, 4), last_step=True, fast=True, deep=True),
    Case("circulant_last_state", 8, (("gru", 16),), 34, 8, blocks=(8,), last_step=True, fast=True),
    Case("circulant_behind_dense", 6, (("linear", 8, "relu"), ("gru", 8), ("linear", 13)), 24, 2,
         blocks=(None, 4, None), fast=True, products=3),
    Case("circulant_stack", 4, (("lstm", 8), ("gru", 7)), 24, 1, blocks=(4, 4)),
    Case("circulant_stack_fast", 4, (("lstm", 8), ("gru", 7), ("linear", 12)), 29, 2, (2, 1, 3),
         blocks=(4, 4, 4), fast=True, products=3, deep=True),
    Case("circulant_two_sizes", 8, (("lstm", 8), ("gru", 16)), 56, 2, (3, 1), blocks=(4, 8)),
    Case("circulant_two_sizes_fast", 8, (("gru_reset_before", 16), ("lstm", 12)), 61, 4, (2, 1, 1),
         blocks=(8, 4), fast=True, products=3, deep=True),
    Case("circulant_two_sizes_and_dense", 8, (("gru", 14), ("linear", 16, "relu"), ("linear", 5)),
         46, 2, (2, 1), blocks=(8, 16, None), fast=True),
    Case("circulant_short_last_block", 7, (("gru_reset_before", 14), ("linear", 7)), 24, 2, (2, 1),
         blocks=(4, 4), fast=True),
    Case("circulant_dense_recurrent", 5, (("lstm", 8), ("linear", 8)), 16, 2,
         blocks=(None, 8), deep=True, products=3),
    Case("circulant_late", 8, (("gru", 8), ("linear", 6)), 24, 2, (1, 1, 2, 3), blocks=(4, None),
         late=True),
    Case("circulant_late_fast", 8, (("lstm", 8), ("linear", 12, "tanh"), ("linear", 4)), 29, 4,
         (3, 1, 1, 2), blocks=(4, 4, 4), late=True, fast=True, products=3, deep=True),
    Case("circulant_late_two_sizes", 4, (("gru_reset_before", 8), ("linear", 8)), 46, 4, (2, 1, 3),
         blocks=(4, 8), late=True, fast=True, products=3),
    Case("circulant_spectrum_8_bit", 8, (("gru", 8),), 37, 2, blocks=(8,),
         config={"spectrum_bits": 8, "activation_bits": 4}),
    Case("circulant_spectrum_10_bit", 8, (("lstm", 12),), 24, 4, blocks=(4,), fast=True,
         config={"spectrum_bits": 10, "activation_bits": 6}),
    Case("circulant_spectrum_14_bit", 8, (("gru", 8),), 33, 8, blocks=(8,), fast=True, products=3,
         config={"spectrum_bits": 14, "activation_bits": 10}),
    Case("circulant_spectrum_16_bit", 8, (("lstm", 8),), 24, 1, blocks=(4,), deep=True,
         config={"spectrum_bits": 16, "activation_bits": 12, "weight_bits": 12}),
    Case("circulant_wide_state", 8, (("lstm", 8),), 56, 4, blocks=(8,), fast=True, deep=True,
         config={"cell_bits": 18, "state_bits": 12}),
    Case("circulant_octave", 4, (("gru", 8),), 20, 4, blocks=(4,), products=3,
         config={"activation_kind": "octave"}),
    Case("circulant_trained_k8", 13, (), 28, 2, (2, 1), last_step=True, file="gru128_k8.npz"),
    Case("circulant_trained_k8_fast", 13, (), 88, 4, (2, 1), last_step=True, fast=True, products=3,
         deep=True, file="gru128_k8.npz"),
    Case("circulant_trained_k16", 13, (), 60, 4, (2, 1), fast=True, file="gru128_k16.npz"),
    Case("circulant_trained_k16_three", 13, (), 92, 8, (2, 1), last_step=True, products=3,
         deep=True, file="gru128_k16.npz"),
)

CASES = DENSE + CIRCULANT
IN_COCOTB = DENSE[::3] + CIRCULANT[10::18]
