"""Random ONNX models in which every attribute and input of the recurrent operators varies."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from .models import close
from .onnx_graphs import Builder

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = 1
OPTIONS.log_severity_level = 3
DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
FUNCTIONS = {"Sigmoid": (), "Tanh": (), "Relu": (), "HardSigmoid": ("alpha", "beta"),
             "LeakyRelu": ("alpha",), "Affine": ("alpha", "beta"),
             "ScaledTanh": ("alpha", "beta")}
CHANCES = [0.15, 0.2, 0.1, 0.2, 0.1, 0.1, 0.15]
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


class Sweep(Builder):
    """Recurrent operators with options drawn at random.

    Parameters
    ----------
    opset : int
    steps, batch : sizes of the input, (seq_len, batch, features)
    lengths : name of the graph's input of lengths, or None
    dynamic : bool
        The graph says nothing of steps and batch, so that no constant may hang on them.
    """

    def __init__(self, rng, opset, steps, batch, lengths, dynamic):
        super().__init__(rng, opset)
        self.steps, self.batch, self.lengths = steps, batch, lengths
        self.dynamic = dynamic
        self.seen = set()

    def some(self, chance=0.5):
        return bool(self.rng.random() < chance)

    def state(self, count, n, batch_first):
        """An initial state, the same for all sequences: written out, or expanded."""
        value = self.rng.uniform(-1, 1, (count, 1, n))
        shape = (count, self.batch, n)
        if batch_first:
            value, shape = value.swapaxes(0, 1), (self.batch, count, n)
        if self.some():
            return self.const(np.broadcast_to(value, shape), np.float32)
        return self.add("Expand", [self.const(value, np.float32), self.const(shape)])

    def operator(self, x, m, n):
        """(Y, Y_h, Y_c or None, directions, layout) of an operator over (seq_len, batch, m).

        With layout 1 a Transpose stands in front of it; Y and the states are batch first then.
        """
        op = str(self.rng.choice(list(GATES)))
        direction = str(self.rng.choice(["forward", "reverse", "bidirectional"]))
        count, gates = 1 + (direction == "bidirectional"), GATES[op]
        attributes = {"direction": direction} if direction != "forward" or self.some() else {}
        if self.some(0.8):
            attributes["hidden_size"] = n
        layout = int(self.opset >= 14 and self.some(0.3))
        if layout:
            attributes["layout"] = 1
            x = self.add("Transpose", [x], perm=[1, 0, 2])
        inputs = [x, self.weight(count, gates * n, m), self.weight(count, gates * n, n, scale=0.7)]
        inputs += [self.weight(count, 2 * gates * n) if self.some(0.7) else ""]
        inputs += [self.lengths or (self.const([self.steps] * self.batch, np.int32)
                                    if self.some(0.3) and not self.dynamic else "")]
        inputs += [self.state(count, n, layout) if self.some() and not self.dynamic else ""]
        if op == "LSTM":
            inputs += [self.state(count, n, layout) if self.some() and not self.dynamic else "",
                       self.weight(count, 3 * n) if self.some() else ""]
            if self.some():
                attributes["input_forget"] = 1
        if op == "GRU" and self.some():
            attributes["linear_before_reset"] = 1
        self.activations(op, count, attributes)
        self.seen.update([op, direction, *(f"{op}.{key}" for key in attributes)],
                         (f"{op}.{i}" for i, name in enumerate(inputs) if name))
        outputs = [self.name(key) for key in ("Y", "Y_h", "Y_c")[:3 if op == "LSTM" else 2]]
        self.add(op, inputs, outputs, **attributes)
        return *(outputs + [None])[:3], count, layout

    def activations(self, op, count, attributes):
        """Set the attributes of functions and clip."""
        if self.some(0.4):
            drawn = [self.rng.choice(list(FUNCTIONS), p=CHANCES) for _ in DEFAULTS[op] * count]
            if self.some():  # functions of a bound that gates keep
                drawn = [v if v not in ("Relu", "LeakyRelu", "Affine") else d
                         for v, d in zip(drawn, DEFAULTS[op] * count)]
            attributes["activations"] = [str(v) for v in drawn]
            for key in ("alpha", "beta"):
                takers = [v for v in drawn if key in FUNCTIONS[v]]
                full = takers and (self.some() or any(v in ("Affine", "ScaledTanh")
                                                      for v in takers))
                if full:
                    attributes[f"activation_{key}"] = [
                        float(self.rng.uniform(0.1, 0.9)) for _ in takers]
            self.seen.update(f"{op}.{v}" for v in drawn)
        grows = op == "LSTM" and {"Relu", "LeakyRelu", "Affine"} & set(
            attributes.get("activations", ()))
        if self.some(0.3) or grows:  # or c would, beyond what float32 has digits for
            attributes["clip"] = float(self.rng.uniform(0.2, 1.5))

    def merged(self, y, count, layout, n):
        """Y as (seq_len, batch, units) and its units: directions side by side, or added."""
        if count == 2 and self.some(0.4):
            axis = 2 if layout else 1
            halves = [self.add("Gather", [y, self.const(d)], axis=axis) for d in range(2)]
            y = self.add(str(self.rng.choice(["Add", "Mul", "Sub"])), halves)
            if self.some(0.3):
                y = self.add("Mul", [y, self.const(0.5, np.float32)])
            return self.add("Transpose", [y], perm=[1, 0, 2]) if layout else y, n
        if layout:
            y = self.add("Reshape", [y, self.const([0, 0, -1])])
            return self.add("Transpose", [y], perm=[1, 0, 2]), count * n
        if count == 1:
            return self.merge_directions(y, n), n
        y = self.add("Transpose", [y], perm=[0, 2, 1, 3])
        return self.add("Reshape", [y, self.const([0, 0, count * n])]), count * n

    def final(self, h, count, layout, n):
        """Y_h as (batch, units)."""
        if not layout:
            if self.some() and count == 2:
                parts = [self.add("Gather", [h, self.const(d)], axis=0) for d in range(2)]
                return self.add("Concat", parts, axis=-1)
            h = self.add("Transpose", [h], perm=[1, 0, 2])
        return self.add("Reshape", [h, self.const([0, count * n])])


def random_model(rng, sweep=Sweep):
    """``(proto, feeds, last_step, seen)`` of a random model, ``feeds`` its inputs by name."""
    opset = int(rng.choice([11, 13, 14, 17, 22]))
    m, steps, batch = (int(rng.integers(1, high)) for high in (7, 8, 5))
    lengths = "lens" if rng.random() < 0.35 else None
    dynamic = rng.random() < 0.3 and lengths is None
    b = sweep(rng, opset, steps, batch, lengths, dynamic)
    x, size, before, extra = "x", m, None, []
    last_step = b.some()
    count_of_layers = int(rng.integers(1, 4))
    for k in range(count_of_layers):
        last = k == count_of_layers - 1
        n = int(rng.integers(1, 7))
        y, h, c, count, layout = b.operator(x, size, n)
        merged, units = b.merged(y, count, layout, n)
        extra += [name for name in (y, h, c)[last and last_step:] if name and b.some(0.3)]
        if before and before[1] == units and b.some(0.8):
            merged = b.add(str(rng.choice(["Add", "Mul"])), [before[0], merged])
            b.seen.add("residual")
        if x != "x" and b.some(0.3):
            merged = b.add("Concat", [x, merged], axis=2)
            units += size
            b.seen.add("concat")
        x, size, before = merged, units, (merged, units)
    if last_step:
        x, size = b.final(h, count, layout, n), count * n
    if last_step or lengths is None and b.some():
        x, size = b.linear(x, size, int(rng.integers(1, 5)), 2 if last_step else 3), None
    x = b.add("Identity", [x], ["out"])
    dims = ("seq", "batch", m) if dynamic else (steps, batch, m)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)]
    feeds = {"x": rng.standard_normal((steps, batch, m)).astype(np.float32)}
    if lengths:
        inputs.append(helper.make_tensor_value_info(lengths, TensorProto.INT32, [batch]))
        feeds[lengths] = rng.integers(1, steps + 1, batch).astype(np.int32)
        b.seen.add("lengths")
    graph = helper.make_graph(
        b.nodes, "g", inputs, [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                               for name in ["out", *dict.fromkeys(extra)]], b.initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return proto, feeds, last_step, b.seen


def with_free_c(model):
    """The model with LSTMs whose clip leaves the c that H takes as it is, as onnxruntime does."""
    layers = [replace(layer, options=layer.options | {"clip_hidden": False})
              if layer.kind.startswith("lstm") else layer for layer in model.layers]
    return replace(model, layers=layers)


def error(got, want):
    """Largest difference, as a share of the largest value where that is above 1."""
    return close(got, want) / max(1.0, np.abs(want).max())


def plain(proto):
    """The same model without layout 1, a Transpose at each of the operator's arrays instead, and
    with hidden_size written out, as onnxruntime needs it.

    Reference: ONNX, operator LSTM, attribute layout.
    """
    proto = onnx.ModelProto.FromString(proto.SerializeToString())
    nodes, constants = [], {t.name: t.dims for t in proto.graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t.dims for node in proto.graph.node
                  if node.op_type == "Constant"}
    for node in proto.graph.node:
        if node.op_type in GATES and "hidden_size" not in [a.name for a in node.attribute]:
            node.attribute.append(helper.make_attribute("hidden_size",
                                                        constants[node.input[2]][-1]))
        batch_first = [a for a in node.attribute if a.name == "layout" and a.i == 1]
        for attribute in batch_first:
            node.attribute.remove(attribute)
        after = []
        if batch_first:
            for i in [0, 5, 6]:
                if i < len(node.input) and node.input[i]:
                    name = f"{node.input[i]}_{node.name}_{i}"
                    nodes.append(helper.make_node("Transpose", [node.input[i]], [name],
                                                  perm=[1, 0, 2]))
                    node.input[i] = name
            for i, name in enumerate(node.output):
                if name:
                    perm = [2, 0, 1, 3] if i == 0 else [1, 0, 2]
                    node.output[i] = f"{name}_first"
                    after.append(helper.make_node("Transpose", [node.output[i]], [name],
                                                  perm=perm))
        nodes += [node, *after]
    graph = helper.make_graph(nodes, "g", proto.graph.input, proto.graph.output,
                              proto.graph.initializer)
    return helper.make_model(graph, opset_imports=proto.opset_import, ir_version=8)


def onnxruntime_of(proto, feeds):
    """Outputs of onnxruntime by name."""
    data = plain(proto).SerializeToString()
    session = onnxruntime.InferenceSession(data, OPTIONS)
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds)))
