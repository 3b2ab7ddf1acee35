"""What of a workspace's files the gradebook refers to."""

from __future__ import annotations

from sqlalchemy import func, select

from grader.store.gradebook import Gradebook
from grader.store.tables import AttemptRow, ResultRow


def evidence_in_use(book: Gradebook) -> frozenset[str]:
    """Names of the evidence folders that the latest result of any attempt rests on.

    A result that has no evidence (a fault of ours) leaves the one before it in place.
    """
    newest = select(func.max(ResultRow.id)).where(ResultRow.evidence.is_not(None)).group_by(ResultRow.attempt_id)
    with book.database.reading() as session:
        return frozenset(filter(None, session.scalars(select(ResultRow.evidence).where(ResultRow.id.in_(newest)))))


def digests_in_use(book: Gradebook) -> frozenset[str]:
    """Of all files that were handed in."""
    with book.database.reading() as session:
        return frozenset(session.scalars(select(AttemptRow.digest)))
