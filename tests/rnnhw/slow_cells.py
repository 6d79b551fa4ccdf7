"""The cells beside LSTM and GRU once more, as equations on Python integers, for tiny models."""

from .slow_golden import activate, narrowed, requantize

ONE = 14


class Unit:
    """Lists of codes under the names of one layer, and the rules that make them."""

    def __init__(self, qmodel, i):
        self.qmodel, self.q, self.i = qmodel, qmodel.layers[i], i
        self.f = self.q.formats

    def copy(self, codes, name):
        """What operand memory holds of a value."""
        fmt = self.qmodel.operands.get(f"{self.i}.{name}")
        if fmt is None:
            return None
        return [requantize(v, self.f[name].frac_bits - fmt.frac_bits, fmt) for v in codes]

    def drain(self, pre, gates, *parts, bias=None, units=None):
        """Sums over ``(matrix, operand, codes)``; ``gates`` holds the row block of each matrix."""
        q, n, groups = self.q, units or self.q.layer.hidden_size, {}
        for (name, operand, codes), g in zip(parts, gates, strict=True):
            segment = operand if operand == "x" or "." in operand else f"{self.i}.{operand}"
            w = q.weights[name]
            rows = w[g * n:(g + 1) * n] if w.ndim == 2 else w[g:g + 1]
            groups.setdefault(None if w.ndim == 2 else w.shape[3], []).append(
                ((rows, segment, codes), q.acc_fracs[name],
                 "x" if segment == "x" or not segment.startswith(f"{self.i}.") else operand))

        def sums(group, bias, spectrum):
            sides, (frac, *others), _ = zip(*group)
            assert not set(others) - {frac}
            return narrowed(self.qmodel, self.i, sides, 0, pre, frac, bias, spectrum, n)

        # matrices of other block sizes apart, the last with the bias
        *apart, last = groups.values()
        found = sums(last, q.bias.get(bias), f"{pre}_spectrum")
        for group in apart:
            more = sums(group, None, f"{pre}_{group[0][2]}_spectrum")
            found = [requantize(a + b, 0, self.f[pre]) for a, b in zip(found, more, strict=True)]
        return found

    def table(self, codes, tensor, fn, out="gate"):
        return [activate(self.qmodel.activation, v, self.f[tensor].frac_bits, self.f[out],
                         fn == "sigmoid") for v in codes]

    def mac(self, out, a, b=None, c=None, sign=1):
        """``a*b +- c`` in format ``out``; each is ``(codes, format)``, b is one where left out."""
        top = self.f[a[1]].frac_bits + (self.f[b[1]].frac_bits if b else ONE)
        found = []
        for u, v in enumerate(a[0]):
            total = int(v) * (int(b[0][u]) if b else 2**ONE)
            if c:
                assert top >= self.f[c[1]].frac_bits
                total += sign * int(c[0][u]) * 2 ** (top - self.f[c[1]].frac_bits)
            found.append(requantize(total, top - self.f[out].frac_bits, self.f[out]))
        return found


def lstm(u, x, h, c):
    """i f o = s(..), g = tanh(..); c = f c' + i g or i (g - c') + c'; m = o tanh(c); h = W m or m.
    """
    q = u.q
    coupled, diagonal = q.layer.input_forget, "peephole" in q.layer.arrays
    full, projected = "weight_ch" in q.layer.arrays, "weight_hr" in q.layer.arrays
    order, seeing = ("igo", "io") if coupled else ("ifgo", "ifo")
    h_op, c_op = u.copy(h, "h"), u.copy(c, "c") if full else None

    def gate(name, c_now, c_copy):
        parts = [("weight_ih", x[0], x[1]), ("weight_hh", "h", h_op)]
        rows = [order.index(name)] * 2
        if full and name != "g":
            parts.append(("weight_ch", "c", c_copy))
            rows.append(seeing.index(name))
        pre, tensor = u.drain("pre", rows, *parts, bias=name), "pre"
        if diagonal and name != "g":
            pre = u.mac("s", (c_now, "c"), (q.constants[f"p_{name}"], f"p_{name}"), (pre, "pre"))
            tensor = "s"
        return u.table(pre, tensor, "tanh" if name == "g" else "sigmoid")

    i, g = gate("i", c, c_op), gate("g", c, c_op)
    if coupled:
        d = u.mac("d", (g, "gate"), None, (c, "c"), -1)
        c = u.mac("c", (d, "d"), (i, "gate"), (c, "c"))
    else:
        p = u.mac("gate", (i, "gate"), (g, "gate"))
        c = u.mac("c", (c, "c"), (gate("f", c, c_op), "gate"), (p, "gate"))
    o = gate("o", c, u.copy(c, "c") if full else None)
    m = "m" if projected else "h"
    h = u.mac(m, (o, "gate"), (u.table(c, "c", "tanh"), "gate"))
    if projected:
        y = u.drain("pre_h", [0], ("weight_hr", "m", u.copy(h, "m")), units=q.layer.output_size)
        h = u.mac("h", (y, "pre_h"))
    return h, c


