"""Random PyTorch modules over every option that is imported, and what PyTorch makes of them."""

import numpy as np
import torch
from torch import nn

from rnnhw.importers.torch import chain
from rnnhw.training import BlockCirculantGRU, BlockCirculantLinear, BlockCirculantLSTM

CELLS = (nn.LSTMCell, nn.GRUCell, nn.RNNCell)
OURS = (BlockCirculantLSTM, BlockCirculantGRU)
BASES = (nn.LSTM, nn.GRU, nn.RNN, *OURS)


def size(rng):
    return int(rng.integers(1, 9))


def flag(rng):
    return bool(rng.integers(2))


def base(rng, m, batch_first, bidirectional=None):
    """A layer over sequences with all of its options drawn, and how many features it gives."""
    kind = BASES[rng.integers(len(BASES))]
    n = 4 * int(rng.integers(1, 4)) if kind in OURS else int(rng.integers(2, 9))
    options = {"num_layers": int(rng.integers(1, 4)), "bias": flag(rng), "batch_first": batch_first,
               "bidirectional": flag(rng) if bidirectional is None else bidirectional}
    options["dropout"] = 0.5 if options["num_layers"] > 1 else 0.0
    width, units = 1 + options["bidirectional"], n
    if kind in OURS:
        # blocks may pad a size by a quarter
        sizes = {m, width * n} if options["num_layers"] > 1 else {m}
        k = 4 if all(s % 4 == 0 for s in sizes) and flag(rng) else None
        module = kind(m, n, (k, 4 if flag(rng) else None), **options)
        module.reset_after = kind is BlockCirculantLSTM or flag(rng)
        return module, width * n
    if kind is nn.LSTM and flag(rng):
        options["proj_size"] = units = int(rng.integers(1, n))
    if kind is nn.RNN:
        options["nonlinearity"] = ("tanh", "relu")[rng.integers(2)]
    return kind(m, n, **options), width * units


def cell(rng, m):
    kind, n = CELLS[rng.integers(3)], size(rng)
    options = {"bias": flag(rng)}
    if kind is nn.RNNCell:
        options["nonlinearity"] = ("tanh", "relu")[rng.integers(2)]
    return kind(m, n, **options), n


def norm(rng, m):
    """Batch normalization as training leaves it."""
    module = nn.BatchNorm1d(m, eps=10.0 ** rng.integers(-6, 0), momentum=None, affine=flag(rng))
    with torch.no_grad():
        module.running_mean.copy_(torch.tensor(rng.normal(size=m)))
        module.running_var.copy_(torch.tensor(rng.uniform(0.3, 3, m)))
        for value in module.parameters():
            value.copy_(torch.tensor(rng.normal(size=m)))
    return module


def pointwise(rng, m, first=False):
    """Parts without steps, and how many features they give."""
    parts = []
    for _ in range(rng.integers(3)):
        kind = rng.integers(5)
        if kind == 0 or first and not parts:
            n = size(rng)
            parts.append(nn.Linear(m, n, flag(rng)) if flag(rng)
                         else BlockCirculantLinear(m, n, None, flag(rng)))
            m = n
        elif kind == 1:
            parts.append(norm(rng, m))
        elif kind == 2:
            parts.append((nn.ReLU, nn.Sigmoid, nn.Tanh)[rng.integers(3)]())
        elif kind == 3:
            parts.append((nn.Dropout, nn.AlphaDropout, nn.Identity)[rng.integers(3)]())
        else:
            parts.append(nn.Sequential(nn.Linear(m, m), nn.ReLU()))
    return parts, m


def head(rng):
    return [[], [nn.Softmax(dim=-1)], [nn.LogSoftmax(dim=-1)]][rng.integers(3)]


