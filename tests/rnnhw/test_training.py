"""Modules against PyTorch's and the model, the engine's numbers in the loop, the trainer."""

import pickle
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnhw
from rnnhw import Config, RnnhwError
from rnnhw.circulant import Circulant
from rnnhw.importers.torch import chain
from rnnhw.model import Model
from rnnhw.quantize import quantize

from .models import linear, recurrent
from .test_circulant import circulant_layer, mixed, random_circulant

torch = pytest.importorskip("torch")

from rnnhw import training  # noqa: E402
from rnnhw.training.numbers import rounded, rounded_blocks, rounded_weight  # noqa: E402

CELLS = {"lstm": (training.BlockCirculantLSTM, torch.nn.LSTM),
         "gru": (training.BlockCirculantGRU, torch.nn.GRU)}


def states(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [
    {}, {"batch_first": True}, {"bias": False}, {"num_layers": 2, "bidirectional": True}])
def test_a_module_is_the_dense_one_of_its_expansion(cell, options):
    ours, theirs = CELLS[cell]
    module = ours(13, 16, 8, **options)
    same = theirs(13, 16, **options)
    with torch.no_grad():
        for name, parameter in same.named_parameters():
            parameter.copy_(module.matrices[name.removeprefix("weight")].dense(module)
                            if name.startswith("weight") else getattr(module, name))
    directions = 1 + module.bidirectional
    h = torch.randn(module.num_layers * directions, 3, 16)
    hx = (h, h.flip(0)) if cell == "lstm" else h
    lengths = torch.tensor([4, 7, 2])
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.randn(3, 7, 13), lengths, True, False)
    x = torch.randn(3, 7, 13) if module.batch_first else torch.randn(7, 3, 13)
    single = (h[:, 0], h[:, 1]) if cell == "lstm" else h[:, 0]
    for given in ((x,), (x, hx), (torch.randn(7, 13),), (torch.randn(7, 13), single), (packed,),
                  (packed, hx)):
        (y, state), (due, due_state) = module(*given), same(*given)
        if given[0] is packed:
            y, due = y.data, due.data
        torch.testing.assert_close(y, due, atol=2e-6, rtol=0)
        for a, b in zip(states(state), states(due_state)):
            torch.testing.assert_close(a, b, atol=2e-6, rtol=0)


def test_every_stored_weight_learns():
    for module in (training.BlockCirculantLSTM(16, 16, (4, 8)),
                   training.BlockCirculantGRU(8, 8, 4)):
        x = torch.randn(5, 2, module.input_size)
        (module(x)[0] * torch.randn(5, 2, module.hidden_size)).sum().backward()
        for name, parameter in module.named_parameters():
            assert (parameter.grad != 0).all(), name
    assert module.blocks_hh_l0.shape == (3, 2, 2, 4)


