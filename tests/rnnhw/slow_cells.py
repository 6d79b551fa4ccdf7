"""The cells beside LSTM and GRU once more, as equations on Python integers, for tiny models."""

from .slow_golden import activate, narrowed, requantize

ONE = 14


class Unit:
    """Lists of codes under the names of one layer, and the rules that make them."""

    def __init__(self, qmodel, i):
        self.qmodel, self.q, self.i = qmodel, qmodel.layers[i], i
        self.f, self.waiting = self.q.formats, {}

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

    def mac(self, out, a, b=None, c=None, sign=1, relu=False):
        """``a*b +- c`` in format ``out``; each is ``(codes, format)``, b is one where left out."""
        top = self.f[a[1]].frac_bits + (self.f[b[1]].frac_bits if b else ONE)
        found = []
        for u, v in enumerate(a[0]):
            total = int(v) * (int(b[0][u]) if b else 2**ONE)
            if c:
                assert top >= self.f[c[1]].frac_bits
                total += sign * int(c[0][u]) * 2 ** (top - self.f[c[1]].frac_bits)
            total = max(total, 0) if relu else total
            found.append(requantize(total, top - self.f[out].frac_bits, self.f[out]))
        return found

    def gate(self, *roles):
        """Format of what the functions of ``roles`` give."""
        return next((f"gate_{role}" for role in roles if f"gate_{role}" in self.f), "gate")

    def function(self, role, function, codes, tensor, out=None):
        """One of ONNX's functions, its input clipped."""
        (name, *numbers), x = [function] if isinstance(function, str) else function, (codes, tensor)
        out, layer = out or self.gate(role), self.q.layer

        def constant(key):
            return self.q.constants[key], key

        if layer.clip and (role != "h" or layer.clip_hidden):
            up = self.mac("clipping", x, None, constant("clip"), relu=True), "clipping"
            down = self.mac("clipping", constant("clip_twice"), None, up, -1, True), "clipping"
            x = self.mac(f"in_{role}", constant("clip"), None, down, -1), f"in_{role}"
        alpha, beta = f"alpha_{role}", f"beta_{role}"
        if name == "HardSigmoid":
            under = f"under_{role}"
            under = self.mac(under, x, constant(alpha), constant(beta), relu=True), under
            return self.mac(out, constant("one"), None, under, -1, True)
        if name == "LeakyRelu":
            below = self.mac(f"below_{role}", x, constant(alpha), relu=True), f"below_{role}"
            return self.mac(out, x, None, below, -1 if numbers[0] > 1 else 1)
        if name == "ScaledTanh":
            x = self.mac(f"scaled_{role}", x, constant(beta)), f"scaled_{role}"
            return self.mac(out, (self.table(*x, "tanh"), "gate"), constant(alpha))
        if name == "Affine":
            return self.mac(out, x, constant(alpha) if alpha in self.q.constants else None,
                            constant(beta) if beta in self.q.constants else None)
        if name == "Relu":
            return self.mac(out, x, relu=True)
        return self.table(*x, name.lower(), out)


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
        role = "g" if name == "g" else "f"
        return u.function(role, functions[role], pre, tensor)

    functions = dict(zip("fgh", q.layer.activations))
    f_out, g_out, h_out = map(u.gate, "fgh")
    i, g = gate("i", c, c_op), gate("g", c, c_op)
    if coupled:
        d = u.mac("d", (g, g_out), None, (c, "c"), -1)
        c = u.mac("c", (d, "d"), (i, f_out), (c, "c"))
    else:
        p = "p" if "p" in u.f else "gate"
        added = u.mac(p, (i, f_out), (g, g_out)), p
        c = u.mac("c", (c, "c"), (gate("f", c, c_op), f_out), added)
    o = gate("o", c, u.copy(c, "c") if full else None)
    m = "m" if projected else "h"
    h = u.mac(m, (o, f_out), (u.function("h", functions["h"], c, "c"), h_out))
    if projected:
        y = u.drain("pre_h", [0], ("weight_hr", "m", u.copy(h, "m")), units=q.layer.output_size)
        h = u.mac("h", (y, "pre_h"))
    return h, c


def rnn(u, x, h, c):
    """h = F(a)."""
    pre = u.drain("pre", [0, 0], ("weight_ih", *x), ("weight_hh", "h", u.copy(h, "h")), bias="h")
    name = u.q.layer.activation
    return u.function("f", name.capitalize() if isinstance(name, str) else name, pre, "pre", "h"), c


