"""Keras models, live or from files: LSTM, GRU and Dense layers in a chain, without Keras."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import RnnhwError
from ..model import GATES, Linear, Model, Recurrent
from .keras_chain import chain
from .keras_files import open_file
from .keras_options import ACTIVATIONS, check, check_dtype, check_maker

MODELS = ("Sequential", "Functional", "Model")


@dataclass(frozen=True)
class Cell:
    """A recurrent class of Keras.

    Parameters
    ----------
    cell : our name of it
    order : for each of our gates, its position in Keras's order
    """

    cell: str
    order: tuple

    def reorder(self, value):
        """``value`` (..., gates*units) of Keras as (gates*units, ...) in our order of gates."""
        blocks = np.split(np.asarray(value, np.float64), len(self.order), axis=-1)
        return np.concatenate([blocks[k] for k in self.order], axis=-1).T


# Keras stacks i f c o, and z r h with our meaning of z: h = z*h' + (1 - z)*n.
CELLS = {"LSTM": Cell("lstm", (0, 1, 2, 3)), "GRU": Cell("gru", (1, 0, 2))}


class Walk:
    """The layers of a chain, collected one after the other.

    Parameters
    ----------
    weights : function of an entry and names of weights, which gives their arrays

    Members
    -------
    layers : list of Recurrent and Linear
    rank : axes of the values between the layers, the batch's included; None where unknown
    size : features of these values; None where unknown
    last_step : whether a recurrent layer has given its last step only
    """

    def __init__(self, weights):
        self.weights = weights
        self.layers, self.rank, self.size, self.last_step = [], None, None, False

    def shape(self, label, shape):
        """Take the shape of the model's input."""
        if not 2 <= len(shape) <= 3:
            raise RnnhwError(f"{label} takes inputs of shape {_shape(shape)}; (batch, steps, "
                             "features), or (batch, features) for Dense layers alone, is "
                             "supported.")
        self.rank, self.size = len(shape), shape[-1]

    def steps(self, label, kind):
        """Refuse a layer over steps where there are none."""
        if self.rank == 2:
            raise RnnhwError(f"{label} ({kind}) takes (batch, steps, features), but what comes "
                             "before it has no steps; set return_sequences=True there.")
        self.rank = 3

    def arrays(self, label, entry, shapes):
        """The weights of a layer, of these names and shapes (None: what comes before it gives)."""
        found = self.weights(entry, list(shapes))
        if len(found) != len(shapes):
            raise RnnhwError(f"{label} has {len(found)} weights, but {len(shapes)} "
                             f"({', '.join(shapes)}) are needed; build the model first.")
        for (name, shape), array in zip(shapes.items(), found):
            shape = tuple(self.size if s is None else s for s in shape)
            if len(array.shape) != len(shape) or any(
                    s not in (None, a) for s, a in zip(shape, array.shape)):
                raise RnnhwError(f"{label}.{name} has shape {_shape(array.shape)}, but "
                                 f"{_shape(shape)} is needed.")
        return [np.asarray(array, np.float64) for array in found]

    def recurrent(self, label, entry):
        """Append an LSTM or GRU."""
        kind, config = entry["class_name"], entry["config"]
        cell, units = CELLS[kind], config["units"]
        self.steps(label, kind)
        rows = len(GATES[cell.cell]) * units
        # early versions of Keras 2 know no reset_after, and reset before
        after = kind == "GRU" and bool(config.get("reset_after", False))
        shapes = {"kernel": (None, rows), "recurrent_kernel": (units, rows)}
        if config["use_bias"]:
            shapes["bias"] = (2, rows) if after else (rows,)
        kernel, recurrent, *biases = self.arrays(label, entry, shapes)
        biases = [cell.reorder(row) for bias in biases for row in np.atleast_2d(bias)]
        self.layers.append(Recurrent(
            cell=cell.cell, name=label, reset_after=after or kind != "GRU",
            weight_ih=cell.reorder(kernel), weight_hh=cell.reorder(recurrent),
            **dict(zip(("bias_ih", "bias_hh"), biases))))
        self.size = units
        if not config.get("return_sequences", False):
            self.rank, self.last_step = 2, True

    def dense(self, label, entry, config):
        """Append a Dense layer of this config, whose weights are those of ``entry``."""
        units, shapes = config["units"], {"kernel": (None, config["units"])}
        if config["use_bias"]:
            shapes["bias"] = (units,)
        kernel, *bias = self.arrays(label, entry, shapes)
        self.layers.append(Linear(weight=kernel.T, bias=bias[0] if bias else None, name=label,
                                  activation=ACTIVATIONS[config["activation"]]))
        self.size = units

    def activate(self, label, kind, activation):
        """Put an activation into the Dense layer before it."""
        if activation == "none":
            return
        if not self.layers or self.layers[-1].kind != "linear":
            raise RnnhwError(f"{label} ({kind}) does not follow a Dense layer; an activation of "
                             "its own is supported only there.")
        if self.layers[-1].activation != "none":
            raise RnnhwError(f"{label} ({kind}) follows another activation "
                             f"({self.layers[-1].activation}); one after a Dense layer is "
                             "supported.")
        self.layers[-1] = replace(self.layers[-1], activation=activation)

    def take(self, entry):
        """Go on to the next layer."""
        kind, config = entry["class_name"], entry["config"]
        label = config["name"]
        check(label, entry)
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if shape and self.rank is None:
            self.shape(label, shape)
        if kind in CELLS:
            self.recurrent(label, entry)
        elif kind == "Dense":
            self.dense(label, entry, config)
        elif kind == "TimeDistributed":
            inner = config["layer"]
            if inner["class_name"] != "Dense":
                raise RnnhwError(f"{label} (TimeDistributed) wraps a {inner['class_name']}, which "
                                 "is not supported; a Dense is.")
            check(f"{label}.{inner['config']['name']}", inner)
            self.steps(label, kind)
            self.dense(label, entry, inner["config"])
        elif kind in ("Activation", "ReLU"):
            self.activate(label, kind, ACTIVATIONS[config.get("activation", "relu")])
        # an InputLayer has told its shape, and what else check lets pass does nothing at inference


