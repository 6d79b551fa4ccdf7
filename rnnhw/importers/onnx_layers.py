"""Weights and options of ONNX's operators LSTM, GRU and RNN, and the matrix of a MatMul."""

import numpy as np

from ..cells.functions import NAMES, PARAMETERS, check_clip, normal
from ..layers import DIRECTIONS
from ..model import Recurrent
from .onnx_moves import numbers

# Position in ONNX's order (i o f c and z r h) of PyTorch's gates (i f g o and r z n).
GATE_ORDER = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2), "rnn": (0,)}
COUPLED_ORDER = (0, 3, 1)          # i g o: with input_forget there is no f
PEEPHOLE_ORDER = {False: (0, 2, 1), True: (0, 1)}
DEFAULTS = {"lstm": ("Sigmoid", "Tanh", "Tanh"), "gru": ("Sigmoid", "Tanh"), "rnn": ("Tanh",)}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


def directions(node):
    """For each direction of an operator, whether it runs backwards."""
    direction = node.attributes.get("direction", "forward")
    if direction not in DIRECTIONS:
        raise node.error(f"has direction {direction!r}; {', '.join(DIRECTIONS)} are supported.")
    return DIRECTIONS[direction]


def layout(node):
    """0 for (seq_len, batch, ...), 1 for (batch, seq_len, ...)."""
    found = node.attributes.get("layout", 0)
    if found not in (0, 1):
        raise node.error(f"has layout {found}; 0 and 1 are supported.")
    return found


def check_lengths(node, value, steps):
    """Refuse constant sequence_lens that are not the full length of the sequences."""
    if value is not None and set(numbers(value)) != {steps}:
        raise node.error(f"has constant sequence_lens {sorted(set(numbers(value)))} for sequences "
                         f"of {steps} steps, which is not supported; leave them out, or make them "
                         "an input of the graph.")


def _activations(node, defaults):
    """The functions of all directions; alpha and beta go to those that take them, in order."""
    a, what = node.attributes, f"node {node.name!r} ({node.op})"
    named = [v.decode() if isinstance(v, bytes) else v for v in a.get("activations", defaults)]
    if len(named) != len(defaults):
        raise node.error(f"has {len(named)} activations; {len(defaults)} are needed.")
    numbers = {key: list(a.get(f"activation_{key}", ())) for key in ("alpha", "beta")}
    found = []
    for name in named:
        known = PARAMETERS.get(NAMES.get(name.lower()), {})
        given = [numbers[key].pop(0) if numbers[key] else default
                 for key, default in known.items()]
        found.append(normal((name, *given), what))
    for key, left in numbers.items():
        if left:
            raise node.error(f"has {len(left)} more values in activation_{key} than its "
                             f"activations ({', '.join(named)}) take; leave them out.")
    return found


def options(node):
    """Options of the layer of each direction.

    Raises
    ------
    RnnhwError
        Naming the node, if it has a function that no cell has, or numbers that fit none.
    """
    cell, a, count = node.op.lower(), node.attributes, len(directions(node))
    functions = _activations(node, DEFAULTS[cell] * count)
    n = len(DEFAULTS[cell])
    found = []
    for d in range(count):
        taken = {"clip": check_clip(a.get("clip") or None, f"node {node.name!r} ({node.op})")}
        own = tuple(functions[d * n:(d + 1) * n])
        taken |= {"activation": own[0]} if cell == "rnn" else {"activations": own}
        if cell == "gru":
            taken["reset_after"] = bool(a.get("linear_before_reset", 0))
        if cell == "lstm":
            taken["input_forget"] = bool(a.get("input_forget", 0))
        found.append(taken)
    return found


def shapes(node, args):
    """Check the shapes of all weights; number of units.

    Raises
    ------
    RnnhwError
        Naming the weight that is of a wrong shape.
    """
    gates, count = len(GATE_ORDER[node.op.lower()]), len(directions(node))
    n = node.attributes.get("hidden_size") or np.shape(args["R"])[-1]
    wanted = {"W": (count, gates * n, None), "R": (count, gates * n, n),
              "B": (count, 2 * gates * n), "P": (count, 3 * n)}
    for name, shape in wanted.items():
        found = np.shape(args[name])
        if args[name] is not None and (len(found) != len(shape) or any(
                s not in (None, f) for s, f in zip(shape, found))):
            text = ", ".join("any" if s is None else str(s) for s in shape)
            raise node.error(f"has {name} of shape {found}, but ({text}) is needed.")
    return n


def initial_states(node, args, n, batch):
    """The initial states of each direction by name.

    Raises
    ------
    RnnhwError
        If a state is of a wrong shape, or differs between the sequences of a batch.
    """
    count = len(directions(node))
    found = [{} for _ in range(count)]
    for name in ("initial_h", "initial_c"):
        value = args[name]
        if value is None:
            continue
        value, shape = np.asarray(value, np.float64), (count, batch, n)
        shape = (batch, count, n) if layout(node) else shape
        if value.shape != shape:
            raise node.error(f"has {name} of shape {value.shape}, but {shape} is needed.")
        value = value.swapaxes(0, 1) if layout(node) else value
        if (value != value[:, :1]).any():
            raise node.error(f"has an {name} that differs between the sequences of a batch, which "
                             "is not supported; one state for all is.")
        for d in range(count):
            found[d][name[-1]] = value[d, 0]
    return found


def recurrent_layer(node, args, d, view, n, initial):
    """The layer of direction ``d`` of an operator, gates in PyTorch's order.

    Parameters
    ----------
    args : dict of arrays by name
    view : View of its input
    n : number of units
    initial : dict of its initial states

    Reference: ONNX operators LSTM, GRU and RNN, versions 7 to 22.
    """
    cell = node.op.lower()
    taken = options(node)[d]
    coupled, gates = taken.get("input_forget", False), len(GATE_ORDER[cell])
    order = COUPLED_ORDER if coupled else GATE_ORDER[cell]

    def reorder(value, order=order):
        blocks = np.asarray(value, np.float64).reshape(-1, n, *value.shape[1:])
        return blocks[list(order)].reshape(-1, *value.shape[1:])

    b, p = args["B"], args["P"]
    bias_ih = np.zeros(gates * n) if b is None else b[d, :gates * n]
    weight, bias = view.taken(reorder(args["W"][d]))
    backward = directions(node)[d]
    return Recurrent(
        cell, node.name if len(directions(node)) == 1 else f"{node.name}.{'fr'[backward]}",
        taken, weight_ih=weight, weight_hh=reorder(args["R"][d]),
        bias_ih=reorder(bias_ih) + bias,
        bias_hh=None if b is None else reorder(b[d, gates * n:]),
        peephole=None if p is None or not np.any(p[d]) else reorder(p[d], PEEPHOLE_ORDER[coupled]),
        reverse=backward, initial=initial)


def matrix(node, value, rank):
    """Constant ``value`` as a matrix, without leading axes of one element.

    Refused unless it is one, and of at most the ``rank`` that the other side of a MatMul has.
    """
    if not 2 <= value.ndim <= rank or set(value.shape[:-2]) - {1}:
        raise node.error(f"multiplies activations of rank {rank} by a constant of shape "
                         f"{value.shape}, which is not supported; a matrix is.")
    return value.reshape(value.shape[-2:])
