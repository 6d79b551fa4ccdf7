"""Arrays to stream words and back."""

import numpy as np
import pytest
from hypothesis import given, strategies

from rnnhw.words import Place, Words, place

XI = np.arange(2 * 3 * 2).reshape(2, 3, 2)


def test_sent_without_padding():
    words = Words(XI, np.array([3, 1]), 2, False)
    sent = words.sent()
    assert sent["x_data"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert sent["x_first"].tolist() == [1, 1, 0, 0, 0, 0, 1, 1]
    assert sent["x_last"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert words.x_starts().tolist() == [0, 6]
    assert words.y_ends().tolist() == [6, 8]


@pytest.mark.parametrize("last_step, due, last", [
    (False, [10, 11, 12, 13, 14, 15, 16, 17], [0, 1] * 4),
    (True, [10, 11, 12, 13], [0, 1] * 2),
])
def test_due(last_step, due, last):
    words = Words(XI, np.array([3, 1]), 2, last_step)
    expected = np.arange(10, 14).reshape(2, 2) if last_step else np.arange(10, 22).reshape(2, 3, 2)
    assert words.due(expected)["y_data"].tolist() == due
    assert words.due(expected)["y_last"].tolist() == last


def test_missing_and_further_words():
    words = Words(XI, None, 1, False)
    assert words.outputs(np.array([7, 8, 9, 1])).tolist() == [[[7], [8], [9]], [[1], [0], [0]]]
    assert words.outputs(np.arange(1, 9))[:, :, 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert words.outputs(np.zeros(0, np.int64)).tolist() == [[[0]] * 3] * 2


def test_places():
    words = Words(XI, np.array([3, 1]), 2, False)
    assert [place(words, k) for k in (0, 1, 5, 6, 7)] == [
        Place(0, 0, 0), Place(0, 0, 1), Place(0, 2, 1), Place(1, 0, 0), Place(1, 0, 1)]
    words = Words(XI, np.array([3, 1]), 2, True)
    assert [place(words, k) for k in (0, 3)] == [Place(0, 2, 0), Place(1, 0, 1)]


@given(strategies.integers(1, 4), strategies.integers(1, 5), strategies.integers(1, 3),
       strategies.booleans(), strategies.booleans(), strategies.data())
def test_round_trip(batch, seq_len, size, last_step, flat, data):
    """What goes out as words comes back in its place, zeros where a sequence has ended."""
    lengths = np.array([data.draw(strategies.integers(1, seq_len)) for _ in range(batch)])
    if flat:
        xi, lengths, batch = np.zeros((seq_len, 1), np.int64), None, 1
    else:
        xi = np.zeros((batch, seq_len, 1), np.int64)
    words = Words(xi, lengths, size, last_step)
    shape = (batch,) * (not flat) + (seq_len,) * (not last_step) + (size,)
    expected = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    if lengths is not None and not last_step:
        for row, n in zip(expected, lengths):
            row[n:] = 0
    outputs = words.outputs(words.due(expected)["y_data"])
    assert outputs.shape == shape
    np.testing.assert_array_equal(outputs, expected)
    for k, value in enumerate(words.due(expected)["y_data"]):
        at = place(words, k)
        index = (at.sequence,) * (not flat) + (at.step,) * (not last_step) + (at.unit,)
        assert expected[index] == value
