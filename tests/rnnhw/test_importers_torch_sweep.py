"""Random PyTorch modules: what the model gives is what PyTorch gives for every sequence alone."""

import numpy as np
import pytest
import torch

from rnnhw import npz
from rnnhw.importers.torch import Chain, from_torch

from .models import close, few_and_more
from .torch_models import data, draw, wanted


@pytest.mark.parametrize("seed", few_and_more(24, 240))
def test_random_modules(seed, tmp_path):
    module, options, features, rng = draw(seed)
    dtype = torch.float64 if seed % 3 else torch.float32
    bound = 1e-9 if seed % 3 else 1e-5
    model = from_torch(module, **options)
    x = data(rng, features, dtype)
    y = model.run(x.numpy())
    assert close(y, wanted(module, x, **options)) < bound
    assert close(model.run(x[1].numpy()), y[1]) < 1e-12

    lengths = np.array([2, 5, 1])
    found = model.run(x.numpy(), lengths)
    for row, n in enumerate(lengths):
        one = wanted(module, x[row:row + 1, :n], **options)[0]
        assert close(found[row] if model.last_step else found[row, :n], one) < bound
    if type(module) is Chain:
        with torch.no_grad():
            turned = x if module.batch_first else x.transpose(0, 1)
            whole, cut = module(turned), module(turned, lengths)
        if not model.last_step and not module.batch_first:
            whole, cut = whole.transpose(0, 1), cut.transpose(0, 1)
        assert close(whole.numpy(), y) < bound
        for row, n in enumerate(lengths):
            part = slice(None) if model.last_step else slice(n)
            assert close(cut[row, part].numpy(), found[row, part]) < bound

    npz.save(model, tmp_path / "m.npz")
    assert np.array_equal(npz.load(tmp_path / "m.npz").run(x.numpy()), y)
