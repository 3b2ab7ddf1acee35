"""Grades as Canvas' gradebook imports them (``lib/gradebook_exporter.rb``, ``gradebook_importer.rb``).

Columns ``Student, ID, SIS User ID, SIS Login ID, Section`` and one of ours, ``Title (number)``; below the header the
line ``Points Possible``. A title without Canvas' own number of the assignment would create a new one, so it always has
one. A student without a grade has no line: an empty cell would take an earlier grade away.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from grader.errors import UsageError
from grader.lms.grades import Filled, Grades
from grader.lms.people import Finder, canvas_number
from grader.tables import Table, read_table, safe

HEADER = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_POINTS_POSSIBLE = "    Points Possible"
_OWN_COLUMN = re.compile(r".*\((\d+)\)\s*")
_KNOWN = ("id", "sis user id", "sis login id", "integration id")


def from_roster(grades: Grades, title: str, number: int, section: str = "") -> Filled:
    """A file made without Canvas' gradebook: Canvas matches by our number as SIS User ID, else by login, else by name.

    :param number: Canvas' own, of the assignment (the end of its address).
    """
    rows = [
        [
            safe(grade.student.name or ""),
            canvas_number(grade.source) or "",
            safe(grade.student.id or ""),
            safe(grade.student.email or ""),
            safe(section),
            f"{grade.points:.2f}",
        ]
        for grade in grades.known
    ]
    possible = [_POINTS_POSSIBLE, "", "", "", "", f"{grades.max_points:.2f}"]
    header = [*HEADER, f"{_plain_title(title)} ({number})"]
    return Filled(_written([header, possible, *rows], ","), len(rows), (), grades.left_out)


def from_gradebook(grades: Grades, file: Path, titles: Sequence[str], number: int | None = None) -> Filled:
    """The students and the one column of ours out of the gradebook that Canvas exported, with the grades in it.

    :param titles: by which the column is known where no ``number`` is given.
    :raises UsageError: it is no such file, has no such column, or Canvas grades out of another maximum.
    """
    table = read_table(file, "gradebook")
    last = _last_of_students(table, file)
    place = _column(table, last, file, titles, number)
    possible = next((row for row in table.rows if row[0].strip() == "Points Possible"), None)
    maximum = _number(possible[place]) if possible and place < len(possible) else None
    finder = _finder(table, last)
    new: dict[int, str] = {}
    missing = []
    for grade in grades.known:
        row = finder.find(canvas_number(grade.source), grade.student)
        if row is None:
            missing.append(grade.label)
        else:
            new[row] = f"{grades.scaled(grade, maximum, str(file)):.2f}"
    rows = [[*table.rows[n][: last + 1], new[n]] for n in sorted(new)]
    top = [[*possible[: last + 1], possible[place]]] if possible and place < len(possible) else []
    written = _written([[*table.header[: last + 1], table.header[place]], *top, *rows], table.delimiter)
    return Filled(written, len(rows), tuple(missing), grades.left_out)


def _last_of_students(table: Table, file: Path) -> int:
    """Place of the last column that is about the student: its header contains ``Section``."""
    found = [i for i, cell in enumerate(table.header) if "Section" in cell and not _OWN_COLUMN.fullmatch(cell)]
    first = table.header[0].lstrip("\ufeff") if table.header else ""
    if not found or not ("Student" in first or "LastName" in first):
        raise UsageError(
            f"{file} is no gradebook of Canvas: its first line is {table.header[:6]}; expected Student, ID, …, Section "
            "(Grades > Export > Export Entire Gradebook)"
        )
    return found[-1]


def _column(table: Table, last: int, file: Path, titles: Sequence[str], number: int | None) -> int:
    """The assignment's column. :raises UsageError: there is none, or several."""
    ours = {i: m[1] for i, cell in enumerate(table.header) if i > last and (m := _OWN_COLUMN.fullmatch(cell))}
    if number is not None:
        places = [i for i, own in ours.items() if own == str(number)]
    else:
        wanted = {_folded(title) for title in titles}
        places = [i for i in ours if _folded(table.header[i].rsplit("(", 1)[0]) in wanted]
    if len(places) != 1:
        names = ", ".join(table.header[i] for i in ours) or "none"
        raise UsageError(f"{file}: which column is it? give Canvas' number: --lms-id, of {names}")
    return places[0]


def _finder(table: Table, last: int) -> Finder[int]:
    finder: Finder[int] = Finder()
    heads = [cell.strip().lstrip("\ufeff").casefold() for cell in table.header[: last + 1]]
    split = heads[:2] == ["lastname", "firstname"]
    for n, row in enumerate(table.rows):
        if row[0].strip() == "Points Possible" or len(row) <= last:
            continue
        cells = dict(zip(heads, row, strict=False))
        name = f"{row[0]} {row[1]}" if split else row[0]
        ids = [cells[key] for key in _KNOWN[1:] if cells.get(key)]
        email = next((cell for cell in ids if "@" in cell), "")
        finder.add(n, own=cells.get("id", ""), ids=ids, email=email, names=[name])
    return finder


def _number(cell: str) -> float | None:
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _plain_title(title: str) -> str:
    return str(safe(" ".join(title.split())))


def _written(rows: Sequence[Sequence[str | int | float]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8", errors="replace")
