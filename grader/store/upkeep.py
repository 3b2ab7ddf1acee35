"""Rare work on a whole gradebook file: a copy of it, and removing one person's rows for good."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from grader.errors import StoreError, UsageError
from grader.model import Student
from grader.people import folded, is_known_by_name_only, same_name, same_person
from grader.store.database import BUSY_TIMEOUT_S
from grader.store.gradebook import Gradebook
from grader.store.records import decode

_CHILDREN = ("results", "edits", "choices")


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

    :raises UsageError: ``target`` is there already. :raises StoreError: it cannot be written, or the copy is not sound.
    """
    if target.exists():
        raise UsageError(f"{target} is there already: name another file, a backup never replaces one")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with _connected(book.path) as connection:
            connection.execute("VACUUM INTO ?", (str(part),))
        faults = _faults_of(part)
        if faults:
            raise StoreError(f"the copy of {book.path} is not sound: {'; '.join(faults[:5])}")
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
    with _connected(book.path) as connection:
        found: dict[str, Student] = {}
        for key, student in _everybody(connection):
            words = {folded(w) for w in (student.id, student.email, student.name) if w}
            if folded(wanted) in words or (student == Student() and key.startswith("sha256:") and key == wanted):
                found[key] = student
    people = {folded(s.id or s.email or s.name) or key for key, s in found.items()}
    if not people:
        raise UsageError(f"nobody in {book.path} has the number, address or name {wanted!r}; see 'grader attempts'")
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
    with _connected(book.path) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            forgotten = _remove(connection, student, key, first)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return forgotten


def _remove(connection: sqlite3.Connection, student: Student, key: str | None, first: BeforeRows) -> Forgotten:
    rows = connection.execute("SELECT id, assignment, digest, source, student_key, student FROM attempts").fetchall()
    theirs = [r for r in rows if (r[4] == key if key else same_person(decode(r[5], Student), student))]
    digests = {r[2] for r in theirs}
    own = {r[0] for r in theirs}
    shared = frozenset(r[2] for r in rows if r[2] in digests and r[0] not in own and r[4] != r[2])
    # The same file before anybody knew whose it was: it is theirs, unless others handed it in as well.
    theirs += [r for r in rows if r[0] not in own and r[2] in digests - shared and r[4] == r[2]]
    ids = [r[0] for r in theirs]
    files = tuple(KeptFile(r[1], r[2], r[3]) for r in theirs)
    first(files, shared)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f'DROP TRIGGER "{name}"')
    counts = {table: _delete(connection, table, "attempt_id", ids) for table in _CHILDREN}
    counts["choices"] += _delete(connection, "choices", "last_attempt_id", ids)
    _delete(connection, "attempts", "id", ids)
    for _, sql in triggers:
        connection.execute(sql)
    left = ((r[2], decode(r[5], Student)) for r in rows if r[0] not in set(ids))
    namesakes = dict.fromkeys(digest for digest, who in left if is_known_by_name_only(who) and same_name(who, student))
    return Forgotten(files, shared, tuple(namesakes), counts["results"], counts["edits"], counts["choices"])


def _delete(connection: sqlite3.Connection, table: str, column: str, ids: Sequence[int]) -> int:
    cursor = connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(i,) for i in ids])  # noqa: S608
    return max(cursor.rowcount, 0)


def _everybody(connection: sqlite3.Connection) -> Iterator[tuple[str, Student]]:
    for key, student in connection.execute("SELECT DISTINCT student_key, student FROM attempts"):
        yield key, decode(student, Student)


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"gradebook {path}: {error}") from error
