"""Every option of the layers of Keras: exact, or refused by its name and value."""

import re

import pytest

from rnnhw.errors import RnnhwError
from rnnhw.importers.keras import from_keras

from .keras_models import L, keras, predict, read
from .keras_options import OPTIONS, arguments, network, sequences
from .models import close

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_option_is_known(kind):
    _, exact, refused = OPTIONS[kind]
    assert arguments(kind) <= {*exact, *refused}


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_option_is_exact(tmp_path, kind):
    for key, values in OPTIONS[kind][1].items():
        for value in values:
            if key == "input_shape" and kind == "StackedRNNCells":
                continue  # layers that are only built inside others take no shape
            model = network(kind, **{key: value})
            x = sequences(kind, 4)
            want = predict(model, x)
            for found in read(model, tmp_path):
                assert close(found.run(x), want) < 1e-5, (key, value)
        keras.utils.clear_session(free_memory=False)


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_option_is_refused_where_it_is_not_exact(kind):
    _, exact, refused = OPTIONS[kind]
    starts = {"recurrent_initializer": "zeros"} if "recurrent_initializer" in exact else {}
    for key, values in refused.items():
        for value in values:
            # half floats have no orthogonal initializer
            model = network(kind, **starts, **{key: value})
            with pytest.raises(RnnhwError, match=rf"{kind}\) has {key}={re.escape(repr(value))}, "
                                                 rf"which is not supported; .+ (is|are)\b.*\.$"):
                from_keras(model)


def test_masks_are_refused():
    """With whatever options: what they do depends on values of the input."""
    assert arguments("Masking") == {"mask_value", *arguments("Add")}
    for layer in (L.Masking(name="it"), L.Masking(1.5, trainable=False, name="it")):
        first = L.Input((5, 3))
        model = keras.Model(first, L.GRU(2)(layer(first)))
        with pytest.raises(RnnhwError, match=r"^it is of the class Masking, which is not supported"
                                             r"; leave it out and give each sequence's length to "):
            from_keras(model)
