"""ONNX operators that move values or do arithmetic on shapes, as NumPy functions.

Each takes a :class:`Node` and the values of its inputs (None where one is left out).
"""

from functools import cached_property

import numpy as np

from ..errors import RnnhwError
from .onnx_quantized import dequantize, quantize


class Node:
    """An operator of the graph with its attributes as Python values.

    Parameters
    ----------
    proto : onnx.NodeProto
    opset : int
        Version of the standard operators.
    """

    def __init__(self, proto, opset):
        self.proto, self.opset = proto, opset
        self.op, self.domain = proto.op_type, proto.domain
        self.inputs, self.outputs = tuple(proto.input), tuple(proto.output)
        self.name = proto.name or next((name for name in self.outputs if name), "")

    @cached_property
    def attributes(self):
        from onnx import TensorProto, helper, numpy_helper

        found = {}
        for attribute in self.proto.attribute:
            value = helper.get_attribute_value(attribute)
            if isinstance(value, bytes):
                value = value.decode(errors="replace")
            elif isinstance(value, TensorProto):
                value = numpy_helper.to_array(value)
            found[attribute.name] = value
        return found

    def error(self, why):
        """The refusal of this node: a sentence that names it."""
        return RnnhwError(f"Node {self.name!r} ({self.op}) {why}")


def numbers(values):
    """A list of Python integers from an ONNX list or array."""
    return [int(v) for v in np.asarray(values).reshape(-1)]


def _axes(node, args):
    """Axes, an attribute before opset 13 and an input from then on; None if not given."""
    axes = args[1] if len(args) > 1 and args[1] is not None else node.attributes.get("axes")
    return None if axes is None else tuple(numbers(axes))


def _reshape(node, args):
    shape = numbers(args[1])
    if not node.attributes.get("allowzero", 0):
        shape = [args[0].shape[i] if size == 0 else size for i, size in enumerate(shape)]
    return args[0].reshape(shape)


def _slice(node, args):
    args = args + [None] * (5 - len(args))
    starts, ends = (numbers(node.attributes[key] if value is None else value)
                    for key, value in zip(("starts", "ends"), args[1:3]))
    axes = node.attributes.get("axes") if args[3] is None else args[3]
    axes = range(len(starts)) if axes is None else numbers(axes)
    steps = [1] * len(starts) if args[4] is None else numbers(args[4])
    index = [slice(None)] * args[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps):
        index[axis] = slice(start, end, step)
    return args[0][tuple(index)]


def _flatten(node, args):
    axis = node.attributes.get("axis", 1)
    axis += args[0].ndim if axis < 0 else 0
    return args[0].reshape(int(np.prod(args[0].shape[:axis])), -1)


def _expand(node, args):
    return np.broadcast_to(args[0], np.broadcast_shapes(args[0].shape, tuple(numbers(args[1]))))


def _cast(node, args):
    from onnx import helper

    return args[0].astype(helper.tensor_dtype_to_np_dtype(node.attributes["to"]))


def _constant(node, args):
    [(key, value)] = node.attributes.items()
    dtypes = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64,
              "value_ints": np.int64, "value": None}
    if key not in dtypes:
        raise node.error(f"gives its value by {key}, which is not supported; a tensor, floats or "
                         "integers are.")
    return np.asarray(value, dtypes[key])


def _constant_of_shape(node, args):
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32)))
    return np.full(numbers(args[0]), value.reshape(-1)[0], value.dtype)


def _divide(node, args):
    a, b = args
    if np.issubdtype(a.dtype, np.integer):
        return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
    return a / b


def _product(node, args):
    keepdims = bool(node.attributes.get("keepdims", 1))
    return np.prod(args[0], axis=_axes(node, args), keepdims=keepdims)


# Where values go: of constants and of traced activations alike.
MOVES = {
    "Transpose": lambda node, args: np.transpose(args[0], node.attributes.get("perm")),
    "Squeeze": lambda node, args: np.squeeze(args[0], _axes(node, args)),
    "Unsqueeze": lambda node, args: np.expand_dims(args[0], _axes(node, args)),
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Slice": _slice,
    "Gather": lambda node, args: np.take(args[0], args[1], axis=node.attributes.get("axis", 0)),
    "Expand": _expand,
    "Concat": lambda node, args: np.concatenate(args, axis=node.attributes["axis"]),
    "Identity": lambda node, args: args[0],
    "Dropout": lambda node, args: args[0],
}

# Arithmetic on constants, which is how exporters write shapes and initial states.
ARITHMETIC = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Cast": _cast,
    "Add": lambda node, args: args[0] + args[1],
    "Sub": lambda node, args: args[0] - args[1],
    "Mul": lambda node, args: args[0] * args[1],
    "Div": _divide,
    "Neg": lambda node, args: -args[0],
    "Min": lambda node, args: np.minimum.reduce(args),
    "Max": lambda node, args: np.maximum.reduce(args),
    "Equal": lambda node, args: args[0] == args[1],
    "Where": lambda node, args: np.where(*args),
    "Range": lambda node, args: np.arange(*(a.item() for a in args), dtype=args[0].dtype),
    "Tile": lambda node, args: np.tile(args[0], numbers(args[1])),
    "ReduceProd": _product,
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
}
