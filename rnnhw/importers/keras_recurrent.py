"""Recurrent layers of Keras: their weights in our order, both directions, cells in an RNN."""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import RnnhwError
from ..model import Recurrent
from .keras_files import snake
from .keras_options import check

# functions by name, as ONNX names them; the hard sigmoid is another one in Keras 3
FUNCTIONS = {None: ("Affine", 1.0, 0.0), "linear": ("Affine", 1.0, 0.0), "relu": "Relu",
             "sigmoid": "Sigmoid", "tanh": "Tanh"}
HARD = {2: ("HardSigmoid", 0.2, 0.5), 3: ("HardSigmoid", 1 / 6, 0.5)}
MERGES = {"sum": "Add", "ave": "Average", "mul": "Multiply"}


@dataclass(frozen=True)
class Cell:
    """A recurrent class of Keras.

    Parameters
    ----------
    cell : our name of it
    order : for each of our gates, its position in Keras's order
    functions : the option that names each of its functions, in our order
    states : names of the states that ``return_state`` gives
    cudnn : whether its weights lie as cuDNN takes them
    """

    cell: str
    order: tuple
    functions: tuple
    states: tuple = ("h",)
    cudnn: bool = False

    def reorder(self, value):
        """``value`` (..., gates*units) of Keras as (gates*units, ...) in our order of gates."""
        blocks = np.split(np.asarray(value, np.float64), len(self.order), axis=-1)
        return np.concatenate([blocks[k] for k in self.order], axis=-1).T


OF, ON = "recurrent_activation", "activation"
# Keras stacks i f c o, and z r h with our meaning of z: h = z*h' + (1 - z)*n.
CELLS = {"LSTM": Cell("lstm", (0, 1, 2, 3), (OF, ON, ON), ("h", "c")),
         "GRU": Cell("gru", (1, 0, 2), (OF, ON)),
         "SimpleRNN": Cell("rnn", (0,), (ON,))}
CELLS |= ({f"{kind}Cell": cell for kind, cell in CELLS.items()}
          | {f"CuDNN{kind}": replace(CELLS[kind], cudnn=True) for kind in ("LSTM", "GRU")})
RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU")
DEFAULTS = {OF: "sigmoid", ON: "tanh"}


def _function(label, key, name, version):
    """A function of a cell, as ONNX names it."""
    if name != "hard_sigmoid":
        return FUNCTIONS[name]
    if version is None:
        raise RnnhwError(f"{label} has {key}='hard_sigmoid', which Keras 2 and 3 compute "
                         "differently, and nothing says which of them the model is from; save it "
                         "again.")
    return HARD[3 if version >= 3 else 2]


def from_cudnn(kernel, gates):
    """A matrix (inputs, gates*units) of Keras's CuDNNLSTM or CuDNNGRU as LSTM and GRU have it.

    Its gates are (inputs, units) in name only: cuDNN reads the same numbers row by row as
    (units, inputs).
    """
    parts = np.split(np.asarray(kernel), gates, axis=1)
    return np.concatenate([part.reshape(part.shape[::-1]).T for part in parts], axis=1)


def layer_of(kind, name, kernel, recurrent_kernel, bias=None, functions=None, **options):
    """A layer of a class of Keras, of its arrays as Keras has them.

    Parameters
    ----------
    kernel : (inputs, gates*units), recurrent_kernel : (units, gates*units)
    bias : (gates*units,), or (2, gates*units) of a GRU that resets after the product, or
        (2*gates*units,) of a CuDNN class; None for zeros
    functions : of the cell as ONNX names them, sigmoid and tanh where left out
    """
    cell = CELLS[kind]
    matrices, gates = [kernel, recurrent_kernel], len(cell.order)
    if cell.cudnn:
        matrices = [from_cudnn(matrix, gates) for matrix in matrices]
        bias = None if bias is None else np.reshape(bias, (2, -1))
    biases = [] if bias is None else [cell.reorder(row) for row in np.atleast_2d(bias)]
    return Recurrent(cell=cell.cell, name=name, activations=functions,
                     **dict(zip(("weight_ih", "weight_hh"), map(cell.reorder, matrices))),
                     **dict(zip(("bias_ih", "bias_hh"), biases)), **options)


def _cell(label, kind, config, source, size, reverse, version):
    """The layer of one cell."""
    cell, units = CELLS[kind], config["units"]
    rows, options = len(cell.order) * units, {"reverse": reverse}
    # early versions of Keras 2 know no reset_after, and reset before
    after = cell.cell == "gru" and (cell.cudnn or bool(config.get("reset_after", False)))
    if cell.cell == "gru":
        options["reset_after"] = after
    shapes = {"kernel": (size, rows), "recurrent_kernel": (units, rows)}
    if config.get("use_bias", True):
        shapes["bias"] = (2 * rows,) if cell.cudnn else (2, rows) if after else (rows,)
    functions = tuple(_function(label, key, config.get(key, DEFAULTS[key]), version)
                      for key in cell.functions)
    return layer_of(kind, label, *source.arrays(shapes), functions=functions, **options)


