import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.load import load

from .keras_models import L, keras, predict, save, sequential
from .models import close

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
TRAINING = {"kernel_initializer": {"class_name": "VarianceScaling",
                                   "config": {"scale": 1.0, "mode": "fan_avg", "seed": None}},
            "recurrent_initializer": {"class_name": "Orthogonal", "config": {"gain": 1.0}},
            "bias_initializer": {"class_name": "Zeros", "config": {}},
            "kernel_regularizer": None, "recurrent_regularizer": None, "bias_regularizer": None,
            "activity_regularizer": None, "kernel_constraint": None, "recurrent_constraint": None,
            "bias_constraint": None}
CELL = {"return_sequences": False, "return_state": False, "go_backwards": False,
        "stateful": False, "unroll": False, "activation": "tanh",
        "recurrent_activation": "sigmoid", "use_bias": True, "dropout": 0.1,
        "recurrent_dropout": 0.0, "implementation": 2}
DENSE = {k: v for k, v in TRAINING.items() if "recurrent" not in k} | {
    "activation": "linear", "use_bias": True}


def entry(kind, name, *nodes, **config):
    """A layer as Keras 2 describes it; ``nodes`` are those of a Functional model."""
    base = {} if kind == "InputLayer" else {"trainable": True, "dtype": "float32"}
    found = {"class_name": kind, "config": {"name": name, **base, **config}}
    return found | ({"name": name, "inbound_nodes": list(nodes)} if nodes or "in" == name else {})


def write(path, network, weights, version="2.4.0"):
    """An HDF5 file as Keras 2 writes it: ``weights`` are arrays by name, by layer."""
    with h5py.File(path, "w") as file:
        file.attrs.update(keras_version=version, backend="tensorflow",
                          model_config=json.dumps(network).encode(),
                          training_config=b'{"loss": "mse"}')
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([name.encode() for name in weights])
        for layer, arrays in weights.items():
            part = group.create_group(layer)
            part.attrs["weight_names"] = np.array([name.encode() for name in arrays])
            for name, value in arrays.items():
                part.create_dataset(name, data=np.asarray(value, np.float32))
    return path


def same_model():
    """A Keras 3 model, whose weights the files have, and what it computes."""
    model = sequential(L.LSTM(4, return_sequences=True), L.TimeDistributed(L.Dense(3)),
                       L.GRU(5, reset_after=False), L.Dense(2))
    x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype(np.float32)
    return [layer.get_weights() for layer in model.layers], x, predict(model, x)


def named(pattern, arrays):
    return {pattern.format(name): value
            for name, value in zip(("kernel", "recurrent_kernel", "bias"), arrays)}


def linear(name, arrays):
    return {f"{name}/kernel:0": arrays[0], f"{name}/bias:0": arrays[1]}


def test_sequential_of_keras_2(tmp_path):
    (lstm, each, gru, dense), x, want = same_model()
    network = {"class_name": "Sequential", "config": {"name": "old", "layers": [
        entry("InputLayer", "lstm_input", batch_input_shape=[None, None, 3], dtype="float32",
              sparse=False, ragged=False),
        entry("LSTM", "lstm", **CELL | TRAINING | {
            "return_sequences": True, "unit_forget_bias": True, "time_major": False, "units": 4,
            "batch_input_shape": [None, None, 3]}),
        entry("TimeDistributed", "td", layer=entry("Dense", "dense", **DENSE | {"units": 3})),
        entry("GRU", "gru", **CELL | TRAINING | {"reset_after": False, "time_major": False,
                                                 "units": 5}),
        entry("Dropout", "dropout", rate=0.5, noise_shape=None, seed=None),
        entry("Dense", "dense", **DENSE | {"units": 2}),
    ]}}
    weights = {"lstm": named("lstm/lstm_cell/{}:0", lstm), "td": linear("td", each),
               "gru": named("gru/gru_cell/{}:0", gru), "dropout": {},
               "dense": linear("dense", dense)}
    model = load(write(tmp_path / "old.h5", network, weights))
    assert close(model.run(x), want) < 1e-5
    assert (model.name, [layer.name for layer in model.layers]) == ("old", ["lstm", "td", "gru",
                                                                       "dense"])


