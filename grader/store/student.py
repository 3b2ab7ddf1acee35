"""One student's part of the gradebook, without reading that of the others."""

from __future__ import annotations

from sqlalchemy import select

from grader.store.gradebook import Gradebook
from grader.store.records import StoredResult
from grader.store.tables import AttemptRow
from grader.store.views import View


def results_of(book: Gradebook, assignment: str, key: str) -> tuple[list[StoredResult], frozenset[int]]:
    """The latest result of each of the student's attempts, in the order of handing in, and which of them counts.

    :param key: as :func:`grader.store.records.student_key` makes it.
    :returns: results, and the ids of the attempts among them that count: one at most.
    """
    with book.database.reading() as session:
        digests = select(AttemptRow.digest).filter_by(assignment=assignment, student_key=key)
        view = View(session, assignment, only=tuple(session.scalars(digests)))
        theirs = sorted((a for a in view.attempts if a.student_key == key), key=lambda a: a.number)
        counting = frozenset(a.id for a in view.counting() if a.student_key == key)
        return view.results(theirs), counting
