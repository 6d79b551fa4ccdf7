"""Named networks with seeded random weights: one comment and one description each.

A preset has the tables of a CONFIG file (see :mod:`rnnhw.project`) and a line that says what it is.
"""

from dataclasses import dataclass, field

from .errors import RnnhwError


@dataclass(frozen=True)
class Preset:
    """The tables of a CONFIG file, and one line about them."""

    about: str
    layers: tuple
    model: dict = field(default_factory=dict)
    config: dict = field(default_factory=dict)


def _lstm(m, n, **more):
    return {"kind": "lstm", "input_size": m, "hidden_size": n, **more}


def _gru(m, n, **more):
    return {"kind": "gru", "input_size": m, "hidden_size": n, **more}


PRESETS = {
    # 64 lanes divide 4*128 rows and two vector lanes keep up: the array never waits
    "lstm-128": Preset("LSTM, 128 inputs, 128 units, 64 fast lanes", (_lstm(128, 128),),
                       config={"lanes": 64, "vector_lanes": 2}),
    # the same on plain lanes, one product a multiplier and cycle
    "lstm-128-plain": Preset("LSTM, 128 inputs, 128 units, 64 plain lanes", (_lstm(128, 128),),
                             config={"lanes": 64, "vector_lanes": 1,
                                     "fast_inner_product": False}),
    # three kinds of row block a unit; drained twice as fast
    "gru-128": Preset("GRU, 128 inputs, 128 units, 64 lanes", (_gru(128, 128),),
                      config={"lanes": 64, "vector_lanes": 2}),
    # few inputs: the state's products are nearly all there is
    "lstm-40-128": Preset("LSTM, 40 inputs, 128 units, 64 lanes", (_lstm(40, 128),),
                          config={"lanes": 64, "vector_lanes": 4}),
    # a step is shorter than the pipelines are deep: the order of vector rows decides
    "lstm-6-20": Preset("LSTM, 6 inputs, 20 units, at most 40 multipliers", (_lstm(6, 20),),
                        config={"max_multipliers": 40, "pipeline": "short"}),
    # latency bound on a middling array
    "lstm-16-64": Preset("LSTM, 16 inputs, 64 units, 64 lanes", (_lstm(16, 64),),
                         config={"lanes": 64, "vector_lanes": 4, "pipeline": "short"}),
    # 128 lanes, and weights that fill an LFE5U-85F's block RAMs to four fifths
    "lstm-256": Preset("LSTM, 256 inputs, 256 units, 128 lanes, 6-bit weights", (_lstm(256, 256),),
                       config={"weight_bits": 6, "lanes": 128, "vector_lanes": 2}),
    # about the largest with 8-bit weights that 128 lanes on that part can read at once
    "lstm-148-192": Preset("LSTM, 148 inputs, 192 units, 128 lanes", (_lstm(148, 192),),
                           config={"lanes": 128, "vector_lanes": 2}),
    # sizes that nobody tuned for, the engine left to the compiler
    "lstm-37-100": Preset("LSTM, 37 inputs, 100 units", (_lstm(37, 100),)),
    "gru-13-64": Preset("GRU, 13 inputs, 64 units", (_gru(13, 64),)),
    # a linear layer at every step, whose placement is up to `output_placement`
    "lstm-40-128-fc": Preset("LSTM, 40 inputs, 128 units, 10 outputs at every step, 64 lanes",
                             (_lstm(40, 128), {"kind": "linear", "output_size": 10}),
                             config={"lanes": 64, "vector_lanes": 2}),
    "gru-13-64-fc": Preset("GRU, 13 inputs, 64 units, 10 outputs at every step, 64 lanes",
                           (_gru(13, 64), {"kind": "linear", "output_size": 10}),
                           config={"lanes": 64, "vector_lanes": 4}),
    "lstm-200-300": Preset("LSTM, 200 inputs, 300 units", (_lstm(200, 300),)),
    "lstm-3x32": Preset("three LSTMs, 32 inputs, 32 units each", (
        _lstm(32, 32), *({"kind": "lstm", "hidden_size": 32},) * 2)),
    # the shape of the spoken-digit recogniser: frames in, a class out at the end
    "spoken-digits": Preset("GRU, 13 inputs, 64 units, 10 classes at the last step, 16 lanes",
                            (_gru(13, 64), {"kind": "linear", "output_size": 10}),
                            model={"last_step": True}, config={"lanes": 16, "vector_lanes": 2}),
    # fits an iCE40UP5K, which has 30 block RAMs and 8 multipliers
    "spoken-digits-small": Preset("GRU, 13 inputs, 48 units, 10 classes, 6-bit weights",
                                  (_gru(13, 48), {"kind": "linear", "output_size": 10}),
                                  model={"last_step": True},
                                  config={"weight_bits": 6, "board": "icebreaker"}),
    # four block rows of 14 lanes, one of each gate
    "lstm-128-k8": Preset("LSTM, 128 inputs, 128 units, circulant blocks of 8, 56 plain lanes",
                          (_lstm(128, 128, block_size=8),),
                          config={"lanes": 56, "vector_lanes": 4, "spectral_products": 4,
                                  "fast_inner_product": False}),
    # the same on fast lanes: two blocks a multiplier and cycle
    "lstm-128-k8-fast": Preset("LSTM, 128 inputs, 128 units, circulant blocks of 8, 56 fast lanes",
                               (_lstm(128, 128, block_size=8),),
                               config={"lanes": 56, "vector_lanes": 4, "spectral_products": 4,
                                       "fast_inner_product": True}),
    # for simulation: more weights than a part's block RAMs hold; 8 block rows; with two guard bits
    # every kind of lane carries the operands
    "lstm-512-1024-k8": Preset("LSTM, 512 inputs, 1024 units, circulant blocks of 8, 112 lanes",
                               (_lstm(512, 1024, block_size=8),),
                               config={"lanes": 112, "vector_lanes": 4, "spectral_products": 4,
                                       "guard_bits": 2}),
    # the same, 4 block rows
    "lstm-512-1024-k16": Preset("LSTM, 512 inputs, 1024 units, circulant blocks of 16, 120 lanes",
                                (_lstm(512, 1024, block_size=16),),
                                config={"lanes": 120, "vector_lanes": 4, "spectral_products": 4,
                                        "guard_bits": 1}),
    # two block rows of 30 lanes, one of each gate of a product
    "gru-128-k16": Preset("GRU, 128 inputs, 128 units, circulant blocks of 16, 60 fast lanes",
                          (_gru(128, 128, block_size=16),),
                          config={"lanes": 60, "vector_lanes": 4, "spectral_products": 4,
                                  "fast_inner_product": True}),
    # the largest LSTM of the literature on circulant blocks (ESE, C-LSTM, E-RNN), on one LFE5U-85F
    "lstm-160-1024-512-k16": Preset(
        "LSTM, 160 inputs, 1024 units, peepholes, projected to 512, circulant blocks of 16",
        (_lstm(160, 1024, proj_size=512, peepholes="diagonal", block_size=16),),
        config={"spectrum_bits": 10, "guard_bits": 2, "lanes": 92, "vector_lanes": 16,
                "spectral_products": 3, "fast_inner_product": True}),
    # both ways over a sequence, the last step of either out
    "bilstm-13-64": Preset("bidirectional LSTM, 13 inputs, 2 x 64 units, 10 classes, 32 lanes",
                           (_lstm(13, 64, direction="bidirectional"),
                            {"kind": "linear", "output_size": 10}),
                           model={"last_step": True},
                           config={"lanes": 32, "vector_lanes": 2, "max_length": 128}),
    # every cell once, every step out
    "stack": Preset("LSTM, GRU reset before, GRU, linear with tanh; every step out",
                    (_lstm(8, 12), {"kind": "gru", "hidden_size": 12, "reset_after": False},
                     {"kind": "gru", "hidden_size": 8},
                     {"kind": "linear", "output_size": 4, "activation": "tanh"}),
                    config={"lanes": 8, "vector_lanes": 2}),
    # small enough for Amaranth's own simulator
    "tiny": Preset("LSTM, 3 inputs, 4 units, 4 lanes", (_lstm(3, 4),),
                   config={"lanes": 4, "vector_lanes": 1}),
}


def preset(name):
    """The tables ``{"model": ..., "layers": [...], "config": ...}`` of a preset.

    Raises
    ------
    RnnhwError
        If there is none of that name; the sentence lists those there are.
    """
    if name not in PRESETS:
        raise RnnhwError(f"There is no preset {name!r}; known are {', '.join(PRESETS)}.")
    found = PRESETS[name]
    return {"model": {"name": name, **found.model},
            "layers": [dict(layer) for layer in found.layers], "config": dict(found.config)}