def _shape(shape):
    names = ["any" if s is None else str(s) for s in shape]
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


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


def _model(label, name, network, weights):
    """The model of a network's description and weights."""
    with _sound(label):
        kind, config = network["class_name"], network["config"]
        check_maker(label, network)
        if kind not in MODELS or kind == "Model" and "input_layers" not in config:
            raise RnnhwError(f"{label} is a model of the class {kind}, which is not supported; "
                             "Sequential and Functional are.")
        walk = Walk(weights)
        if isinstance(config, dict):
            check_dtype(label, config.get("dtype"))
            if config.get("build_input_shape"):
                walk.shape(label, config["build_input_shape"])
        for entry in chain(label, network):
            walk.take(entry)
    if not walk.layers:
        raise RnnhwError(f"{label} has no recurrent or Dense layer; at least one is needed.")
    return Model(layers=walk.layers, last_step=walk.last_step, name=name)


def from_keras(model):
    """A model from a live Keras 2 or 3 model, built, as it is at inference.

    Sequential models and Functional ones that are one chain: LSTM, GRU (``reset_after`` either
    way), Dense (linear, relu, sigmoid, tanh), TimeDistributed of Dense, an activation behind a
    Dense; dropout and noise do nothing. With ``return_sequences=False`` the last step comes out.

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

    def weights(entry, names):
        layer = live[entry["config"]["name"]]
        check_maker(layer.name, _entry(layer))
        return layer.get_weights()

    network = _entry(model)
    check_maker(label, network)
    # a class of the user's own may have no config to give
    config = model.get_config() if network["class_name"] in MODELS else {}
    return _model(label, label, {**network, "config": config}, weights)


def _entry(thing):
    """Class and module of a live layer or model, as a description has them."""
    return {"class_name": type(thing).__name__, "module": type(thing).__module__}


def from_file(path):
    """The model of a ``.keras`` or ``.h5`` file; see :func:`from_keras` for what is supported."""
    with open_file(path) as (network, weights):
        return _model(str(path), Path(path).stem, network, weights)
