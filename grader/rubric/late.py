"""Deadlines and what handing in late costs, as TOML says it.

``assignment.toml`` may have a table ``[late]``. ``late.toml`` of the course, and after it that of the workspace, say
more or other things; what one leaves out is taken from the one before::

    [late]                          # every assignment
    time_zone = "Asia/Tokyo"        # of deadlines that are written without an offset
    grace_days = 1
    percent_per_day = 10
    cap_percent = 50

    [assignment.b2-1]               # this one: the same keys
    due = 2026-11-20T23:59:59
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from grader.errors import CourseError

LATE_FILE = "late.toml"
Percent = Annotated[float, Meta(ge=0, le=100)]


class LateRules(Struct, frozen=True, forbid_unknown_fields=True):
    """What one place says; ``None``: nothing.

    :ivar grace_days: days after the deadline that cost nothing.
    :ivar percent_per_day: taken for each day begun after those. :ivar cap_percent: the most that is taken.
    :ivar percent_of: of the points earned, or of the points possible.
    :ivar file_times: whether the time of a file, which a copy or a download changes, counts as that of handing in.
    """

    due: datetime | None = None
    time_zone: str | None = None
    grace_days: Annotated[int, Meta(ge=0, le=3650)] | None = None
    percent_per_day: Percent | None = None
    cap_percent: Percent | None = None
    percent_of: Literal["score", "maximum"] | None = None
    file_times: bool | None = None


class _LateFile(Struct, frozen=True, forbid_unknown_fields=True):
    late: LateRules = LateRules()
    assignment: dict[str, LateRules] = {}


@dataclass(frozen=True, slots=True)
class LateTerms:
    """The rules of one assignment. ``due`` has a time zone."""

    due: datetime
    grace_days: int = 0
    percent_per_day: float = 0.0
    cap_percent: float = 100.0
    percent_of: str = "score"
    file_times: bool = False


def late_terms(assignment: str, own: LateRules, *folders: Path) -> LateTerms | None:
    """The rules of ``assignment``; ``None`` where nobody set a deadline.

    :param own: of its ``assignment.toml``. :param folders: whose ``late.toml`` is read, the one that prevails last.
    :raises CourseError: a file is wrong, or the deadline has no time zone.
    """
    said = own
    for folder in folders:
        file = _read(folder / LATE_FILE)
        for rules in (file.late, file.assignment.get(assignment, LateRules())):
            said = msgspec.structs.replace(said, **_given(rules))
    if said.due is None:
        return None
    others = {name: value for name, value in _given(said).items() if name not in ("due", "time_zone")}
    return LateTerms(_zoned(assignment, said), **others)


def zone_of(assignment: str, own: LateRules, *folders: Path) -> ZoneInfo | None:
    """The time zone that is set for ``assignment``, in which people and other systems write times."""
    names = [own.time_zone]
    for folder in folders:
        file = _read(folder / LATE_FILE)
        names += [file.late.time_zone, file.assignment.get(assignment, LateRules()).time_zone]
    name = next((n for n in reversed(names) if n), None)
    return _zone(assignment, name) if name else None


def _given(rules: LateRules) -> dict[str, Any]:
    return {name: value for name in rules.__struct_fields__ if (value := getattr(rules, name)) is not None}


def _read(path: Path) -> _LateFile:
    if not path.is_file():
        return _LateFile()
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), _LateFile)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CourseError(f"{path}: {error}: expected [late] or [assignment.ID] with {_KEYS}") from error


def _zoned(assignment: str, rules: LateRules) -> datetime:
    due = rules.due
    if due is not None and due.tzinfo is None and rules.time_zone:
        due = due.replace(tzinfo=_zone(assignment, rules.time_zone))
    if due is None or due.tzinfo is None:
        raise CourseError(
            f"the deadline of {assignment} is {due}, in no time zone: write an offset (2026-11-20T23:59:59+09:00) "
            'or set time_zone = "Asia/Tokyo" beside it'
        )
    return due


def _zone(assignment: str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise CourseError(f"time_zone of {assignment} is {name!r}: expected a name such as Asia/Tokyo") from error


_KEYS = ", ".join(LateRules.__struct_fields__)
