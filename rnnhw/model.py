"""What a network is: a chain of layers, and which of their steps come out."""

from dataclasses import dataclass, field

from .errors import RnnhwError
from .layers import (
    ACTIVATIONS,
    GATES,
    Linear,
    Recurrent,
    block_sizes,
    circulant_of,
    matrices,
)

__all__ = ["ACTIVATIONS", "GATES", "Linear", "Model", "Recurrent", "block_sizes", "circulant_of",
           "matrices"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """A chain of layers.

    Parameters
    ----------
    layers : tuple of Recurrent and Linear, first layer first
    last_step : bool
        Only the last step of a sequence comes out; the layers behind the last recurrent one then
        run for that step alone.
    graph : object or None
        How a framework's own graph names and lays out its arrays (set by an importer).
    """

    layers: tuple
    last_step: bool = False
    name: str = "model"
    graph: object = field(default=None, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise RnnhwError(f"Model {self.name!r} has no layers; at least one is needed.")
        for i, (a, b) in enumerate(zip(self.layers, self.layers[1:])):
            if a.output_size != b.input_size:
                raise RnnhwError(f"Layer {i + 1} takes {b.input_size} inputs, but layer {i} "
                                 f"gives {a.output_size} outputs.")
        if self.last_step and not any(isinstance(layer, Recurrent) for layer in self.layers):
            raise RnnhwError(f"Model {self.name!r} gives its last step only, but has no "
                             "recurrent layer; set last_step to false.")

    @property
    def input_size(self):
        return self.layers[0].input_size

    @property
    def output_size(self):
        return self.layers[-1].output_size

    @property
    def behind(self):
        """For each layer, whether it lies behind the last recurrent one; none where none is."""
        recurrent = [i for i, layer in enumerate(self.layers) if isinstance(layer, Recurrent)]
        return tuple(bool(recurrent) and i > recurrent[-1] for i in range(len(self.layers)))

    @property
    def on_last(self):
        """For each layer, whether it runs for the last step of a sequence only."""
        return tuple(self.last_step and behind for behind in self.behind)

    def run(self, x, lengths=None):
        """Float output, as the framework the model came from would compute it.

        Takes (seq_len, input_size) or (batch, seq_len, input_size) and returns the same rank; a
        ``last_step`` model drops the seq axis. For a model from ONNX, a dict of named arrays in the
        graph's own layout gives a dict of the graph's outputs.
        """
        from . import reference

        if isinstance(x, dict):
            if self.graph is None:
                raise RnnhwError(f"Model {self.name!r} did not come from an ONNX graph; "
                                 "give an array, not a dict.")
            return self.graph.run(self, x)
        return reference.run(self, x, lengths)
