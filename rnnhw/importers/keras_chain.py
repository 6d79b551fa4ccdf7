"""The order of a Keras model's layers: as listed, or along the graph of a Functional model."""

from ..errors import RnnhwError

ONE_CHAIN = "a model here is one chain of layers, from one input to one output"


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


def _call(node):
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


def _before(entry):
    """``(layer, node, tensor)`` that a layer takes."""
    name, tensors, options = entry["config"]["name"], *_call(entry["inbound_nodes"][0])
    for key, value in options.items():
        if value is not None and value is not False:
            raise RnnhwError(f"{name} ({entry['class_name']}) is called with {key}, which is not "
                             "supported; its input alone is.")
    if len(tensors) != 1:
        raise RnnhwError(f"{name} ({entry['class_name']}) takes {len(tensors)} inputs; "
                         f"{ONE_CHAIN}.")
    return tensors[0]


def chain(label, network):
    """Entries of a network's layers in the order they run.

    Parameters
    ----------
    network : dict
        ``class_name`` and ``config`` of a Sequential or Functional model.

    Raises
    ------
    RnnhwError
        If it branches, shares a layer, has several inputs or outputs, or calls a layer with more
        than its input.
    """
    config = network["config"]
    entries = config["layers"] if isinstance(config, dict) else config
    names = [entry["config"]["name"] for entry in entries]
    if len(set(names)) < len(names):
        raise RnnhwError(f"{label} is damaged: two of its layers have the same name.")
    if network["class_name"] == "Sequential":
        return entries
    ends = {key: _ends(config[key]) for key in ("input_layers", "output_layers")}
    for key, found in ends.items():
        if len(found) != 1:
            raise RnnhwError(f"{label} has {len(found)} {key.split('_')[0]}s; {ONE_CHAIN}.")
    by_name, order = dict(zip(names, entries)), []
    end, first = ends["output_layers"][0], ends["input_layers"][0][0]
    while True:
        name, node, tensor = end
        entry = by_name.pop(name)
        if len(entry["inbound_nodes"]) > 1:
            raise RnnhwError(f"{name} ({entry['class_name']}) is called "
                             f"{len(entry['inbound_nodes'])} times; {ONE_CHAIN}.")
        if (node, tensor) != (0, 0):
            raise RnnhwError(f"{label} takes output {tensor} of call {node} of the layer {name}; "
                             "the first of the first is supported.")
        order.append(entry)
        if name == first:
            break
        end = _before(entry)
    if by_name:
        raise RnnhwError(f"{label} has the layer {next(iter(by_name))} beside the others; "
                         f"{ONE_CHAIN}.")
    return order[::-1]
