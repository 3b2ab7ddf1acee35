"""Who is who in a Gradescope export: ``submission_metadata.yml`` beside the ``submission_<id>`` folders.

Only the three fields that name a submitter are read, line by line; the file is Ruby-flavoured YAML with symbol keys::

    submission_101:
      :submitters:
      - :name: Hanako Yamada
        :sid: '21X4001'
        :email: hanako@example.ac.jp
"""

from __future__ import annotations

import re

from grader.model import Student

METADATA_FILE = "submission_metadata.yml"
LINE_LIMIT_CHARACTERS = 1_000

_FOLDER = re.compile(r"^([^\s:][^:]*):\s*$")
_FIELD = re.compile(r"^\s+(?:-\s+)?:?(name|sid|email):\s*(.*?)\s*$")


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
