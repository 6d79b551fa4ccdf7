"""The integer transforms of :mod:`rnnhw.fourier` as pipelines, one block a cycle."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnnhw.fourier import TWIDDLE_BITS, TWIDDLE_CYCLES, transform_cycles, twiddle

from .constmul import Network


class _Transform(wiring.Component):
    """A pipeline of ``k`` words in and out; ``_built`` gives the nodes of the results."""

    def __init__(self, k, width, names, growth):
        self.k, self.width, (self.source, self.result) = k, width, names
        self.growth = growth
        super().__init__({self.source: In(signed(width)).array(k),
                          self.result: Out(signed(width + growth)).array(k)})

    def elaborate(self, platform):
        m = Module()
        net = Network(m)
        cycles = transform_cycles(self.k)
        # bin 1 of four needs one addition, not two, and is on every twiddle's path: one to spare
        spare = int(self.k > 4)
        found = self._built(net, [net.late(net.input(word), spare)
                                  for word in getattr(self, self.source)])
        assert max(node.age for node in found) == cycles
        for word, node in zip(getattr(self, self.result), found):
            if node.negated:
                node = net.late(node, cycles - 1)
                last = Signal(signed(self.width + self.growth), reset_less=True)
                m.d.sync += last.eq(-node.value)
            else:
                last = net.late(node, cycles).value
            m.d.comb += word.eq(last)
        return m


def _turned(net, re, im, n, j, sign, bits):
    """``(re + i im)(c + sign i s)``, rounded, four cycles behind."""
    c, s = twiddle(n, j)
    s *= sign
    return net.products([re, im], [(c, -s), (s, c)], TWIDDLE_BITS, TWIDDLE_CYCLES, bits)


class Forward(_Transform):
    """:func:`rnnhw.fourier.rfft` of a block, :func:`rnnhw.fourier.transform_cycles` cycles later.

    A component of n points has at most ``width + log2 n`` bits, since no bin exceeds the sum of
    the points' magnitudes. Twiddle products are sums of shifted words; there is no multiplier.

    Parameters
    ----------
    k : points of a block, a power of two from 4
    width : bits of a point

    Members
    -------
    points : In array of k signed(width)
    components : Out array of k signed(width + log2 k)
    """

    def __init__(self, k, width):
        super().__init__(k, width, ("points", "components"), k.bit_length() - 1)

    def _built(self, net, points):
        re, im = self._rfft(net, points)
        pairs = [part for b in range(1, len(re) - 1) for part in (re[b], im[b])]
        return [re[0], re[-1], *pairs]

    def _rfft(self, net, x):
        n = len(x)
        bits = self.width + n.bit_length() - 1
        if n == 2:
            return [net.add(x[0], x[1], bits), net.add(x[0], net.negative(x[1]), bits)], [None] * 2
        (er, ei), (our, oi) = self._rfft(net, x[0::2]), self._rfft(net, x[1::2])
        q = n // 4
        re, im = [None] * (n // 2 + 1), [None] * (n // 2 + 1)
        re[0] = net.add(er[0], our[0], bits)
        re[n // 2] = net.add(er[0], net.negative(our[0]), bits)
        re[q], im[q] = er[q], net.negative(our[q])
        for j in range(1, q):
            tr, ti = _turned(net, our[j], oi[j], n, j, -1, bits - 1)
            re[j], im[j] = net.add(er[j], tr, bits), net.add(ei[j], ti, bits)
            re[n // 2 - j] = net.add(er[j], net.negative(tr), bits)
            im[n // 2 - j] = net.add(ti, net.negative(ei[j]), bits)
        return re, im


class Inverse(_Transform):
    """:func:`rnnhw.fourier.irfft` of a block, :func:`rnnhw.fourier.transform_cycles` cycles later.

    Each of the ``log2 k`` levels doubles the magnitude of a complex number at most, which starts at
    ``sqrt(2)`` times that of its parts. Twiddle products are as in :class:`Forward`.

    Parameters
    ----------
    k : points of a block, a power of two from 4
    width : bits of a component

    Members
    -------
    components : In array of k signed(width)
    points : Out array of k signed(width + log2 k + 1)
    """

    def __init__(self, k, width):
        super().__init__(k, width, ("components", "points"), k.bit_length())

    def _built(self, net, components):
        half = self.k // 2
        re = [components[0], *(components[2 * b] for b in range(1, half)), components[1]]
        im = [None, *(components[2 * b + 1] for b in range(1, half)), None]
        return self._irfft(net, re, im)

    def _irfft(self, net, re, im):
        n = 2 * (len(re) - 1)
        bits = self.width + (2 * self.k // n).bit_length()
        if n == 2:
            return [net.add(re[0], re[1], bits), net.add(re[0], net.negative(re[1]), bits)]
        q = n // 4
        er, ei, our, oi = ([None] * (q + 1) for _ in range(4))
        er[0] = net.add(re[0], re[n // 2], bits)
        our[0] = net.add(re[0], net.negative(re[n // 2]), bits)
        er[q], our[q] = net.shifted(re[q], 1), net.negative(net.shifted(im[q], 1))
        for j in range(1, q):
            other = n // 2 - j
            er[j] = net.add(re[j], re[other], bits)
            ei[j] = net.add(im[j], net.negative(im[other]), bits)
            our[j], oi[j] = _turned(
                net, net.add(re[j], net.negative(re[other]), bits),
                net.add(im[j], im[other], bits), n, j, 1, bits)
        points = zip(self._irfft(net, er, ei), self._irfft(net, our, oi))
        return [point for pair in points for point in pair]
