"""Which assignment is checked, by which course or kit, in which language; and which file the notebook is."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.config import Settings, load_settings
from grader.errors import GraderError, UnknownAssignment, UsageError
from grader.handout import read_kit
from grader.messages import Catalogue
from grader.model import Text
from grader.rubric import Course, bundled_course_dir
from grader.scratch import scratch_prefix

CHOOSE = Text(
    "Which assignment is this? Put its kit (a file that ends in .kit) beside the notebook, "
    "or say for example: {example}"
)
NO_KIT = Text("There is no kit of {assignment} beside the notebook: put {assignment}.kit there, and try again.")
EXAMPLE = "%grader use b2-1"


class NotChosen(GraderError):
    """Something is missing that only the student can add. ``text`` says what."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.id)
        self.text = text


@dataclass(frozen=True)
class Chosen:
    """What the student chose, or nothing yet. ``kit``: file; ``language``: of messages."""

    assignment: str | None = None
    kit: Path | None = None
    language: str | None = None


@dataclass
class Opened:
    """A course with the assignment in it; ``folder`` holds an unpacked kit for as long as it is used."""

    course: Course
    assignment: str
    kit: Path | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None


def notebook_settings(workspace: Path, language: str | None, budget: str = "full") -> Settings:
    """Settings of a check within the kernel: the student's own machine, nothing confined, no warm processes."""
    return load_settings(
        {"workspace": workspace, "language": language, "budget": budget, "sandbox": "none", "warm_kernels": False}
    )


def open_chosen(chosen: Chosen, stamp: Mapping[str, Any]) -> Opened:
    """The kit that was named, else one beside the notebook, else the course at hand.

    :param stamp: of the handout, where the file of the notebook is known; it says which assignment.
    :raises NotChosen: nothing says which assignment it is, or there is neither kit nor course for it.
    """
    wanted = chosen.assignment or stamp.get("assignment")
    kit = chosen.kit or _kit_beside(wanted)
    if kit is not None:
        read = read_kit(kit)
        folder = tempfile.TemporaryDirectory(prefix=scratch_prefix("kit"), ignore_cleanup_errors=True)
        return Opened(Course(read.unpack(Path(folder.name))), read.assignment, kit, folder)
    if wanted is None:
        raise NotChosen(Text(CHOOSE.id, {"example": EXAMPLE}))
    course = Course(load_settings().course)
    try:
        course.assignment(wanted)
    except UnknownAssignment:
        raise NotChosen(Text(NO_KIT.id, {"assignment": wanted})) from None
    return Opened(course, wanted)


def _kit_beside(assignment: str | None) -> Path | None:
    if assignment is not None:
        return found if (found := Path.cwd() / f"{assignment}.kit").is_file() else None
    kits = sorted(Path.cwd().glob("*.kit"))
    return kits[0] if len(kits) == 1 else None


def choose(words: list[str], before: Chosen) -> Chosen:
    """``%grader use FILE.kit|ASSIGNMENT [--lang LANGUAGE]``.

    :raises UsageError: no such file, or not understood.
    """
    language = before.language
    if "--lang" in words:
        place = words.index("--lang")
        language = next(iter(words[place + 1 :]), None)
        words = words[:place] + words[place + 2 :]
    if len(words) != 1:
        raise UsageError(f"%grader use needs one kit or assignment, as in: {EXAMPLE}")
    name = Path(words[0]).expanduser()
    if name.suffix != ".kit":
        return Chosen(words[0], None, language)
    if not name.is_file():
        raise UsageError(f"{name} is no file; name the kit that came with the assignment")
    return Chosen(read_kit(name).assignment, name.resolve(), language)


def notebook_file(namespace: Mapping[str, Any]) -> Path | None:
    """The file of this notebook as the front end names it (Jupyter Server, VS Code), else the only one here."""
    named = namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if isinstance(named, str) and named.endswith(".ipynb"):
        for path in (Path(named), Path.cwd() / Path(named).name):
            if path.is_file():
                return path
    found = sorted(p for p in Path.cwd().glob("*.ipynb") if p.is_file())
    return found[0] if len(found) == 1 else None


def read_notebook(path: Path | None) -> Mapping[str, Any]:
    """The file as plain nbformat 4; empty where there is none or it cannot be read."""
    if path is None:
        return {}
    try:
        notebook = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return notebook if isinstance(notebook, dict) and isinstance(notebook.get("cells"), list) else {}


def stamp_of(notebook: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the handout stamped on it; empty where that is gone."""
    stamp = (notebook.get("metadata") or {}).get("grader")
    return stamp if isinstance(stamp, dict) else {}


def catalogue_of(language: str | None) -> Catalogue:
    """The program's texts, before any course is open."""
    return Catalogue(language or load_settings().language or "en", bundled_course_dir() / "reports" / "locale")
