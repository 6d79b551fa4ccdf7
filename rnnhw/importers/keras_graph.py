"""The calls of a Keras model's layers in the order they run: as listed, or along its graph."""

from dataclasses import dataclass, field

from ..errors import RnnhwError

ONE = "a model here has one of each"


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Parameters
    ----------
    entry : the layer as the network's description has it
    node : which of the layer's calls it is
    inputs : ``(layer, node, tensor)`` of each tensor it takes, none of a model's input
    options : what else it is called with, by name
    """

    entry: dict
    node: int = 0
    inputs: tuple = ()
    options: dict = field(default_factory=dict)

    @property
    def key(self):
        return self.entry["config"]["name"], self.node

    @property
    def label(self):
        """Its name in sentences and of our layer; further calls of a layer are numbered."""
        name = self.entry["config"]["name"]
        return f"{name}_call{self.node}" if self.node else name


def _ends(value):
    """``(layer, node, tensor)`` of ``input_layers`` or ``output_layers``, however nested."""
    if isinstance(value, dict):
        value = list(value.values())
    if len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int):
        return [tuple(value)]
    return [end for part in value for end in _ends(part)]


def _split(value):
    """Tensors, as ``(layer, node, tensor)``, and other values within the arguments of a call."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [tuple(value["config"]["keras_history"])], []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        parts = [_split(part) for part in value]
        return sum((p[0] for p in parts), []), sum((p[1] for p in parts), [])
    return [], [value]


def _taken(node):
    """Tensors that a call takes, and its keyword arguments; of Keras 3, then of Keras 2."""
    if isinstance(node, dict):
        tensors, others = _split(node["args"])
        options = dict(node["kwargs"])
        options |= {f"argument {k + 1}": v for k, v in enumerate(others)}
        return tensors, options
    if node and isinstance(node[0], str):
        node = [node]
    options = {k: v for part in node for k, v in (part[3] if len(part) > 3 else {}).items()}
    return [tuple(part[:3]) for part in node], options


def _call(label, entry, node):
    """Call ``node`` of a layer."""
    name, nodes = entry["config"]["name"], entry["inbound_nodes"]
    if not nodes and node == 0:
        return Call(entry)
    if not 0 <= node < len(nodes):
        raise RnnhwError(f"{label} takes call {node} of the layer {name}, which is called "
                         f"{len(nodes)} times.")
    tensors, options = _taken(nodes[node])
    return Call(entry, node, tuple(tensors), options)


def calls(label, network):
    """``(calls, end, left)``: the calls in the order they run, ``(layer, node, tensor)`` of what
    comes out, and names of layers that it does not need.

    Parameters
    ----------
    network : dict
        ``class_name`` and ``config`` of a Sequential or Functional model.

    Raises
    ------
    RnnhwError
        If it has several inputs or outputs, or two layers of one name.
    """
    config = network["config"]
    entries = config["layers"] if isinstance(config, dict) else config
    names = [entry["config"]["name"] for entry in entries]
    if len(set(names)) < len(names):
        raise RnnhwError(f"{label} is damaged: two of its layers have the same name.")
    if network["class_name"] == "Sequential":
        before = [(), *(((name, 0, 0),) for name in names)]
        found = [Call(entry, 0, inputs) for entry, inputs in zip(entries, before)]
        return found, before[-1][0] if names else None, []
    ends = {key: _ends(config[key]) for key in ("input_layers", "output_layers")}
    for key, found in ends.items():
        if len(found) != 1:
            raise RnnhwError(f"{label} has {len(found)} {key.split('_')[0]}s; {ONE}.")
    return _ordered(label, dict(zip(names, entries)), ends["output_layers"][0])


def _ordered(label, entries, end):
    """The calls that ``end`` needs, each behind those that it takes."""
    found, open_, pending = {}, set(), [end[:2]]
    while pending:
        key = pending[-1]
        call = found.get(key) or _call(label, entries[key[0]], key[1])
        before = [tensor[:2] for tensor in call.inputs if tensor[:2] not in found]
        if not before or key in found:
            found.setdefault(pending.pop(), call)
            continue
        if key in open_:
            raise RnnhwError(f"{label} is damaged: its layer {key[0]} takes what it gives.")
        open_.add(key)
        pending += reversed(before)
    reached = {name for name, _ in found}
    return list(found.values()), end, [name for name in entries if name not in reached]
