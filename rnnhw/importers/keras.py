"""Keras models, live or from files, without Keras."""

import sys
from contextlib import contextmanager
from pathlib import Path

from ..errors import RnnhwError
from .keras_files import open_file, pick
from .keras_graph import calls
from .keras_layers import Walk
from .keras_options import MAKERS, check_dtype, check_maker

MODELS = ("Sequential", "Functional", "Model")
INSIDE = ("layer", "forward_layer", "backward_layer", "cell")    # of a layer, layers that it has


@contextmanager
def _sound(label):
    """Turn what a damaged description leads to into one sentence."""
    try:
        yield
    except RnnhwError:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise RnnhwError(f"{label} does not describe a network as Keras 2 or 3 does: "
                         f"{type(error).__name__} {str(error).rstrip('.')}.") from None


def _model(label, name, network, weights, version):
    """The model of a network's description and weights."""
    with _sound(label):
        kind, config = network["class_name"], network["config"]
        check_maker(label, network)
        if kind not in MODELS or kind == "Model" and "input_layers" not in config:
            raise RnnhwError(f"{label} is a model of the class {kind}, which is not supported; "
                             "Sequential and Functional are.")
        walk = Walk(label, weights, version)
        if isinstance(config, dict):
            check_dtype(label, config.get("dtype"))
            if config.get("build_input_shape"):
                walk.shape(label, config["build_input_shape"])
        found, end, left = calls(label, network)
        for call in found:
            walk.take(call)
        if left:
            raise RnnhwError(f"{label} has the layer {left[0]}, which its output does not need; "
                             "leave it out.")
        value = walk.value(end) if end else walk.builder.input
        return walk.builder.model(label, name, value)


def from_keras(model):
    """A model from a live Keras 2 or 3 model, built, as it is at inference.

    Sequential and Functional models of one input and one output: LSTM, GRU, SimpleRNN, RNN of their
    cells, Bidirectional, Embedding of the input, Dense, BatchNormalization, TimeDistributed,
    activations, a softmax at the end, Add, Average, Multiply, Subtract, Concatenate; dropout and
    noise do nothing. With ``return_sequences=False`` the last step comes out. A stateful layer
    starts as it does after ``reset_state()``. docs/importers.md lists every option.

    Raises
    ------
    RnnhwError
        Naming the layer, the option and its value, if a class or option would change the result
        and is not supported; naming the weight, if its shape is wrong or it is not finite.

    Reference: the classes of the same names in ``keras.layers``.
    """
    if not hasattr(model, "get_config") or not hasattr(model, "layers"):
        raise RnnhwError(f"from_keras takes a Keras model, not {type(model).__name__}; of a file, "
                         "rnnhw.load takes the path.")
    label, live = model.name, {layer.name: layer for layer in model.layers}

    def weights(entry, names, part):
        layer = live[entry["config"]["name"]]
        paths = [getattr(weight, "path", None) or weight.name for weight in layer.weights]
        held = list(zip(paths, layer.get_weights()))
        return pick(label, held, entry, names, part, "build the model first")

    network = _entry(model)
    check_maker(label, network)
    # a class of the user's own may have no config to give
    config = model.get_config() if network["class_name"] in MODELS else {}
    found = _model(label, label, {**network, "config": config}, weights, _version(model))
    for layer in model.layers:
        _check_own(layer.name, layer)
    return found


def _entry(thing):
    """Class and module of a live layer or model, as a description has them."""
    return {"class_name": type(thing).__name__, "module": type(thing).__module__}


def _check_own(label, layer):
    """Refuse classes and functions of the user's own, which a config may name as it does Keras's.
    """
    check_maker(label, _entry(layer))
    for key in ("activation", "recurrent_activation"):
        function = getattr(layer, key, None)
        module = getattr(function, "__module__", None) or type(function).__module__
        if function is not None and module.split(".")[0] not in MAKERS:
            name = getattr(function, "__name__", type(function).__name__)
            raise RnnhwError(f"{label} ({type(layer).__name__}) has {key}={name!r} of {module}, "
                             "which is not one of Keras's own; what it computes cannot be seen.")
    inside = [getattr(layer, key, None) for key in INSIDE]
    for part in (*inside, *(getattr(layer, "cells", None) or ())):
        if part is not None:
            _check_own(f"{label}.{part.name}", part)


def _version(model):
    """First number of the version of Keras that a live model is of."""
    root = type(model).__module__.split(".")[0]
    if root == "tensorflow":
        return 2
    found = getattr(sys.modules.get(root), "__version__", "").split(".")[0]
    return int(found) if found.isdigit() else None


def from_file(path):
    """The model of a ``.keras`` or ``.h5`` file; see :func:`from_keras` for what is supported."""
    with open_file(path) as (network, weights, version):
        return _model(str(path), Path(path).stem, network, weights, version)
