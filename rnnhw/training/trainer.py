"""A small trainer: Adam with a one-cycle schedule, seeded."""

from contextlib import contextmanager

import numpy as np
import torch

from ..errors import RnnhwError
from .modules import Recurrent

CLIP = 1.0                 # largest norm of the gradients
WINDOW = 8                 # batches among which sequences are sorted by length


@contextmanager
def _one_thread():
    """PyTorch on one thread: faster for small layers, and sums in one order on every machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _losses(output, y, lengths):
    """Sum of the losses of all targets, and how many there are."""
    valid = None
    if output.dim() == 3:
        valid = torch.arange(output.shape[1]) < lengths[:, None]
    if y.is_floating_point():
        error = (output - y) ** 2
        if valid is None:
            return error.sum(), error.numel()
        return (error * valid[..., None]).sum(), int(valid.sum()) * output.shape[2]
    if valid is None:
        return torch.nn.functional.cross_entropy(output, y, reduction="sum"), len(y)
    if y.dim() == 1:
        last = output[torch.arange(len(output)), lengths - 1]
        return torch.nn.functional.cross_entropy(last, y, reduction="sum"), len(y)
    return (torch.nn.functional.cross_entropy(output[valid], y[valid], reduction="sum"),
            int(valid.sum()))


def _tensors(net, x, y, lengths):
    """Data as tensors, checked."""
    x, y = torch.as_tensor(np.asarray(x)), torch.as_tensor(np.asarray(y))
    if x.dim() != 3 or len(y) != len(x):
        raise RnnhwError(f"Training takes x of shape (batch, seq_len, inputs) and one y a sequence,"
                         f" not {tuple(x.shape)} and {tuple(y.shape)}.")
    for layer in net.modules():
        if isinstance(layer, (torch.nn.RNNBase, Recurrent)) and not layer.batch_first:
            raise RnnhwError("Training takes networks whose layers have batch_first=True, but its "
                             f"{type(layer).__name__} has batch_first=False.")
    y = y.float() if y.is_floating_point() else y.long()
    full = np.full(len(x), x.shape[1])
    return x, y, torch.as_tensor(full if lengths is None else np.asarray(lengths)).long()


def _batches(order, lengths, batch):
    """``order`` in batches of sequences of about one length, in a random order of their own."""
    windows = [order[at:at + WINDOW * batch] for at in range(0, len(order), WINDOW * batch)]
    ordered = [w[np.argsort(lengths[w], kind="stable")] for w in windows]
    return [w[at:at + batch] for w in ordered for at in range(0, len(w), batch)]


def _taken(x, y, lengths, rows):
    """Inputs and targets of the sequences ``rows``, cut behind the longest."""
    steps = int(lengths[rows].max())
    every_step = y.dim() == (3 if y.is_floating_point() else 2)
    return x[rows, :steps].float(), y[rows, :steps] if every_step else y[rows]


def loss(net, x, y, lengths=None, batch=256):
    """Mean loss of ``net`` in eval mode; data and losses as of :func:`fit`."""
    x, y, lengths = _tensors(net, x, y, lengths)
    net.eval()
    total, count = 0.0, 0
    with torch.no_grad(), _one_thread():
        for rows in torch.arange(len(x)).split(batch):
            part, target = _taken(x, y, lengths, rows)
            value, n = _losses(net(part, lengths[rows]), target, lengths[rows])
            total, count = total + value.item(), count + n
    return total / count


def fit(net, x, y, lengths=None, *, epochs, lr=3e-3, batch=64, noise=0.0, seed=0, progress=None):
    """Train ``net`` in place with Adam, one cycle of the learning rate and clipped gradients.

    Equal data, settings and seed give equal weights on one machine.

    Parameters
    ----------
    net : module called as ``net(x, lengths)`` with x (batch, seq_len, inputs)
        As ``rnnhw.importers.torch.chain`` makes; in eval mode afterwards.
    x : (batch, seq_len, inputs), zeros at the end of shorter sequences
    y : what the outputs should be
        Whole numbers are classes (cross-entropy), (batch,) for a sequence's last step or
        (batch, seq_len) for every step; floats are targets in the outputs' shape (squared error).
    lengths : (batch,) or None for whole sequences
    epochs, batch, seed : int
    lr : float, largest learning rate
    noise : float, standard deviation of normal noise added to x in training
    progress : callable taking one sentence, or None

    Returns
    -------
    mean training loss of each epoch

    Raises
    ------
    RnnhwError
        If shapes do not fit, or the loss becomes infinite or NaN.

    Reference: Kingma and Ba 2015 (Adam); Smith and Topin 2019 (one cycle).
    """
    if epochs < 1 or batch < 1:
        raise RnnhwError(f"Training takes at least one epoch and sequences in a batch, not "
                         f"{epochs} and {batch}.")
    x, y, lengths = _tensors(net, x, y, lengths)
    found = []
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        random = np.random.default_rng(seed)
        optimizer = torch.optim.Adam(net.parameters(), lr)
        steps = epochs * -(-len(x) // batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, max(2, steps))
        net.train()
        for epoch in range(1, epochs + 1):
            total, count = 0.0, 0
            batches = _batches(random.permutation(len(x)), lengths.numpy(), batch)
            for at in random.permutation(len(batches)):
                rows = torch.as_tensor(batches[at])
                part, target = _taken(x, y, lengths, rows)
                if noise:
                    part = part + noise * torch.randn(part.shape)
                value, n = _losses(net(part, lengths[rows]), target, lengths[rows])
                optimizer.zero_grad()
                (value / n).backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
                optimizer.step()
                schedule.step()
                total, count = total + value.item(), count + n
            found.append(total / count)
            if not np.isfinite(found[-1]):
                raise RnnhwError(f"Training diverged: the loss of epoch {epoch} is {found[-1]}; "
                                 "take a smaller learning rate.")
            if progress:
                progress(f"Training: epoch {epoch} of {epochs}, loss {found[-1]:.4f}")
        net.eval()
    return found
