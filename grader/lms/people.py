"""Finds the line of a system's list that is a student's: by the system's own number, else number, address or name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from grader.model import Student
from grader.people import folded, id_key, name_key

_T = TypeVar("_T")
# Names of folders and files in the archives of these systems carry their numbers (content_zipper.rb; assign/locallib).
_IN_MOODLE = re.compile(r"(?:^|[/\\!])[^/\\!]+?_(\d+)_assign(?:submission|ment)_")
_IN_CANVAS = re.compile(r"(?:^|[/\\!])\w+?_(?:LATE_)?(\d{2,})_\d{2,}_[^/\\!]+$")


def moodle_number(source: str) -> str | None:
    """Number of the participant in the name of an archive's member."""
    match = _IN_MOODLE.search(source)
    return match[1] if match else None


def canvas_number(source: str) -> str | None:
    """Number of the user in the name of an archive's member."""
    match = _IN_CANVAS.search(source)
    return match[1] if match else None


class Finder(Generic[_T]):
    """Looks lines up; what several lines share finds none of them."""

    def __init__(self) -> None:
        self._by: dict[str, dict[str, list[_T]]] = {kind: defaultdict(list) for kind in ("own", "id", "email", "name")}

    def add(
        self, line: _T, *, own: str = "", ids: Iterable[str] = (), email: str = "", names: Sequence[str] = ()
    ) -> None:
        """A line with what it says of its student. :param own: the system's own number."""
        keys = {
            "own": {own},
            "id": {id_key(ident) for ident in ids},
            "email": {folded(email), *(folded(ident) for ident in ids if "@" in ident)},
            "name": {name_key(name) for name in names},
        }
        for kind, found in keys.items():
            for key in found - {""}:
                self._by[kind][key].append(line)

    def find(self, own: str | None, student: Student) -> _T | None:
        """The line of ``student``; ``own`` is the system's own number where the file's name told it."""
        wanted = (
            ("own", own or ""),
            ("id", id_key(student.id or "")),
            ("email", folded(student.email)),
            ("name", name_key(student.name or "")),
        )
        for kind, key in wanted:
            lines = self._by[kind].get(key, [])
            if len(lines) == 1:
                return lines[0]
        return None
