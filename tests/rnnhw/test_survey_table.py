"""Table 3 of the survey as docs/cells.md gives it, against what layers of those kinds cost."""

import re
from pathlib import Path

import numpy as np
import pytest

from rnnhw.cells import FAMILIES
from rnnhw.costs import Cost, cost
from rnnhw.model import Linear, Recurrent

from .variants import layer

PAGE = (Path(__file__).parents[2] / "docs" / "cells.md").read_text()
TABLE = {row[0]: row[1:] for row in (
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.split("## What a step costs")[1].split("## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith(("| layer", "| ---")))}
KINDS = {"LSTM": ("lstm", {}, "lstm"),
         "LSTM, full peepholes": ("lstm", {}, "lstm_full"),
         "LSTM, diagonal peepholes": ("lstm", {}, "lstm_diagonal"),
         "LSTM, projection": ("lstm", {}, "lstm_projected"),
         "LSTM, diagonal peepholes, projection": ("lstm", {}, "lstm_diagonal_projected"),
         "GRU": ("gru", {}, "gru"), "QRNN": ("qrnn", {}, "qrnn"), "SRU": ("sru", {}, "sru")}
COLUMNS = ("multiplications", "additions", "nonlinear", "weights", "biases")
SIZES = [dict(m=5, n=7, p=3, o=4), dict(m=11, n=6, p=5, o=2), dict(m=1, n=1, p=1, o=1)]


def value(formula, sizes):
    """A formula such as ``4n^2 + 3knm`` in numbers."""
    total = 0
    for term in formula.split("+"):
        number, letters = re.fullmatch(r"(\d*)((?:[a-z](?:\^2)?)*)", term.strip()).groups()
        product = int(number or 1)
        for letter, square in re.findall(r"([a-z])(\^2)?", letters):
            product *= sizes[letter] ** (2 if square else 1)
        total += product
    return total


def costs_of(name, sizes, k):
    family, options, kind = KINDS[name]
    options = FAMILIES[family].checked(
        options | ({"filter_width": k} if family == "qrnn" else {}), "a layer")
    cell = next(cell for cell in FAMILIES[family].make(**options)
                if cell.kind == kind + f"_{k}" * (family == "qrnn" and k > 1))
    m = sizes["n"] if family == "sru" else sizes["m"]
    drawn = layer((family, options, cell), np.random.default_rng(0), m, sizes["n"], sizes["p"])
    if family == "sru":
        arrays = {key: array for key, array in drawn.arrays.items() if key != "weight_skip"}
        drawn = Recurrent("sru", arrays=arrays)
    return cost(drawn)


def check(found: Cost, row, sizes):
    for column, formula in zip(COLUMNS, row, strict=True):
        expected = 0 if formula == "-" else value(formula, sizes)
        assert getattr(found, column) == expected, (column, formula)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", KINDS)
def test_a_layer_costs_what_the_table_says(name, sizes):
    for k in (1, 2, 5) if name == "QRNN" else (1,):
        m = sizes["n"] if name == "SRU" else sizes["m"]
        check(costs_of(name, sizes, k), TABLE[name], sizes | {"m": m, "k": k})


def test_the_table_has_no_other_layers_and_an_output_layer():
    output = "output layer behind a projection, where it is counted in"
    assert list(TABLE) == [*KINDS, output]
    for sizes in SIZES:
        found = cost(Linear(weight=np.ones((sizes["o"], sizes["p"]))))
        check(Cost(**{key: getattr(found, key) for key in COLUMNS[:-1]}), TABLE[output], sizes)
        assert found.biases == sizes["o"]


def test_what_the_table_lacks_counts_its_ops():
    rng, m, n, p = np.random.default_rng(0), 4, 6, 3
    of = {cell.kind: (family, options, cell) for family in ("deep_output", "h_lstm", "rnn")
          for options, cell in FAMILIES[family].cells}
    deep = cost(layer(of["deep_output_tanh_2"], rng, m, n, p))
    macs = n * (m + n) + n * n + p * n
    assert (deep.macs, deep.multiplications, deep.additions, deep.nonlinear, deep.biases) == (
        macs, macs, macs + 2 * n + p, 2 * n + p, 2 * n + p)
    gates = cost(layer(of["h_lstm_relu"], rng, m, n, p))
    macs = 4 * n * (m + n) + 4 * n * n
    assert (gates.macs, gates.multiplications, gates.additions, gates.nonlinear, gates.biases) == (
        macs, macs + 3 * n, macs + 9 * n, 9 * n, 8 * n)
