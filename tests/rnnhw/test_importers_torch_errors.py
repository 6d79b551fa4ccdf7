"""What is refused of PyTorch's modules, and in which words."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from rnnhw.errors import RnnhwError
from rnnhw.importers.torch import chain, from_torch
from rnnhw.training import quantize_aware


class Custom(nn.GRU):
    pass


def hooked():
    module = nn.Linear(3, 3)
    module.register_forward_pre_hook(lambda *a: None)
    return module


def patched():
    module = nn.GRU(3, 3)
    module.forward = lambda x: x
    return module


def other_layout():
    """A Chain inside that takes another axis as the steps than the layer before it."""
    return nn.Sequential(chain(nn.GRU(3, 4, batch_first=True)), chain(nn.RNNCell(4, 4)))


BOTH = {"bidirectional": True}


@pytest.mark.parametrize("make, text", [
    (lambda: Custom(3, 4), r"custom is a Custom, which is not supported; LSTM, GRU, RNN, LSTMCell"),
    (lambda: nn.Bilinear(3, 3, 4), r"bilinear is a Bilinear, which is not supported"),
    (lambda: chain(nn.GRU(3, 4), nn.LayerNorm(4)), r"1 is a LayerNorm, which is not supported"),
    (lambda: chain(nn.Linear(3, 4), nn.Hardsigmoid()), r"1 is a Hardsigmoid, which is not suppo"),
    (lambda: chain(nn.Linear(3, 4), nn.ReLU6()), r"1 is a ReLU6, which is not supported"),
    (lambda: nn.Conv1d(3, 4, 1), r"conv1d is a Conv1d, which is not supported"),
    (lambda: nn.MultiheadAttention(4, 1), r"multiheadattention is a MultiheadAttention, which is"),
    (lambda: nn.EmbeddingBag(3, 4), r"embeddingbag is a EmbeddingBag, which is not supported"),
    (lambda: nn.ModuleList([nn.GRU(3, 4)]), r"modulelist is a ModuleList, which is not supported"),
    (lambda: nn.LazyLinear(3), r"lazylinear \(LazyLinear\) has no sizes before its first input"),
    (lambda: nn.Sequential(nn.Tanh(), nn.Linear(3, 4)),
     r"0 \(Tanh\) is the first part, so that nothing says how many elements it takes; apply it to"),
    (lambda: nn.Sequential(nn.GRU(3, 4), nn.Linear(4, 2)),
     r"sequential is a Sequential with a part behind 0 \(GRU\), which gives a tuple .* use rnnhw"),
    (lambda: nn.Sequential(nn.Sequential(nn.GRU(3, 4)), nn.Linear(4, 2)),
     r"sequential is a Sequential with a part behind 0 \(Sequential\), which gives a tuple"),
    (lambda: nn.Sequential(nn.Linear(3, 4), nn.GRUCell(4, 2)),
     r"1 \(GRUCell\) is a part of a Sequential, which runs it for one step; a rnnhw\.importers\.t"),
    (lambda: chain(chain(nn.GRU(3, 4), last_step=True), last_step=True),
     r"chain is to give its last step, but a Chain inside it does so already; set last_step once"),
    (lambda: chain(chain(nn.GRU(3, 4), last_step=True), nn.GRU(4, 4)),
     r"1 \(GRU\) comes behind a Chain that gives its last step alone, so there are no steps for"),
    (lambda: chain(nn.GRU(3, 4), nn.GRU(4, 4, batch_first=True)),
     r"The recurrent layers of a Chain differ in batch_first; give all of them the same\."),
    (lambda: chain(nn.Sequential(nn.GRU(3, 4, batch_first=True)), nn.RNN(4, 4)),
     r"The recurrent layers of a Chain differ in batch_first; give all of them the same\."),
    (lambda: chain(nn.GRU(3, 4), batch_first=True), r"layers of a Chain differ in batch_first; gi"),
    (other_layout, r"The parts of Sequential differ in batch_first; give all of them the same, a"),
    (lambda: chain(nn.GRU(3, 4), last_step=True, last_state=True),
     r"A Chain has last_step and last_state; set the one that is meant\."),
    (lambda: chain(nn.Sequential(nn.GRU(3, 4)), last_state=True),
     r"A Chain with last_state needs its last recurrent layer among its own parts, not inside one"),
    (lambda: chain(nn.Linear(3, 4), last_state=True), r"Chain with last_state needs its last recu"),
    (lambda: chain(nn.LSTM(3, 4, **BOTH), nn.Linear(8, 2), last_step=True),
     r"chain is to give its last step, at which the backward direction 0\.reverse has seen one ste"
     r"p only; its last state, h_n, is what Chain\(\.\.\., last_state=True\) takes"),
    (lambda: nn.Sequential(nn.Dropout()), r"The module Sequential has no recurrent or linear lay"),
    (lambda: nn.Embedding(3, 4), r"The module Embedding has no recurrent or linear layer"),
    (lambda: chain(nn.Linear(3, 4), nn.Embedding(3, 4)),
     r"1 \(Embedding\) is not the first part, whose input are the whole numbers that it takes\."),
    (lambda: chain(nn.Embedding(3, 4), nn.Embedding(3, 4)), r"1 \(Embedding\) is not the first p"),
    (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.GRU(4, 2)),
     r"1 \(BatchNorm1d\) is a part of a Sequential over sequences, where it normalizes axis 1, th"),
    (lambda: chain(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.GRU(4, 2)),
     r"0\.1 \(BatchNorm1d\) is a part of a Sequential over sequences"),
    (lambda: nn.Sequential(nn.Embedding(3, 4), nn.BatchNorm1d(4)),
     r"1 \(BatchNorm1d\) is a part of a Sequential over sequences"),
    (lambda: nn.BatchNorm2d(4), r"batchnorm2d is a BatchNorm2d, which is not supported"),
    (lambda: chain(nn.GRU(3, 4), nn.Softmax(dim=1)),
     r"1 \(Softmax\) has dim=1, which is the batch or the steps of some input; dim=-1 is supporte"),
    (lambda: nn.Sequential(nn.Linear(3, 4), nn.LogSoftmax()), r"1 \(LogSoftmax\) has dim=None, wh"),
    (lambda: chain(nn.Linear(3, 4), nn.Softmax(dim=-1), nn.Linear(4, 4)),
     r"2 \(Linear\) comes behind a softmax, which is supported at the end only\."),
    (lambda: chain(nn.Linear(3, 4), nn.LogSoftmax(dim=2), nn.Softmax(dim=2)),
     r"2 \(Softmax\) comes behind a log_softmax, which is supported at the end only\."),
    (lambda: chain(nn.GRU(3, 4), nn.Flatten()),
     r"1 \(Flatten\) has start_dim=1 and end_dim=-1, which joins the steps or the batch with the "
     r"features; it is supported behind a Chain that gives its last step, where it joins nothing"),
    (lambda: nn.Sequential(nn.Flatten(0, 1), nn.Linear(3, 4)), r"0 \(Flatten\) has start_dim=0 a"),
    (hooked, r"linear \(Linear\) has forward hooks, whose work cannot be seen; remove them"),
    (patched, r"gru \(GRU\) has a forward of its own, whose work cannot be seen; remove it\."),
    (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)),
     r"parametrizedlinear is a ParametrizedLinear, which is not supported"),
    (lambda: nn.GRU(3, 4).state_dict(),
     r"from_torch takes a torch\.nn\.Module, not OrderedDict; a bare state_dict has names and w"),
    (lambda: 5, r"from_torch takes a torch\.nn\.Module, not int\."),
    (lambda: chain(nn.GRU(3, 4), nn.Linear(5, 2)), r"Layer 1 takes 5 inputs, but layer 0 gives 4"),
    (lambda: chain(nn.GRU(3, 4, **BOTH), nn.Linear(4, 2)),
     r"Layer 2 takes 4 inputs, but what it reads, \(0, 1\), gives 8 outputs"),
    (lambda: chain(nn.Linear(3, 2), last_step=True), r"last step only, but has no recurrent layer"),
])
def test_refuses(make, text):
    with pytest.raises(RnnhwError, match=text):
        from_torch(make())


PAIR = torch.zeros(2, 4), torch.zeros(2, 4)


@pytest.mark.parametrize("module, options, text", [
    (nn.GRU(3, 4), {"gives": "c_n"},
     r"gives is 'c_n', but output, last_step, h_n are supported; of the states h alone can come"),
    (nn.GRU(3, 4), {"gives": "states"}, r"gives is 'states', but output, last_step, h_n are sup"),
    (nn.Linear(3, 4), {"gives": "h_n"},
     r"The module Linear does not end with a recurrent layer, so it gives no h_n; Chain\(\.\.\., "),
    (chain(nn.GRU(3, 4)), {"gives": "h_n"}, r"The module Chain does not end with a recurrent laye"),
    (nn.Linear(3, 4), {"gives": "last_step"}, r"last step only, but has no recurrent layer"),
    (nn.RNN(3, 4, **BOTH), {"gives": "last_step"},
     r"rnn is to give its last step, at which the backward direction rnn\.reverse has seen one st"
     r"ep only; .* or of a recurrent layer alone from_torch\(module, gives='h_n'\)\."),
    (nn.GRU(3, 4, **BOTH), {"initial": PAIR},
     r"initial of gru \(GRU\) must be one array h_0, not 2 values\."),
    (nn.LSTM(3, 4, **BOTH), {"initial": PAIR[0]},
     r"initial of lstm \(LSTM\) must be a pair \(h_0, c_0\), not 1 value\."),
    (nn.LSTM(3, 4, proj_size=2), {"initial": (np.zeros((1, 4)), np.zeros((1, 4)))},
     r"initial h of lstm has shape \(1, 4\), but \(1, 2\) is needed, a row for each layer and"),
    (nn.GRU(3, 4, 2), {"initial": torch.zeros(2, 5, 4)},
     r"initial h of gru has shape \(2, 5, 4\), but \(2, 4\) is needed, .* all sequences start at"),
    (nn.GRU(3, 4), {"initial": "zeros"}, r"initial h of gru is not an array of numbers\."),
    (nn.GRU(3, 4), {"initial": torch.full((1, 4), torch.nan)},
     r"gru\.initial h holds 4 values that are NaN or infinite"),
    (nn.GRU(3, 4), {"initial": torch.zeros((1, 4), dtype=torch.int64)},
     r"initial h of gru is of type torch\.int64, but real floating-point numbers are needed\."),
    (nn.Linear(3, 4), {"initial": np.zeros(4)},
     r"initial is given for one part with states, but there are 0: none; give a dict of states"),
    (chain(nn.GRU(3, 4), nn.RNNCell(4, 4)), {"initial": np.ones((1, 4))},
     r"initial is given for one part with states, but there are 2: 0, 1; give a dict of states b"),
    (chain(nn.GRU(3, 4), nn.RNNCell(4, 4)), {"initial": {"2": np.ones((1, 4))}},
     r"initial has states of '2', but the parts with states are: 0, 1\."),
])
def test_refuses_options(module, options, text):
    with pytest.raises(RnnhwError, match=text):
        from_torch(module, **options)


def test_nan_weight_is_named():
    module = nn.LSTM(3, 4, 2)
    with torch.no_grad():
        module.weight_hh_l1[2, 1] = float("nan")
    with pytest.raises(RnnhwError, match=r"lstm\.1\.weight_hh holds 1 values that are NaN or inf"):
        from_torch(module)


def test_lengths_do_not_reach_into_a_part():
    module = chain(nn.Linear(3, 3), nn.Sequential(nn.GRU(3, 4, **BOTH)))
    module(torch.zeros(5, 2, 3))
    with pytest.raises(RnnhwError, match=r"A Sequential holds a bidirectional layer, which must k"):
        module(torch.zeros(5, 2, 3), torch.tensor([3, 5]))


@pytest.mark.parametrize("module", [
    chain(nn.GRU(3, 4, **BOTH)), chain(nn.RNN(3, 4)), chain(nn.Linear(3, 4), nn.BatchNorm1d(4)),
    chain(nn.Embedding(3, 4), nn.GRU(4, 4)), chain(nn.GRU(3, 4), nn.ReLU()),
])
def test_training_with_rounding_takes_plain_chains(module):
    with pytest.raises(RnnhwError, match=r"quantize_aware takes chains of LSTM, GRU and Linear la"):
        quantize_aware(module, x=np.zeros((2, 5, 3)))


def test_missing_torch(monkeypatch):
    module = nn.GRU(3, 4)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RnnhwError, match=r"from_torch needs the package torch; install it w"):
        from_torch(module)
