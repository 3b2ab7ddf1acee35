"""The tables of the gradebook. Times are ISO 8601 texts in UTC; JSON columns hold records of :mod:`grader.model`.

A change here needs a migration in ``migrations/versions`` and a new :data:`SCHEMA_VERSION`; a test compares the two.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Float, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = "0003"


class Base(DeclarativeBase):
    """Parent of the tables."""

    type_annotation_map: ClassVar = {float: Float}  # else its SQL name depends on SQLAlchemy's version


class AttemptRow(Base):
    """One received file of one student."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("assignment", "digest", "student_key", "source"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment: Mapped[str] = mapped_column(index=True)
    digest: Mapped[str]
    source: Mapped[str]
    student_key: Mapped[str]
    student: Mapped[str]
    received_at: Mapped[str]
    handed_in_at: Mapped[str | None]
    language: Mapped[str | None]
    notes: Mapped[str]
    conflicts: Mapped[str]
    unreadable: Mapped[str | None]


class ResultRow(Base):
    """One grading of an attempt; the last one is shown. The student is kept again: a roster may tell more later."""

    __tablename__ = "results"

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    graded_at: Mapped[str]
    grader_version: Mapped[str]
    rubric_version: Mapped[str]
    language: Mapped[str]
    status: Mapped[str]
    points: Mapped[float | None]
    pending: Mapped[float]
    max_points: Mapped[float]
    evidence: Mapped[str | None]
    report: Mapped[str | None]
    student: Mapped[str]
    notes: Mapped[str]
    conflicts: Mapped[str]
    score: Mapped[str]
    execution: Mapped[str]
    verified: Mapped[str]


class EditRow(Base):
    """A person's points for one criterion of an attempt; ``points`` NULL takes earlier ones back."""

    __tablename__ = "edits"

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    criterion: Mapped[str]
    points: Mapped[float | None]
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[str]


class ChoiceRow(Base):
    """A person's decision on which attempt of a student counts, made when ``last_attempt_id`` was the newest one."""

    __tablename__ = "choices"
    __table_args__ = (Index("ix_choices_student", "assignment", "student_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment: Mapped[str]
    student_key: Mapped[str]
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    last_attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[str]


class MarkingRow(Base):
    """How an edit came about on the grading page: which rubric items and comments, and the grader's own words."""

    __tablename__ = "markings"

    id: Mapped[int] = mapped_column(primary_key=True)
    edit_id: Mapped[int] = mapped_column(ForeignKey("edits.id"), index=True)
    snippets: Mapped[str]
    own_words: Mapped[str]


class SnippetRow(Base):
    """A rubric item (``points`` set) or a comment that is used again. A change is a new row that ``replaces`` one."""

    __tablename__ = "snippets"
    __table_args__ = (Index("ix_snippets_criterion", "assignment", "criterion"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment: Mapped[str]
    criterion: Mapped[str]
    words: Mapped[str]
    points: Mapped[float | None]
    replaces: Mapped[int | None] = mapped_column(ForeignKey("snippets.id"))
    retired: Mapped[bool]
    author: Mapped[str]
    at: Mapped[str]


class RegradeRequestRow(Base):
    """A student's wish that a person looks again."""

    __tablename__ = "regrade_requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    criterion: Mapped[str]
    words: Mapped[str]
    at: Mapped[str]


class AnswerRow(Base):
    """What staff answered to a request; ``changed`` where points changed with it."""

    __tablename__ = "regrade_answers"

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("regrade_requests.id"), index=True)
    words: Mapped[str]
    changed: Mapped[bool]
    author: Mapped[str]
    at: Mapped[str]


class ReleaseRow(Base):
    """Grades of an assignment shown to the students of a section (``*``: to all), or no longer; the last one counts.

    ``audience`` is ``student``, ``student_after_due``, or empty for taken back.
    """

    __tablename__ = "releases"

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment: Mapped[str] = mapped_column(index=True)
    section: Mapped[str]
    audience: Mapped[str]
    author: Mapped[str]
    at: Mapped[str]


class AuditRow(Base):
    """Who did what in the staff application, and from where."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str]
    who: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    detail: Mapped[str]
    address: Mapped[str]


class UserRow(Base):
    """Somebody who may sign in. Rows from here on change and go; those before do not."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    sections: Mapped[str]
    student_key: Mapped[str | None]
    password: Mapped[str | None]
    token: Mapped[str | None]
    token_until: Mapped[str | None]
    language: Mapped[str | None]
    created_at: Mapped[str]
    disabled: Mapped[bool]


class SessionRow(Base):
    """One sign-in. ``digest``: SHA-256 of the secret in the person's cookie."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[str]
    until: Mapped[str]


class SignInTryRow(Base):
    """A try to sign in that did not succeed, or has not yet; for a quarter of an hour."""

    __tablename__ = "sign_in_tries"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(index=True)
    at: Mapped[str] = mapped_column(index=True)


class PresenceRow(Base):
    """Which answer to a question somebody had open last."""

    __tablename__ = "presence"

    who: Mapped[str] = mapped_column(primary_key=True)
    assignment: Mapped[str] = mapped_column(primary_key=True)
    criterion: Mapped[str] = mapped_column(primary_key=True)
    attempt_id: Mapped[int]
    at: Mapped[str]


class StalePageRow(Base):
    """A student whose pages in the workspace are older than what the gradebook says."""

    __tablename__ = "stale_pages"

    assignment: Mapped[str] = mapped_column(primary_key=True)
    student_key: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[str]
    at: Mapped[str]
