"""What everybody was given: template cells, hints, and the expected answer, which many write alike on their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grader.checks.facts import NotebookCell
from grader.checks.given import given_digests
from grader.checks.handed_out import load_given
from grader.checks.pieces import fenced_code, pieces_of
from grader.checks.prose import digest, sentences
from grader.errors import CourseError
from grader.handout.build import source_digest
from grader.handout.percent import Cell, read_cells
from grader.rubric import Assignment, Rubric
from grader.similarity.prints import Hashes, code_cell, joined, words_of


@dataclass(frozen=True)
class Given:
    """Digests of whole cells and of sentences; hashes of runs of code and of words."""

    cells: frozenset[str]
    sentences: frozenset[str]
    code: Hashes = field(repr=False)
    words: Hashes = field(repr=False)

    def is_cell(self, source: str, stamped: frozenset[str] = frozenset()) -> bool:
        """Whether a cell was handed out as it is, in this edition or that of the stamp."""
        known = source_digest(source)
        return known in self.cells or known in stamped

    def own_code(self, hashes: Hashes) -> Hashes:
        """``hashes`` without those that were given."""
        return np.setdiff1d(hashes, self.code)

    def own_words(self, texts: list[str]) -> Hashes:
        """Runs of words in those of ``texts`` that were not given."""
        own = [text for text in texts if digest(text) not in self.sentences]
        return np.setdiff1d(words_of(own), self.words)


def given_of(assignment: Assignment, rubric: Rubric) -> Given:
    """Of all languages, earlier editions included as far as ``given.json`` knows them.

    :raises CourseError: a template cannot be read.
    """
    cells = [cell for name in assignment.templates.values() for cell in _template(assignment, name)]
    handed_out = [_notebook_cell(cell) for cell in cells if "solution" not in cell.tags]
    code = [cell.source for cell in cells if cell.kind == "code"]
    code += [hint for cell in cells if cell.kind != "code" for hint in fenced_code(cell.source)]
    kept = load_given(rubric.directory)
    texts = [s for piece in pieces_of(handed_out) for s in sentences(piece.text)]
    texts += [cell.source for cell in handed_out if cell.kind == "markdown"]  # whole: a quotation may join its lines
    return Given(
        cells=frozenset(source_digest(cell.source) for cell in handed_out),
        sentences=frozenset((*kept.template, *kept.earlier, *given_digests(handed_out))),
        code=joined([code_cell(n, source).hashes for n, source in enumerate(code)]),
        words=words_of(texts),
    )


def stamped_cells(notebook: Mapping[str, Any]) -> frozenset[str]:
    """Digests of the given cells as the handout's stamp lists them."""
    stamp = notebook.get("metadata", {}).get("grader")
    given = stamp.get("given") if isinstance(stamp, Mapping) else None
    return frozenset(v for v in given.values() if isinstance(v, str)) if isinstance(given, Mapping) else frozenset()


def _template(assignment: Assignment, name: str) -> tuple[Cell, ...]:
    path = assignment.directory / name
    try:
        return read_cells(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"the template {path} cannot be read: {error}") from error


def _notebook_cell(cell: Cell) -> NotebookCell:
    return NotebookCell(cell.position, "code" if cell.kind == "code" else "markdown", cell.source)
