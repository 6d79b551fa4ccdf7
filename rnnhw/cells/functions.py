"""Activation functions as ONNX's recurrent operators name them, made of a cell's own ops.

With k the clip, which bounds the input of a function to -k..k, and what is doubled a value of its
own::

    clip         u = max(x + k, 0);  v = max(2 k - u, 0);  x = k - v
    HardSigmoid  max(0, min(1, alpha x + beta)):  v = max(1 - beta - alpha x, 0);  y = max(1 - v, 0)
    LeakyRelu    x, or alpha x where x < 0:  v = max((alpha - 1) x, 0);  y = x + v
    ScaledTanh   alpha tanh(beta x)
    Affine       alpha x + beta

(LeakyRelu with alpha > 1: v = max((1 - alpha) x, 0), y = x - v.) Source: ONNX, operators LSTM, GRU
and RNN.
"""

from math import inf, isfinite

from ..errors import RnnhwError
from .describe import Op, Vector

# names of the numbers that each takes, with ONNX's defaults; None where it has none
PARAMETERS = {"Sigmoid": {}, "Tanh": {}, "Relu": {}, "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
              "LeakyRelu": {"alpha": 0.01}, "Affine": {"alpha": None, "beta": None},
              "ScaledTanh": {"alpha": None, "beta": None}}
NAMES = {name.lower(): name for name in PARAMETERS}


def normal(given, what):
    """``given``, a name or ``(name, alpha, beta)``, as a name or with all that the function takes.

    Raises
    ------
    RnnhwError
        If there is no such function, or its numbers are missing, too many or not finite.
    """
    name, *numbers = [given] if isinstance(given, str) else given or [None]
    if not isinstance(name, str) or name.lower() not in NAMES:
        raise RnnhwError(f"activation {name!r} of {what} is not supported; "
                         f"{', '.join(PARAMETERS)} are.")
    name = NAMES[name.lower()]
    known = PARAMETERS[name]
    if len(numbers) > len(known):
        raise RnnhwError(f"activation {name} of {what} takes "
                         f"{' and '.join(known) or 'no numbers'}, not {tuple(numbers)}.")
    values = [*numbers, *list(known.values())[len(numbers):]]
    for key, value in zip(known, values):
        if value is None:
            raise RnnhwError(f"activation {name} of {what} needs {key}, which has no default; give "
                             f"({name!r}, {', '.join(known)}).")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            raise RnnhwError(f"{key} of the activation {name} of {what} must be a finite number, "
                             f"not {value!r}.")
    return (name, *map(float, values)) if values else name


def check_clip(clip, what):
    """``clip`` as a float, or None.

    Raises
    ------
    RnnhwError
        If it is no positive number.
    """
    if clip is None:
        return None
    if isinstance(clip, bool) or not isinstance(clip, (int, float)) or not 0 < clip < inf:
        raise RnnhwError(f"clip of {what} must be a positive number, or left out, not {clip!r}.")
    return float(clip)


def used(formats, ops, products):
    """Those of a cell's formats that it has values or sums in."""
    names = {op.fmt for op in ops} | {product.pre for product in products}
    return {name: rule for name, rule in formats.items() if name in names}


