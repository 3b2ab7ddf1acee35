"""Collects attempts: notebooks, folders and archives in, one attempt for every input out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path, PurePath
from zoneinfo import ZoneInfo

from grader.errors import UsageError
from grader.intake.decode import Unreadable
from grader.intake.filename import LMS, Claim, marked_late, name_claims
from grader.intake.handins import Handin, Sorter
from grader.intake.header import header_student
from grader.intake.identity import HEADER, INVISIBLE, resolve
from grader.intake.language import notebook_language, stamp
from grader.intake.notebook import ParsedNotebook, looks_like_notebook, parse_notebook
from grader.intake.roster import Roster
from grader.intake.sources import Folder, disk_file, disk_folder
from grader.model import Attempt, Text

Tell = Callable[[Text], None]

_NO_NOTEBOOK_SUFFIX = re.compile(
    r"\.(py|r|rmd|pdf|docx?|odt|rtf|pptx?|xlsx?|html?|md|tex|rar|7z|tar|gz)", re.IGNORECASE
)


def collect(
    paths: Sequence[Path], assignment_id: str, roster: Roster | None = None, tell: Tell = lambda _: None
) -> list[Attempt]:
    """One attempt for every hand-in in ``paths``, in their order; inside a folder or archive in natural order of names.

    :param paths: notebooks, folders, zip archives as learning management systems export them.
    :param assignment_id: the assignment they are for; also tells nbgrader's folders apart.
    :param roster: the class list, to settle and to complete who each one is.
    :param tell: gets a text for everything that was left aside (hidden files, other assignments' folders).
    :raises UsageError: a path does not exist, or is neither file nor folder.
    """
    for path in paths:
        if not path.is_file() and not path.is_dir():
            what = "is neither a file nor a folder" if path.exists() else "does not exist"
            raise UsageError(f"{path} {what}; expected a notebook, a folder or a zip archive")
    attempts = []
    for path in paths:
        with ExitStack() as stack:
            sorter = Sorter(assignment_id, tell, stack)
            if path.is_dir():
                folder = disk_folder(path, path.as_posix())
                folder.name = path.resolve().name
                handins = sorter.tree(folder)
            else:
                handins = sorter.single(disk_file(path, path.as_posix()))
            attempts += [_attempt(handin, path, assignment_id, roster) for handin in handins]
    return attempts


def _attempt(handin: Handin, given: Path, assignment: str, roster: Roster | None) -> Attempt:
    content, parsed = _parsed(handin)
    notes = [*handin.notes, *parsed.notes]
    claims = []
    language = None
    if parsed.notebook is not None:
        claims.append(Claim(HEADER, header_student(parsed.notebook)))
        language = notebook_language(parsed.notebook)
        stamped = stamp(parsed.notebook).get("assignment")
        if isinstance(stamped, str) and stamped != assignment:
            notes.append(Text("The notebook was handed out for the assignment {stamped}.", {"stamped": stamped[:60]}))
    if handin.submitter:
        claims.append(Claim(LMS, handin.submitter))
    claims += name_claims(handin.parts, _context(given, handin), assignment)
    who, conflicts = resolve(claims, roster)
    exchange_time = _nbgrader_time(handin.folder)
    told = exchange_time or handin.submitted_at
    return Attempt(
        assignment=assignment,
        digest="sha256:" + hashlib.sha256(content).hexdigest(),
        source=_readable(handin.source),
        content=content,
        student=who,
        notebook=parsed.notebook,
        language=language,
        notes=tuple(notes),
        conflicts=conflicts,
        unreadable=parsed.unreadable,
        handed_in_at=told or (handin.file.modified if handin.file else None),
        told_by=told and ("nbgrader" if exchange_time else "Gradescope"),
        marked_late="Canvas" if marked_late(handin.parts) else None,
    )


def _readable(name: str) -> str:
    """``name`` as a text that can be stored and shown: what is no UTF-8, controls and direction marks as escapes."""
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return INVISIBLE.sub(lambda mark: mark[0].encode("unicode_escape").decode("ascii"), text)


def _parsed(handin: Handin) -> tuple[bytes, ParsedNotebook]:
    """Content and notebook. What has no content to tell it apart by (a folder, an unopened file) gets its source."""
    stand_in = f"no content: {handin.source}".encode(errors="replace")
    if handin.file is None:
        return stand_in, ParsedNotebook(None, unreadable=handin.unreadable)
    try:
        content = handin.file.read()
    except Unreadable as reason:
        return stand_in, ParsedNotebook(None, unreadable=handin.unreadable or reason.text)
    if handin.unreadable is not None:
        return content, ParsedNotebook(None, unreadable=handin.unreadable)
    suffix = PurePath(handin.file.name).suffix
    if _NO_NOTEBOOK_SUFFIX.fullmatch(suffix) and content and not looks_like_notebook(content):
        return content, ParsedNotebook(
            None,
            unreadable=Text(
                "This is a {kind} file, not a notebook. Please hand in the .ipynb file.", {"kind": suffix.lower()}
            ),
        )
    return content, parse_notebook(content)


def _context(given: Path, handin: Handin) -> tuple[str, ...]:
    """Names from the root of the disk down to the hand-in."""
    absolute = given.resolve().parts
    return absolute if given.is_file() else absolute + handin.parts


def _nbgrader_time(folder: Folder | None) -> str | None:
    """``timestamp.txt`` of nbgrader's exchange, in UTC: ``2015-02-02 14:58:23.948203 America/Los_Angeles``."""
    file = next((f for f in folder.files if f.name == "timestamp.txt"), None) if folder else None
    if file is None:
        return None
    try:
        day, clock, *zone = file.read()[:200].decode("ascii").split()
        local = datetime.fromisoformat(f"{day} {clock}")
        local = local.replace(tzinfo=ZoneInfo(zone[0]) if zone else UTC)
        return local.astimezone(UTC).isoformat(timespec="seconds")
    except (Unreadable, ValueError, OverflowError, OSError, KeyError):
        return None
