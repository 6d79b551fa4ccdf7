"""Every option of PyTorch's constructors is exact or refused by name."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from rnnhw.errors import RnnhwError
from rnnhw.importers.torch import chain, from_torch

from .models import close
from .torch_models import data, wanted

META = r"is on the device meta, which holds no numbers; give the module with its weights\."
COMPLEX = r"is of type torch\.complex64, but real floating-point numbers are needed\."
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
PLACE = {"device": ["cpu", ("meta", META)], "dtype": [*FLOATS, (torch.complex64, COMPLEX)]}
BASE = {"input_size": [3], "hidden_size": [4], "num_layers": [1, 3], "bias": [True, False],
        "batch_first": [False, True], "dropout": [0.0, 0.5], "bidirectional": [False, True],
        **PLACE}
CELL = {"input_size": [3], "hidden_size": [4], "bias": [True, False], **PLACE}
SOUND = {"nonlinearity": ["tanh", "relu"]}

# of each class what its options may be; with a sentence, what is refused
OPTIONS = {
    nn.LSTM: BASE | {"proj_size": [0, 2]}, nn.GRU: BASE, nn.RNN: BASE | SOUND,
    nn.LSTMCell: CELL, nn.GRUCell: CELL, nn.RNNCell: CELL | SOUND,
    nn.Linear: {"in_features": [3], "out_features": [4], "bias": [True, False], **PLACE},
    nn.Embedding: {
        "num_embeddings": [10], "embedding_dim": [3], "padding_idx": [None, 0, 3],
        "max_norm": [None, (1.0, r"has max_norm=1\.0, which changes rows of the table when they")],
        "norm_type": [2.0, 1.0], "scale_grad_by_freq": [False, True], "sparse": [False, True],
        "_weight": [None, torch.arange(30.0).reshape(10, 3)], "_freeze": [False, True], **PLACE},
    nn.BatchNorm1d: {
        "num_features": [3], "eps": [1e-5, 0.3], "momentum": [0.1, 0.5, None],
        "affine": [True, False], "bias": [True, False],
        "track_running_stats": [True, (False, r"has track_running_stats=False, so that it normali"
                                              r"zes by the batch that it is given")], **PLACE},
}
CASES = [(kind, key, value) for kind, options in OPTIONS.items()
         for key, values in options.items() for value in values]
# parameters that another option needs beside it
BESIDE = {"dropout": {"num_layers": 2}}


def names(case):
    kind, key, value = case
    value = value[0] if isinstance(value, tuple) else value
    return f"{kind.__name__}-{key}-{'given' if torch.is_tensor(value) else value}"


def parameters(kind):
    """Names of what a constructor takes; PyTorch hides those of layers in their base."""
    found = dict.fromkeys(inspect.signature(kind).parameters)
    if "args" in found:
        found = dict.fromkeys(inspect.signature(nn.RNNBase).parameters)
        del found["mode"]
        if kind is nn.RNN:
            found["nonlinearity"] = None
        if kind is not nn.LSTM:
            with pytest.raises(ValueError, match="proj_size argument is only supported for LSTM"):
                kind(3, 4, proj_size=0)
            del found["proj_size"]
    return found


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.__name__)
def test_every_option_is_listed(kind):
    assert set(OPTIONS[kind]) == set(parameters(kind))


def module_of(kind, key, value):
    """A module with one option set, its weights and statistics all different."""
    first = {name: values[0] for name, values in OPTIONS[kind].items()
             if name.endswith(("t_size", "n_size", "features", "embeddings", "_dim"))}
    torch.manual_seed(3)
    module = kind(**first | BESIDE.get(key, {}) | {key: value})
    rng = np.random.default_rng(4)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point() and name != "weight" and not tensor.is_meta:
                tensor.copy_(torch.tensor(rng.uniform(0.2, 1, tensor.shape)))
    return module.eval()


@pytest.mark.parametrize("case", CASES, ids=names)
def test_option_is_exact_or_refused(case):
    kind, key, value = case
    value, sentence = value if isinstance(value, tuple) else (value, None)
    module = module_of(kind, key, value)
    if kind is nn.Embedding:
        module = chain(module, nn.Linear(3, 2)).eval()
    if sentence:
        with pytest.raises(RnnhwError, match=sentence):
            from_torch(module)
        return
    model = from_torch(module)
    x = data(np.random.default_rng(5), None if kind is nn.Embedding else 3, torch.float64)
    if key == "dtype":
        assert all(p.dtype == value for p in module.parameters() if kind is not nn.Embedding)
    # weights of a narrow type are taken as they are, so in float64 PyTorch gives the same
    assert close(model.run(x.numpy()), wanted(module.double(), x)) < 1e-9