class Functions:
    """The functions of a cell by role, and what their ops need beside.

    Parameters
    ----------
    by_role : dict of functions as :func:`normal` gives them
    clip : float or None; its bound on their inputs
    unclipped : roles that it does not bound

    Members
    -------
    vectors, formats, reach : of the cell, filled as ops are made
    """

    def __init__(self, by_role, clip=None, unclipped=()):
        self.by_role = {role: (f,) if isinstance(f, str) else f for role, f in by_role.items()}
        self.clips = {role: None if role in unclipped else clip for role in by_role}
        self.vectors, self.formats, self.reach = {}, {}, {}

    def __call__(self, role, dst, a, fmt, drained=""):
        """Ops of ``dst = function(a)`` in the format ``fmt``; ``drained`` is that of a drained a.
        """
        (name, *numbers), clip, ops = self.by_role[role], self.clips[role], []
        if clip is not None:
            k, kk = self._constant("clip", clip), self._constant("clip_twice", 2 * clip)
            own = self._format("clipping", "wide", 2 * clip)
            kept = self._format(f"in_{role}", "table" if name in ("Sigmoid", "Tanh") else "wide")
            ops = [Op(f"up_{dst}", a, "", k, fn="relu", fmt=own),
                   Op(f"down_{dst}", kk, "", f"up_{dst}", fn="relu", fmt=own, subtract=True),
                   Op(f"in_{dst}", k, "", f"down_{dst}", fmt=kept, subtract=True)]
            a, drained = f"in_{dst}", ""
        return ops + getattr(self, f"_{name.lower()}")(role, dst, a, fmt, drained, *numbers)

    def _sigmoid(self, role, dst, a, fmt, drained):
        return [Op(dst, a, fn="sigmoid", fmt=fmt)]

    def _tanh(self, role, dst, a, fmt, drained):
        return [Op(dst, a, fn="tanh", fmt=fmt)]

    def _relu(self, role, dst, a, fmt, drained):
        return [Op(dst, a, fn="relu", fmt=fmt)]

    def _affine(self, role, dst, a, fmt, drained, alpha, beta):
        b = "" if alpha == 1 else self._constant(f"alpha_{role}", alpha)
        return [Op(dst, a, b, self._constant(f"beta_{role}", beta) if beta else "", fmt=fmt)]

    def _hardsigmoid(self, role, dst, a, fmt, drained, alpha, beta):
        own = self._format(f"under_{role}", "wide", 1.0)
        return [Op(f"under_{dst}", a, self._constant(f"alpha_{role}", -alpha),
                   self._constant(f"beta_{role}", 1 - beta), fn="relu", fmt=own),
                Op(dst, self._constant("one", 1.0), "", f"under_{dst}", fn="relu", fmt=fmt,
                   subtract=True)]

    def _leakyrelu(self, role, dst, a, fmt, drained, alpha):
        ops = [Op(f"of_{dst}", a, fmt=drained)] if drained else []
        a = f"of_{dst}" if drained else a
        below = Op(f"below_{dst}", a, self._constant(f"alpha_{role}", -abs(alpha - 1)), fn="relu",
                   fmt=self._format(f"below_{role}", "wide"))
        return [*ops, below, Op(dst, a, "", below.dst, fmt=fmt, subtract=alpha > 1)]

    def _scaledtanh(self, role, dst, a, fmt, drained, alpha, beta):
        scaled = Op(f"scaled_{dst}", a, self._constant(f"beta_{role}", beta),
                    fmt=self._format(f"scaled_{role}", "table"))
        own = self._format("gate", "gate")
        return [scaled, Op(f"tanh_{dst}", scaled.dst, fn="tanh", fmt=own),
                Op(dst, f"tanh_{dst}", self._constant(f"alpha_{role}", alpha), fmt=fmt)]

    def _constant(self, name, value):
        self.vectors[name] = Vector(name, (name,), value=value)
        return name

    def _format(self, name, rule, reach=None):
        self.formats[name] = rule
        if reach is not None:
            self.reach[name] = reach
        return name

    def range(self, role):
        """Lowest and highest value of the function, infinite where it has no bound."""
        (name, *numbers), k = self.by_role[role], self.clips[role] or inf
        if name == "Affine":
            alpha, beta = numbers
            spread = abs(alpha) * k if alpha else 0.0
            return beta - spread, beta + spread
        if name == "LeakyRelu":
            low = numbers[0] * -k if numbers[0] else 0.0
            return min(low, 0.0), max(low, k)
        top = {"Relu": k, "ScaledTanh": abs(numbers[0]) if numbers else 0.0}.get(name, 1.0)
        return (-top if name in ("Tanh", "ScaledTanh") else 0.0), top

    def unit(self, *roles):
        """Whether the functions stay within -1..1."""
        return all(max(map(abs, self.range(role))) <= 1 for role in roles)

    def share(self, role):
        """Whether the function stays within 0..1."""
        return self.unit(role) and self.range(role)[0] >= 0

    def looked_up(self, *roles):
        """Whether nothing but tables reads the functions' inputs."""
        return all(self.by_role[role][0] in ("Sigmoid", "Tanh") and self.clips[role] is None
                   for role in roles)

    def fmt(self, role):
        """Format of the function's values, ``gate`` where they stay within -1..1."""
        return "gate" if self.unit(role) else self._format(f"gate_{role}", "wide")

    def suffix(self, *plain):
        """What tells the cell from that of the functions ``plain``, for its name."""
        names = [name for name, *_ in self.by_role.values()]
        clip = next((clip for clip in self.clips.values() if clip is not None), None)
        free = [role for role, own in self.clips.items() if own is None]
        return ("".join(f"_{name.lower()}" for name in names) * (names != list(plain))
                + ("_clip" + "".join(f"_not_{role}" for role in free)) * (clip is not None))
