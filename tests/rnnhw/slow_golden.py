"""The number rules once more, element by element on Python integers, for tiny models."""

from .slow_spectral import backward, bins_of, spectral_row, transformed


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


def drained(qmodel, i, name, gate, pre, parts):
    """Codes of all units of a drained sum in format ``pre``, for lists of operands by segment.

    Operands whose matrices have different block sizes are narrowed apart, and added saturating.
    """
    q = qmodel.layers[i]
    sides = [(q.weight_hh if segment in (f"{i}.h", f"{i}.q") else q.weight_ih, segment, codes)
             for segment, codes in parts]
    fracs = [q.acc_frac_hh if matrix is q.weight_hh else q.acc_frac for matrix, _, _ in sides]
    sizes = [matrix.shape[3] if matrix.ndim == 4 else None for matrix, _, _ in sides]
    if len(set(sizes)) == 1:
        return narrowed(qmodel, i, sides, gate, pre, fracs[0], q.bias[name], f"{pre}_spectrum")
    found = [narrowed(qmodel, i, sides[:1], gate, pre, fracs[0], None, f"{pre}_x_spectrum"),
             narrowed(qmodel, i, sides[1:], gate, pre, fracs[1], q.bias[name], f"{pre}_spectrum")]
    return [requantize(a + b, 0, q.formats[pre]) for a, b in zip(*found, strict=True)]


def narrowed(qmodel, i, sides, gate, pre, acc, bias, spectrum, units=None):
    """The units' sums over ``sides``, (matrix, segment, codes), in format ``pre``.

    ``acc`` are the fraction bits of the sums.
    """
    q = qmodel.layers[i]
    n, fmt = units or q.layer.output_size, q.formats[pre]
    if sides[0][0].ndim == 2:
        sums = [0 if bias is None else int(bias[u]) for u in range(n)]
        for matrix, segment, codes in sides:
            shift = qmodel.shifts[segment]
            sums = [s + dot(matrix[gate * n + u], codes, shift) for u, s in enumerate(sums)]
        return [requantize(s, acc - fmt.frac_bits, fmt) for s in sums]
    points, kept = [], q.formats[spectrum]
    k = sides[0][0].shape[3]
    spectra = [transformed(codes, qmodel.shifts[f"{segment}/{k}"], k)
               for _, segment, codes in sides]
    for p in range(sides[0][0].shape[1]):
        bins = [(0, 0)] * (k // 2 + 1) if bias is None else bins_of(bias[p])
        for (matrix, _, _), blocks in zip(sides, spectra):
            found = spectral_row(matrix[gate, p], blocks)
            bins = [(a + c, b + d) for (a, b), (c, d) in zip(bins, found)]
        points += backward([tuple(requantize(v, acc - kept.frac_bits, kept) for v in z)
                            for z in bins])
    top = kept.frac_bits + [4, 8, 16, 32, 64].index(k) + 2
    return [requantize(v, top - fmt.frac_bits, fmt) for v in points[:n]]


def step(qmodel, i, x, h, c):
    """One step of layer ``i``: ``(h, c)``, ``c`` None but for an LSTM; of a Linear ``(y, None)``.

    ``x`` are operand codes; ``h`` and ``c`` lists in their state formats.
    """
    q = qmodel.layers[i]
    f, kind = q.formats, q.layer.kind
    before = "x" if i == 0 else next(
        key for key in (f"{i - 1}.h", f"{i - 1}.y") if key in qmodel.operands)
    table = qmodel.activation

    def operand(values, tensor, segment):
        fmt = qmodel.operands[segment]
        return [requantize(v, f[tensor].frac_bits - fmt.frac_bits, fmt) for v in values]

    def drain(name, gate, pre, *parts):
        return drained(qmodel, i, name, gate, pre, parts)

    if kind == "linear":
        y = []
        for pre in drain("y", 0, "pre", (before, x)):
            if q.layer.activation in ("sigmoid", "tanh"):
                y.append(activate(table, pre, f["pre"].frac_bits, f["y"],
                                  q.layer.activation == "sigmoid"))
            else:
                pre = max(pre, 0) if q.layer.activation == "relu" else pre
                y.append(requantize(pre * 2**14, f["pre"].frac_bits + 14 - f["y"].frac_bits,
                                    f["y"]))
        return y, None

    n = q.layer.hidden_size
    gate = f["gate"].frac_bits
    h_op = operand(h, "h", f"{i}.h")

    def table_of(pre, tensor, sigmoid):
        return activate(table, pre, f[tensor].frac_bits, f["gate"], sigmoid)

    both = (before, x), (f"{i}.h", h_op)
    if kind == "lstm":
        pres = [drain(name, g, "pre", *both) for g, name in enumerate("ifgo")]
    else:
        r_all, z_all = ([table_of(v, "pre", True) for v in drain(name, g, "pre", *both)]
                        for g, name in enumerate("rz"))
    if kind == "gru":
        nx_all = drain("nx", 2, "pre_nx", (before, x))
        nh_all = drain("nh", 2, "pre_nh", (f"{i}.h", h_op))
    if kind == "gru_reset_before":
        q_all = [requantize(h[u] * r_all[u], f["h"].frac_bits + gate - f["q"].frac_bits, f["q"])
                 for u in range(n)]
        n_all = drain("n", 2, "pre_n", (before, x), (f"{i}.q", operand(q_all, "q", f"{i}.q")))
    new_h, new_c = [], []
    for u in range(n):
        if kind == "lstm":
            gi, gf, go = (table_of(pres[k][u], "pre", True) for k in (0, 1, 3))
            gg = table_of(pres[2][u], "pre", False)
            p = requantize(gg * gi, gate, f["gate"])
            cu = requantize(c[u] * gf + p * 2 ** f["c"].frac_bits, gate, f["c"])
            t = table_of(cu, "c", False)
            new_c.append(cu)
            new_h.append(requantize(t * go, 2 * gate - f["h"].frac_bits, f["h"]))
            continue
        z = z_all[u]
        if kind == "gru":
            top = f["pre_nh"].frac_bits + gate
            s = requantize(nh_all[u] * r_all[u] + nx_all[u] * 2 ** (top - f["pre_nx"].frac_bits),
                           top - f["s"].frac_bits, f["s"])
            new = table_of(s, "s", False)
        else:
            new = table_of(n_all[u], "pre_n", False)
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
