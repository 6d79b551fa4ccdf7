import numpy as np
import pytest

from rnnhw import data
from rnnhw.errors import RnnhwError
from rnnhw.fixed import FixedFormat
from rnnhw.project import resolve


@pytest.fixture(scope="module")
def model():
    return resolve("tiny").model            # 3 inputs, 4 outputs


@pytest.fixture(scope="module")
def classifier():
    return resolve("spoken-digits").model   # 13 inputs, 10 classes


def written(tmp_path, **arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    return tmp_path / "x.npz"


def test_read_gives_what_was_written(tmp_path, model):
    x = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    path = written(tmp_path, x=x, lengths=[4, 1], y=np.zeros((2, 4, 4)), who="me")
    found = data.read(path, model)
    assert found.x.dtype == np.float64 and (found.x == x).all()
    assert found.lengths.tolist() == [4, 1]
    assert found.y.shape == (2, 4, 4)
    assert found.ignored == ("who",)


def test_read_takes_integers_and_one_sequence(tmp_path, model):
    found = data.read(written(tmp_path, x=np.ones((5, 3), np.int16)), model)
    assert found.x.shape == (5, 3) and found.lengths is None and found.y is None


@pytest.mark.parametrize("arrays, sentence", [
    ({"z": np.zeros(3)}, r"has no key 'x' \(it has z\)"),
    ({"x": np.zeros(3)}, r"x of .* has shape \(3,\), but \(seq_len, 3\) or \(batch, seq_len, 3\)"),
    ({"x": np.zeros((2, 4, 5))}, r"has 5 features a step, but the model takes 3\."),
    ({"x": np.zeros((0, 4, 3))}, r"is empty \(shape \(0, 4, 3\)\); at least one sequence"),
    ({"x": np.full((4, 3), np.nan)}, r"holds 12 values that are NaN or infinite"),
    ({"x": np.array([["a", "b", "c"]])}, r"is not an array of numbers \(its type is <U1\)"),
    ({"x": np.zeros((2, 4, 3)), "lengths": [5, 1]},
     r"lengths of .*\[0\] is 5, but a length must be within 1\.\.4\."),
    ({"x": np.zeros((2, 4, 3)), "lengths": [4, 0]}, r"\[1\] is 0, but a length must be within 1"),
    ({"x": np.zeros((2, 4, 3)), "lengths": [4]}, r"has shape \(1,\), but x has 2 sequences"),
    ({"x": np.zeros((2, 4, 3)), "lengths": [4., 1.]}, r"of type float64, but whole numbers"),
    ({"x": np.zeros((4, 3)), "lengths": [4]}, r"goes with x of shape \(batch, seq_len, 3\)"),
    ({"x": np.zeros((2, 4, 3)), "y": np.zeros((2, 3, 4))},
     r"class integers of shape \(2,\) or targets of shape \(2, 4, 4\) are needed"),
    ({"x": np.zeros((2, 4, 3)), "y": [0, 4]}, r"classes 0\.\.4, but the model gives 4 outputs"),
    ({"x": np.zeros((2, 4, 3)), "y": ["a", "b"]}, r"of type <U1, but class numbers or targets"),
    ({"x": np.zeros((2, 4, 3)), "y": np.full((2, 4, 4), np.inf)}, r"every target must be finite"),
])
def test_read_refuses(tmp_path, model, arrays, sentence):
    with pytest.raises(RnnhwError, match=sentence):
        data.read(written(tmp_path, **arrays), model)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04cut"])
def test_read_refuses_what_is_no_npz(tmp_path, model, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(RnnhwError, match=r"x\.npz is not an \.npz file of plain arrays"):
        data.read(tmp_path / "x.npz", model)


def test_read_refuses_npy_pickle_cut_and_damaged(tmp_path, model):
    np.save(tmp_path / "x.npy", np.zeros((4, 3)))
    objects = written(tmp_path, x=np.array([{}], object))
    for path in (tmp_path / "x.npy", objects):
        with pytest.raises(RnnhwError, match="is not an .npz file of plain arrays"):
            data.read(path, model)
    np.savez_compressed(tmp_path / "good.npz", x=np.random.default_rng(0).random((40, 3)))
    good = (tmp_path / "good.npz").read_bytes()
    middle = len(good) // 2
    for bad in (good[:middle], good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1:]):
        (tmp_path / "bad.npz").write_bytes(bad)
        with pytest.raises(RnnhwError, match="is not an .npz file of plain arrays, or it is cut"):
            data.read(tmp_path / "bad.npz", model)


def test_read_refuses_a_missing_file(tmp_path, model):
    with pytest.raises(RnnhwError, match=r"none\.npz does not exist; an \.npz file"):
        data.read(tmp_path / "none.npz", model)
    with pytest.raises(RnnhwError, match="is not an .npz file"):
        data.read(tmp_path, model)


def test_labels_of_a_last_step_model(classifier):
    x = np.zeros((3, 5, 13))
    assert data.check_labels([0, 9, 3], classifier, x).tolist() == [0, 9, 3]
    assert data.check_labels(np.zeros((3, 10)), classifier, x).shape == (3, 10)
    with pytest.raises(RnnhwError, match=r"classes -1\.\.9, but the model gives 10 outputs"):
        data.check_labels([-1, 9, 3], classifier, x)


def test_codes_must_fit_the_format():
    fmt = FixedFormat(8, 4)
    assert data.check_codes(np.full((2, 3), -128, np.int8), 3, fmt).dtype == np.int64
    with pytest.raises(RnnhwError, match=r"reaches 0\.\.128, but the input format 8/4 holds -128"):
        data.check_codes(np.array([[0, 1, 128]]), 3, fmt)
    with pytest.raises(RnnhwError, match="is of type float64, but integer codes are needed"):
        data.check_codes(np.zeros((2, 3)), 3, fmt)


def test_random_inputs_are_seeded(model):
    a, b = data.random_inputs(model, seed=1), data.random_inputs(model, seed=1)
    assert (a == b).all() and a.shape == (2, 8, 3)
    assert (a != data.random_inputs(model, seed=2)).any()
