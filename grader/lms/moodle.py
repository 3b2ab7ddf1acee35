"""Moodle's grading worksheet: read for times, and filled in place for the grades to go back.

Moodle's importer (``mod/assign/feedback/offline/importgradeslib.php``) wants UTF-8, commas and the headers of its own
language, and refuses a grade that changed since the download by *Last modified (grade)*. So nothing of the downloaded
file is written again but the grades: every other byte stays. Columns are found by their place and content, since
headers are translated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path

from grader.errors import UsageError
from grader.lms.grades import Filled, Grades
from grader.lms.people import Finder, moodle_number
from grader.model import Student
from grader.people import participant_number

_FIELD = re.compile(r'("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n|\n|\r|\Z)')
_NUMBER = re.compile(r"\s*\d+(?:[.,]\d+)?\s*")
_CLOCK = re.compile(r"(?<!\d)(\d{1,2})[:\uff1a](\d\d)(?:[:\uff1a](\d\d))?\s*(am|pm|AM|PM)?")
_GRADE_HEADERS = frozenset(
    {"grade", "評点", "评分", "成绩", "評分", "成績", "оценка", "bewertung", "note", "calificación"}
)
_MONTH_LANGUAGES = ("en", "ja", "zh", "ru", "de", "fr", "es", "it", "pt", "nl", "ko")


@dataclass(frozen=True, slots=True)
class Line:
    """One participant. :ivar cells: of the worksheet, unquoted. :ivar record: its place in the file."""

    record: int
    cells: tuple[str, ...]

    def cell(self, place: int | None) -> str:
        """The cell of a column; empty where the line ends before it."""
        return self.cells[place] if place is not None and place < len(self.cells) else ""


class Worksheet:
    """A downloaded worksheet.

    :param content: of the file. :param path: for messages.
    :raises UsageError: it is none, or was stored by something else than Moodle in another encoding.
    """

    def __init__(self, content: bytes, path: Path) -> None:
        self.path = path
        try:
            self._text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(
                f"{path} is not UTF-8: download the worksheet again, and store it in no other program"
            ) from error
        self._records = _records(self._text)
        body = [Line(n, tuple(map(_plain, record))) for n, (record, _) in enumerate(self._records) if n]
        self.lines = [line for line in body if participant_number(line.cells[0]) and len(line.cells) > 1]
        if not self.lines or len(self.lines) < sum(any(line.cells) for line in body):
            raise UsageError(
                f"{path} is no grading worksheet of Moodle: expected 'Participant 123' in the first column of every "
                "line (assignment > submissions > download grading worksheet)"
            )
        self.header = tuple(map(_plain, self._records[0][0]))
        dated = (i for i in range(1, len(self.header)) if any(moment_of(line.cell(i)) for line in self.lines))
        self._submitted = next(dated, None)
        self._finder: Finder[Line] = Finder()
        for line in self.lines:
            self._finder.add(
                line,
                own=participant_number(line.cells[0]) or "",
                ids=_ids(line),
                email=_email(line),
                names=line.cells[1:2],
            )

    @classmethod
    def read(cls, path: Path) -> Worksheet:
        """The file. :raises UsageError: it cannot be read, or is none."""
        try:
            return cls(path.read_bytes(), path)
        except OSError as error:
            raise UsageError(f"worksheet {path} cannot be read: {error}") from error

    def line_of(self, source: str, student: Student) -> Line | None:
        """The line of the student who handed in ``source``."""
        return self._finder.find(moodle_number(source), student)

    def submitted_at(self, line: Line, zone: tzinfo | None) -> str | None:
        """When it was handed in, ISO 8601 in UTC; ``None`` where it is not known, or in which time zone.

        It is the first column with dates; the other one is that of the grade.
        """
        moment = moment_of(line.cell(self._submitted))
        if moment is None or zone is None:
            return None
        return moment.replace(tzinfo=zone).astimezone(UTC).isoformat(timespec="seconds")

    def filled(self, grades: Grades, column: str | None = None) -> Filled:
        """The file with the grades in it, all else as it was.

        :param column: header of the grade column, where it cannot be told.
        :raises UsageError: it cannot be told, or Moodle's maximum is another than the rubric's.
        """
        place = self._grade_column(column)
        maximum = self._maximum(place)
        new = {}
        missing = []
        for grade in grades.known:
            line = self.line_of(grade.source, grade.student)
            if line is None:
                missing.append(grade.label)
            else:
                new[line.record] = f"{grades.scaled(grade, maximum, str(self.path)):.2f}"
        text = "".join(
            "".join(
                new.get(n, field) + end if n in new and i == place else field + end
                for i, (field, end) in enumerate(zip(*record, strict=True))
            )
            for n, record in enumerate(self._records)
        )
        return Filled(text.encode("utf-8"), len(new), tuple(missing), grades.left_out)

    def _grade_column(self, column: str | None) -> int:
        names = [cell.strip().lstrip("\ufeff").casefold() for cell in self.header]
        if column is not None:
            places = [i for i, name in enumerate(names) if name == column.strip().casefold()]
        else:
            places = [i for i, name in enumerate(names) if name in _GRADE_HEADERS]
            places = places if len(places) == 1 else [i for i in range(2, len(names) - 1) if self._looks_like_grades(i)]
        if len(places) != 1:
            raise UsageError(
                f"{self.path}: which column is the grade? name it: --column, one of {', '.join(self.header)}"
            )
        return places[0]

    def _looks_like_grades(self, place: int) -> bool:
        """Nothing but numbers or blanks, and beside it the same maximum on every line."""
        here = [line.cell(place).strip() for line in self.lines]
        beside = {line.cell(place + 1).strip() for line in self.lines}
        numbers = all(not cell or cell == "-" or _NUMBER.fullmatch(cell) for cell in here)
        return numbers and len(beside) == 1 and bool(_NUMBER.fullmatch(next(iter(beside)))) and set(here) != beside

    def _maximum(self, place: int) -> float | None:
        """What Moodle grades out of, in the column after the grade; ``None`` where it has none."""
        found = {line.cells[place + 1].strip() for line in self.lines if place + 1 < len(line.cells)}
        one = next(iter(found)) if len(found) == 1 else ""
        return float(one.replace(",", ".")) if _NUMBER.fullmatch(one) else None


def _records(text: str) -> list[tuple[list[str], list[str]]]:
    """Fields as they stand in the file, and what ends each, by record."""
    records: list[tuple[list[str], list[str]]] = [([], [])]
    for match in _FIELD.finditer(text):
        records[-1][0].append(match[1])
        records[-1][1].append(match[2])
        if match[2] != ",":
            if match.end() == len(text):
                break
            records.append(([], []))
    return records


def _plain(field: str) -> str:
    text = field.lstrip("\ufeff")
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


def _ids(line: Line) -> Sequence[str]:
    """What may be the student's number: short cells without a blank, between the name and the grade."""
    return [cell.strip() for cell in line.cells[2:5] if cell.strip() and not re.search(r"[\s@]", cell.strip())]