def rnn(u, x, h, c):
    """h = tanh(a) or max(a, 0)."""
    pre = u.drain("pre", [0, 0], ("weight_ih", *x), ("weight_hh", "h", u.copy(h, "h")), bias="h")
    if u.q.layer.activation == "tanh":
        return u.table(pre, "pre", "tanh", "h"), c
    return u.mac("h", ([max(v, 0) for v in pre], "pre")), c


def sru(u, x, h, c):
    """f r = s(W x + v c' + b); c = f (c' - u) + u; h = r (c - k) + k."""
    values = {name: u.drain(f"pre_{name}", [0], (weight, *x))
              for name, weight in (("u", "weight_ih"), ("k", "weight_skip"))}
    gates = []
    for k, name in ((1, "f"), (2, "r")):
        pre = u.drain("pre", [k], ("weight_ih", *x), bias=name)
        constant = u.q.constants[f"v_{name}"], f"v_{name}"
        gates.append(u.table(u.mac("s", (c, "c"), constant, (pre, "pre")), "s", "sigmoid"))
    f, r = gates
    d = u.mac("d", (c, "c"), None, (values["u"], "pre_u"), -1)
    c = u.mac("c", (d, "d"), (f, "gate"), (values["u"], "pre_u"))
    e = u.mac("e", (c, "c"), None, (values["k"], "pre_k"), -1)
    return u.mac("h", (e, "e"), (r, "gate"), (values["k"], "pre_k")), c


def qrnn(u, x, h, c):
    """z = tanh(W x); f o = s(..); c = f (c' - z) + z; h = o tanh(c)."""
    z, f, o = (u.table(u.drain("pre", [k], ("weight_ih", *x), bias=name), "pre",
                       "tanh" if name == "z" else "sigmoid") for k, name in enumerate("zfo"))
    d = u.mac("d", (c, "c"), None, (z, "gate"), -1)
    c = u.mac("c", (d, "d"), (f, "gate"), (z, "gate"))
    return u.mac("h", (o, "gate"), (u.table(c, "c", "tanh"), "gate")), c


def mgu(u, x, h, c):
    """f = s(a); n = tanh(W x + U (f h') + b); h = f (n - h') + h'."""
    f = u.table(u.drain("pre", [0, 0], ("weight_ih", *x), ("weight_hh", "h", u.copy(h, "h")),
                        bias="f"), "pre", "sigmoid")
    copy = u.copy(u.mac("q", (h, "h"), (f, "gate")), "q")
    n = u.table(u.drain("pre_n", [1, 1], ("weight_ih", *x), ("weight_hh", "q", copy), bias="n"),
                "pre_n", "tanh")
    d = u.mac("d", (n, "gate"), None, (h, "h"), -1)
    return u.mac("h", (d, "d"), (f, "gate"), (h, "h")), c


STEPS = {"lstm": lstm, "rnn": rnn, "sru": sru, "qrnn": qrnn, "mgu": mgu}


def run(qmodel, xi):
    """Outputs of one sequence (steps, inputs) of recurrent layers, as lists."""
    units = [Unit(qmodel, i) for i in range(len(qmodel.layers))]
    h = [[0] * u.q.layer.output_size for u in units]
    c = [[0] * u.q.layer.hidden_size for u in units]
    out = []
    for row in xi:
        x = "x", [int(v) for v in row]
        for i, u in enumerate(units):
            h[i], c[i] = STEPS[u.q.layer.cell](u, x, h[i], c[i])
            x = f"{i}.h", u.copy(h[i], "h")
        out.append(h[-1])
    return out
