"""Every option of Keras's layers: values that must be exact, and values that must be refused."""

import inspect
import warnings

import numpy as np

from .keras_models import L, keras, shake

JOINS = ("Add", "Average", "Multiply", "Subtract", "Concatenate")
# of all layers: values that must be exact, and values that must be refused by name
EVERY = {"activity_regularizer": ["l2"], "trainable": [False], "autocast": [False],
         "name": ["other"], "input_shape": [(5, 3)], "input_dim": [3],
         "dtype": ["float32", "float64"]}
COARSE = {"dtype": ["float16", "bfloat16", "mixed_float16"]}


def trained(*weights):
    """What only training, or the weights before it, depend on."""
    values = {"initializer": ["ones"], "regularizer": ["l1"], "constraint": ["non_neg"]}
    return {f"{weight}_{kind}": value for weight in weights for kind, value in values.items()}


FUNCTIONS = ["tanh", "relu", "sigmoid", "hard_sigmoid", "linear", None]
NO_FUNCTIONS = ["elu", "hard_tanh", "softmax", "silu"]
CELL = {"units": [1, 7], "use_bias": [True, False], "dropout": [0.3], "recurrent_dropout": [0.3],
        "seed": [5], "activation": FUNCTIONS, **trained("kernel", "bias", "recurrent")}
GATED = {"recurrent_activation": FUNCTIONS}
RUN = {"return_sequences": [True, False], "return_state": [True, False], "unroll": [True],
       "go_backwards": [True, False], "stateful": [True, False], "zero_output_for_mask": [True]}
RECURRENT = EVERY | CELL | RUN
REFUSED = COARSE | {"activation": NO_FUNCTIONS}
GATED_REFUSED = REFUSED | {"recurrent_activation": NO_FUNCTIONS}
LORA = {"lora_rank": [None], "lora_alpha": [None], "quantization_config": [None]}


def cell(kind, options):
    return lambda **given: L.RNN(getattr(L, kind)(**options | given))


