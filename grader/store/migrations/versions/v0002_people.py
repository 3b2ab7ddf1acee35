"""The staff application: people, sessions, the audit log, snippets, regrade requests and releases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from grader.store.protection import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("markings", "snippets", "regrade_requests", "regrade_answers", "releases", "audit")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def _optional_texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=True) for name in names]


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _of(name: str, table: str, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey(f"{table}.id"), nullable=optional)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def upgrade() -> None:
    """Adds the tables."""
    op.create_table("markings", _id(), _of("edit_id", "edits"), *_texts("snippets", "own_words"))
    op.create_table(
        "snippets",
        _id(),
        *_texts("assignment", "criterion", "words"),
        sa.Column("points", sa.Float, nullable=True),
        _of("replaces", "snippets", optional=True),
        _flag("retired"),
        *_texts("author", "at"),
    )
    op.create_table("regrade_requests", _id(), _of("attempt_id", "attempts"), *_texts("criterion", "words", "at"))
    request = _of("request_id", "regrade_requests")
    op.create_table("regrade_answers", _id(), request, *_texts("words"), _flag("changed"), *_texts("author", "at"))
    op.create_table("releases", _id(), *_texts("assignment", "section", "audience", "author", "at"))
    op.create_table("audit", _id(), *_texts("at", "who", "action", "object", "detail", "address"))
    op.create_table(
        "users",
        _id(),
        sa.Column("name", sa.String, nullable=False, unique=True),
        *_texts("role", "sections"),
        *_optional_texts("student_key", "password", "token", "token_until", "language"),
        *_texts("created_at"),
        _flag("disabled"),
    )
    digest = sa.Column("digest", sa.String, primary_key=True)
    op.create_table("sessions", digest, _of("user_id", "users"), *_texts("created_at", "until"))
    for table, column in (
        ("markings", "edit_id"),
        ("regrade_requests", "attempt_id"),
        ("regrade_answers", "request_id"),
        ("releases", "assignment"),
        ("sessions", "user_id"),
    ):
        op.create_index(f"ix_{table}_{column}", table, [column])
    op.create_index("ix_snippets_criterion", "snippets", ["assignment", "criterion"])
    protect(_APPEND_ONLY)
