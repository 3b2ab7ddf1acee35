"""How long executions took, for whoever plans the next ones."""

from __future__ import annotations

import json

from sqlalchemy import select

from grader.store.gradebook import Gradebook
from grader.store.tables import AttemptRow, ResultRow


def durations_s(book: Gradebook, assignment: str) -> dict[str, float]:
    """Of the latest execution, by the attempt's digest and, of the last attempt, by the student's key."""
    with book.database.reading() as session:
        found = session.execute(
            select(AttemptRow.digest, AttemptRow.student_key, ResultRow.execution)
            .join(ResultRow, ResultRow.attempt_id == AttemptRow.id)
            .where(AttemptRow.assignment == assignment)
            .order_by(ResultRow.id)
        )
        rows = [(digest, key, json.loads(execution).get("duration_s")) for digest, key, execution in found]
    return {name: seconds for digest, key, seconds in rows if seconds is not None for name in (digest, key)}
