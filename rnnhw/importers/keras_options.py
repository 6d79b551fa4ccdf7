"""What the options of Keras's layers mean here: of no effect, of one value only, or read."""

from dataclasses import dataclass, field

from ..errors import RnnhwError

ACTIVATIONS = {None: "none", "linear": "none", "relu": "relu", "sigmoid": "sigmoid",
               "tanh": "tanh"}
FLOATS = ("float32", "float64")
MAKERS = ("keras", "tf_keras", "tensorflow")
SUPPORTED = ("LSTM, GRU, Dense, TimeDistributed of Dense, Activation, ReLU, Dropout and other "
             "noise that only training adds")
HINTS = {
    "Bidirectional": "not built yet; one direction is",
    "SimpleRNN": "not built yet; LSTM and GRU are",
    "Embedding": "not supported; start the model behind it and give it the vectors",
    "Masking": "not supported; leave it out and give each sequence's length to run",
    "CuDNNLSTM": "not supported; save the model with LSTM in its place",
    "CuDNNGRU": "not supported; save the model with GRU in its place",
    **dict.fromkeys(("Sequential", "Functional"), "not supported inside another model; put its "
                    "layers into the outer one"),
    "Softmax": "not supported; cut it off, the arg max of its input is the same",
}
UNBUILT = ("go_backwards", "stateful", "return_state")


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


def _of(thing, *kinds):
    return tuple(f"{thing}_{kind}" for kind in kinds)


COMMON = ("name", "trainable", "dtype", "batch_input_shape", "batch_shape",
          "activity_regularizer")
WEIGHTS = ("seed",
           *_of("kernel", "initializer", "regularizer", "constraint"),
           *_of("bias", "initializer", "regularizer", "constraint"))
RECURRENT = Options(
    need=("units", "activation", "recurrent_activation", "use_bias"),
    # a mask is needed for zero_output_for_mask to do anything, and no layer here makes one
    any=("return_sequences", "unroll", "implementation", "dropout", "recurrent_dropout",
         "zero_output_for_mask", *WEIGHTS,
         *_of("recurrent", "initializer", "regularizer", "constraint")),
    only={"activation": ("tanh",), "recurrent_activation": ("sigmoid",),
          **dict.fromkeys((*UNBUILT, "time_major"), (False,))})
OPTIONS = {
    "InputLayer": Options(any=("optional",), only={"sparse": (False,), "ragged": (False,)}),
    "LSTM": Options(RECURRENT.need, (*RECURRENT.any, "unit_forget_bias"), RECURRENT.only),
    "GRU": Options(RECURRENT.need, (*RECURRENT.any, "reset_after"), RECURRENT.only),
    "Dense": Options(need=("units", "activation", "use_bias"), any=WEIGHTS,
                     only={"activation": tuple(ACTIVATIONS), "lora_rank": (None,),
                           "lora_alpha": (None,), "quantization_config": (None,)}),
    "TimeDistributed": Options(need=("layer",)),
    "Activation": Options(need=("activation",), only={"activation": tuple(ACTIVATIONS)}),
    "ReLU": Options(only={"max_value": (None,), "negative_slope": (0,), "threshold": (0,)}),
    "Dropout": Options(any=("rate", "seed", "noise_shape")),
    "SpatialDropout1D": Options(any=("rate", "seed", "noise_shape")),
    "AlphaDropout": Options(any=("rate", "seed", "noise_shape")),
    "GaussianDropout": Options(any=("rate", "seed")),
    "GaussianNoise": Options(any=("stddev", "seed")),
}


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
    label, options = f"{label} ({kind})", OPTIONS[kind]
    for key in options.need:
        if key not in config:
            raise RnnhwError(f"{label} has no option {key}; Keras 2 and 3 write it, so save the "
                             "model again.")
    if "units" in config and (type(config["units"]) is not int or config["units"] < 1):
        raise RnnhwError(f"{label} has units={_text(config['units'])}; a whole number of at least "
                         "1 is needed.")
    check_dtype(label, config.get("dtype"))
    for key, value in config.items():
        if key in options.only:
            _check_value(label, key, value, options.only[key])
        elif key not in (*COMMON, *options.need, *options.any):
            raise RnnhwError(f"{label} has the option {key}={_text(value)}, which is not known and "
                             "may change the result; leave it out.")


def _check_value(label, key, value, values):
    if value in values:
        return
    why = "not built yet" if key in UNBUILT else "not supported"
    good = " or ".join(repr(v) for v in values if v is not None or len(values) == 1)
    hint = f"{key}={good} is"
    if value == "softmax":
        hint += "; cut softmax off, the arg max of its input is the same"
    raise RnnhwError(f"{label} has {key}={_text(value)}, which is {why}; {hint}.")