def gru(u, x, h, c):
    """r z = F(..); n = G(nx + r nh) or G(W x + U (r h')); h = z (h' - n) + n."""
    functions, f, g = dict(zip("fg", u.q.layer.activations)), u.gate("f"), u.gate("g")
    h_op = u.copy(h, "h")
    r, z = (u.function("f", functions["f"], u.drain(
        "pre", [k, k], ("weight_ih", *x), ("weight_hh", "h", h_op), bias=name), "pre")
        for k, name in enumerate("rz"))
    if u.q.layer.reset_after:
        nx = u.drain("pre_nx", [2], ("weight_ih", *x), bias="nx"), "pre_nx"
        nh = u.drain("pre_nh", [2], ("weight_hh", "h", h_op), bias="nh"), "pre_nh"
        n = u.function("g", functions["g"], u.mac("s", nh, (r, f), nx), "s")
    else:
        copy = u.copy(u.mac("q", (h, "h"), (r, f)), "q")
        n = u.function("g", functions["g"], u.drain(
            "pre_n", [2, 2], ("weight_ih", *x), ("weight_hh", "q", copy), bias="n"), "pre_n")
    d = u.mac("d", (h, "h"), None, (n, g), -1)
    return u.mac("h", (d, "d"), (z, f), (n, g)), c


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
    """z = tanh(a); f o = s(..); c = f (c' - z) + z; h = o tanh(c); a of the filter's transposed
    form, whose waiting sums ``u`` keeps from step to step."""
    k, gates = u.q.layer.filter_width, {}
    for g, name in enumerate("zfo"):
        sums = [u.drain("pre", [3 * j + g], ("weight_ih", *x), bias=name if j == 0 else None)
                for j in range(k)]
        waits = [u.waiting.get(f"{name}{j}", [0] * len(c)) for j in range(1, k)]
        tensor = "s" if k > 1 else "pre"
        if k > 1:
            sums[0] = u.mac("s", (sums[0], "pre"), None, (waits[0], f"{name}1"))
        for j in range(1, k):
            older = (waits[j], f"{name}{j + 1}") if j < k - 1 else None
            u.waiting[f"{name}{j}"] = u.mac(f"{name}{j}", (sums[j], "pre"), None, older)
        gates[name] = u.table(sums[0], tensor, "tanh" if name == "z" else "sigmoid")
    z, f, o = gates.values()
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


def layers_of(u, first, before):
    """A deep cell's layers one behind the other: ``e = F(..)``, and of each the next."""
    layer = u.q.layer
    names = [first, *(f"e{j}" for j in range(1, layer.depth)), "h"]
    found = []
    for j, name in enumerate(names):
        pre = "pre" if j == 0 else f"pre_d{j}"
        parts = before if j == 0 else [(f"weight_d{j}", names[j - 1],
                                        u.copy(found[-1], names[j - 1]))]
        units = layer.output_size if name == "h" else layer.hidden_size
        found.append(activated(u, u.drain(pre, [0] * len(parts), *parts, bias=name, units=units),
                               pre, name))
    return found


def activated(u, sums, pre, name):
    """The layer's tanh or max(.., 0)."""
    if u.q.layer.activation == "tanh":
        return u.table(sums, pre, "tanh", name)
    return u.mac(name, (sums, pre), relu=True)


def deep_transition(u, x, h, c):
    """e = F(a); h = F(W e + b)."""
    return layers_of(u, "e0", [("weight_ih", *x), ("weight_hh", "h", u.copy(h, "h"))])[-1], c


def deep_output(u, x, h, c):
    """s = F(a), here c; h = F(W s + b)."""
    found = layers_of(u, "s", [("weight_ih", *x), ("weight_hh", "s", u.copy(c, "s"))])
    return found[-1], found[0]


def h_lstm(u, x, h, c):
    """e = F(a); i f o = s(W e + b), g = tanh(..); c = f c' + i g; h = o tanh(c)."""
    depth, gates = u.q.layer.depth, {}
    for k, gate in enumerate("ifgo"):
        parts = [("weight_ih", *x), ("weight_hh", "h", u.copy(h, "h"))]
        for j in range(depth):
            name = f"{gate}{j}"
            value = activated(u, u.drain(f"pre_{j}", [k] * len(parts), *parts, bias=name),
                              f"pre_{j}", name)
            parts = [(f"weight_d{j + 1}", name, u.copy(value, name))]
        gates[gate] = u.table(u.drain("pre", [k], *parts, bias=gate), "pre",
                              "tanh" if gate == "g" else "sigmoid")
    i, f, g, o = gates.values()
    p = u.mac("gate", (i, "gate"), (g, "gate"))
    c = u.mac("c", (c, "c"), (f, "gate"), (p, "gate"))
    return u.mac("h", (o, "gate"), (u.table(c, "c", "tanh"), "gate")), c


STEPS = {"deep_transition": deep_transition, "deep_output": deep_output, "h_lstm": h_lstm,
         "lstm": lstm, "gru": gru, "rnn": rnn, "sru": sru, "qrnn": qrnn, "mgu": mgu}


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