def test_functional_of_keras_2(tmp_path):
    (lstm, each, gru, dense), x, want = same_model()
    network = {"class_name": "Model", "config": {"name": "old", "layers": [
        entry("InputLayer", "in", batch_input_shape=[None, None, 3], dtype="float32",
              sparse=False),
        entry("LSTM", "lstm", [["in", 0, 0, {}]],
              **CELL | TRAINING | {"return_sequences": True, "unit_forget_bias": True, "units": 4}),
        entry("Dropout", "drop", [["lstm", 0, 0, {"training": None}]], rate=0.5, noise_shape=None,
              seed=None),
        entry("Dense", "each", [["drop", 0, 0, {}]], **DENSE | {"units": 3}),
        entry("GRU", "gru", [["each", 0, 0, {}]], **CELL | TRAINING | {"units": 5}),
        entry("Dense", "dense", ["gru", 0, 0, {}], **DENSE | {"units": 2}),
    ], "input_layers": [["in", 0, 0]], "output_layers": [["dense", 0, 0]]}}
    weights = {"in": {}, "lstm": named("lstm_3/{}_1:0", lstm), "drop": {},
               "each": linear("each_1", each), "gru": named("gru/{}", gru),
               "dense": linear("dense", dense)}
    path = write(tmp_path / "old.hdf5", network, weights, "2.1.2")
    assert close(load(path).run(x), want) < 1e-5  # of the versions without reset_after
    network["config"]["layers"][2]["inbound_nodes"] = [[["lstm", 0, 0, {"training": True}]]]
    with pytest.raises(RnnhwError, match=r"^drop \(Dropout\) is called with training, which is no"):
        load(write(path, network, weights))


def test_list_of_early_keras_2(tmp_path):
    (lstm, *_), x, _ = same_model()
    layers = [entry("LSTM", "lstm_1", batch_input_shape=[None, None, 3], **CELL | TRAINING | {
        "return_sequences": True, "unit_forget_bias": True, "units": 4})]
    path = write(tmp_path / "a.h5", {"class_name": "Sequential", "config": layers},
                 {"lstm_1": named("lstm_1/{}:0", lstm)}, "2.0.8")
    model = load(path)
    twin = sequential(L.LSTM(4, return_sequences=True))
    twin.set_weights(lstm)
    assert close(model.run(x), predict(twin, x)) < 1e-5


def test_names_cut_into_parts(tmp_path):
    model = sequential(L.GRU(2, name="it"))
    with h5py.File(save(model, tmp_path / "a.h5"), "a") as file:
        group = file["model_weights/it"]
        names = list(group.attrs["weight_names"])
        del group.attrs["weight_names"]
        group.attrs["weight_names0"], group.attrs["weight_names1"] = names[:2], names[2:]
    x = np.ones((1, 3, 3), np.float32)
    assert close(load(tmp_path / "a.h5").run(x), predict(model, x)) < 1e-5


def test_kind_is_told_by_content(tmp_path):
    """Versions of Keras before 2.12 write HDF5 under either suffix."""
    model = sequential(L.GRU(2))
    save(model, tmp_path / "a.h5").rename(tmp_path / "b.keras")
    save(model, tmp_path / "a.keras").rename(tmp_path / "b.h5")
    x = np.ones((1, 3, 3), np.float32)
    for name in ("b.keras", "b.h5"):
        assert close(load(tmp_path / name).run(x), predict(model, x)) < 1e-5


