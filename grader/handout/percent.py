"""Reads a template: a notebook as reviewable text, in jupytext's percent format.

A template holds the given cells *and* the solution; tags in a cell's header say who sees the cell::

    # %%                                                  given: everybody
    # %% [markdown] tags=["task"]                         the question; ``` fences in it are hints
    # %% [markdown] tags=["answer", "placeholder"]        where the student writes: handout only
    # %% [markdown] tags=["answer", "solution"]           the reference's answer: never handed out
    # %% tags=["placeholder"]    # %% tags=["solution"]   the same for code
    # %% tags=["given"]                                   given, said aloud: needed after the first task

A given code cell begins with its label as a comment, ``# [1-3]``.
Format: jupytext documentation, "The percent format".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grader.errors import CourseError

TAGS = frozenset({"task", "answer", "placeholder", "solution", "given"})
_LABEL = re.compile(r"\s*#\s*\[(\d{1,3}-\d{1,3})\]")
_HEADER = re.compile(r"^#\s*%%")
_JUPYTEXT_OWN = frozenset({"tags", "lines_to_next_cell", "cell_marker"})


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a template.

    :ivar kind: ``code``, ``markdown`` or ``raw``.
    :ivar line: of its header in the template's text, from 1; ``None`` where it cannot be told.
    :ivar position: among all cells of the template, from 1.
    :ivar extra: metadata other than tags, as jupytext read it.
    """

    kind: str
    source: str
    tags: frozenset[str]
    position: int
    line: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str | None:
        """``1-3`` for a code cell whose first line is ``# [1-3]``."""
        return label_of(self.source) if self.kind == "code" else None

    @property
    def where(self) -> str:
        """How an error names this cell."""
        name = f"[{self.label}]" if self.label else f"cell {self.position}"
        return f"{name} (line {self.line})" if self.line else name


def label_of(source: str) -> str | None:
    """``1-3`` for source that begins with ``# [1-3]``."""
    match = _LABEL.match(source)
    return match[1] if match else None


def read_cells(percent_text: str) -> tuple[Cell, ...]:
    """The template's cells, in order.

    :raises CourseError: it is no percent text, or has none.
    """
    import jupytext  # only authors need it: students read kits

    try:
        notebook = jupytext.reads(percent_text, fmt="py:percent")
    except Exception as error:
        raise CourseError(f"the template is not in jupytext's percent format: {error}") from error
    lines = [n for n, line in enumerate(percent_text.splitlines(), 1) if _HEADER.match(line)]
    if not notebook.cells or not lines:
        raise CourseError("the template has no cells: expected '# %%' headers (jupytext's percent format)")
    known = lines if len(lines) == len(notebook.cells) else [None] * len(notebook.cells)
    return tuple(
        Cell(
            kind=cell.cell_type,
            source=cell.source,
            tags=frozenset(cell.metadata.get("tags", ())),
            position=position,
            line=line,
            extra={key: value for key, value in cell.metadata.items() if key not in _JUPYTEXT_OWN},
        )
        for position, (cell, line) in enumerate(zip(notebook.cells, known, strict=True), 1)
    )