def test_gradients_of_blocks_sum_those_of_the_dense_matrix():
    module = training.BlockCirculantLinear(7, 10, 4)
    x, g = torch.randn(9, 7), torch.randn(9, 10)
    (module(x) * g).sum().backward()
    full = np.zeros((12, 8))
    full[:10, :7] = (g.t() @ x).numpy()
    due = np.zeros((3, 2, 4))
    for i in range(12):
        for j in range(8):
            due[i // 4, j // 4, (i % 4 - j % 4) % 4] += full[i, j]
    np.testing.assert_allclose(module.blocks.grad[0], due, atol=1e-5)


def test_from_dense_projects():
    gru = torch.nn.GRU(13, 16, 2, batch_first=True)
    module = training.BlockCirculantGRU.from_dense(gru, 8)
    for name in ("ih_l0", "hh_l0", "ih_l1", "hh_l1"):
        due = Circulant.project(getattr(gru, f"weight_{name}").detach().numpy(), 3, 8)
        assert np.array_equal(getattr(module, f"blocks_{name}").detach(),
                              due.blocks.astype(np.float32))
    assert torch.equal(module.bias_hh_l1, gru.bias_hh_l1) and module.batch_first
    dense = torch.nn.Linear(16, 8, bias=False)
    layer = training.BlockCirculantLinear.from_dense(dense, None)
    assert torch.equal(layer.weight, dense.weight) and layer.bias is None
    again = pickle.loads(pickle.dumps(module))
    x = torch.randn(2, 3, 13)
    assert torch.equal(again(x)[0], module(x)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_from_torch_takes_blocks(cell):
    net = chain(CELLS[cell][0](13, 24, (None, 8), num_layers=2, batch_first=True),
                training.BlockCirculantLinear(24, 12, 4), torch.nn.ReLU(), last_step=True)
    model = rnnhw.from_torch(net)
    assert [layer.kind for layer in model.layers] == [cell, cell, "linear"]
    assert [(a.block_ih, a.block_hh) for a in model.layers[:2]] == [(None, 8)] * 2
    assert model.layers[2].block_size == 4 and model.layers[2].activation == "relu"
    assert np.array_equal(model.layers[1].circulant_hh.blocks,
                          net.layers[0].blocks_hh_l1.detach().double())
    x = torch.randn(3, 5, 13)
    np.testing.assert_allclose(model.run(x.numpy()), net(x).detach(), atol=1e-5)


def test_a_model_becomes_a_network_and_back():
    rng = np.random.default_rng(0)
    model = Model(layers=[*mixed(rng).layers, circulant_layer(rng, "gru_reset_before", 7, 8, 4),
                          linear(rng, 8, 3, "tanh"), linear(rng, 3, 3, "sigmoid")], last_step=True)
    net = training.to_torch(model, dropout=0.5).eval()
    assert sum(isinstance(layer, torch.nn.Dropout) for layer in net.layers) == 2
    back = rnnhw.from_torch(net)
    assert [layer.kind for layer in back.layers] == [layer.kind for layer in model.layers]
    for a, b in zip(model.layers, back.layers):
        if a.kind != "linear":
            assert (a.block_ih, a.block_hh) == (b.block_ih, b.block_hh)
    x = rng.standard_normal((2, 6, 7))
    np.testing.assert_allclose(net(torch.as_tensor(x).float(), [6, 4]).detach(),
                               model.run(x, [6, 4]), atol=1e-5)
    np.testing.assert_allclose(back.run(x), model.run(x), atol=1e-5)


def dense_model(kind):
    rng = np.random.default_rng(3)
    return Model(layers=[recurrent(rng, kind, 6, 12), linear(rng, 12, 5, "relu"),
                         linear(rng, 5, 4)], last_step=False)


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_reset_before"])
@pytest.mark.parametrize("config", [Config(weight_bits=4, activation_bits=8, state_bits=12),
                                    Config(weight_bits=6, activation_bits=10)])
def test_rounded_layers_compute_what_the_integers_do(kind, config):
    model = dense_model(kind)
    x = np.random.default_rng(4).standard_normal((8, 20, 6)).astype(np.float32)
    net = training.quantize_aware(training.to_torch(model), config, x).eval()
    q = quantize(model, config, x)
    y = q.output_format.to_float(rnnhw.golden.run(q, q.input_format.quantize(x)))
    found = net(torch.as_tensor(x)).detach().double().numpy()
    float_error = np.sum((model.run(x) - y) ** 2)
    # what is left is the activation table's error and the rounding of biases
    assert np.sum((found - y) ** 2) < 0.02 * float_error


def test_weights_round_to_the_quantizers_integers():
    model = dense_model("lstm")
    x = np.random.default_rng(5).standard_normal((4, 9, 6))
    for bits in (2, 4, 8):
        q = quantize(model, Config(weight_bits=bits), x).layers[0]
        weight = torch.as_tensor(model.layers[0].weight_hh.copy()).float()
        found = rounded_weight(weight, bits).double().numpy()
        assert np.array_equal(found, q.formats["weight_hh"].to_float(q.weight_hh))


@pytest.mark.parametrize("k", [4, 8, 16])
def test_spectra_round_to_one_scale(k):
    blocks = torch.randn(3, 2, 2, k, dtype=torch.float64)
    spectra = np.fft.rfft(blocks.numpy())
    found = np.fft.rfft(rounded_blocks(blocks, 8).numpy())
    largest = max(np.abs(spectra.real).max(), np.abs(spectra.imag).max())
    lsb = 2.0 ** np.ceil(np.log2(largest / 127.5)) if largest else 1
    codes = found / lsb
    assert np.abs(codes.real - np.round(codes.real)).max() < 1e-9
    assert np.abs(codes.imag - np.round(codes.imag)).max() < 1e-9
    assert np.abs(codes.real).max() <= 128 and np.abs(codes.imag).max() <= 128
    assert max(np.abs((found - spectra).real).max(), np.abs((found - spectra).imag).max()) <= lsb
    assert 64 <= max(np.abs(codes.real).max(), np.abs(codes.imag).max())


def test_gradients_pass_rounding_within_the_range():
    x = torch.tensor([-9.0, -3.9, 0.3, 3.9, 9.0], requires_grad=True)
    y = rounded(x, rnnhw.fixed.FixedFormat(4, 1))
    y.sum().backward()
    assert y.tolist() == [-4.0, -4.0, 0.5, 3.5, 3.5]
    assert x.grad.tolist() == [0, 1, 1, 0, 0]
    assert rounded(x, None) is x


def test_rounded_circulant_layers_keep_their_structure():
    rng = np.random.default_rng(6)
    model = Model(layers=[circulant_layer(rng, "lstm", 8, 16, 8)])
    x = rng.standard_normal((4, 10, 8)).astype(np.float32)
    net = training.to_torch(model)
    exact = net(torch.as_tensor(x))
    errors = []
    for bits in (None, 8):
        module = training.quantize_aware(net, Config(weight_bits=8), x).layers[0]
        module.bits = 8, bits or module.bits[1]
        dense = module.matrices["_hh_l0"].dense(module, *module.bits).detach().numpy()
        assert np.allclose(Circulant.project(dense, 4, 8).dense, dense, atol=1e-6)
        errors.append(((net(torch.as_tensor(x)) - exact) ** 2).sum().item())
    assert 0 < errors[0] < errors[1]


def task(seed=0, count=160):
    """Sequences whose class is the feature with the largest sum over the valid steps."""
    rng = np.random.default_rng(seed)
    x, lengths = rng.standard_normal((count, 12, 4)), rng.integers(4, 13, count)
    x *= (np.arange(12) < lengths[:, None])[..., None]
    return x, x.sum(axis=1).argmax(axis=1), lengths


def test_fit_learns_and_is_the_same_every_time():
    x, y, lengths = task()
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        net = chain(training.BlockCirculantGRU(4, 16, 4, batch_first=True), torch.nn.Linear(16, 4),
                    last_step=True)
        before = training.loss(net, x, y, lengths)
        state = torch.get_rng_state()
        losses = training.fit(net, x, y, lengths, epochs=25, lr=0.02, batch=16, noise=0.1, seed=3)
        assert torch.equal(state, torch.get_rng_state()) and not net.training
        found.append((losses, [p.detach().clone() for p in net.parameters()]))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(a, b) for a, b in zip(found[0][1], found[1][1]))
    assert training.loss(net, x, y, lengths) < 0.5 * before
    model = rnnhw.from_torch(net)
    fresh = task(9, 400)
    right = np.mean(model.run(fresh[0], fresh[2]).argmax(axis=1) == fresh[1])
    assert right > 0.7


@pytest.mark.slow
def test_training_with_the_numbers_in_the_loop_recovers_what_few_bits_lose():
    x, y, lengths = task(count=2000)
    held = task(9, 600)
    config = Config(weight_bits=2, activation_bits=6)
    torch.manual_seed(1)
    net = chain(training.BlockCirculantGRU(4, 16, None, batch_first=True), torch.nn.Linear(16, 4),
                last_step=True)
    training.fit(net, x, y, lengths, epochs=12, lr=0.02, batch=32)

    def right(net):
        design = rnnhw.compile(rnnhw.from_torch(net), config, x, lengths)
        return np.mean(design.run(held[0], held[2]).argmax(axis=1) == held[1])

    before = right(net)
    training.fit(training.quantize_aware(net, config, x, lengths), x, y, lengths, epochs=8,
                 lr=0.01, batch=32)
    assert right(net) > before + 0.02


def test_losses_by_kind_of_target():
    rng = np.random.default_rng(7)
    x, lengths = rng.standard_normal((3, 5, 2)), np.array([5, 1, 3])
    valid = np.arange(5) < lengths[:, None]
    net = chain(torch.nn.Linear(2, 3))
    y = rnnhw.from_torch(net).run(x)
    targets = rng.standard_normal((3, 5, 3))
    assert training.loss(net, x, targets, lengths) == pytest.approx(
        np.mean((y - targets)[valid] ** 2), rel=1e-5)
    logs = y - np.log(np.exp(y).sum(axis=2, keepdims=True))
    classes = rng.integers(0, 3, (3, 5))
    assert training.loss(net, x, classes, lengths) == pytest.approx(
        -np.mean(np.take_along_axis(logs, classes[..., None], 2)[..., 0][valid]), rel=1e-5)
    assert training.loss(net, x, classes[:, 0], lengths) == pytest.approx(
        -np.mean(logs[np.arange(3), lengths - 1, classes[:, 0]]), rel=1e-5)


@pytest.mark.parametrize("make, text", [
    (lambda: training.BlockCirculantLSTM(8, 8, 12),
     r"^block_size must be a power of two within 4\.\.64, not 12\.$"),
    (lambda: training.BlockCirculantGRU(10, 16, 8),
     r"^weight_ih_l0 of BlockCirculantGRU\(10, 16\) has 10 columns, which blocks of 8 would pad"),
    (lambda: training.BlockCirculantLinear(16, 9, 16),
     r"^weight of BlockCirculantLinear\(16, 9\) has 9 rows of a gate, which blocks of 16 would "),
    (lambda: training.BlockCirculantLSTM(8, 8, (4, 4, 4)),
     r"^block_size must be one number or a pair \(input, recurrent\), not \(4, 4, 4\)\.$"),
    (lambda: training.BlockCirculantLSTM.from_dense(torch.nn.GRU(8, 8), 4),
     r"^BlockCirculantLSTM\.from_dense takes a torch\.nn\.LSTM, not GRU\.$"),
    (lambda: training.BlockCirculantGRU.from_dense(training.BlockCirculantGRU(8, 8, 4), 8),
     r"^BlockCirculantGRU\.from_dense takes a dense module, but the BlockCirculantGRU given is bl"),
    (lambda: training.BlockCirculantLSTM.from_dense(torch.nn.LSTM(8, 8, proj_size=4), 4),
     r"^BlockCirculantLSTM\.from_dense takes modules without a projection, .* has proj_size=4\.$"),
    (lambda: training.quantize_aware(torch.nn.GRU(4, 4)),
     r"^quantize_aware needs calibration data x; random ones would settle the formats"),
    (lambda: training.quantize_aware(torch.nn.GRU(4, 4),
                                     Config(formats={"0.weight_hh": "8/7"}), np.ones((3, 4))),
     r"^The format of 0\.weight_hh is fixed, but quantize_aware lets the scales of weights follow"),
    (lambda: training.fit(torch.nn.Linear(2, 2), np.ones((3, 2)), np.ones(3, int), epochs=1),
     r"^Training takes x of shape \(batch, seq_len, inputs\) and one y a sequence, not \(3, 2\)"),
    (lambda: training.fit(chain(torch.nn.GRU(2, 2)), np.ones((3, 2, 2)), np.ones(3, int),
                          epochs=1),
     r"^Training takes networks whose layers have batch_first=True, but its GRU has batch_first=F"),
    (lambda: training.fit(chain(torch.nn.Linear(2, 2)), np.ones((3, 2, 2)), np.ones(3, int),
                          epochs=0),
     r"^Training takes at least one epoch and sequences in a batch, not 0 and 64\.$"),
    (lambda: training.fit(chain(torch.nn.Linear(2, 2)), np.full((3, 2, 2), np.nan),
                          np.ones(3, int), epochs=1),
     r"^Training diverged: the loss of epoch 1 is nan; take a smaller learning rate\.$"),
])
def test_what_is_refused(make, text):
    with pytest.raises(RnnhwError, match=text):
        make()


def test_without_torch_the_package_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RnnhwError, match=r"^rnnhw\.training\.fit needs the package torch; install"):
        _ = training.fit
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = training.nothing


@pytest.mark.slow
def test_the_script_of_the_documentation_runs(tmp_path, monkeypatch, capsys):
    root = Path(__file__).parents[2]
    script = re.search(r"```python\n(.*?)```", (root / "docs" / "circulant.md").read_text(), re.S)
    (tmp_path / "examples").symlink_to(root / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(script[1], "docs/circulant.md", "exec"), {})
    percent, k = re.fullmatch(r"([\d.]+) % of the held-out recordings, k = (\d+)\n",
                              capsys.readouterr().out).groups()
    assert float(percent) > 80 and k == "8"
    assert rnnhw.load("small.npz").layers[0].block_ih == 8


def test_replaced_layers_keep_names():
    rng = np.random.default_rng(8)
    layer = replace(circulant_layer(rng, "gru", 8, 8, 4), name="encoder",
                    circulant_ih=random_circulant(rng, 3, 8, 8, 8), weight_ih=None)
    assert (layer.block_ih, layer.block_hh, layer.name) == (8, 4, "encoder")
