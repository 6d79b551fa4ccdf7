"""Layers of Keras without a state, and the walk through all of a network's calls."""

from dataclasses import replace

import numpy as np

from ..errors import RnnhwError
from ..model import Linear
from .fold import normalization
from .keras_build import Builder, Source, shape_text
from .keras_options import ACTIVATIONS, FLOATS, HEADS, MERGES, NOTHING, check
from .keras_recurrent import RECURRENT, bidirectional, recurrent


class Walk:
    """One pass through a network.

    Parameters
    ----------
    label : name of the model in sentences
    weights : function of an entry, names of weights and a part, which gives arrays
    version : first number of the version of Keras that the network is from, or None
    """

    def __init__(self, label, weights, version):
        self.label, self.weights, self.version = label, weights, version
        self.builder, self.values = Builder(), {}

    def shape(self, label, shape):
        """Take the shape of the model's input."""
        if not 2 <= len(shape) <= 3:
            raise RnnhwError(f"{label} takes inputs of shape {shape_text(shape)}; (batch, steps, "
                             "features), or (batch, features) for Dense layers alone, or (batch, "
                             "steps) for an Embedding is supported.")
        self.builder.input = replace(self.builder.input, steps=len(shape) == 3, size=shape[-1])

    def value(self, tensor):
        """What a call takes."""
        name, node, k = tensor
        found = self.values[name, node]
        if k >= len(found) or isinstance(found[k], str):
            what = f", the {found[k]}" if k < len(found) else ""
            raise RnnhwError(f"{self.label} takes output {k} of the layer {name}{what}, which is "
                             "not supported; its output, and the state h that it ends with, are.")
        return found[k]

    def take(self, call):
        """Go through one call of a layer."""
        entry, label = call.entry, call.label
        kind, config = entry["class_name"], entry["config"]
        check(config["name"], entry)
        for key, value in call.options.items():
            if value is not None and value is not False:
                raise RnnhwError(f"{label} ({kind}) is called with {key}, which is not supported; "
                                 "its input alone is.")
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if shape and not self.builder.layers and self.builder.input.steps is None:
            self.shape(label, shape)
        values = [self.value(tensor) for tensor in call.inputs] or [self.builder.input]
        if call.node and any(part["config"].get("stateful") for part in
                             (entry, config.get("layer", {"config": {}}))):
            raise RnnhwError(f"{config['name']} ({kind}) is called more than once with "
                             "stateful=True, which carries its state from one to the other; one "
                             "call is supported.")
        source = Source(label, entry, self.weights)
        if kind in MERGES:
            found = [self.merge(label, kind, config, values)]
        elif len(values) != 1:
            raise RnnhwError(f"{label} ({kind}) takes {len(values)} inputs; one, and no states to "
                             "start from, is supported.")
        elif kind in RECURRENT:
            found = recurrent(self.builder, label, entry, source, values[0], self.version)
        elif kind == "Bidirectional":
            found = bidirectional(self.builder, label, entry, source, values[0], self.version)
        else:
            found = [self.one(label, entry, source, values[0])]
        self.values[call.key] = found

    def merge(self, label, kind, config, values):
        if kind != "Concatenate":
            return self.builder.merge(label, kind, values)
        self.features(label, kind, config["axis"], values[0])
        return self.builder.concatenate(label, kind, values)

    def features(self, label, kind, axis, value):
        """Refuse an axis other than that of the features."""
        found = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        rank = {True: 3, False: 2}.get(value.steps, 3)
        if found != -1 and found != rank - 1:
            raise RnnhwError(f"{label} ({kind}) has axis={axis!r}, which is not supported; "
                             "axis=-1, the features, is.")

    def one(self, label, entry, source, value):
        """The value that a layer of one input gives."""
        kind, config = entry["class_name"], entry["config"]
        if kind == "InputLayer":
            return self.input(label, config)
        if kind == "TimeDistributed":
            return self.each(label, config["layer"], source, value)
        if kind == "Embedding":
            table, = source.arrays({"embeddings": (config["input_dim"], config["output_dim"])})
            return self.builder.embed(config["name"], table, value)
        if kind == "Dense":
            return self.dense(label, config, source, value)
        if kind == "BatchNormalization":
            return self.normalize(label, config, source, value)
        if kind == "Softmax":
            self.features(label, kind, config.get("axis", -1), value)
            return self.activate(label, kind, "softmax", value)
        if kind in ("Activation", "ReLU"):
            return self.activate(label, kind, config.get("activation", "relu"), value)
        assert kind in NOTHING  # noqa: S101
        return value

    def input(self, label, config):
        dtype = config.get("dtype") or FLOATS[0]
        if dtype not in FLOATS:
            self.builder.dtype = label, dtype
            if not str(dtype).startswith(("int", "uint")):
                self.builder.refuse_dtype()
        return self.builder.input

    def dense(self, label, config, source, value):
        """Append a Dense layer."""
        units = config["units"]
        shapes = {"kernel": (value.size, units)}
        if config["use_bias"]:
            shapes["bias"] = (units,)
        kernel, *bias = source.arrays(shapes)
        given = config["activation"]
        layer = Linear(weight=kernel.T, bias=bias[0] if bias else None, name=label,
                       activation=ACTIVATIONS.get(given, "none"))
        value = replace(value, parts=self.builder.add(label, layer, value), size=units)
        return replace(value, head=(given, f"{label} (Dense)")) if given in HEADS else value

    def normalize(self, label, config, source, value):
        """Append a BatchNormalization, as it is at inference."""
        self.features(label, "BatchNormalization", config["axis"], value)
        names = [name for name, key in (("gamma", "scale"), ("beta", "center"))
                 if config.get(key, True)]
        names += ["moving_mean", "moving_variance"]
        found = dict(zip(names, source.arrays(dict.fromkeys(names, (value.size,)))))
        scale, shift = normalization(found["moving_mean"], found["moving_variance"],
                                     config["epsilon"], found.get("gamma"), found.get("beta"))
        return self.builder.scaled(label, scale, shift, replace(value, size=len(scale)))

    def activate(self, label, kind, given, value):
        """Append a function of each element, or take one of all outputs."""
        self.builder.bare(label, value)
        if given in HEADS:
            return replace(value, head=(given, f"{label} ({kind})"))
        if ACTIVATIONS[given] == "none":
            return value
        if value.size is None:
            raise RnnhwError(f"{label} ({kind}) is the first layer, and nothing says how many "
                             "features it takes; save the model with an Input.")
        scale = np.ones(value.size)
        return self.builder.scaled(label, scale, 0 * scale, value, ACTIVATIONS[given])

    def each(self, label, inner, source, value):
        """Append the layer that a TimeDistributed wraps."""
        kind = inner["class_name"]
        if kind not in EACH:
            raise RnnhwError(f"{label} (TimeDistributed) wraps a {kind}, which is not supported; "
                             f"{', '.join(EACH)} are.")
        check(f"{label}.{inner['config']['name']}", inner)
        if value.steps is False:
            raise RnnhwError(f"{label} (TimeDistributed) takes (batch, steps, features), but what "
                             "comes before it has no steps; set return_sequences=True there.")
        # what it wraps sees no steps
        found = self.one(label, inner, source.inside(label, "layer"), replace(value, steps=False))
        return replace(found, steps=True)


EACH = ("Dense", "BatchNormalization", "Activation", "ReLU", "Softmax", *NOTHING)
