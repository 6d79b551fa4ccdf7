import sys

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from rnnhw import npz
from rnnhw.errors import RnnhwError
from rnnhw.importers.torch import chain
from rnnhw.load import load

from .models import close, stack
from .onnx_graphs import random_graph


def test_npz_and_onnx(tmp_path):
    model = stack(np.random.default_rng(0), "gru", "relu", sizes=(3, 4, 2), last_step=True)
    npz.save(model, tmp_path / "a.npz")
    x = np.random.default_rng(1).standard_normal((2, 5, 3))
    assert np.array_equal(load(str(tmp_path / "a.npz")).run(x), model.run(x))
    proto, *_ = random_graph(np.random.default_rng(2))
    onnx.save(proto, tmp_path / "b.ONNX")
    loaded = load(tmp_path / "b.ONNX")
    assert loaded.name == "b" and loaded.graph.inputs == ("x",)


def test_pt_only_with_trust(tmp_path):
    torch.manual_seed(0)
    module = chain(nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2), last_step=True)
    path = tmp_path / "net.pt"
    torch.save(module, path)
    with pytest.raises(RnnhwError, match=r"net\.pt is not loaded, since .* runs code that the file "
                                         r"names; .* pass --trust \(trust=True\)"):
        load(path)
    model = load(path, trust=True)
    x = torch.randn(2, 5, 3)
    assert (model.name, model.last_step) == ("net", True)
    with torch.no_grad():
        assert close(model.run(x.numpy()), module(x).numpy()) < 1e-5


@pytest.mark.parametrize("trust", [False, True])
def test_bare_state_dict_is_refused(tmp_path, trust):
    path = tmp_path / "weights.pth"
    torch.save(nn.GRU(3, 4).state_dict(), path)
    with pytest.raises(RnnhwError, match=r"weights\.pth holds a bare state_dict \(names and we"):
        load(path, trust=trust)


def test_other_pt_files_are_refused(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(torch.ones(3), path)
    with pytest.raises(RnnhwError, match=r"a\.pt holds a Tensor, not a torch\.nn\.Module; save"):
        load(path)
    torch.save(nn.Conv1d(1, 1, 1), path)
    with pytest.raises(RnnhwError, match=r"conv1d is a Conv1d, which is not supported; LSTM, GRU,"):
        load(path, trust=True)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(RnnhwError, match=r"a\.pt is not a file that torch\.save wrote, or it is c"):
        load(path, trust=True)


def test_pt_of_a_class_that_is_gone(tmp_path, monkeypatch):
    module = type(sys)("gone")
    net = type("Net", (nn.Module,), {"__module__": "gone"})
    module.Net = net
    monkeypatch.setitem(sys.modules, "gone", module)
    torch.save(net(), tmp_path / "a.pt")
    monkeypatch.delitem(sys.modules, "gone")
    with pytest.raises(RnnhwError, match=r"a\.pt names a class that cannot be imported here \("):
        load(tmp_path / "a.pt", trust=True)


@pytest.mark.parametrize("name, text", [
    ("a.tflite", r"has the suffix '\.tflite', which names no known kind .* \.onnx, \.npz, \.pt, "),
    ("a", r"a has the suffix '', which names no known kind of model file; known are \.onnx"),
    ("a.onnx", r"a\.onnx does not exist; a model file \(\.onnx, .* \.keras, \.h5, \.hdf5\) is"),
    ("a.npz", r"a\.npz does not exist"),
    ("a.pt", r"a\.pt does not exist"),
    ("a.keras", r"a\.keras does not exist"),
    ("a.h5", r"a\.h5 does not exist"),
])
def test_names_that_are_refused(tmp_path, name, text):
    with pytest.raises(RnnhwError, match=text):
        load(tmp_path / name)


def test_folder_is_refused(tmp_path):
    (tmp_path / "a.onnx").mkdir()
    with pytest.raises(RnnhwError, match=r"a\.onnx is a folder; a model file .* is needed\."):
        load(tmp_path / "a.onnx")


@pytest.mark.parametrize("package, name, extra", [
    ("onnx", "a.onnx", "onnx"), ("torch", "a.pt", "torch"), ("h5py", "a.keras", "keras"),
    ("h5py", "a.h5", "keras"), ("h5py", "a.hdf5", "keras")])
def test_missing_package(tmp_path, monkeypatch, package, name, extra):
    (tmp_path / name).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RnnhwError, match=rf"Reading .*{name} needs the package {package}; install "
                                         rf"it with: pip install 'rnnhw\[{extra}\]'\."):
        load(tmp_path / name, trust=True)
