"""Who may sign in to the staff application, their sessions, and the log of what they did there.

Secrets come in as digests or hashes only: a copy of the gradebook lets nobody in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from grader.errors import UsageError
from grader.store.database import Database
from grader.store.tables import AuditRow, SessionRow, UserRow

EVERY_SECTION = "*"


class Role(StrEnum):
    """What somebody may do: everything; see and grade their sections; see their own released reports."""

    INSTRUCTOR = "instructor"
    TA = "ta"
    STUDENT = "student"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in.

    :ivar sections: of the class that a TA sees; ``*`` is all. :ivar student_key: whose reports a student sees.
    :ivar password: an argon2 hash. :ivar token: SHA-256 of a token that works once, until ``token_until``.
    """

    id: int
    name: str
    role: Role
    sections: tuple[str, ...] = ()
    student_key: str | None = None
    password: str | None = None
    token: str | None = None
    token_until: str | None = None
    language: str | None = None
    disabled: bool = False

    @property
    def is_staff(self) -> bool:
        """Whether it is no student."""
        return self.role is not Role.STUDENT

    def sees(self, section: str | None) -> bool:
        """Whether they may see students of ``section`` (``None``: of nobody knows which)."""
        if self.role is Role.INSTRUCTOR or EVERY_SECTION in self.sections:
            return True
        return self.role is Role.TA and section is not None and section in self.sections


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what, to what, and from where. ``at``: ISO 8601, UTC."""

    at: str
    who: str
    action: str
    object: str
    detail: str
    address: str


class Accounts:
    """Users, sessions and the audit log of one gradebook.

    :param clock: tells the time as ISO 8601 in UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock

    def add(self, name: str, role: Role, sections: Sequence[str] = (), student_key: str | None = None) -> User:
        """A new user. :raises UsageError: the name is taken or empty, a TA has no section, a student no number."""
        name = name.strip()
        if not name or len(name) > 80 or not name.isprintable():
            raise UsageError(f"a user's name has 1 to 80 characters that can be printed, received {name!r}")
        if role is Role.TA and not sections:
            raise UsageError(f"{name} is a teaching assistant: name at least one section, or * for all")
        if role is Role.STUDENT and not student_key:
            raise UsageError(f"{name} is a student: give the student number, so that the right reports are shown")
        with self._database.writing() as session:
            if _by_name(session, name) is not None:
                raise UsageError(f"there is a user {name!r} already: choose another name, or make a new link for it")
            row = UserRow(
                name=name,
                role=str(role),
                sections=msgspec.json.encode(list(sections)).decode(),
                student_key=student_key,
                created_at=self._clock(),
                disabled=False,
            )
            session.add(row)
            session.flush()
            return _user(row)

    def all(self) -> list[User]:
        """Every user, by name."""
        with self._database.reading() as session:
            return [_user(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]

    def named(self, name: str) -> User | None:
        """The user of this name; case does not matter."""
        with self._database.reading() as session:
            row = _by_name(session, name.strip())
            return _user(row) if row else None

    def with_token(self, token: str) -> User | None:
        """The user whose token has this digest, if it still works."""
        with self._database.reading() as session:
            row = session.scalar(select(UserRow).filter_by(token=token, disabled=False))
            return _user(row) if row and (row.token_until or "") > self._clock() else None

    def use_token(self, token: str) -> User | None:
        """:meth:`with_token`, and it never works again. Of two at once one gets the user."""
        with self._database.writing() as session:
            row = session.scalar(select(UserRow).filter_by(token=token, disabled=False))
            if row is None or (row.token_until or "") <= self._clock():
                return None
            row.token = row.token_until = None
            return _user(row)

    def set_token(self, user_id: int, token: str, until: str) -> None:
        """A new token instead of the former one; ``until``: ISO 8601, UTC."""
        self._change(user_id, token=token, token_until=until)

    def set_password(self, user_id: int, password: str) -> None:
        """A new password (its hash); every session of the user ends."""
        self._change(user_id, password=password)
        self.end_sessions(user_id)

    def set_language(self, user_id: int, language: str) -> None:
        """The language of the user's pages."""
        self._change(user_id, language=language)

    def languages(self) -> dict[str, str]:
        """What students chose, by their key."""
        chosen = select(UserRow.student_key, UserRow.language).where(UserRow.role == str(Role.STUDENT))
        with self._database.reading() as session:
            return {key: language for key, language in session.execute(chosen) if key and language}

    def disable(self, user_id: int, disabled: bool) -> None:
        """Lets nobody in under this name any more, or again; sessions end."""
        self._change(user_id, disabled=disabled)
        self.end_sessions(user_id)

    def start_session(self, user_id: int, digest: str, until: str) -> None:
        """Keeps a sign-in; those that have ended are cleared away."""
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.until <= self._clock()))
            session.add(SessionRow(digest=digest, user_id=user_id, created_at=self._clock(), until=until))

    def of_session(self, digest: str) -> User | None:
        """Whose session this is, if it has not ended."""
        with self._database.reading() as session:
            found = session.execute(
                select(UserRow).join(SessionRow).where(SessionRow.digest == digest, SessionRow.until > self._clock())
            ).scalar_one_or_none()
            return _user(found) if found and not found.disabled else None

    def end_session(self, digest: str) -> None:
        """Signs out."""
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.digest == digest))

    def end_sessions(self, user_id: int) -> None:
        """Signs out everywhere."""
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.user_id == user_id))

    def note(self, who: str, action: str, object_: str = "", detail: str = "", address: str = "") -> None:
        """A line of the audit log; no secret belongs into it."""
        with self._database.writing() as session:
            session.add(
                AuditRow(
                    at=self._clock(),
                    who=who[:80],
                    action=action,
                    object=object_[:200],
                    detail=detail[:500],
                    address=address[:80],
                )
            )

    def log(self, n: int, skip: int = 0, who: str = "") -> tuple[list[AuditLine], int]:
        """``n`` lines of the audit log, the newest first, and how many there are; only those of ``who``, if given."""
        with self._database.reading() as session:
            wanted = select(AuditRow) if not who else select(AuditRow).filter_by(who=who)
            total = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
            rows = session.scalars(wanted.order_by(AuditRow.id.desc()).offset(skip).limit(n))
            return [AuditLine(r.at, r.who, r.action, r.object, r.detail, r.address) for r in rows], total

    def _change(self, user_id: int, **values: object) -> None:
        with self._database.writing() as session:
            row = session.get(UserRow, user_id)
            if row is None:
                raise UsageError(f"there is no user {user_id}")
            for name, value in values.items():
                setattr(row, name, value)


def _by_name(session: Session, name: str) -> UserRow | None:
    """Compared here: SQLite, and PostgreSQL by its locale, know no capitals but A to Z."""
    names = session.execute(select(UserRow.id, UserRow.name).order_by(UserRow.id))
    found = next((ident for ident, known in names if known.casefold() == name.casefold()), None)
    return session.get(UserRow, found) if found is not None else None


def _user(row: UserRow) -> User:
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        sections=tuple(msgspec.json.decode(row.sections, type=list[str])),
        student_key=row.student_key,
        password=row.password,
        token=row.token,
        token_until=row.token_until,
        language=row.language,
        disabled=row.disabled,
    )
