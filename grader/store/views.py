"""What the rows of one assignment say together: which attempts there are, whose they are, and which one counts.

Rows are never changed, so a file whose student became known after it was first seen (a roster came later) has two rows.
They are one attempt here, under the newest row that knows the student; results and edits of both belong to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from grader.model import Execution, Result, Score, Student, Text, Verified
from grader.store.records import Edit, StoredAttempt, StoredResult, decode, encode
from grader.store.tables import AttemptRow, ChoiceRow, EditRow, ResultRow

_Texts = tuple[Text, ...]
_AT_ONCE = 500
Memory = dict[int, tuple[StoredAttempt, Result]]
"""Results by the id of their row, which never changes, with the attempt as it was known."""


class View:
    """The attempts of one assignment.

    :param memory: results that were read before; new ones are added to it.
    :param only: digests of files; others are left out, and with them whoever handed in none of these.
    :ivar attempts: in the order in which they were first seen.
    :ivar owner: id of any row to the id of the attempt that it belongs to.
    """

    def __init__(
        self,
        session: Session,
        assignment: str,
        memory: Memory | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        self._session = session
        self._memory = memory
        looked_at = AttemptRow.assignment == assignment
        if only is not None:
            looked_at = and_(looked_at, AttemptRow.digest.in_(only))
        rows = list(session.scalars(select(AttemptRow).where(looked_at).order_by(AttemptRow.id)))
        self.owner = _owners(rows)
        self._row_ids = select(AttemptRow.id).where(looked_at).scalar_subquery()
        of_assignment = ResultRow.attempt_id.in_(self._row_ids)
        graded = {self.owner[ident] for ident in session.scalars(select(ResultRow.attempt_id).where(of_assignment))}
        by_id = {row.id: row for row in rows}
        first = {owner: by_id[ident] for ident, owner in reversed(self.owner.items())}
        found = [_attempt(by_id[owner], row.received_at, owner in graded) for owner, row in first.items()]
        self._first_id = {owner: row.id for owner, row in first.items()}
        self.attempts = _numbered(sorted(found, key=lambda a: self._first_id[a.id]))
        self._assignment = assignment

    def of(self, row_id: int) -> StoredAttempt:
        """The attempt that the row with ``row_id`` belongs to."""
        return next(a for a in self.attempts if a.id == self.owner[row_id])

    def by_student(self) -> dict[str, list[StoredAttempt]]:
        """Attempts of each student, the one handed in last at the end."""
        groups: dict[str, list[StoredAttempt]] = defaultdict(list)
        for attempt in sorted(self.attempts, key=lambda a: a.number):
            groups[attempt.student_key].append(attempt)
        return dict(groups)

    def counting(self) -> list[StoredAttempt]:
        """The attempt that counts of each student, of those with a result."""
        chosen = self._chosen()
        ids = set()
        for key, attempts in self.by_student().items():
            graded = [a.id for a in attempts if a.graded]
            if graded:
                ids.add(chosen[key] if chosen.get(key) in graded else graded[-1])
        return [a for a in self.attempts if a.id in ids]

    def newest_row_id(self, attempts: Iterable[StoredAttempt]) -> int:
        """When the newest of ``attempts`` was first seen, as the id of its row."""
        return max(self._first_id[a.id] for a in attempts)

    def results(self, attempts: Sequence[StoredAttempt]) -> list[StoredResult]:
        """The latest result of each of ``attempts`` that has one, with its edits."""
        of_assignment = ResultRow.attempt_id.in_(self._row_ids)
        latest_ids = select(func.max(ResultRow.id)).where(of_assignment).group_by(ResultRow.attempt_id)
        columns = select(ResultRow.id, ResultRow.attempt_id).where(ResultRow.id.in_(latest_ids)).order_by(ResultRow.id)
        latest = {self.owner[attempt_id]: ident for ident, attempt_id in self._session.execute(columns)}
        wanted = {a.id: a for a in attempts if a.id in latest}
        found = self._read({latest[ident]: attempt for ident, attempt in wanted.items()})
        edits = self._edits()
        return [
            StoredResult(a.id, a.student_key, found[latest[a.id]], tuple(edits.get(a.id, ()))) for a in wanted.values()
        ]

    def _read(self, attempts: Mapping[int, StoredAttempt]) -> dict[int, Result]:
        """Results by the id of their row; ``attempts``: of each of these rows. Those in memory are not read again."""
        memory = {} if self._memory is None else self._memory
        known = {i: memory[i][1] for i, attempt in attempts.items() if i in memory and memory[i][0] == attempt}
        unread = [ident for ident in attempts if ident not in known]
        for start in range(0, len(unread), _AT_ONCE):
            some = select(ResultRow).where(ResultRow.id.in_(unread[start : start + _AT_ONCE]))
            for row in self._session.scalars(some):
                known[row.id] = as_result(row, attempts[row.id])
                if self._memory is not None:
                    self._memory[row.id] = (attempts[row.id], known[row.id])
        return known

    def _edits(self) -> Mapping[int, list[Edit]]:
        edits: dict[int, list[Edit]] = defaultdict(list)
        of_assignment = EditRow.attempt_id.in_(self._row_ids)
        for row in self._session.scalars(select(EditRow).where(of_assignment).order_by(EditRow.id)):
            edit = Edit(row.criterion, row.points, row.author, row.reason, row.at, row.id)
            edits[self.owner[row.attempt_id]].append(edit)
        return edits

    def _chosen(self) -> dict[str, int]:
        """Student key to the attempt that a person chose, unless another file came after that."""
        students = {a.id: a.student_key for a in self.attempts}
        newest = {key: self.newest_row_id(own) for key, own in self.by_student().items()}
        chosen: dict[str, int] = {}
        rows = self._session.scalars(select(ChoiceRow).filter_by(assignment=self._assignment).order_by(ChoiceRow.id))
        for row in rows:
            owner = self.owner.get(row.attempt_id)  # None: of somebody who is left out here
            if owner is not None and newest[students[owner]] <= row.last_attempt_id:
                chosen[students[owner]] = owner
        return chosen


def as_result(row: ResultRow, attempt: StoredAttempt) -> Result:
    """The record that was given to ``Gradebook.add_result``. :raises StoreError: a part of it cannot be read."""
    return Result(
        assignment=attempt.assignment,
        digest=attempt.digest,
        source=attempt.source,
        student=decode(row.student, Student) if row.attempt_id == attempt.id else attempt.student,
        execution=decode(row.execution, Execution),
        score=decode(row.score, Score),
        verified=decode(row.verified, Verified),
        rubric_version=row.rubric_version,
        language=row.language,
        notes=decode(row.notes, _Texts),
        conflicts=decode(row.conflicts, _Texts),
        handed_in_at=attempt.handed_in_at,
        graded_at=row.graded_at,
        attempt_number=attempt.number,
        evidence=row.evidence,
        report=row.report,
        grader_version=row.grader_version,
    )


def as_row(result: Result, attempt_id: int, graded_at: str) -> ResultRow:
    """``result`` as a row of the attempt with ``attempt_id``. :raises StoreError: a part of it cannot be JSON."""
    return ResultRow(
        attempt_id=attempt_id,
        graded_at=graded_at,
        grader_version=result.grader_version,
        rubric_version=result.rubric_version,
        language=result.language,
        status=str(result.score.status),
        points=result.score.points,
        pending=result.score.pending,
        max_points=result.score.max_points,
        evidence=result.evidence,
        report=result.report,
        student=encode(result.student),
        notes=encode(result.notes),
        conflicts=encode(result.conflicts),
        score=encode(result.score),
        execution=encode(result.execution),
        verified=encode(result.verified),
    )


def _owners(rows: Sequence[AttemptRow]) -> dict[int, int]:
    """Row id to the id of the row that speaks for it, in the order of ``rows``."""
    speaks: dict[tuple[str, str], AttemptRow] = {}
    for row in rows:
        if _known(row) or (row.digest, row.source) not in speaks:
            speaks[row.digest, row.source] = row
    known: dict[str, list[AttemptRow]] = defaultdict(list)
    for row in speaks.values():
        if _known(row):
            known[row.digest].append(row)
    owners = {}
    for row in rows:
        owner = speaks[row.digest, row.source]
        # The same file under another path, by nobody known: it is that student's, whom another path told.
        if not _known(owner) and len({r.student_key for r in known[row.digest]}) == 1:
            owner = known[row.digest][-1]
        owners[row.id] = owner.id
    return owners


def _known(row: AttemptRow) -> bool:
    return row.student_key != row.digest


def _attempt(row: AttemptRow, received_at: str, graded: bool) -> StoredAttempt:
    return StoredAttempt(
        id=row.id,
        assignment=row.assignment,
        digest=row.digest,
        source=row.source,
        student=decode(row.student, Student),
        student_key=row.student_key,
        number=1,
        received_at=received_at,
        handed_in_at=row.handed_in_at,
        language=row.language,
        notes=decode(row.notes, _Texts),
        conflicts=decode(row.conflicts, _Texts),
        unreadable=decode(row.unreadable, Text) if row.unreadable else None,
        graded=graded,
    )


def _numbered(attempts: Sequence[StoredAttempt]) -> list[StoredAttempt]:
    """``attempts`` with the number of each among its student's, by when it was handed in, else received."""
    order: dict[str, list[int]] = defaultdict(list)
    for attempt in sorted(attempts, key=_handed_in):
        order[attempt.student_key].append(attempt.id)
    numbers = {ident: number for own in order.values() for number, ident in enumerate(own, 1)}
    return [replace(a, number=numbers[a.id]) for a in attempts]


def _handed_in(attempt: StoredAttempt) -> datetime:
    for moment in filter(None, (attempt.handed_in_at, attempt.received_at)):
        try:
            parsed = datetime.fromisoformat(moment)
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return datetime.min.replace(tzinfo=UTC)
