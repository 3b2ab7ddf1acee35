"""What changed between two notebooks, cell by cell; sources only, as text. The matching of cells is nbdime's."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.reporting.clean import clean, clip

CELLS_LIMIT = 400
CONTEXT_LINES = 3


@dataclass(frozen=True, slots=True)
class DiffLine:
    """``kind``: ``same``, ``added``, ``removed`` or ``gap`` (lines left out)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class CellChange:
    """One cell that was changed, added or removed; the numbers count from 1, 0 where it is not there."""

    kind: str
    old: int
    new: int
    lines: Sequence[DiffLine]


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[CellChange]:
    """The cells that differ in their source, in the order of the new notebook.

    Which cell became which is found by nbdime (https://nbdime.readthedocs.io), by similarity and not by place.
    """
    from nbdime import diff_notebooks

    before, after = _sources(old), _sources(new)
    found = diff_notebooks(_bare(before), _bare(after))
    return _changes(before, after, next((part["diff"] for part in found if part["key"] == "cells"), ()))


def _changes(before: list[str], after: list[str], operations: Sequence[Mapping[str, Any]]) -> list[CellChange]:
    """Walks over both notebooks at once; between two operations cells are the same."""
    made: list[CellChange] = []
    shift = 0
    for operation in operations:
        at, kind = int(operation["key"]), operation["op"]
        if kind == "addrange":
            for i in range(len(operation["valuelist"])):
                place = at + shift + i
                made.append(CellChange("added", 0, place + 1, _lines("", after[place])))
            shift += len(operation["valuelist"])
        elif kind == "removerange":
            made += [
                CellChange("removed", i + 1, 0, _lines(before[i], "")) for i in range(at, at + operation["length"])
            ]
            shift -= operation["length"]
        elif kind == "patch" and before[at] != after[at + shift]:
            made.append(CellChange("changed", at + 1, at + shift + 1, _lines(before[at], after[at + shift])))
    return made


def _bare(sources: Sequence[str]) -> dict[str, Any]:
    """A notebook as nbdime compares it, its cells without anything but their source."""
    cells = [{"cell_type": "markdown", "metadata": {}, "source": source} for source in sources]
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}


def _sources(notebook: Mapping[str, Any]) -> list[str]:
    """Sources of the cells, whatever shape a student's file has."""
    cells = notebook.get("cells")
    return [_source(cell) for cell in cells[:CELLS_LIMIT]] if isinstance(cells, list) else []


def _source(cell: Any) -> str:
    source = cell.get("source") if isinstance(cell, dict) else ""
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return clip(clean(source))[0] if isinstance(source, str) else ""


def _lines(old: str, new: str) -> list[DiffLine]:
    made: list[DiffLine] = []
    groups = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
    one, two = old.splitlines(), new.splitlines()
    for number, group in enumerate(groups.get_grouped_opcodes(CONTEXT_LINES)):
        made += [DiffLine("gap", "⋯")] if number else []
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                made += [DiffLine("same", text) for text in one[i1:i2]]
                continue
            made += [DiffLine("removed", text) for text in one[i1:i2]]
            made += [DiffLine("added", text) for text in two[j1:j2]]
    return made
