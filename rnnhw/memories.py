"""Where a core's memories go: block RAMs of which shape, or logic on a part short of them."""

from dataclasses import dataclass, field
from typing import NamedTuple

# depth and width of a block RAM with one read and one write port
RAMS = {"ecp5": ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)),
        "ice40": ((2048, 2), (1024, 4), (512, 8), (256, 16)),
        "gowin": ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))}
LUT_RAMS = ("ecp5", "gowin")   # families whose lookup tables can be memories
BLOCK_CELLS = {"ecp5": 128, "gowin": 128, "ice40": 64}   # logic cells worth a block RAM
SHARE = 0.25               # of a part's logic cells that memories may take for want of block RAMs


class Memory(NamedTuple):
    """A memory of one read port; of ``constant`` ones the words never change."""

    name: str
    depth: int
    width: int
    constant: bool = False

    @property
    def group(self):
        """Name shared by its copies, of every slice or bank."""
        return "".join(c for c in self.name if not c.isdigit())

    def cells(self, family):
        """Logic cells that it takes instead of block RAM, by Yosys' price list.

        A cell holds 16 constant bits, or one bit in a register; four hold 16 words of 4 bits where
        lookup tables can be memories, and half a cell a bit joins each further 16 words.
        """
        if self.constant:
            return self.depth * self.width / 16
        if family not in LUT_RAMS:
            return self.depth * self.width
        rows = -(-self.depth // 16)
        return rows * -(-self.width // 4) * 4 + (rows - 1) * self.width / 2

    def in_logic(self, family):
        """Style of the memory where it is no block RAM."""
        return "logic" if self.constant or family not in LUT_RAMS else "distributed"


def shape(depth, width, shapes):
    """The block RAM of ``shapes``, (depth, width), of which ``depth`` by ``width`` need fewest."""
    return min(shapes, key=lambda s: (-(-depth // s[0]) * -(-width // s[1]), -s[0]))


def rams(memories, family="ecp5"):
    """Block RAMs that ``memories``, ``(name, depth, width)`` each, fill if every one is block RAM.

    Each memory takes ``ceil(depth/d) * ceil(width/w)`` of the shape ``d`` by ``w`` that needs
    fewest. Synthesis may put small memories in lookup tables instead: this is an upper bound.
    """
    return sum(-(-depth // d) * -(-width // w) for _, depth, width, *_ in memories
               if depth and width for d, w in [shape(depth, width, RAMS[family])])


def cut(name, depth, width, shapes):
    """``(name, first word, words)`` of the memories that a deep one is cut into.

    Each is as deep as the block RAM of ``shapes`` that suits the whole best, and numbered; without
    shapes, or where one RAM is deep enough, the memory stays whole.
    """
    if not shapes:
        return [(name, 0, depth)]
    step, _ = shape(depth, width, shapes)
    if depth <= step:
        return [(name, 0, depth)]
    return [(f"{name}{i}", first, min(step, depth - first))
            for i, first in enumerate(range(0, depth, step))]


@dataclass(frozen=True)
class Layout:
    """Where each memory of a core is kept.

    Parameters
    ----------
    block_rams : int
        That the design fills; where a style is left to synthesis, at most.
    styles : dict
        Group of memories, or part of the weights -> "block", "logic" or "distributed"; what is
        left out is left to synthesis.
    """

    block_rams: int
    styles: dict = field(default_factory=dict)


def lay_out(program, limits=None):
    """The memories of ``program`` on a part; without its ``limits``, on an ECP5 of any size.

    Memories for which logic is cheaper than block RAM are logic. If the rest needs more block RAMs
    than there are, those groups of memories become logic too that give the missing ones back for
    the fewest logic cells, as long as a quarter of the part's logic holds them.
    """
    family = limits.family if limits else "ecp5"
    parts = {}
    for memory in program.memories:
        if memory.name == "weights":
            for name, _, depth in cut(*memory[:3], RAMS[family]):
                parts[name] = [memory._replace(name=name, depth=depth)]
        elif memory.depth and memory.width:
            parts.setdefault(memory.group, []).append(memory)
    styles = {name: style for name, group in parts.items()
              if (style := _usual(group[0], family, program.deep))}
    needs = {name: rams(group, family) for name, group in parts.items()
             if styles.get(name, "block") == "block"}
    total = sum(needs.values())
    block_rams = limits.block_rams if limits else total
    if total <= block_rams:
        return Layout(total, styles)
    cells = {name: sum(memory.cells(family) for memory in parts[name]) for name in needs}
    spent, moved = _cheapest(needs, cells, total - block_rams)
    if spent > SHARE * limits.luts:
        return Layout(total, styles)
    return Layout(total - sum(needs[name] for name in moved),
                  styles | {n: parts[n][0].in_logic(family) for n in moved})


def block_rams(program, limits=None):
    """Block RAMs that all passes of a core and its memories of sequences fill at most."""
    family = limits.family if limits else "ecp5"
    return (sum(lay_out(part, limits).block_rams for part in program.passes)
            + sum(rams([memory.memory], family) for memory in program.sequences))


def _cheapest(needs, cells, over):
    """``(cells, names)`` of those that give back at least ``over`` block RAMs for fewest cells."""
    best = {0: (0.0, ())}
    for name, count in needs.items():
        for back, (spent, names) in list(best.items()):
            more = spent + cells[name], (*names, name)
            key = min(over, back + count)
            best[key] = min(best.get(key, more), more)
    return best.get(over, (float("inf"), ()))


def _usual(memory, family, deep):
    """Style of a memory where block RAMs are not short; None leaves it to synthesis."""
    if memory.group == "y" and deep:
        return "block"         # whose own register the deep output buffer counts on
    if memory.cells(family) <= BLOCK_CELLS[family] * rams([memory], family):
        return memory.in_logic(family)
    return "block" if family == "ice40" else None
