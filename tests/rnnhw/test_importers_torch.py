import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import rnnhw
import rnnhw.importers.torch as importer
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


@torch.no_grad()
def test_last_state_is_h_n_of_both_directions():
    torch.manual_seed(4)
    lstm = nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2, batch_first=True).double()
    dense = nn.Linear(4, 2).double()
    model = from_torch(chain(lstm, nn.Dropout(0.5), dense, last_state=True).eval())
    x = torch.randn(5, 6, 3).double()
    _, (h, _) = lstm(x)
    assert close(model.run(x.numpy()), dense(torch.cat([h[2], h[3]], 1)).numpy()) < 1e-9
    rows = from_torch(lstm, gives="h_n").run(x.numpy())
    assert close(rows, h.transpose(0, 1).reshape(5, -1).numpy()) < 1e-9
    # the step at the end of the output is another
    assert abs(model.run(x.numpy()) - dense(lstm(x)[0][:, -1]).numpy()).max() > 0.01


@torch.no_grad()
def test_last_step_above_a_layer_of_both_directions():
    torch.manual_seed(5)
    both, gru = nn.GRU(3, 4, bidirectional=True), nn.GRU(8, 5)
    model = from_torch(chain(both, gru, last_step=True))
    x = torch.randn(4, 6, 3)
    y = gru(both(x.transpose(0, 1))[0])[0][-1]
    assert close(model.run(x.numpy()), y.numpy()) < 1e-5


@torch.no_grad()
def test_parts_behind_a_last_step():
    torch.manual_seed(6)
    norm = nn.BatchNorm1d(4).eval()
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    module = nn.Sequential(chain(nn.GRU(3, 4, batch_first=True), last_step=True), norm,
                           nn.Flatten(), nn.Linear(4, 2), nn.Softmax(dim=1)).eval()
    model = from_torch(module)
    assert (model.last_step, model.head, len(model.layers)) == (True, "softmax", 2)
    x = torch.randn(5, 6, 3)
    assert close(model.run(x.numpy()), module(x).numpy()) < 1e-5


def test_initial_states_by_part():
    torch.manual_seed(7)
    gru, cell = nn.GRU(3, 4, 2, bidirectional=True).double(), nn.LSTMCell(8, 5).double()
    h, h_0, c_0 = torch.rand(4, 1, 4).double(), torch.rand(5).double(), torch.rand(5).double()
    model = from_torch(chain(gru, cell), initial={"0": h, "1": (h_0, c_0.numpy())})
    x = torch.randn(6, 3).double()
    with torch.no_grad():
        y, state, found = gru(x, h[:, 0])[0], (h_0, c_0), []
        for step in y:
            state = cell(step, state)
            found.append(state[0])
    assert close(model.run(x.numpy()), torch.stack(found).numpy()) < 1e-9


def test_module_that_stands_twice_runs_twice():
    torch.manual_seed(8)
    linear, act = nn.Linear(3, 3), nn.Tanh()
    for module in (nn.Sequential(linear, act, linear, act), chain(linear, act, linear, act)):
        model = from_torch(module)
        assert len(model.layers) == 2
        x = torch.randn(5, 3)
        assert close(model.run(x.numpy()), run(module, x)) < 1e-5


def test_activation_has_a_layer_of_its_own_where_none_is_linear():
    torch.manual_seed(9)
    module = chain(nn.GRU(3, 4, bidirectional=True), nn.ReLU(), nn.Tanh())
    model = from_torch(module)
    assert [layer.kind for layer in model.layers] == ["gru", "gru", "linear", "linear"]
    x = torch.randn(6, 3)
    assert close(model.run(x.numpy()), run(module, x)) < 1e-5


def test_names_of_layers():
    module = chain(nn.Linear(3, 3), nn.LSTM(3, 4, 2, bidirectional=True), nn.RNNCell(8, 2))
    assert [layer.name for layer in from_torch(module).layers] == [
        "0", "1.0", "1.0.reverse", "1.1", "1.1.reverse", "2"]
    assert [layer.name for layer in from_torch(nn.RNN(3, 4, bidirectional=True)).layers] == [
        "rnn", "rnn.reverse"]


def test_normalization_is_folded():
    torch.manual_seed(10)
    gru = nn.GRU(4, 4, batch_first=True)
    for parts, left in (([nn.BatchNorm1d(4), gru], 1), ([gru, nn.BatchNorm1d(4)], 2),
                        ([nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), gru], 2)):
        module = chain(*parts)
        for _ in range(3):   # as training leaves the running mean and variance
            x = 2 * torch.randn(8, 6, 4 if left < 2 or parts[0] is gru else 3) + 1
            module.train()(x)
        assert len(from_torch(module).layers) == left
        assert close(from_torch(module).run(x.numpy()), run(module, x)) < 1e-5


def test_chain_from_before_it_had_last_state():
    module = chain(nn.GRU(3, 4), last_step=True)
    x = torch.randn(6, 3)
    y = run(module, x)
    del module.last_state
    assert close(run(module, x), y) == 0
    assert close(from_torch(module).run(x.numpy()), y) < 1e-5


def test_file_keeps_what_a_chain_gives(tmp_path):
    module = chain(nn.Embedding(9, 3), nn.GRU(3, 4, bidirectional=True), last_state=True)
    torch.save(module, tmp_path / "net.pt")
    model = rnnhw.load(tmp_path / "net.pt", trust=True)
    x = np.array([[1, 8, 0], [3, 3, 4]])
    assert np.array_equal(model.run(x), from_torch(module).run(x))
    assert np.array_equal(rnnhw.from_torch(nn.GRUCell(3, 4), initial=np.ones(4)).layers[0]
                          .initial["h"], np.ones(4))


def test_example_of_the_documentation():
    text = (Path(__file__).parents[2] / "docs" / "importers.md").read_text()
    section = text.split("\n## PyTorch\n")[1].split("\n## ")[0]
    found = {}
    exec(compile(section.split("```python\n")[1].split("```")[0], "docs/importers.md", "exec"),
         found)
    x = torch.randint(100, (3, 7))
    assert close(found["model"].run(x.numpy()), run(found["net"], x)) < 1e-5
