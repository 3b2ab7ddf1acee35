"""Rare work on a whole gradebook file: a copy of it, and removing one person's rows for good."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, select, text
from sqlalchemy.orm import Session

from grader.errors import StoreError, UsageError
from grader.model import Student
from grader.people import folded, is_known_by_name_only, same_name, same_person
from grader.store.database import BUSY_TIMEOUT_S
from grader.store.gradebook import Gradebook
from grader.store.protection import unprotected
from grader.store.records import decode
from grader.store.shared import forget_shared
from grader.store.tables import (
    AnswerRow,
    AttemptRow,
    AuditRow,
    Base,
    ChoiceRow,
    EditRow,
    MarkingRow,
    RegradeRequestRow,
    ResultRow,
    SessionRow,
    UserRow,
)


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A received file of one assignment, as the gradebook knows it."""

    assignment: str
    digest: str
    source: str


BeforeRows = Callable[[Sequence[KeptFile], frozenset[str]], None]
"""Takes the files whose rows are about to go, and the digests of those that another student handed in as well."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed.

    :ivar files: received files. :ivar shared: digests of those that another student handed in as well.
    :ivar namesakes: digests of attempts left alone, of somebody of whom only the same name is known.
    """

    files: tuple[KeptFile, ...]
    shared: frozenset[str]
    namesakes: tuple[str, ...]
    n_results: int
    n_edits: int
    n_choices: int


def backup(book: Gradebook, target: Path) -> Path:
    """A complete copy of the gradebook in the new file ``target``, for its owner only; taken while others may write.

    ``VACUUM INTO`` copies one consistent state (https://www.sqlite.org/lang_vacuum.html). The copy is read and checked
    before it gets its name.

    :raises UsageError: ``target`` is there already, or the gradebook is on a server.
    :raises StoreError: it cannot be written, or the copy is not sound.
    """
    source = book.path
    if target.exists():
        raise UsageError(f"{target} is there already: name another file, a backup never replaces one")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with _connected(source) as connection:
            connection.execute("VACUUM INTO ?", (str(part),))
        faults = _faults_of(part)
        if faults:
            raise StoreError(f"the copy of {source} is not sound: {'; '.join(faults[:5])}")
        part.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"backup {target}: {error}: expected a folder with room that you may write to") from error
    finally:
        for end in ("", "-wal", "-shm"):
            with suppress(OSError):
                Path(f"{part}{end}").unlink()
    return target


def _faults_of(path: Path) -> list[str]:
    copy = Gradebook(path)
    try:
        return copy.integrity_check()
    finally:
        copy.close()


def find_student(book: Gradebook, wanted: str) -> Student:
    """The one student whose number, e-mail address or name is ``wanted``; or whose attempt has that digest.

    :raises UsageError: there is none, or it fits several people.
    """
    found: dict[str, Student] = {}
    for key, student in book.everybody():
        words = {folded(w) for w in (student.id, student.email, student.name) if w}
        if folded(wanted) in words or (student == Student() and key.startswith("sha256:") and key == wanted):
            found[key] = student
    people = {folded(s.id or s.email or s.name) or key for key, s in found.items()}
    if not people:
        raise UsageError(f"nobody in {book.name} has the number, address or name {wanted!r}; see 'grader attempts'")
    if len(people) > 1 and len({s.id for s in found.values() if s.id}) > 1:
        raise UsageError(f"{wanted!r} fits {len(people)} people: name one by the student number")
    return max(found.values(), key=lambda s: sum(v is not None for v in (s.id, s.email, s.name)))


def forget(
    book: Gradebook,
    student: Student,
    key: str | None = None,
    first: BeforeRows = lambda files, shared: None,
) -> Forgotten:
    """Removes every row of ``student``, and its traces in the file's free pages.

    The one exception to "nothing is deleted": the triggers that forbid it are away for this transaction alone.

    :param key: digest of an attempt of nobody known, in place of a student.
    :param first: is given what is about to go, to remove files while the rows are still there: an interrupted removal
        can then be run again.
    :raises StoreError: the gradebook cannot be written.
    """
    with book.database.writing() as session, unprotected(session.connection()):
        if book.database.is_file:
            session.execute(text("PRAGMA secure_delete = ON"))
        forgotten = _remove(session, student, key, first)
        session.flush()
    book.close()
    if book.database.is_file:
        with _connected(book.path) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return forgotten


def _remove(session: Session, student: Student, key: str | None, first: BeforeRows) -> Forgotten:
    rows = list(session.scalars(select(AttemptRow).order_by(AttemptRow.id)))
    whose = {r.id: decode(r.student, Student) for r in rows}
    theirs = [r for r in rows if (r.student_key == key if key else same_person(whose[r.id], student))]
    digests = {r.digest for r in theirs}
    own = {r.id for r in theirs}
    keys = {r.student_key for r in theirs}
    shared = frozenset(r.digest for r in rows if r.digest in digests and r.id not in own and r.student_key != r.digest)
    # The same file before anybody knew whose it was: it is theirs, unless others handed it in as well.
    theirs += [r for r in rows if r.id not in own and r.digest in digests - shared and r.student_key == r.digest]
    ids = [r.id for r in theirs]
    files = tuple(KeptFile(r.assignment, r.digest, r.source) for r in theirs)
    first(files, shared)
    counts = _delete_rows(session, ids, keys)
    left = [r for r in rows if r.id not in set(ids)]
    known = ((r.digest, whose[r.id]) for r in left)
    namesakes = dict.fromkeys(digest for digest, who in known if is_known_by_name_only(who) and same_name(who, student))
    return Forgotten(files, shared, tuple(namesakes), counts[ResultRow], counts[EditRow], counts[ChoiceRow])


def _delete_rows(session: Session, ids: Sequence[int], keys: Collection[str]) -> Counter[type[Base]]:
    """Deletes attempts with all that hangs on them, and the account of the student; how many rows of each table."""
    edits = select(EditRow.id).where(EditRow.attempt_id.in_(ids)).scalar_subquery()
    requests = select(RegradeRequestRow.id).where(RegradeRequestRow.attempt_id.in_(ids)).scalar_subquery()
    users = list(session.scalars(select(UserRow).where(UserRow.student_key.in_(keys))))
    people = [u.id for u in users]
    forget_shared(session, [u.name for u in users], keys, ids)
    statements: list[tuple[type[Base], ColumnElement[bool]]] = [
        (MarkingRow, MarkingRow.edit_id.in_(edits)),
        (AnswerRow, AnswerRow.request_id.in_(requests)),
        (RegradeRequestRow, RegradeRequestRow.attempt_id.in_(ids)),
        (ResultRow, ResultRow.attempt_id.in_(ids)),
        (EditRow, EditRow.attempt_id.in_(ids)),
        (ChoiceRow, ChoiceRow.attempt_id.in_(ids) | ChoiceRow.last_attempt_id.in_(ids)),
        (AttemptRow, AttemptRow.id.in_(ids)),
        (AuditRow, AuditRow.who.in_([u.name for u in users])),
        (SessionRow, SessionRow.user_id.in_(people)),
        (UserRow, UserRow.id.in_(people)),
    ]
    counts: Counter[type[Base]] = Counter()
    for table, which in statements:
        done = cast("CursorResult[Any]", session.execute(delete(table).where(which)))
        counts[table] += max(done.rowcount, 0)
    return counts


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"gradebook {path}: {error}") from error
