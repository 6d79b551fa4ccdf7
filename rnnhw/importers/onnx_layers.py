"""Weights and options of ONNX's LSTM and GRU operators, and of linear ones."""

import numpy as np

from ..model import GATES, Recurrent
from .onnx_moves import numbers

# Position in ONNX's order (i o f c and z r h) of PyTorch's gates (i f g o and r z n).
GATE_ORDER = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2)}
DEFAULTS = {"lstm": ("Sigmoid", "Tanh", "Tanh"), "gru": ("Sigmoid", "Tanh")}


def check_recurrent(node, args, steps):
    """Refuse inputs and attributes that would change what an LSTM or GRU computes.

    Parameters
    ----------
    args : dict of arrays or None by name
    steps : int
        Full length of the sequences.
    """
    a, defaults = node.attributes, DEFAULTS[node.op.lower()]
    if a.get("direction", "forward") != "forward":
        raise node.error(f"has direction {a['direction']!r}, which is not built yet; 'forward' is.")
    for key in ("clip", "activation_alpha", "activation_beta"):
        if a.get(key):
            raise node.error(f"has the attribute {key}, which is not supported; leave it out.")
    if a.get("input_forget", 0):
        raise node.error("has input_forget=1, which is not supported; 0 is.")
    named = [v.decode() if isinstance(v, bytes) else v for v in a.get("activations", defaults)]
    if [v.lower() for v in named] != [v.lower() for v in defaults]:
        raise node.error(f"has the activations {', '.join(named)}, which are not supported; "
                         f"{', '.join(defaults)} are.")
    if args["P"] is not None:
        raise node.error("has the input P (peepholes), which is not built yet.")
    if args["sequence_lens"] is not None and set(numbers(args["sequence_lens"])) != {steps}:
        raise node.error("has sequence_lens other than the full length, which is not supported; "
                         "leave them out.")
    for name in ("initial_h", "initial_c"):
        if args[name] is not None and np.any(args[name]):
            raise node.error(f"has an {name} that is not zero, which is not built yet; sequences "
                             "start at zero state.")


def recurrent_layer(node, args):
    """The layer of an LSTM or GRU node, gates in PyTorch's order; ``args`` are arrays by name.

    Raises
    ------
    RnnhwError
        Naming the weight that is missing or of a wrong shape.

    Reference: ONNX operators LSTM and GRU, versions 7 to 22.
    """
    cell, b = node.op.lower(), args["B"]
    gates = len(GATES[cell])
    n = node.attributes.get("hidden_size") or np.shape(args["R"])[-1]
    for name, shape in (("W", (1, gates * n, None)), ("R", (1, gates * n, n)),
                        ("B", (1, 2 * gates * n))):
        found = np.shape(args[name])
        if not (name == "B" and b is None) and (len(found) != len(shape) or any(
                s not in (None, f) for s, f in zip(shape, found))):
            wanted = ", ".join("any" if s is None else str(s) for s in shape)
            raise node.error(f"has {name} of shape {found}, but ({wanted}) is needed.")

    def reorder(value):
        blocks = np.asarray(value, np.float64).reshape(gates, n, *value.shape[1:])
        return blocks[list(GATE_ORDER[cell])].reshape(value.shape)

    return Recurrent(cell=cell, weight_ih=reorder(args["W"][0]), weight_hh=reorder(args["R"][0]),
                     bias_ih=None if b is None else reorder(b[0, :gates * n]),
                     bias_hh=None if b is None else reorder(b[0, gates * n:]),
                     reset_after=cell == "lstm" or bool(
                         node.attributes.get("linear_before_reset", 0)),
                     name=node.name)


def matrix(node, value, rank):
    """Constant ``value`` as a matrix, without leading axes of one element.

    Refused unless it is one, and of at most the ``rank`` that the other side of a MatMul has.
    """
    if not 2 <= value.ndim <= rank or set(value.shape[:-2]) - {1}:
        raise node.error(f"multiplies activations of rank {rank} by a constant of shape "
                         f"{value.shape}, which is not supported; a matrix is.")
    return value.reshape(value.shape[-2:])
