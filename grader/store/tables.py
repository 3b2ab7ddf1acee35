"""The tables of the gradebook. Times are ISO 8601 texts in UTC; JSON columns hold records of :mod:`grader.model`.

A change here needs a migration in ``migrations/versions`` and a new :data:`SCHEMA_VERSION`; a test compares the two.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Float, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = "0001"


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
