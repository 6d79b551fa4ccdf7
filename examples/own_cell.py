"""A cell of one's own, the minimal gated unit, described, registered and compiled.

``f = s(W_f x + U_f h' + b_f)``, ``n = tanh(W_n x + U_n (f*h') + b_n)``, ``h = (1-f)*h' + f*n``
(Zhou et al. 2016, "Minimal Gated Unit for Recurrent Neural Networks", eq. 5). Run it as
``python -m examples.own_cell``.
"""

import numpy as np

import rnnhw
from rnnhw.cells import Cell, Matrix, Op, Product, Vector, register
from rnnhw.model import Linear, Model, Recurrent

BOTH = ("weight_ih", "weight_hh")
MGU = Cell(
    kind="mgu",
    matrices=(Matrix("weight_ih", "fn", "input_size"), Matrix("weight_hh", "fn")),
    biases=(Vector("bias_ih", "fn"),),
    products=(Product("f", ("x", "h"), BOTH), Product("n", ("x", "q"), BOTH, "pre_n")),
    ops=(Op("f", "f", fn="sigmoid"),
         Op("q", "h'", "f", fmt="q"),
         Op("n", "n", fn="tanh"),
         Op("d", "n", "", "h'", subtract=True, fmt="d"),
         Op("h", "d", "f", "h'", fmt="h")),
    formats={"pre": "table", "pre_n": "table", "gate": "gate", "q": "unit", "d": "two",
             "h": "unit"})


def model(inputs=8, units=16, classes=3, seed=0):
    """A minimal gated unit and a linear layer with random weights."""
    rng = np.random.default_rng(seed)
    bound = 1 / np.sqrt(units)
    recurrent = Recurrent("mgu", weight_ih=rng.uniform(-bound, bound, (2 * units, inputs)),
                          weight_hh=rng.uniform(-bound, bound, (2 * units, units)),
                          bias_ih=rng.uniform(-bound, bound, 2 * units))
    return Model(layers=[recurrent, Linear(weight=rng.uniform(-bound, bound, (classes, units)))],
                 last_step=True, name="mgu")


register(MGU)

if __name__ == "__main__":
    x = np.random.default_rng(1).standard_normal((16, 12, 8))
    design = rnnhw.compile(model(), rnnhw.Config(lanes=8), x)
    print(f"float  {design.model.run(x)[0]}")
    print(f"engine {design.run(x)[0]}")
    print(design.simulate(x[:2]))