def _email(line: Line) -> str:
    return next((cell for cell in line.cells[2:] if re.fullmatch(r"\s*[^\s@]+@[^\s@]+\s*", cell)), "")


def moment_of(text: str) -> datetime | None:
    """A date and time as Moodle writes it in any of its languages (``Friday, 20 November 2026, 11:14 PM``), no zone."""
    clock, year = _CLOCK.search(text), re.search(r"(?<!\d)(20\d\d)(?!\d)", text)
    if not clock or not year or len(text) > 80:
        return None
    rest = text[: clock.start()]
    numeric = re.search(r"(\d{1,2})\s*月\s*(\d{1,2})\s*日", rest) or re.search(r"20\d\d-(\d{1,2})-(\d{1,2})", rest)
    if numeric:
        month, day = int(numeric[1]), int(numeric[2])
    else:
        words = re.findall(r"[^\W\d_]+", rest.casefold())
        month = next((_months()[word] for word in words if word in _months()), 0)
        found = re.search(r"(?<!\d)(\d{1,2})(?!\d)", rest)
        day = int(found[1]) if found else 0
    hour = int(clock[1])
    later = (clock[4] or "").lower() == "pm" or bool(re.search(r"午後|下午|오후", text))
    earlier = (clock[4] or "").lower() == "am" or bool(re.search(r"午前|上午|오전", text))
    if (later and hour < 12) or (earlier and hour == 12):
        hour = (hour + 12) % 24
    try:
        return datetime(int(year[1]), month, day, hour, int(clock[2]), int(clock[3] or 0))
    except ValueError:
        return None


@cache
def _months() -> dict[str, int]:
    """Name of a month, in any form and language that is known, to its number."""
    from babel.core import Locale

    names: dict[str, int] = {}
    for language in _MONTH_LANGUAGES:
        forms = Locale.parse(language).months
        for form in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in forms[form][width].items():
                    names.setdefault(re.sub(r"[\W\d_]+", "", str(name).casefold()), int(number))
    names.pop("", None)
    return {name: number for name, number in names.items() if len(name) > 1}
