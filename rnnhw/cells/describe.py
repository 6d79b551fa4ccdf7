"""What describes a cell: its matrices and vectors, its products in order, its element-wise program.

Float reference, quantiser, golden model and compiler read these and nothing else of a cell.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

from ..errors import RnnhwError

SIZES = ("input_size", "hidden_size", "output_size")
RULES = {
    "gate": "results of tables and products of them, within -1..1",
    "unit": "within -1..1, also where it is copied to operand memory",
    "table": "sums that only a table reads, whose range may end where it is flat",
    "two": "differences of values within -1..1",
    "sum": "covered by what calibration shows, at most 11 fraction bits or the width less 5",
    "wide": "covered, with a bit of headroom from 12 bits on",
    "tried": "covered or finer, by the SQNR of the layer's output",
    "result": "a Linear layer's output behind a table",
    "same": "as the sum it is made of",
}
FUNCTIONS = ("mac", "relu", "sigmoid", "tanh")


@dataclass(frozen=True)
class Matrix:
    """A weight matrix: ``gates`` stacked in this order, each (rows, columns).

    Parameters
    ----------
    name : ``weight_...``
    gates : names of the stacked gates; a text has one letter for each
    columns, rows : ``"input_size"``, ``"hidden_size"`` or ``"output_size"``
    identity : whether it is the identity where it is left out and square
    """

    name: str
    gates: tuple
    columns: str = "hidden_size"
    rows: str = "hidden_size"
    identity: bool = False

    def __post_init__(self):
        object.__setattr__(self, "gates", tuple(self.gates))


@dataclass(frozen=True)
class Vector:
    """A vector of ``gates`` stacked parts: biases by gate, or constants, each known by its part.

    With a ``value`` it is that number for every unit, and no array of a layer.
    """

    name: str
    gates: tuple
    size: str = "hidden_size"
    value: float | None = None

    def __post_init__(self):
        object.__setattr__(self, "gates", tuple(self.gates))


@dataclass(frozen=True)
class Product:
    """Rows that share one row block: drained sums, their gates' rows and the operands they see.

    Parameters
    ----------
    sums : names of the drained sums, in the order they are drained
    operands : ``"x"``, ``"h"`` (the output of the step before), a value of this step, or, with a
        prime, one of the step before; oldest first
    weights : for each operand, the name of the matrix that multiplies it
    pre : name of the format the sums are drained in
    gate_names : for each sum, the name of its gate; those of the sums where left out
    biases : names of the bias vectors that are added; where left out all that have the gate
    part : the operand that the sums are a part over, where others have another block size
    size : ``"hidden_size"`` or ``"output_size"``, the number of its units
    stacked : for each operand, the indices of the sums' gates in its matrix

    ``size`` and ``stacked`` are filled in by the cell.
    """

    sums: tuple
    operands: tuple
    weights: tuple
    pre: str = "pre"
    gate_names: tuple = ()
    biases: tuple | None = None
    part: str = ""
    size: str = ""
    stacked: tuple = ()

    def __post_init__(self):
        object.__setattr__(self, "sums", tuple(self.sums))
        object.__setattr__(self, "gate_names", tuple(self.gate_names))

    @property
    def gates(self):
        """For each sum, the index of its gate in the first matrix."""
        return self.stacked[0]

    @property
    def parts(self):
        """``(operand, matrix, gate indices)`` of each operand."""
        return tuple(zip(self.operands, self.weights, self.stacked))

    @property
    def spectrum(self):
        """Name of the format that its accumulated spectra are drained in, where it has some."""
        return f"{self.pre}_{self.part}_spectrum" if self.part else f"{self.pre}_spectrum"

    def block_size(self, sizes):
        """The block size of its matrices, of those in ``sizes`` by name; None where dense."""
        return sizes[self.weights[0]]


@dataclass(frozen=True)
class Op:
    """One element-wise instruction, ``dst = fn(a)`` or ``dst = a*b + c`` (``b``, ``c`` optional).

    A name with a prime is the value of the previous step, which lies where this step's will: ops
    that read it come before the one that writes. The first op to name a sum as ``a`` takes it from
    the drain. Put the youngest value at ``b`` or ``c``, which are read late. ``fmt`` names the
    format of the result. ``subtract`` makes it ``a*b - c``; ``fn`` may also be ``relu``,
    ``max(a*b + c, 0)``, or a table, ``tanh`` or ``sigmoid``, of ``a`` alone.
    """

    dst: str
    a: str
    b: str = ""
    c: str = ""
    fn: str = "mac"
    fmt: str = "gate"
    subtract: bool = False

    @property
    def names(self):
        """What it reads."""
        return tuple(name for name in (self.a, self.b, self.c) if name)

    @property
    def is_table(self):
        """Whether it looks its result up."""
        return self.fn in ("sigmoid", "tanh")


def plain(name):
    """A value's name without its prime."""
    return name.removesuffix("'")


def previous(operand):
    """Whether a product's operand is of the step before: the output ``h``, or one with a prime."""
    return operand == "h" or operand.endswith("'")


