"""What the options of Keras's layers mean here: of no effect, of one value only, or read."""

from dataclasses import dataclass, field

from ..errors import RnnhwError

ACTIVATIONS = {None: "none", "linear": "none", "relu": "relu", "sigmoid": "sigmoid",
               "tanh": "tanh"}
HEADS = ("softmax", "log_softmax")        # of features, where the model ends
FLOATS = ("float32", "float64")
MAKERS = ("keras", "tf_keras", "tensorflow")
MERGES = ("Add", "Average", "Multiply", "Subtract", "Concatenate")
OPERATIONS = ("Add", "Multiply", "Subtract")     # of two layers, by the same names as layers
NOTHING = ("Dropout", "SpatialDropout1D", "AlphaDropout", "GaussianDropout", "GaussianNoise",
           "ActivityRegularization")
SUPPORTED = ("LSTM, GRU, SimpleRNN, RNN, CuDNNLSTM, CuDNNGRU, Bidirectional, TimeDistributed, "
             "Embedding, Dense, BatchNormalization, Activation, ReLU, Softmax, Add, Average, "
             "Multiply, Subtract, Concatenate, Dropout and other noise that only training adds")
HINTS = {
    "Masking": "not supported; leave it out and give each sequence's length to run",
    **dict.fromkeys(("Sequential", "Functional", "Model"), "not supported inside another model; "
                    "put its layers into the outer one"),
}
# what is said beside the values that an option may have
ADVICE = {
    "mask_zero": "; give each sequence's length to run in its place",
    "merge_mode": "; add a Concatenate of your own, or name a mode",
    "renorm": "; train without it",
}


@dataclass(frozen=True)
class Options:
    """The options of a class of layers.

    Parameters
    ----------
    need : names that must be there, which the importer reads
    any : names whose value changes nothing at inference, or which the importer reads
    only : for each name, the values that it may have
    """

    need: tuple = ()
    any: tuple = ()
    only: dict = field(default_factory=dict)


def _of(*things):
    return tuple(f"{thing}_{kind}" for thing in things
                 for kind in ("initializer", "regularizer", "constraint"))


COMMON = ("name", "trainable", "dtype", "batch_input_shape", "batch_shape",
          "activity_regularizer")
WEIGHTS = ("seed", *_of("kernel", "bias"))
FUNCTIONS = (*ACTIVATIONS, "hard_sigmoid")
# a mask is needed for zero_output_for_mask to do anything, and no layer here makes one; unrolled or
# not is the same; a stateful layer starts as reset_state leaves it
RUN = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll",
       "zero_output_for_mask", "implementation")
CELL = Options(
    need=("units", "activation", "use_bias"),
    any=("dropout", "recurrent_dropout", "implementation", *WEIGHTS, *_of("recurrent")),
    only={"activation": FUNCTIONS})
LORA = dict.fromkeys(("lora_rank", "lora_alpha", "quantization_config"), (None,))


def _recurrent(more, gates=True):
    """Options of a layer and of its cell; ``more`` are of the class alone."""
    need = (*CELL.need, "recurrent_activation") if gates else CELL.need
    only = CELL.only | ({"recurrent_activation": FUNCTIONS} if gates else {})
    cell = Options(need, (*CELL.any, *more), only)
    return Options(need, (*cell.any, *RUN), only | {"time_major": (False,)}), cell