@pytest.mark.parametrize("name", ["a.keras", "a.h5"])
def test_files_of_another_kind_and_cut_ones(tmp_path, name):
    path = tmp_path / name
    for content in (b"", b"PK", b"no model\n" * 99):
        path.write_bytes(content)
        with pytest.raises(RnnhwError, match=rf"{name} is not a file that Keras wrote, or it is cu"
                                             r"t or damaged: .+[^.]\.$"):
            load(path)
    whole = save(sequential(L.GRU(2)), path).read_bytes()
    for size in (100, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:size])
        with pytest.raises(RnnhwError, match=rf"{name} is not a file that Keras wrote, or it is c"):
            load(path)


def test_damaged_bytes_of_an_archive(tmp_path):
    path = save(sequential(L.GRU(2)), tmp_path / "a.keras")
    content = bytearray(path.read_bytes())
    at = content.find(b"\x89HDF") + 600
    content[at] ^= 255
    path.write_bytes(content)
    with pytest.raises(RnnhwError, match=r"cut or damaged: Bad CRC-32 for file 'model\.weights\.h"):
        load(path)


def rezip(path, **parts):
    """Write an archive again with other parts; a part of None is left out."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()} | parts
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in content.items():
            if value is not None:
                archive.writestr(name, value)


@pytest.mark.parametrize("parts, text", [
    ({"config.json": None}, r"a\.keras is a zip archive without config\.json, which Keras 3 write"),
    ({"model.weights.h5": None}, r"a\.keras is a zip archive without model\.weights\.h5"),
    ({"config.json": b"{"}, r"a\.keras is damaged: its config\.json is not a JSON object\."),
    ({"config.json": b"[]"}, r"a\.keras is damaged: its config\.json is not a JSON object\."),
    ({"config.json": b"{}"}, r"a\.keras does not describe a network as Keras 2 or 3 does: KeyErro"),
    ({"config.json": b'{"class_name": "Net", "module": "nets", "config": {}}'},
     r"a\.keras is of the class Net, which is not one of Keras's own"),
    ({"config.json": b'{"class_name": "Net", "config": {}}'},
     r"a\.keras is a model of the class Net, which is not supported; Sequential and Functional a"),
    ({"config.json": b'{"class_name": "Model", "config": {}}'},
     r"a\.keras is a model of the class Model, which is not supported"),
    ({"model.weights.h5": b"no"}, r"a\.keras is not a file that Keras wrote, or it is cut or dam"),
])
def test_parts_of_an_archive(tmp_path, parts, text):
    path = save(sequential(L.GRU(2)), tmp_path / "a.keras")
    rezip(path, **parts)
    with pytest.raises(RnnhwError, match=text):
        load(path)


def change(path, edit):
    """Edit the HDF5 content of a ``.keras`` or ``.h5`` file."""
    if path.suffix == ".h5":
        with h5py.File(path, "a") as file:
            edit(file)
        return
    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content, "a") as file:
        edit(file)
    rezip(path, **{"model.weights.h5": content.getvalue()})


def replaced(where, value):
    def edit(file):
        del file[where]
        if value is not None:
            file[where] = value
    return edit


def external(file):
    where = "layers/gru/cell/vars/1"
    shape = file[where].shape
    del file[where]
    file.create_dataset(where, shape, np.float32, external=[("other.bin", 0, 4096)])


def renamed(file):
    file["layers/gru/vars"].attrs["name"] = "other"


ARCHIVE = "layers/gru/cell/vars"
LEGACY = "model_weights/it/net/it/gru_cell"


@pytest.mark.parametrize("name, edit, text", [
    ("a.keras", replaced(f"{ARCHIVE}/1", np.ones((3, 6), np.float32)),
     r"^it\.recurrent_kernel has shape \(3, 6\), but \(2, 6\) is needed\."),
    ("a.keras", replaced(f"{ARCHIVE}/0", np.ones((4, 6), np.float32)),
     r"^it\.kernel has shape \(4, 6\), but \(3, 6\) is needed\."),
    ("a.keras", replaced(f"{ARCHIVE}/2", None), r"a\.keras holds 2 weights of the layer it, but 3 "
                                                r"\(kernel, recurrent_kernel, bias\) are needed"),
    ("a.keras", replaced(ARCHIVE, None), r"a\.keras holds no weights of the layer it at layers/gru/"
                                         r"cell/vars, where Keras 3 writes them; save the model"),
    ("a.keras", replaced(f"{ARCHIVE}/1", np.ones((2, 6), np.int32)),
     r"a\.keras is damaged: /layers/gru/cell/vars/1 is not an array of floats\."),
    ("a.keras", external, r"a\.keras keeps /layers/gru/cell/vars/1 in another file, which is not "),
    ("a.keras", renamed, r"a\.keras is damaged: layers/gru/cell/vars holds weights of the layer ot"
                         r"her where those of it are needed\."),
    ("a.h5", replaced("model_weights", None), r"a\.h5 holds no weights of the layer it; save the mo"
                                              r"del again after building it\."),
    ("a.h5", replaced(f"{LEGACY}/bias", np.ones(6, np.float32)),
     r"^it\.bias has shape \(6,\), but \(2, 6\) is needed\."),
    ("a.h5", replaced(f"{LEGACY}/bias", None),
     r"a\.h5 is damaged: /model_weights/it/net/it/gru_cell/bias is not an array of floats\."),
    ("a.h5", lambda file: file["model_weights/it"].attrs.pop("weight_names"),
     r"a\.h5 holds no weights of the layer it, but kernel, recurrent_kernel, bias are needed; s"),
    ("a.h5", lambda file: file["model_weights/it"].attrs.update(weight_names=["a/kernel", "a/b"]),
     r"a\.h5 holds kernel, b of the layer it, but kernel, recurrent_kernel, bias are needed; s"),
    ("a.h5", lambda file: file.attrs.pop("model_config"),
     r"a\.h5 has no model_config: it holds weights without the network; save the whole model wit"),
    ("a.h5", lambda file: file.attrs.update(model_config="{"),
     r"a\.h5 is damaged: its model_config is not a JSON object\."),
    ("a.h5", replaced(f"{LEGACY}/kernel", np.full((3, 6), np.inf, np.float32)),
     r"^it\.weight_ih holds 18 values that are NaN or infinite"),
])
def test_wrong_content(tmp_path, name, edit, text):
    model = keras.Sequential([L.Input((5, 3)), L.GRU(2, name="it")], name="net")
    path = save(model, tmp_path / name)
    change(path, edit)
    with pytest.raises(RnnhwError, match=text):
        load(path)


def test_two_layers_of_one_name(tmp_path):
    model = sequential(L.Dense(3, name="a"), L.Dense(3, name="b"))
    path = save(model, tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        text = archive.read("config.json")
    rezip(path, **{"config.json": text.replace(b'"name": "b"', b'"name": "a"')})
    with pytest.raises(RnnhwError, match=r"m\.keras is damaged: two of its layers have the same n"):
        load(path)


def test_weights_alone(tmp_path):
    sequential(L.GRU(2)).save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(RnnhwError, match=r"m\.weights\.h5 has no model_config: it holds weights w"):
        load(tmp_path / "m.weights.h5")


def test_layers_partly_frozen_keep_their_weights(tmp_path):
    """Keras puts frozen weights behind the others in an HDF5 file; they are found by name."""
    model = sequential(L.LSTM(3), L.Dense(2))
    model.layers[0].cell.kernel.trainable = False
    x = np.random.default_rng(1).standard_normal((2, 4, 3)).astype(np.float32)
    for name in ("m.keras", "m.h5"):
        assert close(load(save(model, tmp_path / name)).run(x), predict(model, x)) < 1e-5


def test_an_unbuilt_model(tmp_path):
    model = keras.Sequential([L.GRU(2, name="it")])
    for name, text in (("m.keras", r"m\.keras holds (0|no) weights of the layer it"),
                       ("m.h5", r"m\.h5 holds no weights of the layer it, but kernel")):
        with pytest.raises(RnnhwError, match=text):
            load(save(model, tmp_path / name))