@dataclass(frozen=True)
class Cell:
    """A cell: its arrays, its products in the order they run for a group of units, and its ops.

    Parameters
    ----------
    kind : its name
    matrices : tuple of Matrix
    products : tuple of Product, whose sums are drained in this order
    ops : tuple of Op
    formats : dict of a rule of :data:`RULES` by format, in the order that reports list them; values
        that are kept, copied to operand memory or given out have a format of their own name
    output : the value that leaves the layer
    biases : tuple of Vector, zeros where a layer has none
    vectors : tuple of Vector, whose parts the ops read like values
    reach : dict of magnitudes by format that it holds whatever calibration shows
    costs : multiplications, additions, nonlinear functions and biases a unit beside the matrix
        products, as Rezk et al. 2020, table 3, count them; None for what the ops do

    Raises
    ------
    RnnhwError
        If the description contradicts itself.
    """

    kind: str
    matrices: tuple
    products: tuple
    ops: tuple
    formats: tuple
    output: str = "h"
    biases: tuple = ()
    vectors: tuple = ()
    reach: tuple = ()
    costs: tuple | None = field(default=None, compare=False)

    def __post_init__(self):
        from .check import check

        for key in ("formats", "reach"):
            if isinstance(getattr(self, key), dict):
                object.__setattr__(self, key, tuple(getattr(self, key).items()))
        for key in ("matrices", "products", "ops", "biases", "vectors"):
            object.__setattr__(self, key, tuple(getattr(self, key)))
        object.__setattr__(self, "products", tuple(map(self._resolved, self.products)))
        check(self)

    def _resolved(self, product):
        """``product`` with what follows from the matrices."""
        gates = product.gate_names or product.sums
        for name in product.weights:
            if name not in self.matrix:
                raise RnnhwError(f"Cell {self.kind!r} multiplies by {name!r}, but its matrices are "
                                 f"{', '.join(self.matrix)}.")
            for gate in gates:
                if gate not in self.matrix[name].gates:
                    raise RnnhwError(f"Cell {self.kind!r} has no gate {gate!r} in {name}, whose "
                                     f"gates are {', '.join(self.matrix[name].gates)}.")
        biases = product.biases
        if biases is None:
            biases = tuple(v.name for v in self.biases if set(gates) & set(v.gates))
        stacked = tuple(tuple(self.matrix[name].gates.index(gate) for gate in gates)
                        for name in product.weights)
        return replace(product, gate_names=gates, biases=biases, stacked=stacked,
                       size=self.matrix[product.weights[0]].rows)

    @cached_property
    def matrix(self):
        """Its matrices by name."""
        return {matrix.name: matrix for matrix in self.matrices}

    @cached_property
    def projected(self):
        """Whether its output has a size of its own."""
        return self.kind != "linear" and any(m.rows == "output_size" for m in self.matrices)

    @cached_property
    def rules(self):
        """The rule of each format."""
        return dict(self.formats)

    @cached_property
    def constants(self):
        """Names of the element-wise constants, each with ``(vector, part)``."""
        return {part: (vector, k) for vector in self.vectors
                for k, part in enumerate(vector.gates)}

    @cached_property
    def arrays(self):
        """Names of the arrays that a layer of it has: weights of input and state, biases, others.
        """
        first = [m.name for m in self.matrices if m.name in ("weight_ih", "weight_hh")]
        rest = [m.name for m in self.matrices if m.name not in first]
        return (*first, *(v.name for v in self.biases), *rest,
                *(v.name for v in self.vectors if v.value is None))

    @cached_property
    def product_of(self):
        """The product of each drained sum."""
        return {total: product for product in self.products for total in product.sums}

    @cached_property
    def drains(self):
        """For each op, the product whose sum it takes from the drain as ``a``, or None."""
        left, found = dict(self.product_of), []
        for op in self.ops:
            found.append(left.pop(op.a, None))
        return tuple(found)

    @cached_property
    def operands(self):
        """Values copied to operand memory: the output, and what products multiply."""
        read = [plain(name) for product in self.products for name in product.operands]
        return tuple(dict.fromkeys([self.output, *(name for name in read if name != "x")]))

    @cached_property
    def states(self):
        """Values that a step leaves to the next: the output first, if it is one."""
        read = [plain(name) for op in self.ops for name in op.names if name.endswith("'")]
        read += [plain(name) for product in self.products for name in product.operands
                 if previous(name)]
        return tuple(sorted(dict.fromkeys(read), key=lambda name: name != self.output))

    @cached_property
    def sums(self):
        """Names of the drained sums in the order of their gates, matrix by matrix."""
        names = list(self.matrix)
        ranked = [(names.index(product.weights[0]), product.stacked[0][k], total)
                  for product in self.products for k, total in enumerate(product.sums)]
        return tuple(total for *_, total in sorted(ranked, key=lambda rank: rank[:2]))

    @cached_property
    def _sizes(self):
        found = {part: vector.size for part, (vector, _) in self.constants.items()}
        for op, product in zip(self.ops, self.drains):
            known = [found[name] for name in op.names[product is not None:] if name in found]
            size = product.size if product else known[0] if known else "hidden_size"
            found.setdefault(op.dst, size)
        return found

    def size(self, name):
        """``"hidden_size"`` or ``"output_size"``, of a value, constant or drained sum."""
        name = plain(name)
        return self._sizes[name] if name in self._sizes else self.product_of[name].size

    @cached_property
    def readers(self):
        """For each value that ops read of the step before, the others of these ops: they must have
        read it before it is written."""
        return {op.dst: tuple(other.dst for other in self.ops
                              if f"{op.dst}'" in other.names and other is not op)
                for op in self.ops}

    def format_of(self, name):
        """Name of the format that a value or constant is kept in."""
        name = plain(name)
        if name in self.constants:
            return name
        return next(op.fmt for op in self.ops if op.dst == name)

    def shared(self, operand):
        """The operand whose format and shift ``operand`` has: the first that its matrix multiplies.
        """
        pairs = [pair for product in self.products
                 for pair in zip(product.operands, product.weights)]
        matrices = {weight for name, weight in pairs if plain(name) == operand}
        return next((plain(name) for name, weight in pairs if weight in matrices), operand)