OPTIONS = {  # how one is made with options, values that are exact, values that are refused
    "LSTM": (lambda **o: L.LSTM(**{"units": 4} | o),
             RECURRENT | GATED | {"unit_forget_bias": [True, False],
                                  "use_cudnn": [False]}, GATED_REFUSED),
    "GRU": (lambda **o: L.GRU(**{"units": 4} | o),
            RECURRENT | GATED | {"reset_after": [True, False], "use_cudnn": [False]},
            GATED_REFUSED),
    "SimpleRNN": (lambda **o: L.SimpleRNN(**{"units": 4} | o), RECURRENT, REFUSED),
    "LSTMCell": (cell("LSTMCell", {"units": 4}),
                 EVERY | CELL | GATED | {"unit_forget_bias": [True, False]}, GATED_REFUSED),
    "GRUCell": (cell("GRUCell", {"units": 4}), EVERY | CELL | GATED | {"reset_after": [True]},
                GATED_REFUSED),
    "SimpleRNNCell": (cell("SimpleRNNCell", {"units": 4}), EVERY | CELL, REFUSED),
    "RNN": (lambda **o: L.RNN(**{"cell": L.GRUCell(4)} | o),
            EVERY | RUN | {"cell": [L.LSTMCell(4), [L.GRUCell(3), L.LSTMCell(4)]]}, COARSE),
    "StackedRNNCells": (
        lambda **o: L.RNN(L.StackedRNNCells(**{"cells": [L.GRUCell(4), L.GRUCell(2)]} | o)),
        EVERY | {"cells": [[L.SimpleRNNCell(4), L.LSTMCell(3)]]}, COARSE),
    "Bidirectional": (lambda **o: L.Bidirectional(**{"layer": L.LSTM(4)} | o),
                      EVERY | {"layer": [L.LSTM(4, return_sequences=True), L.GRU(4)],
                               "weights": [None], "merge_mode": ["concat", "sum", "ave", "mul"],
                               "backward_layer": [L.GRU(4, go_backwards=True)]},
                      COARSE | {"merge_mode": [None]}),
    "TimeDistributed": (lambda **o: L.TimeDistributed(**{"layer": L.Dense(4)} | o),
                        EVERY | {"layer": [L.Dense(4, activation="relu"), L.Activation("tanh"),
                                           L.BatchNormalization(), L.Dropout(0.3), L.ReLU(),
                                           L.Dense(3, activation="softmax"), L.Softmax()]},
                        COARSE),
    "Dense": (lambda **o: L.Dense(**{"units": 4} | o),
              EVERY | trained("kernel", "bias") | LORA | {
                  "units": [1, 7], "use_bias": [True, False],
                  "activation": [None, "linear", "relu", "sigmoid", "tanh", "softmax",
                                 "log_softmax"]},
              COARSE | {"activation": ["gelu", "hard_sigmoid", "relu6"], "lora_rank": [2]}),
    "Embedding": (lambda **o: L.Embedding(**{"input_dim": 9, "output_dim": 3} | o),
                  EVERY | trained("embeddings") | LORA | {
                      "input_dim": [9, 12], "output_dim": [1, 5], "input_shape": [(5,)],
                      "mask_zero": [False], "weights": [None, [np.ones((9, 3))]]},
                  COARSE | {"mask_zero": [True], "lora_rank": [2]}),
    "BatchNormalization": (
        lambda **o: L.BatchNormalization(**o),
        EVERY | trained("beta", "gamma") | {
            "axis": [-1, 2], "momentum": [0.5], "epsilon": [0.1], "center": [True, False],
            "scale": [True, False], "synchronized": [False], "renorm": [False],
            "renorm_clipping": [{"rmax": 2.0}], "renorm_momentum": [0.5],
            **{f"moving_{of}_initializer": ["ones"] for of in ("mean", "variance")}},
        COARSE | {"axis": [1], "renorm": [True]}),
    "Activation": (lambda **o: L.Activation(**{"activation": "tanh"} | o),
                   EVERY | {"activation": ["linear", "relu", "sigmoid", "tanh", "softmax",
                                           "log_softmax"]},
                   COARSE | {"activation": ["gelu", "hard_sigmoid"]}),
    "ReLU": (lambda **o: L.ReLU(**o),
             EVERY | {"max_value": [None], "negative_slope": [0], "threshold": [0]},
             COARSE | {"max_value": [6.0], "negative_slope": [0.1], "threshold": [0.5]}),
    "Softmax": (lambda **o: L.Softmax(**o), EVERY | {"axis": [-1, 2, (2,)]},
                COARSE | {"axis": [1, (1, 2)]}),
    "Concatenate": (lambda **o: L.Concatenate(**o), EVERY | {"axis": [-1, 2]},
                    COARSE | {"axis": [1]}),
    **{kind: (lambda kind=kind, **o: getattr(L, kind)(**o), EVERY, COARSE)
       for kind in JOINS[:-1]},
}


def arguments(kind):
    """Names of all arguments that a class of Keras takes, and that its bases do."""
    found = {name for base in getattr(L, kind).__mro__ if base.__module__.startswith("keras.")
             and base.__name__ not in ("Operation", "KerasSaveable", "TorchLayer")
             for name, p in inspect.signature(base.__init__).parameters.items()
             if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return found - {"self"} - ({"cell"} if kind != "RNN" else set())


def network(kind, **options):
    """A model of one such layer over 5 steps of 3 features, with what it needs around it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        layer = OPTIONS[kind][0](**options)
        first = value = L.Input(batch_shape=(2, 5) if kind == "Embedding" else (2, 5, 3))
        if kind in (*JOINS, "Activation", "Softmax", "TimeDistributed"):
            value = L.Dense(3)(value)
        out = layer([first, value] if kind in JOINS else value)
        out = out[0] if isinstance(out, (list, tuple)) else out
        turned = options.get("go_backwards") and options.get("return_sequences")
        if kind == "Embedding" or turned:
            out = L.GRU(2)(out)
        return shake(keras.Model(first, out), np.random.default_rng(3))


def sequences(kind, seed):
    rng = np.random.default_rng(seed)
    if kind == "Embedding":
        return rng.integers(0, 9, (2, 5))
    return rng.standard_normal((2, 5, 3)).astype(np.float32)
