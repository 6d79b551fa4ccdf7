"""Reports: a page to read and a JSON file beside it."""

import json
import math
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from .files import write_file
from .fixed import FixedFormat


def plain(value):
    """``value`` in JSON's own types: arrays to lists, formats to text, NaN and infinity to null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (FixedFormat, Path)):
        return str(value)
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"a report cannot hold {type(value).__name__}")


def to_json(value):
    """JSON text of ``value``, two spaces deep, ending in a newline."""
    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def number(value):
    """A figure for a reader: whole numbers with thousands separated, others with 4 digits."""
    if isinstance(value, Fraction) and value.denominator == 1:
        value = int(value)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating, Fraction)):
        return f"{float(value):.4g}" if abs(value) < 1e4 else f"{float(value):,.0f}"
    return "-" if value is None else str(value)


def table(rows, header=None):
    """Rows as aligned text: numbers to the right, text to the left; ``header`` is underlined."""
    rows = [list(row) for row in rows]
    if not rows and header is None:
        return ""
    numeric = [all(not isinstance(row[i], str) for row in rows)
               for i in range(len(rows[0] if rows else header))]
    cells = [[number(value) for value in row] for row in rows]
    lines = ([list(header)] if header else []) + cells
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    if header:
        lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.rjust(w) if right else cell.ljust(w)
                  for cell, w, right in zip(line, widths, numeric)).rstrip()
        for line in lines) + "\n"


def facts(pairs, indent=2):
    """``label  value`` lines of ``(label, value)`` pairs; a value may carry its unit as text."""
    pairs = [(label, number(value)) for label, value in pairs]
    width = max((len(label) for label, _ in pairs), default=0)
    return "".join(f"{'':{indent}}{label:{width}}  {value}\n" for label, value in pairs)


def page(title, sections):
    """A page of ``(heading, text)`` sections under a title; empty texts are left out."""
    parts = [f"{title}\n{'=' * len(title)}\n"]
    for heading, text in sections:
        if text:
            parts.append(f"{heading}\n{text}" if heading else text)
    return "\n".join(parts)


def write(folder, text, data, name="report"):
    """Write ``name.txt`` and ``name.json`` in ``folder``, each whole or not at all."""
    write_file(Path(folder) / f"{name}.txt", text)
    write_file(Path(folder) / f"{name}.json", to_json(data))
