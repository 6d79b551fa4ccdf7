"""Random ONNX graphs of recurrent and linear layers, in the forms that exporters write."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

OUTPUTS = {"LSTM": 3, "GRU": 2}
GATES = {"LSTM": 4, "GRU": 3}


class Builder:
    """A graph under construction; names are given out in order."""

    def __init__(self, rng, opset):
        self.rng, self.opset = rng, opset
        self.nodes, self.initializers, self.count = [], [], 0

    def name(self, what):
        self.count += 1
        return f"{what}_{self.count}"

    def const(self, value, dtype=np.int64):
        """A constant, as an initializer or as a Constant node."""
        array, name = np.asarray(value, dtype), self.name("const")
        if self.rng.random() < 0.5:
            self.initializers.append(numpy_helper.from_array(array, name))
        else:
            self.nodes.append(helper.make_node("Constant", [], [name], name=name,
                                               value=numpy_helper.from_array(array)))
        return name

    def weight(self, *shape, scale=1.0):
        return self.const(self.rng.uniform(-scale, scale, shape), np.float32)

    def add(self, op, inputs, outputs=None, **attributes):
        """Add a node; returns its first output's name."""
        outputs = [self.name(op.lower())] if outputs is None else outputs
        self.nodes.append(helper.make_node(op, inputs, outputs, name=self.name(f"n_{op}"),
                                           **attributes))
        return outputs[0]

    def axes(self, op, x, axes):
        """Squeeze or Unsqueeze, whose axes became an input in opset 13."""
        if self.opset < 13:
            return self.add(op, [x], axes=axes)
        return self.add(op, [x, self.const(axes)])

    def dim(self, x, axis):
        """One element array with the size of an axis of ``x``."""
        shape = self.add("Shape", [x])
        return self.axes("Unsqueeze", self.add("Gather", [shape, self.const(axis)], axis=0), [0])

    def zeros(self, x, n):
        """Zero state (1, batch, n) for ``x`` (seq, batch, features), in one of three forms."""
        shape = self.add("Concat", [self.const([1]), self.dim(x, 1), self.const([n])], axis=0)
        form = self.rng.integers(3)
        if form == 0:
            return self.add("ConstantOfShape", [shape],
                            value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.0]))
        if form == 1:
            return self.add("Expand", [self.const(0.0, np.float32), shape])
        double = self.add("Concat", [self.const([2]), self.dim(x, 1), self.const([n])], axis=0)
        both = self.add("Expand", [self.const(np.zeros((1, 1, 1)), np.float32), double])
        return self.add("Slice", [both, self.const([1]), self.const([2]), self.const([0])])

    def recurrent(self, x, op, m, n, activations=None):
        """Y (seq, 1, batch, n), Y_h and maybe Y_c of a layer over ``x`` (seq, batch, m)."""
        rng, gates = self.rng, GATES[op]
        inputs = [x, self.weight(1, gates * n, m), self.weight(1, gates * n, n, scale=0.7),
                  self.weight(1, 2 * gates * n) if rng.random() < 0.8 else ""]
        if rng.random() < 0.5:
            inputs += ["", self.zeros(x, n)]
            inputs += [inputs[-1]] if op == "LSTM" else []
        attributes = {"hidden_size": n}
        if rng.random() < 0.3:
            attributes["activations"] = (["Sigmoid", "Tanh", "Tanh"] if op == "LSTM"
                                         else ["Sigmoid", "Tanh"])
        if rng.random() < 0.3:
            attributes["direction"] = "forward"
        if op == "GRU" and rng.random() < 0.5:
            attributes["linear_before_reset"] = 1
        outputs = [self.name(key) for key in ("Y", "Y_h", "Y_c")[:OUTPUTS[op]]]
        self.add(op, inputs, outputs, **attributes)
        return outputs

    def merge_directions(self, y, n):
        """(seq, 1, batch, n) to (seq, batch, n), by Squeeze, or Transpose and Reshape."""
        form = self.rng.integers(4)
        if form == 0:
            return self.axes("Squeeze", y, [1])
        y = self.add("Transpose", [y], perm=[0, 2, 1, 3])
        if form == 1:
            return self.add("Reshape", [y, self.const([0, 0, -1])])
        if form == 2:
            return self.add("Reshape", [y, self.const([0, 0, n])])
        shape = self.add("Shape", [y])
        parts = [self.add("Slice", [shape, self.const([i]), self.const([i + 1])])
                 for i in range(4)]
        product = self.add("Mul", parts[2:])
        shape = self.add("Concat", [*parts[:2], self.add("Reshape", [product, self.const([-1])])],
                         axis=0)
        return self.add("Reshape", [y, shape])

    def linear(self, x, m, n, rank):
        """A linear layer over the last axis of ``x``."""
        rng = self.rng
        form = rng.integers(3)
        if form == 0 or form == 1 and rank == 3:
            y = self.add("MatMul", [x, self.weight(m, n)])
            if rng.random() < 0.8:
                bias = self.weight(n)
                y = self.add("Add", [y, bias] if rng.random() < 0.5 else [bias, y])
        else:
            shape = self.add("Shape", [x]) if rank == 3 else None
            y = self.add("Reshape", [x, self.const([-1, m])]) if rank == 3 else x
            trans = int(rng.integers(2))
            inputs = [y, self.weight(*((n, m) if trans else (m, n)))]
            inputs += [self.weight(*[(n,), (1, n), (1,)][rng.integers(3)])] * int(rng.random() < .8)
            y = self.add("Gemm", inputs, transB=trans, alpha=float(rng.uniform(0.5, 1.5)),
                         beta=float(rng.uniform(0.5, 1.5)))
            if rank == 3:
                head = self.add("Slice", [shape, self.const([0]), self.const([2])])
                y = self.add("Reshape", [y, self.add("Concat", [head, self.const([n])], axis=0)])
        activation = rng.choice(["", "Relu", "Sigmoid", "Tanh"])
        return self.add(activation, [y]) if activation else y

    def last(self, x, axis):
        """The last step of ``x`` (rank 3), of rank 2."""
        form = self.rng.integers(4)
        if form == 0:
            return self.add("Gather", [x, self.const(-1)], axis=axis)
        if form == 1:
            x = self.add("Slice", [x, self.const([-1]), self.const([2**63 - 1]),
                                   self.const([axis])])
            return self.axes("Squeeze", x, [axis])
        if form == 2:
            index = self.add("Sub", [self.dim(x, axis), self.const([1])])
            return self.axes("Squeeze", self.add("Gather", [x, index], axis=axis), [axis])
        x = self.add("Slice", [x, self.const([-1]), self.const([-2**62]), self.const([axis]),
                               self.const([-2])])
        return self.add("Gather", [x, self.const(0)], axis=axis)


