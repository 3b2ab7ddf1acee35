"""A class as the application shows it: one line a student, filtered, sorted and cut into pages; and its figures."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.model import Outcome, Result, Status, Student
from grader.pipeline import Context
from grader.pipeline.beside import Beside
from grader.reporting import ReportContext, attention_reasons
from grader.scoring import apply_edits
from grader.store import Overview, StoredAttempt, StoredResult, User, student_key
from grader.web.sections import Sections

PER_PAGE = 50
STATES = ("attention", "review", "done", "flagged", "missing")
SORTS = ("id", "name", "points", "time")


@dataclass(frozen=True)
class Line:
    """One student, with the attempt that counts; ``result`` has the edits applied, ``None``: not handed in.

    :ivar states: the filters that it answers to. :ivar folded: what a search looks through.
    """

    student: Student
    section: str | None
    result: Result | None = None
    stored: StoredResult | None = None
    attempts: tuple[int, ...] = ()
    states: frozenset[str] = frozenset()
    folded: str = ""

    @property
    def attempt_id(self) -> int:
        """Of the attempt that counts, 0 where there is none."""
        return self.stored.attempt_id if self.stored else 0

    @property
    def name(self) -> str:
        """What to call them."""
        source = Path(self.result.source).name if self.result else ""
        return self.student.name or self.student.id or source


@dataclass(frozen=True)
class ClassList:
    """All lines of one assignment, and all attempts behind them."""

    context: Context
    lines: tuple[Line, ...]
    results: Mapping[int, StoredResult]
    attempts: Mapping[int, StoredAttempt]
    sections: tuple[str, ...]
    beside: Beside
    _owners: Mapping[int, Line] = field(default_factory=dict)

    def of_attempt(self, attempt_id: int) -> Line | None:
        """The line of the student who handed in this attempt."""
        return self._owners.get(attempt_id)

    def result_of(self, attempt_id: int) -> Result:
        """The latest result of an attempt that has one: edits applied, with its lateness and flags as of now."""
        return final(self.beside, self.results[attempt_id])

    def seen_by(self, user: User) -> list[Line]:
        """The lines that ``user`` may see."""
        return [line for line in self.lines if user.sees(line.section)]


@dataclass(frozen=True)
class Wanted:
    """What of a class is asked for."""

    section: str = ""
    state: str = ""
    flag: str = ""
    words: str = ""
    sort: str = "id"
    down: bool = False
    page: int = 1


@dataclass(frozen=True)
class Page:
    """The lines of one page. ``total``: how many fit the filters."""

    lines: Sequence[Line]
    total: int
    number: int
    n_pages: int


def folded(text: str) -> str:
    """``text`` as it is searched."""
    return unicodedata.normalize("NFKC", text).casefold()


def class_list(context: Context, overview: Overview, sections: Sections) -> ClassList:
    """The class as the gradebook and the class list know it."""
    beside, view = Beside(context), context.report_context("en")
    of_student: dict[str, list[int]] = {}
    for attempt in sorted(overview.attempts, key=lambda a: a.number):
        of_student.setdefault(attempt.student_key, []).append(attempt.id)
    lines = []
    for stored in overview.results:
        if stored.attempt_id in overview.counting:
            attempts = tuple(of_student.get(stored.student_key, ()))
            lines.append(_line(view, beside, stored, attempts, sections))
    handed_in = set(of_student)
    missing = [s for s in sections.students if student_key(s, "") not in handed_in]
    lines += [_missing(student, sections.of(student)) for student in missing]
    lines.sort(key=lambda line: (folded(line.student.id or "\U0010ffff"), line.name))
    owners = {ident: line for line in lines for ident in line.attempts}
    return ClassList(
        context=context,
        lines=tuple(lines),
        results={s.attempt_id: s for s in overview.results},
        attempts={a.id: a for a in overview.attempts},
        sections=tuple(sections.names),
        beside=beside,
        _owners=owners,
    )


def final(beside: Beside, stored: StoredResult) -> Result:
    """The result with the edits of people applied, and what is known beside it."""
    edited = replace(stored.result, score=apply_edits(stored.result.score, stored.edits))
    return beside.added(edited, stored.student_key)


def _line(
    view: ReportContext, beside: Beside, stored: StoredResult, attempts: tuple[int, ...], sections: Sections
) -> Line:
    result = final(beside, stored)
    states = {
        "attention": bool(attention_reasons(view, result)),
        "review": any(c.outcome is Outcome.NEEDS_REVIEW for c in result.score.criteria),
        "done": result.score.status is Status.GRADED,
        "flagged": bool(result.score.flags),
    }
    who = result.student
    return Line(
        student=who,
        section=sections.of(who),
        result=result,
        stored=stored,
        attempts=attempts,
        states=frozenset(state for state, is_so in states.items() if is_so),
        folded=folded(" ".join(filter(None, (who.id, who.name, who.email, Path(result.source).name)))),
    )


def _missing(student: Student, section: str | None) -> Line:
    words = folded(" ".join(filter(None, (student.id, student.name, student.email))))
    return Line(student=student, section=section, states=frozenset({"missing"}), folded=words)


def chosen(lines: Sequence[Line], wanted: Wanted) -> list[Line]:
    """The lines that fit the filters, in the order asked for; those without a value come last."""
    words = folded(wanted.words).split()
    kept = [line for line in lines if _fits(line, wanted) and all(word in line.folded for word in words)]
    keys = {"name": _by_name, "points": _by_points, "time": _by_time}
    if wanted.sort in keys:
        key = keys[wanted.sort]
        known = [line for line in kept if key(line) is not None]
        unknown = [line for line in kept if key(line) is None]
        return [*sorted(known, key=lambda line: key(line) or 0, reverse=wanted.down), *unknown]
    return kept[::-1] if wanted.down else kept


def paged(lines: Sequence[Line], number: int) -> Page:
    """Page ``number`` of ``lines``, the nearest where there is none of that number."""
    n_pages = max(1, -(-len(lines) // PER_PAGE))
    number = min(max(1, number), n_pages)
    return Page(lines[(number - 1) * PER_PAGE : number * PER_PAGE], len(lines), number, n_pages)


def _fits(line: Line, wanted: Wanted) -> bool:
    flags = {str(f.kind) for f in line.result.score.flags} if line.result else set()
    return (
        (not wanted.section or line.section == wanted.section)
        and (not wanted.state or wanted.state in line.states)
        and (not wanted.flag or wanted.flag in flags)
    )


def _by_name(line: Line) -> str | None:
    return folded(line.name)


def _by_points(line: Line) -> float | None:
    return line.result.score.points if line.result else None


def _by_time(line: Line) -> float | None:
    return line.result.execution.duration_s if line.result else None
