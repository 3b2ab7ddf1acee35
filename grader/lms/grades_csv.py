"""Grades as CSV: one row a student, quoted as RFC 4180 says, safe to open in a spreadsheet.

The file is UTF-8 with a byte order mark: without one, Excel takes it for the machine's own code page (Shift_JIS in
Japan). A text that a spreadsheet would take for a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from grader.messages import Catalogue
from grader.model import Result
from grader.rubric import Rubric
from grader.tables import Cell, safe

_LEADING = (
    "id",
    "name",
    "email",
    "attempt_number",
    "handed_in_at",
    "status",
    "score",
    "score_pending",
    "max_score",
    "days_late",
    "penalty",
    "final",
)
_TRAILING = ("flags", "reason", "source", "digest")


def header(rubric: Rubric) -> list[str]:
    """Column names: fixed English words, and ``<criterion>.points`` and ``<criterion>.outcome`` for each criterion."""
    criteria = [f"{ident}.{part}" for ident in rubric.ids for part in ("points", "outcome")]
    return [*_LEADING, *criteria, *_TRAILING]


def csv_bytes(results: Iterable[Result], rubric: Rubric, catalogue: Catalogue) -> bytes:
    """The file's content. A value that is not known is an empty cell; a criterion that a score lacks has empty cells.

    :param results: one a student, edits applied.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header(rubric))
    for result in results:
        writer.writerow([safe(cell) for cell in _cells(result, rubric, catalogue)])
    return text.getvalue().encode("utf-8-sig", errors="replace")


def write_csv(file: Path | BinaryIO, results: Iterable[Result], rubric: Rubric, catalogue: Catalogue) -> None:
    """Writes :func:`csv_bytes` to a path, or to a stream open for bytes (``sys.stdout.buffer``)."""
    content = csv_bytes(results, rubric, catalogue)
    if isinstance(file, Path):
        file.write_bytes(content)
    else:
        file.write(content)


def _cells(result: Result, rubric: Rubric, catalogue: Catalogue) -> Iterator[Cell]:
    student, score = result.student, result.score
    yield from (student.id, student.name, student.email, result.attempt_number, result.handed_in_at)
    yield from (str(score.status), score.points, score.pending, score.max_points)
    yield from (result.late.days_late, result.late.penalty) if result.late else (None, None)
    yield result.final
    lines = {line.id: line for line in score.criteria}
    for ident in rubric.ids:
        line = lines.get(ident)
        yield from (line.points, str(line.outcome)) if line else (None, None)
    yield " ".join(dict.fromkeys(str(f.kind) for f in score.flags))
    yield from (catalogue.render(score.reason), result.source, result.digest)