def finish(b, outputs, dims=("seq", "batch", 4), kind=TensorProto.FLOAT, types=()):
    """ModelProto of builder ``b`` with the input x, and ``outputs`` of float or of ``types``."""
    types = dict(types)
    graph = helper.make_graph(
        b.nodes, "g", [helper.make_tensor_value_info("x", kind, dims)],
        [helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None)
         for name in outputs], b.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", b.opset)], ir_version=8)


def random_graph(rng):
    """A random ModelProto, the shape of an input for it, and (last_step, kinds of layers)."""
    opset = int(rng.choice([11, 13, 14, 17, 20]))
    b = Builder(rng, opset)
    batch_first, dynamic = rng.random() < 0.5, rng.random() < 0.6
    m, steps, batch = (int(rng.integers(1, high)) for high in (9, 7, 5))
    shape = (batch, steps, m) if batch_first else (steps, batch, m)
    dims = [("batch", "seq", m), ("seq", "batch", m)][not batch_first] if dynamic else shape
    x, first, size, kinds, extra = "x", batch_first, m, [], []
    count = int(rng.integers(1, 4))
    last_step = rng.random() < 0.5
    state = None
    for k in range(count):
        n = int(rng.integers(1, 10))
        if k < count - 1 and rng.random() < 0.2:
            x, size = b.linear(x, size, n, 3), n
            kinds.append("linear")
            continue
        if first:
            x, first = b.add("Transpose", [x], perm=[1, 0, 2]), False
        op = str(rng.choice(["LSTM", "GRU"]))
        y, *states = b.recurrent(x, op, size, n)
        extra += [(name, (1, "B", n)) for name in states if rng.random() < 0.3]
        x, state, size = b.merge_directions(y, n), states[0], n
        kinds.append(op.lower())
        if rng.random() < 0.3:
            x = b.add("Dropout", [x])
    early = last_step and rng.random() < 0.6
    if not first and rng.random() < 0.5:
        x, first = b.add("Transpose", [x], perm=[1, 0, 2]), True
    if early and rng.random() < 0.5:
        x = b.axes("Squeeze", state, [0])
    elif early:
        x = b.last(x, int(first))
    for _ in range(int(rng.integers(0, 3))):
        n = int(rng.integers(1, 6))
        x, size = b.linear(x, size, n, 2 if early else 3), n
        kinds.append("linear")
    if last_step and not early:
        x = b.last(x, int(first))
    x = b.add("Identity", [x], ["out"])
    shapes = [("out", ("A", size) if last_step else ("A", "B", size)), *extra]
    graph = helper.make_graph(
        b.nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, s) for name, s in shapes],
        b.initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    checker.check_model(proto)
    return proto, shape, batch_first, last_step, tuple(kinds)
