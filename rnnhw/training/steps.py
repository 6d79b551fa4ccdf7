"""The cells step by step, with every value rounded as the engine rounds it.

The equations and rounding points are those of docs/numerics.md; what is left out is the error of
the activation table and the rounding of biases, both below the others.
"""

import torch

from .numbers import rounded


def lstm(x, w_ih, w_hh, b_ih, b_hh, h, c, formats):
    """``(h, c)`` of all steps, each (batch, seq_len, n), for x (batch, seq_len, m).

    ``formats`` maps the tensors of docs/numerics.md, and ``x`` and ``h_operand``, to formats; one
    that it lacks is not rounded.
    """
    f, hs, cs = formats.get, [], []
    n = h.shape[-1]
    xs = torch.nn.functional.linear(rounded(x, f("x")), w_ih, b_ih + b_hh).unbind(1)
    for pre in xs:
        pre = rounded(torch.addmm(pre, rounded(h, f("h_operand")), w_hh.t()), f("pre"))
        i, o_f, g, o = pre.split(n, 1)
        gates = torch.cat([torch.sigmoid(torch.cat([i, o_f, o], 1)), torch.tanh(g)], 1)
        i, forget, o, g = rounded(gates, f("gate")).split(n, 1)
        c = rounded(torch.addcmul(rounded(i * g, f("gate")), forget, c), f("c"))
        h = rounded(o * rounded(torch.tanh(c), f("gate")), f("h"))
        hs.append(h)
        cs.append(c)
    return torch.stack(hs, 1), torch.stack(cs, 1)


def gru(x, w_ih, w_hh, b_ih, b_hh, h, formats):
    """``(h, None)`` of all steps of a GRU that resets after the product; see :func:`lstm`."""
    f, hs = formats.get, []
    n = h.shape[-1]
    xs = torch.nn.functional.linear(rounded(x, f("x")), w_ih, b_ih).unbind(1)
    for pre_x in xs:
        pre_h = torch.addmm(b_hh, rounded(h, f("h_operand")), w_hh.t())
        pre = rounded(pre_x[:, :2 * n] + pre_h[:, :2 * n], f("pre"))
        r, z = rounded(torch.sigmoid(pre), f("gate")).split(n, 1)
        nx = rounded(pre_x[:, 2 * n:], f("pre_nx"))
        nh = rounded(pre_h[:, 2 * n:], f("pre_nh"))
        new = rounded(torch.tanh(rounded(torch.addcmul(nx, r, nh), f("s"))), f("gate"))
        h = rounded(torch.addcmul(new, z, rounded(h - new, f("d"))), f("h"))
        hs.append(h)
    return torch.stack(hs, 1), None


def gru_reset_before(x, w_ih, w_hh, b_ih, b_hh, h, formats):
    """``(h, None)`` of all steps of a GRU that resets before the product; see :func:`lstm`."""
    f, hs = formats.get, []
    n = h.shape[-1]
    xs = torch.nn.functional.linear(rounded(x, f("x")), w_ih, b_ih + b_hh).unbind(1)
    for pre_x in xs:
        copy = rounded(h, f("h_operand"))
        pre = rounded(torch.addmm(pre_x[:, :2 * n], copy, w_hh[:2 * n].t()), f("pre"))
        r, z = rounded(torch.sigmoid(pre), f("gate")).split(n, 1)
        q = rounded(rounded(r * h, f("q")), f("h_operand"))
        pre_n = rounded(torch.addmm(pre_x[:, 2 * n:], q, w_hh[2 * n:].t()), f("pre_n"))
        new = rounded(torch.tanh(pre_n), f("gate"))
        h = rounded(torch.addcmul(new, z, rounded(h - new, f("d"))), f("h"))
        hs.append(h)
    return torch.stack(hs, 1), None
