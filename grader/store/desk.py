"""What staff keep beside the points: rubric items and comments, regrade requests, and what students may see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageError
from grader.store.database import Database
from grader.store.tables import (
    AnswerRow,
    AttemptRow,
    EditRow,
    MarkingRow,
    RegradeRequestRow,
    ReleaseRow,
    SnippetRow,
)

WORDS_LIMIT = 2000
EVERYBODY = "*"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A rubric item (``points`` set) or a comment (``None``) of one written criterion."""

    id: int
    words: str
    points: float | None
    author: str
    at: str


@dataclass(frozen=True, slots=True)
class Marking:
    """Which snippets an edit came from, and the grader's own words."""

    snippets: tuple[int, ...] = ()
    own_words: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What staff said to a request."""

    words: str
    changed: bool
    author: str
    at: str


@dataclass(frozen=True, slots=True)
class RegradeRequest:
    """A student asks that a person looks again; ``criterion`` is empty for the whole report."""

    id: int
    assignment: str
    attempt_id: int
    criterion: str
    words: str
    at: str
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """What students of a section may see since ``at``; an empty ``audience``: nothing."""

    section: str
    audience: str
    author: str
    at: str


class Desk:
    """Snippets, requests and releases of one gradebook. Nothing is overwritten.

    :param clock: tells the time as ISO 8601 in UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock

    def snippets(self, assignment: str, criterion: str) -> list[Snippet]:
        """Those in use, in the order in which they were first written."""
        with self._database.reading() as session:
            of = select(SnippetRow).filter_by(assignment=assignment, criterion=criterion)
            place: dict[int, int] = {}
            live: dict[int, Snippet] = {}
            for row in session.scalars(of.order_by(SnippetRow.id)):
                place[row.id] = place.get(row.replaces or 0, row.id)
                live.pop(row.replaces or 0, None)
                if not row.retired:
                    live[row.id] = Snippet(row.id, row.words, row.points, row.author, row.at)
        return sorted(live.values(), key=lambda snippet: place[snippet.id])

    def add_snippet(self, assignment: str, criterion: str, words: str, points: float | None, author: str) -> int:
        """A new rubric item, or comment where ``points`` is ``None``. :raises UsageError: no words, or too many."""
        row = self._snippet(assignment, criterion, _worded(words), points, author)
        with self._database.writing() as session:
            session.add(row)
            session.flush()
            return row.id

    def change_snippet(self, snippet_id: int, words: str | None, points: float | None, author: str) -> None:
        """Other words and points from now on; ``words`` ``None`` takes it out of use.

        :raises UsageError: it was changed by somebody else meanwhile, or is not there.
        """
        with self._database.writing() as session:
            old = session.get(SnippetRow, snippet_id)
            if old is None or session.scalar(select(SnippetRow.id).filter_by(replaces=snippet_id)) is not None:
                raise UsageError(f"snippet {snippet_id} was changed meanwhile: look at it again")
            new = self._snippet(
                old.assignment, old.criterion, old.words if words is None else _worded(words), points, author
            )
            new.replaces, new.retired = snippet_id, words is None
            session.add(new)

    def markings(self, edit_ids: Sequence[int]) -> dict[int, Marking]:
        """How these edits came about, of those made on the grading page."""
        with self._database.reading() as session:
            rows = session.scalars(select(MarkingRow).where(MarkingRow.edit_id.in_(edit_ids)))
            return {
                r.edit_id: Marking(tuple(msgspec.json.decode(r.snippets, type=list[int])), r.own_words) for r in rows
            }

    def uses(self, assignment: str, criterion: str) -> Mapping[int, int]:
        """How often each snippet of a criterion stands in an edit."""
        counts: dict[int, int] = defaultdict(int)
        with self._database.reading() as session:
            of = select(MarkingRow.snippets).join(EditRow).join(AttemptRow)
            rows = session.scalars(of.where(AttemptRow.assignment == assignment, EditRow.criterion == criterion))
            for listed in rows:
                for ident in msgspec.json.decode(listed, type=list[int]):
                    counts[ident] += 1
        return counts

    def ask(self, attempt_id: int, criterion: str, words: str, open_limit: int = 5) -> int:
        """Keeps a student's request. :raises UsageError: no words, or too many requests without an answer."""
        words = _worded(words)
        with self._database.writing() as session:
            mine = select(RegradeRequestRow.id).filter_by(attempt_id=attempt_id)
            asked = set(session.scalars(mine))
            answered = set(session.scalars(select(AnswerRow.request_id).where(AnswerRow.request_id.in_(asked))))
            if len(asked - answered) >= open_limit:
                raise UsageError("too many requests are waiting for an answer: wait for staff")
            row = RegradeRequestRow(attempt_id=attempt_id, criterion=criterion, words=words, at=self._clock())
            session.add(row)
            session.flush()
            return row.id

    def answer(self, request_id: int, words: str, changed: bool, author: str) -> None:
        """Keeps what staff say to a request. :raises UsageError: there is no such request, or no words."""
        words = _worded(words)
        with self._database.writing() as session:
            if session.get(RegradeRequestRow, request_id) is None:
                raise UsageError(f"there is no request {request_id}")
            session.add(AnswerRow(request_id=request_id, words=words, changed=changed, author=author, at=self._clock()))

    def requests(self, attempt_ids: Sequence[int] | None = None) -> list[RegradeRequest]:
        """All requests, or those about these attempts; the oldest first."""
        with self._database.reading() as session:
            wanted = select(RegradeRequestRow, AttemptRow.assignment).join(AttemptRow).order_by(RegradeRequestRow.id)
            if attempt_ids is not None:
                wanted = wanted.where(RegradeRequestRow.attempt_id.in_(attempt_ids))
            answers: dict[int, list[Answer]] = defaultdict(list)
            for row in session.scalars(select(AnswerRow).order_by(AnswerRow.id)):
                answers[row.request_id].append(Answer(row.words, row.changed, row.author, row.at))
            return [
                RegradeRequest(r.id, assignment, r.attempt_id, r.criterion, r.words, r.at, tuple(answers[r.id]))
                for r, assignment in session.execute(wanted)
            ]

    def release(self, assignment: str, section: str, audience: str, author: str) -> None:
        """Shows the grades of ``section`` (``*``: of all) to its students; an empty ``audience`` hides them again."""
        with self._database.writing() as session:
            session.add(
                ReleaseRow(assignment=assignment, section=section, audience=audience, author=author, at=self._clock())
            )

    def releases(self, assignment: str) -> list[Release]:
        """Every decision about who may see grades, the oldest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(ReleaseRow).filter_by(assignment=assignment).order_by(ReleaseRow.id))
            return [Release(r.section, r.audience, r.author, r.at) for r in rows]

    def audience(self, assignment: str, section: str | None) -> str:
        """As whom students of ``section`` may see their reports; empty: not at all. The last decision counts."""
        said = [r.audience for r in self.releases(assignment) if r.section in (EVERYBODY, section)]
        return said[-1] if said else ""

    def _snippet(self, assignment: str, criterion: str, words: str, points: float | None, author: str) -> SnippetRow:
        return SnippetRow(
            assignment=assignment,
            criterion=criterion,
            words=words,
            points=points,
            retired=False,
            author=author,
            at=self._clock(),
        )


def keep_marking(session: Session, edit_id: int, marking: Marking) -> None:
    """Keeps how an edit came about, in the transaction of the edit."""
    listed = msgspec.json.encode(list(marking.snippets)).decode()
    session.add(MarkingRow(edit_id=edit_id, snippets=listed, own_words=marking.own_words))


def _worded(words: str) -> str:
    words = words.replace("\r\n", "\n").replace("\x00", "").strip()
    if not words or len(words) > WORDS_LIMIT:
        raise UsageError(f"expected 1 to {WORDS_LIMIT} characters, received {len(words)}")
    return words