def random_bare(rng):
    """``(module, options of from_torch, features)`` of a layer alone, with first states."""
    m, batch_first = size(rng), flag(rng)
    if rng.integers(4) == 0:
        module, _ = cell(rng, m)
        rows = None
    else:
        module, _ = base(rng, m, batch_first)
        rows = module.num_layers * (1 + module.bidirectional)
    options = {}
    if rows and flag(rng):
        options["gives"] = "h_n" if module.bidirectional or flag(rng) else "last_step"
    if flag(rng):
        lead = () if rows is None else (rows,)
        proj = getattr(module, "proj_size", 0) or module.hidden_size
        h, c = (torch.tensor(rng.uniform(-1, 1, (*lead, n))) for n in (proj, module.hidden_size))
        is_lstm = isinstance(module, nn.LSTM | nn.LSTMCell | BlockCirculantLSTM)
        options["initial"] = (h, c) if is_lstm else h
    return module, options, m


def random_chain(rng):
    """``(module, {}, features or None of an embedding)`` of a chain of anything."""
    features = m = size(rng)
    batch_first, parts = flag(rng), []
    if rng.integers(4) == 0:
        parts.append(nn.Embedding(10, m, padding_idx=3, norm_type=1.0, scale_grad_by_freq=True))
        features = None
    more, m = pointwise(rng, m, first=True)
    parts += more
    count, mode = int(rng.integers(1, 3)), ("last_step", "last_state", "")[rng.integers(3)]
    for k in range(count):
        forward = mode == "last_step" and k == count - 1
        part, m = (cell(rng, m) if rng.integers(4) == 0
                   else base(rng, m, batch_first, False if forward else None))
        more, m = pointwise(rng, m)
        parts += [part, *more]
    parts += head(rng)
    return chain(*parts, **{mode: True} if mode else {}, batch_first=batch_first), {}, features


def random_sequential(rng):
    """``(module, {}, features)`` of linear parts, behind a recurrent layer or without one."""
    features = m = size(rng)
    parts, m = pointwise(rng, m, first=True)
    if flag(rng):
        parts = [p for p in parts if not isinstance(p, nn.BatchNorm1d)]
        part, m = base(rng, m, True)
        return nn.Sequential(*parts, part), {}, features
    if flag(rng) or not any(isinstance(p, nn.Linear) for p in parts):
        parts.append(nn.Linear(m, 3))
    return nn.Sequential(*parts, *head(rng)), {}, features


KINDS = {"bare": random_bare, "chain": random_chain, "sequential": random_sequential}


def draw(seed):
    """``(module in eval mode, options of from_torch, input features, rng)``."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    kind = ("bare", "chain", "chain", "sequential")[seed % 4]
    module, options, features = KINDS[kind](rng)
    return (module.double() if seed % 3 else module.float()).eval(), options, features, rng


def data(rng, features, dtype, batch=3, steps=5):
    """Input with the batch first."""
    if features is None:
        return torch.tensor(rng.integers(10, size=(batch, steps)))
    return torch.tensor(rng.normal(size=(batch, steps, features))).to(dtype)


@torch.no_grad()
def wanted(module, x, gives="output", initial=None):
    """What PyTorch gives for sequences of one length, batch first; each is run by itself."""
    found = []
    for sequence in x:
        if type(module) in CELLS:
            found.append(_cell(module, sequence, initial))
            continue
        given = () if initial is None else (_cast(initial, sequence.dtype),)
        y = module(sequence, *given)
        if gives == "h_n":
            y = y[1][0] if isinstance(y[1], tuple) else y[1]
            y = y.reshape(-1)
        else:
            y = y[0] if isinstance(y, tuple) else y
            y = y[-1] if gives == "last_step" else y
        found.append(y)
    return torch.stack(found).numpy()


def _cell(module, x, state):
    state = None if state is None else _cast(state, x.dtype)
    outputs = []
    for step in x:
        state = module(step, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs)


def _cast(state, dtype):
    if isinstance(state, tuple):
        return tuple(part.to(dtype) for part in state)
    return state.to(dtype)
