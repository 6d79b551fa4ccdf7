"""The number rules once more, element by element on Python integers, for tiny models."""


def requantize(value, shift, fmt):
    """Half up, then saturate."""
    assert shift >= 0
    half = 2 ** (shift - 1) if shift else 0
    return min(max((value + half) // 2**shift, -(2 ** (fmt.width - 1))), 2 ** (fmt.width - 1) - 1)


def entry(table, m, sigmoid):
    """Index of the entry of segment ``m``."""
    last = len(table.slopes) - 1
    if table.kind.startswith("hard"):
        return 2 * sigmoid + (m >= (table.starts[3] if sigmoid else table.starts[1]))
    if table.kind == "ralut":
        return max(i for i in range(last + 1) if table.starts[i] <= m)
    if table.kind == "octave":
        # the first octave and all below it, then octave by octave
        size, i = 2**table.mantissa_bits, 0
        while m >= 2 * size:
            m //= 2
            i += size
        return min(i + m, last)
    return min(m, last)


def activate(table, x, in_frac, out, sigmoid):
    """One code through the table."""
    k = 1 if sigmoid else 0
    s = in_frac + k - table.segment_bits
    v = x if s >= 0 else x * 2**-s
    m = -v - 1 if x < 0 else v
    m = m // 2**s if s >= 0 else m
    i = entry(table, m, sigmoid)
    c = table.intercepts[i] * (-1 if x < 0 else 1)
    shift = in_frac + 14 + 2 * k - out.frac_bits
    total = x * table.slopes[i] + c * 2 ** (in_frac - 2 + k)
    y = (total + (2 ** (shift - 1) if shift else 0)) // 2**shift + k * 2 ** (out.frac_bits - 1)
    return min(max(y, -(2 ** (out.width - 1))), 2 ** (out.width - 1) - 1)


def dot(row, codes, shift):
    """Exact inner product of weights and left-shifted operands."""
    return sum(int(w) * (x * 2**shift) for w, x in zip(row, codes, strict=True))


def step(qmodel, i, x, h, c):
    """One step of layer ``i``: ``(h, c)``, ``c`` None but for an LSTM; of a Linear ``(y, None)``.

    ``x`` are operand codes; ``h`` and ``c`` lists in their state formats.
    """
    q = qmodel.layers[i]
    f, kind, acc = q.formats, q.layer.kind, q.acc_frac
    before = "x" if i == 0 else next(
        key for key in (f"{i - 1}.h", f"{i - 1}.y") if key in qmodel.operands)
    sx = qmodel.shifts[before]
    table = qmodel.activation

    def operand(values, tensor, segment):
        fmt = qmodel.operands[segment]
        return [requantize(v, f[tensor].frac_bits - fmt.frac_bits, fmt) for v in values]

    def drain(total, pre):
        return requantize(total, acc - f[pre].frac_bits, f[pre])

    if kind == "linear":
        y = []
        for u in range(q.layer.output_size):
            pre = drain(dot(q.weight_ih[u], x, sx) + int(q.bias["y"][u]), "pre")
            if q.layer.activation in ("sigmoid", "tanh"):
                y.append(activate(table, pre, f["pre"].frac_bits, f["y"],
                                  q.layer.activation == "sigmoid"))
            else:
                pre = max(pre, 0) if q.layer.activation == "relu" else pre
                y.append(requantize(pre * 2**14, f["pre"].frac_bits + 14 - f["y"].frac_bits,
                                    f["y"]))
        return y, None

    n, sh = q.layer.hidden_size, qmodel.shifts[f"{i}.h"]
    gate = f["gate"].frac_bits
    h_op = operand(h, "h", f"{i}.h")

    def total(g, u, name, use_x=True, other=h_op):
        value = int(q.bias[name][u])
        if use_x:
            value += dot(q.weight_ih[g * n + u], x, sx)
        if other is not None:
            value += dot(q.weight_hh[g * n + u], other, sh)
        return value

    def table_of(pre, tensor, sigmoid):
        return activate(table, pre, f[tensor].frac_bits, f["gate"], sigmoid)

    new_h, new_c, r_all = [], [], []
    if kind == "gru_reset_before":
        r_all = [table_of(drain(total(0, u, "r"), "pre"), "pre", True) for u in range(n)]
        q_all = [requantize(h[u] * r_all[u], f["h"].frac_bits + gate - f["q"].frac_bits, f["q"])
                 for u in range(n)]
        q_op = operand(q_all, "q", f"{i}.q")
    for u in range(n):
        if kind == "lstm":
            gi, gf, go = (table_of(drain(total(k, u, name), "pre"), "pre", True)
                          for k, name in ((0, "i"), (1, "f"), (3, "o")))
            gg = table_of(drain(total(2, u, "g"), "pre"), "pre", False)
            p = requantize(gg * gi, gate, f["gate"])
            cu = requantize(c[u] * gf + p * 2 ** f["c"].frac_bits, gate, f["c"])
            t = table_of(cu, "c", False)
            new_c.append(cu)
            new_h.append(requantize(t * go, 2 * gate - f["h"].frac_bits, f["h"]))
            continue
        z = table_of(drain(total(1, u, "z"), "pre"), "pre", True)
        if kind == "gru":
            r = table_of(drain(total(0, u, "r"), "pre"), "pre", True)
            nx = drain(total(2, u, "nx", other=None), "pre_nx")
            nh = drain(total(2, u, "nh", use_x=False), "pre_nh")
            top = f["pre_nh"].frac_bits + gate
            s = requantize(nh * r + nx * 2 ** (top - f["pre_nx"].frac_bits),
                           top - f["s"].frac_bits, f["s"])
            new = table_of(s, "s", False)
        else:
            new = table_of(drain(total(2, u, "n", other=q_op), "pre_n"), "pre_n", False)
        hf, df = f["h"].frac_bits, f["d"].frac_bits
        d = requantize(h[u] * 2**14 - new * 2 ** (hf + 14 - gate), hf + 14 - df, f["d"])
        new_h.append(requantize(d * z + new * 2**df, df + gate - hf, f["h"]))
    return new_h, (new_c if kind == "lstm" else None)


def run(qmodel, xi):
    """Outputs of one sequence (steps, inputs) as lists, a ``last_step`` model's last step only."""
    sizes = [q.layer.output_size for q in qmodel.layers]
    h, c, out = [[0] * n for n in sizes], [[0] * n for n in sizes], []
    for row in xi:
        x = [int(v) for v in row]
        for i, q in enumerate(qmodel.layers):
            h[i], c[i] = step(qmodel, i, x, h[i], c[i])
            last = q.formats["y" if q.layer.kind == "linear" else "h"].frac_bits
            y = h[i]
            key = f"{i}.{'y' if q.layer.kind == 'linear' else 'h'}"
            if key in qmodel.operands:
                fmt = qmodel.operands[key]
                x = [requantize(v, last - fmt.frac_bits, fmt) for v in y]
        out.append(y)
    return out[-1] if qmodel.model.last_step else out
