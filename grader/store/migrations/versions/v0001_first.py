"""Attempts, results, edits and choices, none of which can be changed or deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from grader.store.protection import protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = ("attempts", "results", "edits", "choices")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def _optional_texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=True) for name in names]


def _attempt(name: str = "attempt_id") -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey("attempts.id"), nullable=False)


def upgrade() -> None:
    """Makes the first schema."""
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts("assignment", "digest", "source", "student_key", "student", "received_at"),
        *_optional_texts("handed_in_at", "language", "unreadable"),
        *_texts("notes", "conflicts"),
        sa.UniqueConstraint("assignment", "digest", "student_key", "source"),
    )
    op.create_table(
        "results",
        sa.Column("id", sa.Integer, primary_key=True),
        _attempt(),
        *_texts("graded_at", "grader_version", "rubric_version", "language", "status"),
        sa.Column("points", sa.Float, nullable=True),
        sa.Column("pending", sa.Float, nullable=False),
        sa.Column("max_points", sa.Float, nullable=False),
        *_optional_texts("evidence", "report"),
        *_texts("student", "notes", "conflicts", "score", "execution", "verified"),
    )
    op.create_table(
        "edits",
        sa.Column("id", sa.Integer, primary_key=True),
        _attempt(),
        *_texts("criterion"),
        sa.Column("points", sa.Float, nullable=True),
        *_texts("author", "reason", "at"),
    )
    op.create_table(
        "choices",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts("assignment", "student_key"),
        _attempt(),
        _attempt("last_attempt_id"),
        *_texts("author", "reason", "at"),
    )
    op.create_index("ix_attempts_assignment", "attempts", ["assignment"])
    op.create_index("ix_results_attempt_id", "results", ["attempt_id"])
    op.create_index("ix_edits_attempt_id", "edits", ["attempt_id"])
    op.create_index("ix_choices_student", "choices", ["assignment", "student_key"])
    protect(_TABLES)
