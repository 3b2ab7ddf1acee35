"""What several servers share for a while: tries to sign in, who reads which answer, and pages that are to be written.

Rows come and go here; each write takes those away that count no more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from grader.store.database import Database
from grader.store.tables import AttemptRow, PresenceRow, SignInTryRow, StalePageRow

TRIES_S = 15 * 60
TRIES_KEPT = 10_000
PRESENT_S = 90
_LONGEST = 80


class SignInTries:
    """How often somebody may fail to sign in within a quarter of an hour.

    Few times under one name from one address; more under one name from anywhere, so that a stranger cannot shut its
    owner out with five tries; and more from one address, as a whole university may share one.

    :param clock: tells the time as ISO 8601 in UTC.
    """

    BOTH, NAME, ADDRESS = 5, 50, 100

    def __init__(self, database: Database, clock: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock

    def begin(self, name: str, address: str) -> float:
        """Counts a try, before anybody looks at the password: many at once are no way around the limit.

        :returns: how long to wait, in s; 0: it may be now. One that has to wait is not counted.
        """
        name, address, now = name.casefold()[:_LONGEST], address[:_LONGEST], self._clock()
        with self._database.reading() as session:
            if (wait_s := self._wait_s(session, name, address, now)) > 0:
                return wait_s
        with self._database.writing() as session:
            session.execute(delete(SignInTryRow).where(SignInTryRow.at <= _before(now, TRIES_S)))
            if (wait_s := self._wait_s(session, name, address, now)) > 0:
                return wait_s
            row = SignInTryRow(name=name, address=address, at=now)
            session.add(row)
            session.flush()
            session.execute(delete(SignInTryRow).where(SignInTryRow.id <= row.id - TRIES_KEPT))
        return 0.0

    def succeeded(self, name: str, address: str) -> None:
        """They are in: their tries under that name from there count no more."""
        theirs = _both(name.casefold()[:_LONGEST], address[:_LONGEST])
        with self._database.writing() as session:
            session.execute(delete(SignInTryRow).where(theirs))

    def _wait_s(self, session: Session, name: str, address: str, now: str) -> float:
        limits = (
            (_both(name, address), self.BOTH),
            (SignInTryRow.name == name, self.NAME),
            (SignInTryRow.address == address, self.ADDRESS),
        )
        since = SignInTryRow.at > _before(now, TRIES_S)
        # The next try may be made when the oldest of the last ``n`` counts no more.
        newest = (select(SignInTryRow.at).where(of, since).order_by(SignInTryRow.at.desc()) for of, _ in limits)
        oldest = [session.scalar(query.offset(n - 1).limit(1)) for query, (_, n) in zip(newest, limits, strict=True)]
        return max((_seconds(now, _after(at, TRIES_S)) for at in oldest if at is not None), default=0.0)


class Presence:
    """Who looks at which answer right now, so that two people need not read the same one.

    :param clock: tells the time as ISO 8601 in UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock

    def here(self, who: str, assignment: str, criterion: str, attempt_id: int) -> None:
        """``who`` has this answer open."""
        now = self._clock()
        with self._database.writing() as session:
            session.execute(delete(PresenceRow).where(PresenceRow.at <= _before(now, PRESENT_S)))
            session.merge(
                PresenceRow(who=who, assignment=assignment, criterion=criterion, attempt_id=attempt_id, at=now)
            )

    def others(self, who: str, assignment: str, criterion: str) -> dict[str, int]:
        """Everybody else who is there, with the answer that they have open."""
        there = select(PresenceRow).filter_by(assignment=assignment, criterion=criterion).order_by(PresenceRow.who)
        lately = there.where(PresenceRow.who != who, PresenceRow.at > _before(self._clock(), PRESENT_S))
        with self._database.reading() as session:
            return {row.who: row.attempt_id for row in session.scalars(lately)}


@dataclass(frozen=True, slots=True)
class StalePage:
    """A student's pages in the workspace show less than the gradebook since ``since``; ``at``: the last change."""

    assignment: str
    student_key: str
    since: str
    at: str


class StalePages:
    """Whose pages are to be written again. Whoever has read the gradebook after the change and written, says so.

    :param clock: tells the time as ISO 8601 in UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock

    def all(self, assignment: str | None = None) -> list[StalePage]:
        """Those of an assignment, or of all."""
        wanted = select(StalePageRow).order_by(StalePageRow.assignment, StalePageRow.student_key)
        if assignment is not None:
            wanted = wanted.filter_by(assignment=assignment)
        with self._database.reading() as session:
            return [StalePage(r.assignment, r.student_key, r.since, r.at) for r in session.scalars(wanted)]

    def written(self, pages: Collection[StalePage]) -> None:
        """They have been written; a page that changed once more since :meth:`all` stays."""
        if not pages:
            return
        with self._database.writing() as session:
            for page in pages:
                row = session.get(StalePageRow, (page.assignment, page.student_key))
                if row is not None and row.at == page.at:
                    session.delete(row)

    def mark_student(self, key: str) -> None:
        """Something about this student changed that is on all of their pages."""
        with self._database.writing() as session:
            theirs = select(AttemptRow.assignment).filter_by(student_key=key).distinct()
            for assignment in session.scalars(theirs).all():
                mark_stale(session, assignment, key, self._clock())


def mark_stale(session: Session, assignment: str, key: str, now: str) -> None:
    """Keeps, in the transaction of a change, that the pages of a student are older than the gradebook."""
    row = session.get(StalePageRow, (assignment, key))
    if row is None:
        session.add(StalePageRow(assignment=assignment, student_key=key, since=now, at=now))
    else:
        row.at = now


def forget_shared(session: Session, names: Collection[str], keys: Collection[str], ids: Collection[int]) -> None:
    """Removes what is here of people with these names, keys and attempts."""
    folded = [name.casefold()[:_LONGEST] for name in names]
    session.execute(delete(SignInTryRow).where(SignInTryRow.name.in_(folded)))
    session.execute(delete(PresenceRow).where(PresenceRow.attempt_id.in_(ids)))
    session.execute(delete(StalePageRow).where(StalePageRow.student_key.in_(keys)))


def _both(name: str, address: str) -> ColumnElement[bool]:
    return (SignInTryRow.name == name) & (SignInTryRow.address == address)


def _before(now: str, seconds: float) -> str:
    """The moment ``seconds`` before ``now``; texts of one form, so that they are ordered as the moments are."""
    form = "microseconds" if "." in now else "seconds"
    return (datetime.fromisoformat(now) - timedelta(seconds=seconds)).isoformat(timespec=form)


def _after(at: str, seconds: float) -> str:
    return _before(at, -seconds)


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
