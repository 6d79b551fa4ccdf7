"""From a trained recurrent network to an FPGA accelerator: integers, Verilog, bitstream."""

from .circulant import Circulant
from .compress import compress
from .config import Config
from .design import Design, compile
from .errors import RnnhwError
from .folder import load_design
from .load import load
from .model import Linear, Model, Recurrent

__version__ = "0.1.0"
__all__ = ["Circulant", "Config", "Design", "Linear", "Model", "Recurrent", "RnnhwError", "compile",
           "compress", "from_keras", "from_torch", "load", "load_design"]


def from_torch(module, gives="output", initial=None):
    """Model of a PyTorch module; see :func:`rnnhw.importers.torch.from_torch`."""
    from .importers import torch

    return torch.from_torch(module, gives, initial)


def from_keras(model):
    """Model of a live Keras model; see :func:`rnnhw.importers.keras.from_keras`."""
    from .importers import keras

    return keras.from_keras(model)
