import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

import rnnhw.importers.torch as importer
from rnnhw.errors import RnnhwError
from rnnhw.importers.torch import chain, from_torch

from .models import close


def run(module, x):
    with torch.no_grad():
        y = module.eval()(x)
    return (y[0] if isinstance(y, tuple) else y).numpy()


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("last_step", [False, True])
def test_chain_equals_pytorch(batch_first, last_step):
    torch.manual_seed(1)
    module = chain(nn.Linear(3, 5), nn.Tanh(), nn.LSTM(5, 4, 2, batch_first=batch_first),
                   nn.Dropout(0.5), nn.GRU(4, 6, bias=False, batch_first=batch_first),
                   nn.Sequential(nn.Linear(6, 7, bias=False), nn.ReLU(), nn.Identity()),
                   nn.Linear(7, 2), nn.Sigmoid(), last_step=last_step)
    model = from_torch(module)
    assert [layer.kind for layer in model.layers] == ["linear", "lstm", "lstm", "gru", "linear",
                                                      "linear"]
    assert [layer.name for layer in model.layers] == ["0", "2.0", "2.1", "4", "5.0", "6"]
    x = torch.randn(4, 6, 3)
    want = run(module, x if batch_first else x.transpose(0, 1))
    want = want if batch_first or last_step else want.swapaxes(0, 1)
    assert close(model.run(x.numpy()), want) < 1e-5
    assert close(model.run(x[2].numpy()), run(module, x[2])) < 1e-5


@pytest.mark.parametrize("batch_first", [False, True])
def test_chain_takes_the_last_valid_step(batch_first):
    torch.manual_seed(2)
    module = chain(nn.GRU(3, 4, batch_first=batch_first), nn.Linear(4, 2), last_step=True)
    x, lengths = torch.randn(3, 6, 3), torch.tensor([6, 1, 4])
    with torch.no_grad():
        got = module(x if batch_first else x.transpose(0, 1), lengths).numpy()
    assert close(got, from_torch(module).run(x.numpy(), lengths.numpy())) < 1e-5


def test_linear_parts():
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    x = torch.randn(5, 3).double()
    assert close(from_torch(module).run(x.numpy()), run(module, x)) < 1e-14


def test_chain_is_found_by_pickle_in_a_new_process():
    data = pickle.dumps(chain(nn.GRU(3, 4), nn.Linear(4, 2)))
    code = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()).layers[0].hidden_size)"
    result = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True)
    assert result.stdout.strip() == b"4", result.stderr
    assert importer.Chain is type(chain(nn.GRU(3, 4)))
    with pytest.raises(AttributeError, match="has no attribute 'Chains'"):
        importer.Chains  # noqa: B018


class Custom(nn.GRU):
    pass


def hooked():
    module = nn.Linear(3, 3)
    module.register_forward_pre_hook(lambda *a: None)
    return module


@pytest.mark.parametrize("make, text", [
    (lambda: nn.LSTM(3, 4, bidirectional=True),
     r"lstm \(LSTM\) has bidirectional=True, which is not built yet; bidirectional=False is\."),
    (lambda: nn.LSTM(3, 4, proj_size=2),
     r"lstm \(LSTM\) has proj_size=2, which is not built yet; proj_size=0 is\."),
    (lambda: nn.RNN(3, 4), r"rnn is a RNN, which is not supported; LSTM, GRU, Linear, ReLU"),
    (lambda: Custom(3, 4), r"custom is a Custom, which is not supported"),
    (lambda: chain(nn.GRU(3, 4), nn.LayerNorm(4)), r"1 is a LayerNorm, which is not supported"),
    (lambda: chain(nn.GRU(3, 4), nn.ReLU()), r"1 \(ReLU\) does not follow a Linear layer"),
    (lambda: nn.Sequential(nn.Tanh(), nn.Linear(3, 4)), r"0 \(Tanh\) does not follow a Linear"),
    (lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Tanh()),
     r"2 \(Tanh\) follows another activation \(relu\); one after a Linear layer is supported\."),
    (lambda: nn.Sequential(nn.GRU(3, 4), nn.Linear(4, 2)),
     r"sequential is a Sequential with a part behind 0 \(GRU\), which gives a tuple .* use rnnhw"),
    (lambda: nn.Sequential(chain(nn.GRU(3, 4), last_step=True), nn.Linear(4, 2)),
     r"0 is a Chain with last_step inside another module; set last_step on the outermost"),
    (lambda: chain(nn.GRU(3, 4), nn.GRU(4, 4, batch_first=True)),
     r"The recurrent layers of a Chain differ in batch_first; give all of them the same\."),
    (lambda: nn.Sequential(nn.Dropout()), r"The module Sequential has no recurrent or linear lay"),
    (hooked, r"linear \(Linear\) has forward hooks, whose work cannot be seen; remove them"),
    (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)),
     r"parametrizedlinear is a ParametrizedLinear, which is not supported"),
    (lambda: nn.GRU(3, 4).state_dict(),
     r"from_torch takes a torch\.nn\.Module, not OrderedDict; a bare state_dict has names and w"),
    (lambda: 5, r"from_torch takes a torch\.nn\.Module, not int\."),
    (lambda: chain(nn.GRU(3, 4), nn.Linear(5, 2)), r"Layer 1 takes 5 inputs, but layer 0 gives 4"),
    (lambda: chain(nn.Linear(3, 2), last_step=True), r"last step only, but has no recurrent layer"),
])
def test_refuses(make, text):
    with pytest.raises(RnnhwError, match=text):
        from_torch(make())


def test_nan_weight_is_named():
    module = nn.LSTM(3, 4, 2)
    with torch.no_grad():
        module.weight_hh_l1[2, 1] = float("nan")
    with pytest.raises(RnnhwError, match=r"lstm\.1\.weight_hh holds 1 values that are NaN or inf"):
        from_torch(module)


def test_missing_torch(monkeypatch):
    module = nn.GRU(3, 4)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RnnhwError, match=r"from_torch needs the package torch; install it w"):
        from_torch(module)
