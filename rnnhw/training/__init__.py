"""Training with PyTorch: block-circulant layers, the engine's numbers in the loop, a small trainer.

Nothing here is loaded before one of its names is used, and that needs the extra ``torch``.
"""

import importlib

from ..errors import RnnhwError

_PLACES = {"BlockCirculantLinear": "modules", "BlockCirculantLSTM": "modules",
           "BlockCirculantGRU": "modules", "to_torch": "convert", "quantize_aware": "aware",
           "fit": "trainer", "loss": "trainer"}
__all__ = list(_PLACES)


def __getattr__(name):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        importlib.import_module("torch")
    except ImportError:
        raise RnnhwError(f"rnnhw.training.{name} needs the package torch; install it with: "
                         "pip install 'rnnhw[torch]'.") from None
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)
