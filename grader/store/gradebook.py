"""The gradebook's interface: append attempts, results, edits and choices; ask what counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from grader.errors import StoreError, UsageError
from grader.model import Attempt, Result, Score, Student
from grader.store.accounts import Accounts
from grader.store.database import Database
from grader.store.desk import Desk, Marking, keep_marking
from grader.store.records import Edit, Event, StoredAttempt, StoredResult, decode, encode, student_key
from grader.store.shared import Presence, SignInTries, StalePages, mark_stale
from grader.store.tables import AttemptRow, ChoiceRow, EditRow, ResultRow
from grader.store.views import Memory, View, as_result, as_row


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Overview:
    """All attempts of an assignment, the latest result of each that has one, and the ids of those that count."""

    attempts: list[StoredAttempt]
    results: list[StoredResult]
    counting: frozenset[int]


@dataclass(frozen=True, slots=True)
class How:
    """How an edit came about. ``seen``: id of the last edit that its author had seen, 0 for none."""

    seen: int
    marking: Marking = field(default_factory=Marking)


class EditConflict(UsageError):
    """Somebody else edited the same criterion meanwhile; ``last`` is that edit."""

    def __init__(self, words: str, last: Edit) -> None:
        super().__init__(words)
        self.last = last


class Gradebook:
    """All attempts, results, edits and choices of one workspace.

    Threads may share one object, and processes one file.

    :param location: path of the file, or a URL (see :class:`Database`); a file is made if it is not there, for its
        owner only.
    :param clock: tells the time as ISO 8601 in UTC.
    :raises StoreError: it cannot be opened, is no gradebook, or was made by a newer grader.
    """

    def __init__(self, location: Path | str, clock: Callable[[], str] = _now) -> None:
        self._database = Database(location)
        self._clock = clock
        self.accounts = Accounts(self._database, clock)
        self.desk = Desk(self._database, clock)
        self.tries = SignInTries(self._database, clock)
        self.presence = Presence(self._database, clock)
        self.stale_pages = StalePages(self._database, clock)

    @property
    def path(self) -> Path:
        """The file. :raises UsageError: it is on a server."""
        return self._database.path

    @property
    def name(self) -> str:
        """What to call it: the path, or the address without the password."""
        return self._database.name

    @property
    def database(self) -> Database:
        """For the other modules of this room."""
        return self._database

    def everybody(self) -> list[tuple[str, Student]]:
        """Every student as each attempt names them, with the key."""
        with self._database.reading() as session:
            rows = session.execute(select(AttemptRow.student_key, AttemptRow.student).distinct())
            return [(key, decode(student, Student)) for key, student in rows]

    def close(self) -> None:
        """Closes the file; the object can be used again, which opens it again."""
        self._database.close()

    def add_attempt(self, attempt: Attempt) -> int:
        """Keeps ``attempt``; the same file of the same student and source again is the same attempt.

        Where no time of handing in is known, the order of adding is the order of handing in.

        :returns: its number in the gradebook.
        """
        with self._database.writing() as session:
            known = _find(session, attempt)
            if known is not None:
                return known
            row = AttemptRow(
                assignment=attempt.assignment,
                digest=attempt.digest,
                source=attempt.source,
                student_key=student_key(attempt.student, attempt.digest),
                student=encode(attempt.student),
                received_at=self._clock(),
                handed_in_at=attempt.handed_in_at,
                language=attempt.language,
                notes=encode(attempt.notes),
                conflicts=encode(attempt.conflicts),
                unreadable=encode(attempt.unreadable) if attempt.unreadable else None,
            )
            session.add(row)
            session.flush()
            return row.id

    def add_result(self, result: Result) -> None:
        """Keeps ``result`` as the latest of its attempt; one that says nothing new is not kept twice.

        :raises StoreError: the attempt was never added.
        """
        with self._database.writing() as session:
            found = _find(session, result)
            if found is None:
                raise StoreError(
                    f"a result of {result.source} came without its attempt: expected add_attempt before it"
                )
            row = as_row(result, found, result.graded_at or self._clock())
            newest = select(ResultRow).filter_by(attempt_id=found).order_by(ResultRow.id.desc()).limit(1)
            if not _says_the_same(row, session.scalar(newest)):
                session.add(row)

    def add_edit(
        self, attempt_id: int, criterion: str, points: float | None, author: str, reason: str, *, how: How | None = None
    ) -> Edit:
        """Keeps a person's points for one criterion; ``None`` takes earlier ones back.

        :param how: on the grading page: what they had seen, and from which snippets the points come.
        :raises EditConflict: the criterion was edited since what ``how`` says they had seen.
        :raises UsageError: no such attempt or criterion, points outside 0 to its maximum, no author or no reason.
        """
        edit = Edit(criterion, points, _said(author, "author"), _said(reason, "reason"), self._clock())
        with self._database.writing() as session:
            view = self._view_of(session, attempt_id)
            latest = view.results([view.of(attempt_id)])
            if not latest:
                raise UsageError(f"attempt {attempt_id} has no result to edit: grade it first")
            _fits(edit, latest[0].result.score)
            if how is not None:
                _refuse_unseen(latest[0].edits, criterion, how.seen)
            row = EditRow(
                attempt_id=attempt_id,
                criterion=criterion,
                points=points,
                author=edit.author,
                reason=edit.reason,
                at=edit.at,
            )
            session.add(row)
            session.flush()
            if how is not None:
                keep_marking(session, row.id, how.marking)
            mark_stale(session, latest[0].result.assignment, latest[0].student_key, edit.at)
            return replace(edit, id=row.id)

    def choose(self, assignment: str, key: str, digest: str, author: str, reason: str) -> None:
        """From now on attempt ``digest`` of student ``key`` counts, until the student hands in another file.

        :raises UsageError: this student has no such attempt; no author or no reason.
        """
        author, reason = _said(author, "author"), _said(reason, "reason")
        with self._database.writing() as session:
            view = View(session, assignment)
            theirs = view.by_student().get(key, [])
            chosen = [a for a in theirs if a.digest == digest]
            if not chosen:
                raise UsageError(
                    f"{key} has no attempt {digest} of {assignment}: expected one of {[a.digest for a in theirs]}"
                )
            session.add(
                ChoiceRow(
                    assignment=assignment,
                    student_key=key,
                    attempt_id=chosen[-1].id,
                    last_attempt_id=view.newest_row_id(theirs),
                    author=author,
                    reason=reason,
                    at=self._clock(),
                )
            )
            mark_stale(session, assignment, key, self._clock())

    def overview(self, assignment: str, memory: Memory | None = None) -> Overview:
        """Everything about one assignment in one consistent view.

        :param memory: kept by the caller between two looks; what it holds is not read again.
        """
        with self._database.reading() as session:
            view = View(session, assignment, memory)
            counting = frozenset(a.id for a in view.counting())
            return Overview(view.attempts, view.results(view.attempts), counting)

    def stamp(self, assignment: str) -> tuple[int, ...]:
        """Differs as soon as an attempt at ``assignment``, a result, an edit or a choice of one came or went."""
        of = AttemptRow.assignment == assignment
        newest = (
            select(func.max(AttemptRow.id), func.count()).where(of),
            *(
                select(func.max(table.id), func.count(table.id))
                .join(AttemptRow, AttemptRow.id == table.attempt_id)
                .where(of)
                for table in (ResultRow, EditRow, ChoiceRow)
            ),
        )
        with self._database.reading() as session:
            return tuple(number or 0 for query in newest for number in session.execute(query).one())

    def assignments(self) -> list[str]:
        """Assignments of which there is an attempt, sorted."""
        with self._database.reading() as session:
            return list(session.scalars(select(AttemptRow.assignment).distinct().order_by(AttemptRow.assignment)))

    def attempts(self, assignment: str) -> list[StoredAttempt]:
        """All attempts in the order in which they were added; a file whose student became known since shows once."""
        with self._database.reading() as session:
            return View(session, assignment).attempts

    def latest_results(self, assignment: str) -> list[StoredResult]:
        """The latest result of each attempt that has one, in the order of :meth:`attempts`."""
        with self._database.reading() as session:
            view = View(session, assignment)
            return view.results(view.attempts)

    def counting(self, assignment: str) -> list[StoredResult]:
        """The latest result of the attempt that counts, one for each student, in the order of :meth:`attempts`.

        It is the one handed in last, unless a person chose another one since. An attempt without a result (its grading
        was interrupted) does not count yet.
        """
        with self._database.reading() as session:
            view = View(session, assignment)
            return view.results(view.counting())

    def history(self, attempt_id: int) -> list[Event]:
        """What happened to an attempt, oldest first. :raises UsageError: there is no such attempt."""
        with self._database.reading() as session:
            owner = self._view_of(session, attempt_id).owner
            ids = [ident for ident, o in owner.items() if o == owner[attempt_id]]
            return sorted(_events(session, ids), key=lambda e: e.at)

    def integrity_check(self) -> list[str]:
        """What is wrong with the file, in words; nothing when it is sound."""
        with self._database.reading() as session:
            faults = list(_damage(session)) if self._database.is_file else []  # a server looks after its own files
            for assignment in session.scalars(select(AttemptRow.assignment).distinct()):
                faults += _unreadable(session, assignment)
        return faults

    def _view_of(self, session: Session, attempt_id: int) -> View:
        row = session.get(AttemptRow, attempt_id)
        if row is None:
            raise UsageError(f"there is no attempt {attempt_id} in {self.name}")
        # Of a class of thousands only what its student handed in, and who handed in the same.
        theirs = select(AttemptRow.digest).filter_by(assignment=row.assignment, student_key=row.student_key)
        return View(session, row.assignment, only=tuple(session.scalars(theirs)))


def _refuse_unseen(edits: tuple[Edit, ...], criterion: str, seen: int) -> None:
    """:raises EditConflict: the last edit of ``criterion`` is not the one with id ``seen`` (0: none)."""
    last = next((e for e in reversed(edits) if e.criterion == criterion), None)
    if last is not None and last.id != seen:
        raise EditConflict(
            f"{last.author} edited {criterion} meanwhile, at {last.at}: look at that edit, then decide", last
        )


def _damage(session: Session) -> Iterator[str]:
    yield from (str(row[0]) for row in session.execute(text("PRAGMA integrity_check")) if row[0] != "ok")
    for row in session.execute(text("PRAGMA foreign_key_check")):
        yield f"{row[0]} {row[1]} refers to a missing row of {row[2]}"


def _says_the_same(row: ResultRow, latest: ResultRow | None) -> bool:
    """Whether only the time of grading differs."""
    columns = [c.key for c in ResultRow.__table__.columns if c.key not in ("id", "graded_at")]
    return latest is not None and all(getattr(row, name) == getattr(latest, name) for name in columns)


def _find(session: Session, attempt: Attempt | Result) -> int | None:
    """The row of the same file of the same student and source."""
    same = select(AttemptRow.id).filter_by(
        assignment=attempt.assignment,
        digest=attempt.digest,
        student_key=student_key(attempt.student, attempt.digest),
        source=attempt.source,
    )
    return session.scalar(same)


def _events(session: Session, attempt_ids: list[int]) -> Iterator[Event]:
    received = session.scalars(select(AttemptRow.received_at).where(AttemptRow.id.in_(attempt_ids)))
    yield Event(min(received), "received")
    for r in session.scalars(select(ResultRow).where(ResultRow.attempt_id.in_(attempt_ids))):
        yield Event(r.graded_at, "result", points=r.points, status=r.status)
    for e in session.scalars(select(EditRow).where(EditRow.attempt_id.in_(attempt_ids))):
        yield Event(e.at, "edit", e.author, e.reason, e.criterion, e.points)
    for c in session.scalars(select(ChoiceRow).where(ChoiceRow.attempt_id.in_(attempt_ids))):
        yield Event(c.at, "choice", c.author, c.reason)


def _said(words: str, what: str) -> str:
    if not words.strip():
        raise UsageError(f"an edit or choice needs its {what}, it is empty: expected some words")
    return words.strip()


def _fits(edit: Edit, score: Score) -> None:
    """:raises UsageError: ``edit`` is for no criterion of ``score``, or outside 0 to its maximum."""
    line = next((c for c in score.criteria if c.id == edit.criterion), None)
    if line is None:
        ids = ", ".join(c.id for c in score.criteria)
        raise UsageError(f"this attempt has no criterion {edit.criterion!r}: expected one of {ids}")
    if edit.points is not None and not (math.isfinite(edit.points) and 0 <= edit.points <= line.max_points):
        raise UsageError(f"{edit.criterion} cannot get {edit.points} points: expected 0 to {line.max_points:g}")


def _unreadable(session: Session, assignment: str) -> Iterator[str]:
    """What is wrong with the records of one assignment, every result ever given included."""
    try:
        view = View(session, assignment)
    except StoreError as error:
        yield f"attempts of {assignment}: {error}"
        return
    attempts = {a.id: a for a in view.attempts}
    of_assignment = select(ResultRow).join(AttemptRow).where(AttemptRow.assignment == assignment)
    for row in session.scalars(of_assignment):
        try:
            as_result(row, attempts[view.owner[row.attempt_id]])
        except StoreError as error:
            yield f"result {row.id}: {error}"
