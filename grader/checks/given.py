"""Writes ``rubrics/<id>/given.json`` from the templates.

``python -m grader.checks.given COURSE_DIR ASSIGNMENT [OLDER.ipynb ...]``; notebooks of an earlier edition can be named,
their digests are kept under ``earlier`` when the file is written again.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from grader.checks.facts import NotebookCell, read_cells
from grader.checks.handed_out import Given, load_given
from grader.checks.pieces import fenced_code, pieces_of
from grader.checks.prose import digest, sentences
from grader.model import Execution, ExecutionOutcome
from grader.rubric import Course

_CELL = re.compile(r"^# %%(?P<rest>.*)$", re.MULTILINE)


def given_digests(cells: Iterable[NotebookCell]) -> set[str]:
    """Digests of all sentences in ``cells`` (text, comments, strings, and the comments in hint code) and pictures."""
    cells = list(cells)
    hints = [code for cell in cells if cell.kind != "code" for code in fenced_code(cell.source)]
    hint_cells = [NotebookCell(index, "code", code) for index, code in enumerate(hints)]
    pieces = pieces_of([*cells, *hint_cells])
    whole = [cell.source for cell in cells if cell.kind != "code"]
    texts = {digest(s) for text in (*(p.text for p in pieces), *whole) for s in sentences(text)}
    return texts | {digest(shown) for p in pieces for shown in p.pictures}


def percent_cells(source: str) -> list[NotebookCell]:
    """Cells of a jupytext percent file that are handed out: those tagged ``solution`` are left out."""
    marks = list(_CELL.finditer(source))
    ends = [*(m.start() for m in marks[1:]), *([len(source)] if marks else [])]
    cells = []
    for index, (mark, end) in enumerate(zip(marks, ends, strict=True)):
        body = source[mark.end() : end].strip("\n")
        if '"solution"' in mark["rest"]:
            continue
        if "[markdown]" in mark["rest"]:
            body = "\n".join(re.sub(r"^# ?", "", line) for line in body.splitlines())
            cells.append(NotebookCell(index, "markdown", body))
        else:
            cells.append(NotebookCell(index, "code", body))
    return cells


def make_given(course: Course, assignment: str, older: Iterable[Path] = ()) -> Given:
    """Digests of the assignment's templates, with those of earlier editions that are already kept or are named."""
    spec = course.assignment(assignment)
    template: set[str] = set()
    for name in spec.templates.values():
        template |= given_digests(percent_cells((spec.directory / name).read_text("utf-8")))
    earlier = set(load_given(course.root / "rubrics" / assignment).earlier)
    for path in older:
        notebook = json.loads(path.read_text("utf-8"))
        earlier |= given_digests(read_cells(notebook, Execution(ExecutionOutcome.OK)))
    return Given(tuple(sorted(template)), tuple(sorted(earlier - template)))


def main(arguments: list[str]) -> None:
    """Writes ``given.json`` of one assignment."""
    course = Course(Path(arguments[0]))
    given = make_given(course, arguments[1], map(Path, arguments[2:]))
    path = course.root / "rubrics" / arguments[1] / "given.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(given), indent=1) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