OPTIONS = {
    "InputLayer": Options(any=("optional",), only={"sparse": (False,), "ragged": (False,)}),
    "RNN": Options(("cell",), RUN, {"time_major": (False,)}),
    "StackedRNNCells": Options(("cells",), only={"reverse_state_order": (False,)}),
    "Bidirectional": Options(("layer", "merge_mode"), ("backward_layer",),
                             {"merge_mode": ("concat", "sum", "ave", "mul")}),
    "Dense": Options(("units", "activation", "use_bias"), WEIGHTS,
                     {"activation": (*ACTIVATIONS, *HEADS), **LORA}),
    "Embedding": Options(("input_dim", "output_dim"), ("input_length", *_of("embeddings")),
                         {"mask_zero": (False,), **LORA}),
    "BatchNormalization": Options(
        ("axis", "epsilon"),
        ("momentum", "center", "scale", "synchronized", "fused", "renorm_clipping",
         "renorm_momentum", *_of("beta", "gamma", "moving_mean", "moving_variance")),
        {"renorm": (False,), "virtual_batch_size": (None,), "adjustment": (None,)}),
    "TimeDistributed": Options(("layer",)),
    "Activation": Options(("activation",), only={"activation": (*ACTIVATIONS, *HEADS)}),
    "Softmax": Options(any=("axis",)),
    "ReLU": Options(only={"max_value": (None,), "negative_slope": (0,), "threshold": (0,)}),
    "Concatenate": Options(("axis",)),
    **dict.fromkeys(("Add", "Average", "Multiply", "Subtract"), Options()),
    **dict.fromkeys(NOTHING, Options(any=("rate", "seed", "noise_shape", "stddev", "l1", "l2"))),
}
OPTIONS |= {f"CuDNN{kind}": Options(
    ("units",), ("return_sequences", "return_state", "go_backwards", "stateful", *more,
                 *WEIGHTS, *_of("recurrent")), {"time_major": (False,)})
    for kind, more in (("LSTM", ("unit_forget_bias",)), ("GRU", ()))}
for kind, more, gates in (("LSTM", ("unit_forget_bias",), True), ("GRU", ("reset_after",), True),
                          ("SimpleRNN", (), False)):
    OPTIONS[kind], OPTIONS[f"{kind}Cell"] = _recurrent(more, gates)


def _text(value):
    """A value as a sentence shows it; of a function or object, its name or that of its class."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("config", "registered_name", "class_name")
                      if isinstance(value.get(key), str)), "an object")
    return repr(value)


def check_dtype(label, value):
    """Refuse arithmetic that is coarser than single floats, or of integers."""
    name = value
    if isinstance(value, dict):
        name = value.get("config", {}).get("name") or value.get("class_name")
    if name is not None and name not in FLOATS:
        raise RnnhwError(f"{label} has dtype={name!r}, which is not supported; "
                         f"dtype={FLOATS[0]!r} or {FLOATS[1]!r} is.")


def check_maker(label, entry):
    """Refuse a class of the user's own, which a file names with its module."""
    module, registered = entry.get("module"), entry.get("registered_name")
    own = registered if registered and ">" in registered else None
    if own or module is not None and module.split(".")[0] not in MAKERS:
        raise RnnhwError(f"{label} is of the class {own or entry['class_name']}, which is not "
                         "one of Keras's own; what it computes cannot be seen.")


def check(label, entry):
    """Refuse what would change the result of a layer, as its config names it.

    Raises
    ------
    RnnhwError
        Naming the layer, if its class is not supported or not Keras's own, or an option of it is
        missing, unknown or of a value that is not supported.
    """
    kind, config = entry["class_name"], entry["config"]
    check_maker(label, entry)
    if kind not in OPTIONS:
        hint = HINTS.get(kind, f"not supported; {SUPPORTED} are")
        raise RnnhwError(f"{label} is of the class {kind}, which is {hint}.")
    if ".ops." in (entry.get("module") or "") and kind not in OPERATIONS:
        raise RnnhwError(f"{label} is the operation {kind} of keras.ops, which is not supported; "
                         f"its layer is, and the operations {', '.join(OPERATIONS)}.")
    label, options = f"{label} ({kind})", OPTIONS[kind]
    for key in options.need:
        if key not in config:
            raise RnnhwError(f"{label} has no option {key}; Keras 2 and 3 write it, so save the "
                             "model again.")
    for key in ("units", "input_dim", "output_dim"):
        if key in config and (type(config[key]) is not int or config[key] < 1):
            raise RnnhwError(f"{label} has {key}={_text(config[key])}; a whole number of at least "
                             "1 is needed.")
    if kind != "InputLayer":  # its type depends on what reads it
        check_dtype(label, config.get("dtype"))
    for key, value in config.items():
        if key in options.only:
            _check_value(label, key, value, options.only[key])
        elif key not in (*COMMON, *options.need, *options.any):
            raise RnnhwError(f"{label} has the option {key}={_text(value)}, which is not known and "
                             "may change the result; leave it out.")


def _check_value(label, key, value, values):
    if not isinstance(value, (dict, list)) and value in values:
        return
    good = " or ".join(repr(v) for v in values if v is not None or len(values) == 1)
    raise RnnhwError(f"{label} has {key}={_text(value)}, which is not supported; {key}={good} is"
                     f"{ADVICE.get(key, '')}.")
