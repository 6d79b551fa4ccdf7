"""Where a core's memories go: block RAMs of which shape, or logic on a part short of them."""

from dataclasses import dataclass, field
from typing import NamedTuple

# depth and width of a block RAM with one read and one write port
RAMS = {"ecp5": ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)),
        "ice40": ((2048, 2), (1024, 4), (512, 8), (256, 16)),
        "gowin": ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))}
LUT_RAMS = ("ecp5",)       # families whose lookup tables are used as memories
SHALLOW = 256              # words of an output buffer that lookup tables still hold well
# bits that logic holds as cheaply as a block RAM does, of constant memories and of others
LOGIC_BITS = {("ice40", True): 1024, ("ice40", False): 64}
CELLS_PER_BIT = {"constant": 0.1, "distributed": 0.1, "logic": 2.0}
SHARE = 0.25               # of a part's logic cells that memories may take


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


def shape(depth, width, family):
    """Depth and width of the block RAM of which ``depth`` by ``width`` bits need fewest."""
    return min(RAMS[family], key=lambda s: (-(-depth // s[0]) * -(-width // s[1]), -s[0]))


def rams(memories, family="ecp5"):
    """Block RAMs that ``memories``, ``(name, depth, width)`` each, fill if every one is block RAM.

    Each memory takes ``ceil(depth/d) * ceil(width/w)`` of the shape ``d`` by ``w`` that needs
    fewest. Synthesis may put small memories in lookup tables instead: this is an upper bound.
    """
    return sum(-(-depth // d) * -(-width // w) for _, depth, width, *_ in memories
               if depth and width for d, w in [shape(depth, width, family)])


def cut(name, depth, width, shapes):
    """``(name, first word, words)`` of the memories that a deep one is cut into.

    Each is as deep as the block RAM of ``shapes`` that suits the whole best, and numbered; without
    shapes, or where one RAM is deep enough, the memory stays whole.
    """
    if not shapes:
        return [(name, 0, depth)]
    step, _ = min(shapes, key=lambda s: (-(-depth // s[0]) * -(-width // s[1]), -s[0]))
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

    Memories too small for a block RAM are logic. If the rest needs more block RAMs than
    there are, those groups of memories become logic too that give the missing ones back for the
    fewest logic cells, as long as a quarter of the part's logic holds them.
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
    kinds = {name: "logic" if parts[name][0].constant or family not in LUT_RAMS else "distributed"
             for name in needs}
    cells = {name: sum(m.depth * m.width for m in parts[name]) * CELLS_PER_BIT[
        "constant" if parts[name][0].constant else kinds[name]] for name in needs}
    spent, moved = _cheapest(needs, cells, total - block_rams)
    if spent > SHARE * limits.luts:
        return Layout(total, styles)
    return Layout(total - sum(needs[name] for name in moved),
                  styles | {name: kinds[name] for name in moved})


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
    if most := LOGIC_BITS.get((family, memory.constant)):
        small = memory.depth * memory.width <= most * rams([memory], family)
        return "logic" if small else "block"
    if memory.group == "y" and deep and family in LUT_RAMS and memory.depth <= SHALLOW:
        return "distributed"
    return None
