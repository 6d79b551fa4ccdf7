"""Random ONNX graphs in which any operator may follow any other, with last steps of all kinds."""

import numpy as np

from .onnx_graphs import finish
from .onnx_sweep import GATES, Sweep

UNARY = ("Relu", "Sigmoid", "Tanh", "HardSigmoid", "Neg")


class Dag(Sweep):
    """Values in a pool, (name, axis of steps or None, units), on which operators are drawn."""

    def drawn(self, pool, steps=None):
        """A value of the pool; with ``steps`` (True or False) one that has them or has not."""
        found = [v for v in pool if steps is None or (v[1] is not None) == steps]
        return found[int(self.rng.integers(len(found)))] if found else None

    def seq_first(self, value):
        name, axis, n = value
        return self.add("Transpose", [name], perm=[1, 0, 2]) if axis == 1 else name, n

    def recurrent_layer(self, pool):
        x, m = self.seq_first(self.drawn(pool, True))
        op, n = str(self.rng.choice(list(GATES))), int(self.rng.integers(1, 5))
        direction = str(self.rng.choice(["forward", "reverse", "bidirectional"]))
        count, gates = 1 + (direction == "bidirectional"), GATES[op]
        y, h = self.name("Y"), self.name("Y_h")
        self.add(op, [x, self.weight(count, gates * n, m), self.weight(count, gates * n, n)],
                 [y, h], hidden_size=n, direction=direction)
        y = self.add("Transpose", [y], perm=[0, 2, 1, 3])
        pool.append((self.add("Reshape", [y, self.const([0, 0, count * n])]), 0, count * n))
        pool.append((self.final(h, count, 0, n), None, count * n))

    def step(self, pool):
        """The first or the last step of a value, or its other order of axes."""
        name, axis, n = self.drawn(pool, True)
        if self.some(0.3):
            pool.append((self.add("Transpose", [name], perm=[1, 0, 2]), 1 - axis, n))
            return
        at = self.const(int(self.rng.choice([0, -1])))
        pool.append((self.add("Gather", [name, at], axis=axis), None, n))

    def linear_layer(self, pool):
        name, axis, m = self.drawn(pool)
        n = int(self.rng.integers(1, 5))
        pool.append((self.linear(name, m, n, 2 if axis is None else 3), axis, n))

    def elementwise(self, pool):
        name, axis, n = self.drawn(pool)
        if self.some():
            pool.append((self.add(str(self.rng.choice(UNARY)), [name]), axis, n))
            return
        op = str(self.rng.choice(["Add", "Sub", "Mul", "Div"]))
        value = self.const(self.rng.uniform(0.5, 1.5, n if self.some() else ()), np.float32)
        sides = [value, name] if op != "Div" and self.some() else [name, value]
        pool.append((self.add(op, sides), axis, n))

    def joined(self, pool):
        """Two values side by side, or added or multiplied."""
        a = self.drawn(pool)
        b = self.drawn([v for v in pool if v[1] == a[1]])
        if a[2] == b[2] and self.some(0.7):
            op = str(self.rng.choice(["Add", "Sub", "Mul"]))
            pool.append((self.add(op, [a[0], b[0]]), a[1], a[2]))
        else:
            pool.append((self.add("Concat", [a[0], b[0]], axis=-1), a[1], a[2] + b[2]))

    def chosen(self, pool):
        """Some units, in some order."""
        name, axis, n = self.drawn(pool)
        if self.some():
            start = int(self.rng.integers(n))
            name = self.add("Slice", [name, self.const([start]), self.const([n]),
                                      self.const([1 if axis is None else 2])])
            pool.append((name, axis, n - start))
        else:
            units = self.rng.integers(0, n, int(self.rng.integers(1, n + 1)))
            name = self.add("Gather", [name, self.const(units)], axis=1 if axis is None else 2)
            pool.append((name, axis, len(units)))


def random_dag(rng):
    """``(proto, x, axis of steps of its output or None)``."""
    steps, batch, m = (int(rng.integers(1 + k, 6)) for k in (1, 1, 0))
    b = Dag(rng, 17, steps, batch, None, True)
    pool = [("x", 0, m)]
    b.recurrent_layer(pool)
    moves = [b.recurrent_layer, b.step, b.linear_layer, b.elementwise, b.joined, b.chosen]
    for _ in range(int(rng.integers(2, 9))):
        moves[int(rng.integers(len(moves)))](pool)
    out, axis, n = pool[-1]
    if b.some(0.3):
        out, axis, n = b.linear(out, n, 3, 2 if axis is None else 3), axis, 3
    if b.some(0.2):
        out = b.add(str(rng.choice(["Softmax", "LogSoftmax"])), [out], axis=-1)
    out = b.add("Identity", [out], ["out"])
    x = rng.standard_normal((steps, batch, m)).astype(np.float32)
    return finish(b, ["out"], ("seq", "batch", m)), x, axis
