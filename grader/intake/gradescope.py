"""Who is who in a Gradescope export: ``submission_metadata.yml`` beside the ``submission_<id>`` folders.

Only the fields that name a submitter, and the time, are read, line by line; the file is Ruby-flavoured YAML with symbol
keys::

    submission_101:
      :submitters:
      - :name: Hanako Yamada
        :sid: '21X4001'
        :email: hanako@example.ac.jp
    :created_at: 2026-11-20 14:58:23.948203000 Z
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from grader.model import Student

METADATA_FILE = "submission_metadata.yml"
LINE_LIMIT_CHARACTERS = 1_000

_FOLDER = re.compile(r"^([^\s:][^:]*):\s*$")
_FIELD = re.compile(r"^\s+(?:-\s+)?:?(name|sid|email):\s*(.*?)\s*$")
_TIME = re.compile(
    r"^  :?created_at:\s*['\"]?(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?\s*(Z|UTC|[+-]\d\d:?\d\d)\b"
)


def gradescope_times(text: str) -> dict[str, str]:
    """Folder name to the time of handing in, ISO 8601 in UTC; folders without one are left out."""
    found: dict[str, str] = {}
    folder = None
    for line in text.splitlines():
        if top := _FOLDER.match(line[:LINE_LIMIT_CHARACTERS]):
            folder = top[1].strip("'\"")
        elif folder and (time := _TIME.match(line[:LINE_LIMIT_CHARACTERS])):
            offset = "+00:00" if time[3] in ("Z", "UTC") else time[3]
            try:
                moment = datetime.fromisoformat(f"{time[1]}T{time[2]}{offset}").astimezone(UTC)
            except (ValueError, OverflowError):
                continue
            found.setdefault(folder, moment.isoformat(timespec="seconds"))
    return found


def gradescope_students(text: str) -> dict[str, Student]:
    """Folder name to its first submitter."""
    found: dict[str, dict[str, str]] = {}
    folder = None
    for line in text.splitlines():
        if len(line) > LINE_LIMIT_CHARACTERS:  # source code that the file quotes, and no field of ours
            continue
        if top := _FOLDER.match(line):
            folder = top[1].strip("'\"")
        elif folder and (field := _FIELD.match(line)):
            value = field[2].strip("'\"")
            if value and value != "null":
                found.setdefault(folder, {}).setdefault(field[1], value)
    return {name: Student(who.get("sid"), who.get("name"), who.get("email")) for name, who in found.items()}
