"""QuantizeLinear and DequantizeLinear: exact on constants; on activations, rounding kept apart.

A model's floats are not rounded; :meth:`rnnhw.importers.onnx_graph.Graph.run` rounds them where the
graph does. Scales that are powers of two are formats that integers here can have too.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rounding:
    """Rounding of an activation, ``scale * (sat(round(x/scale) + zero) - zero)``.

    ``low`` and ``high`` are the limits of its integers; ``name`` is that of the node.
    """

    scale: float
    zero: int
    low: int
    high: int
    name: str = ""

    def __call__(self, x):
        # in float32, as runtimes divide; round is to even
        whole = np.rint(x.astype(np.float32) / np.float32(self.scale)) + self.zero
        return (np.clip(whole, self.low, self.high) - self.zero).astype(np.float64) * self.scale

    def same(self, other):
        """Whether ``other`` has this scale and zero point."""
        return other is not None and (self.scale, self.zero) == (other.scale, other.zero)

    @property
    def format(self):
        """``width/fraction bits`` of the same numbers, or None where no format has them."""
        width = int(self.high - self.low + 1).bit_length() - 1
        mantissa, exponent = np.frexp(self.scale)
        centered = self.low - self.zero == -(1 << (width - 1))
        return f"{width}/{1 - exponent}" if mantissa == 0.5 and centered and exponent < 2 else None


def _along(node, value, like):
    """Scale or zero point of an axis, shaped to go with ``like``."""
    if node.attributes.get("block_size", 0):
        raise node.error("has scales of blocks, which is not supported; one scale, or one for each "
                         "index of an axis, is.")
    value = np.asarray(value)
    if value.size == 1:
        return value.reshape(())
    shape = [1] * like.ndim
    shape[node.attributes.get("axis", 1)] = -1
    return value.reshape(shape)


def _limits(node, zero):
    """Limits of the integers of a zero point's type."""
    if np.asarray(zero).dtype not in (np.int8, np.uint8, np.int16, np.uint16, np.int32):
        raise node.error(f"has integers of type {np.asarray(zero).dtype}, which are not supported; "
                         "int8, uint8, int16 and uint16 are.")
    found = np.iinfo(np.asarray(zero).dtype)
    return found.min, found.max


def _zero(node, args):
    """The zero point, unsigned and 0 where it is left out."""
    if len(args) > 2 and args[2] is not None:
        return np.asarray(args[2])
    if node.attributes.get("output_dtype", 0):
        raise node.error("has output_dtype without a zero point, which is not supported; give the "
                         "zero point, whose type says the same.")
    return np.uint8(0)


def quantize(node, args):
    """QuantizeLinear of a constant."""
    low, high = _limits(node, _zero(node, args))
    x, scale = args[0], _along(node, args[1], args[0])
    zero = _along(node, _zero(node, args), x)
    whole = np.rint(x / scale) + zero.astype(np.int64)
    return np.clip(whole, low, high).astype(zero.dtype)


def dequantize(node, args):
    """DequantizeLinear of a constant."""
    scale = _along(node, args[1], args[0])
    zero = 0 if len(args) < 3 or args[2] is None else _along(node, args[2], args[0])
    if args[0].dtype.kind not in "iu":
        raise node.error(f"has codes of type {args[0].dtype}, which are not supported; integers of "
                         "8, 16 or 32 bits are.")
    difference = args[0].astype(np.int64) - np.asarray(zero, np.int64)
    return difference.astype(scale.dtype) * scale


def rounding(node, args):
    """The Rounding of a QuantizeLinear or DequantizeLinear of an activation.

    Raises
    ------
    RnnhwError
        Naming the node, if its scale is not one positive number, or its integers are of another
        type.
    """
    zero = _zero(node, args)
    if np.size(args[1]) != 1 or np.size(zero) != 1:
        raise node.error("has several scales for an activation, which is not supported; one is.")
    scale = float(np.asarray(args[1]).reshape(()))
    if not 0 < scale < np.inf:
        raise node.error(f"has the scale {scale}; a positive number is needed.")
    low, high = _limits(node, zero)
    return Rounding(scale, int(np.asarray(zero).reshape(())), low, high, node.name)