def _cells(label, entry, source):
    """``(label, class, config, source)`` of the cells of a layer, the first one first."""
    kind, config = entry["class_name"], entry["config"]
    if kind != "RNN":
        folder = "" if CELLS[kind].cudnn else "cell"
        return [(label, kind, config, source.inside(label, folder))]
    inner, source = config["cell"], source.inside(label, "cell")
    if inner["class_name"] != "StackedRNNCells":
        cells = [(label, inner, source)]
    else:
        check(f"{label}.{inner['config']['name']}", inner)
        folders, cells = {}, []
        for k, one in enumerate(inner["config"]["cells"]):
            folder, name = snake(one["class_name"]), f"{label}.{k}"
            n = folders[folder] = folders.get(folder, -1) + 1
            folder = f"cells/{folder}_{n}" if n else f"cells/{folder}"
            cells.append((name, one, source.inside(name, folder, one["config"]["name"])))
    for name, one, _ in cells:
        if one["class_name"] not in CELLS:
            raise RnnhwError(f"{name} (RNN) has a cell of the class {one['class_name']}, which is "
                             "not supported; LSTMCell, GRUCell, SimpleRNNCell and StackedRNNCells "
                             "of them are.")
        check(name, one)
    if not cells:
        raise RnnhwError(f"{label} (RNN) has no cells; at least one is needed.")
    return [(name, one["class_name"], one["config"], inside) for name, one, inside in cells]


def recurrent(builder, label, entry, source, value, version):
    """Append LSTM, GRU, SimpleRNN or RNN; what comes out, then its states by name.

    Its steps come out in the order in which it runs them: a layer that goes backwards gives a
    sequence that is turned.
    """
    kind, config = entry["class_name"], entry["config"]
    if value.steps is False:
        raise RnnhwError(f"{label} ({kind}) takes (batch, steps, features), but what comes "
                         "before it has no steps; set return_sequences=True there.")
    reverse = bool(config.get("go_backwards", False)) != value.turned
    found = _cells(label, entry, source)
    for name, one, options, inside in found:
        layer = _cell(name, one, options, inside, value.size, reverse, version)
        value = replace(value, parts=builder.add(name, layer, value), size=layer.output_size,
                        steps=True, turned=reverse)
    last = replace(value, steps=False, turned=False)
    # the cells of a stack have states of their own, which are not told apart here
    stacked = kind == "RNN" and config["cell"]["class_name"] == "StackedRNNCells"
    states = () if stacked else CELLS[found[0][1]].states
    out = value if config.get("return_sequences", False) else last
    return [out, *(last if name == "h" else "cell state" for name in states)]


def bidirectional(builder, label, entry, source, value, version):
    """Append both directions and what joins them; what comes out, then their states."""
    config = entry["config"]
    forward = config["layer"]
    turned = {"go_backwards": not forward["config"].get("go_backwards", False)}
    backward = config.get("backward_layer") or forward | {"config": forward["config"] | turned}
    outs = []
    for way, inner in (("forward", forward), ("backward", backward)):
        name, own = f"{label}.{way}", inner["config"]["name"]
        # a name of its own, or that of the other direction with "backward_" before it
        owners = [f"{way}_{own}", f"{way}_{own.removeprefix('forward_')}"]
        if inner is forward or config.get("backward_layer"):
            owners.append(own)
        if inner["class_name"] not in RECURRENT:
            raise RnnhwError(f"{name} (Bidirectional) wraps a {inner['class_name']}, which is not "
                             f"supported; {', '.join(RECURRENT)} are.")
        check(name, inner)
        inside = source.inside(name, f"{way}_layer", *owners)
        outs.append(recurrent(builder, name, inner, inside, value, version))
    if (forward["config"].get("return_sequences", False)
            != backward["config"].get("return_sequences", False)):
        raise RnnhwError(f"{label} (Bidirectional) has return_sequences of one direction only; "
                         "set it alike in both.")
    y, back = outs[0][0], outs[1][0]
    if back.steps:
        back = replace(back, turned=not back.turned)
    mode = config["merge_mode"]
    if mode == "concat":
        out = builder.concatenate(label, "Bidirectional", [y, back])
    else:
        out = builder.merge(label, MERGES[mode], [y, back])
    return [out, *outs[0][1:], *outs[1][1:]]
