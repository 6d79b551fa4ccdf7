"""Pipeline distances of the core, which gateware and schedule model share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Latencies:
    """Fixed pipeline distances of the core, in cycles; gateware and schedule model share them.

    Parameters
    ----------
    array : from the decision to issue an operand to the final accumulator
    drain : from the final accumulator to the decision that may take its first word off the drain
    vector_a : from a vector decision to one that reads its result as operand a
    vector_bc : the same, as operand b or c, whose addresses are delayed
    operand : from a vector decision to the array decision that may read its result
    output : from a vector decision to the transfer of its result as an output word
    """

    array: int
    vector_a: int
    vector_bc: int
    operand: int
    output: int
    drain: int = 3


def latencies(fast, deep):
    """Distances of a core with ``fast`` lanes, and with ``deep`` pipelines.

    A deep pipeline has a register more behind each memory, which block RAM holds, one between
    multiplier and accumulator and one in front of a vector lane's saturation; a fast lane has one
    between its pre-adders and its multiplier.
    """
    return Latencies(array=6 + fast + 2 * deep, vector_a=9 + 3 * deep, vector_bc=7 + 2 * deep,
                     operand=10 + 3 * deep, output=12 + 4 * deep)
