"""A student's own released reports, and asking that a person looks again. Nothing of anybody else is reachable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from grader.errors import UsageError
from grader.pipeline.view import parts_for, view_in
from grader.reporting import Standing
from grader.reporting.context import render_page
from grader.reporting.criteria import criterion_title
from grader.scoring import Audience
from grader.store import RegradeRequest
from grader.web.ask import Ask, NotFound
from grader.web.classlist import ClassList, Line
from grader.web.pages_class import class_or_none, final_points
from grader.web.pages_submission import as_pdf


@dataclass(frozen=True, slots=True)
class Own:
    """One assignment of the student whose grades are released."""

    assignment: str
    title: str
    line: Line
    points: str
    final: str
    most: str
    still_open: str
    waiting: int


@dataclass(frozen=True)
class Shown:
    """An attempt that the student may see, and as whom."""

    found: ClassList
    line: Line
    attempt_id: int
    audience: Audience


def mine(ask: Ask) -> Response:
    """All that is released."""
    entries = []
    for ident in ask.room.assignments():
        shown = _shown(ask, ident, None)
        if shown is None or shown.line.result is None:
            continue
        score = shown.line.result.score
        requests = ask.room.book.desk.requests(shown.line.attempts)
        entries.append(
            Own(
                ident,
                ask.room.title(ident, ask.language),
                shown.line,
                ask.words.points(score.points),
                final_points(ask.words, shown.line.result),
                ask.words.total(score.max_points),
                ask.words.total(score.pending) if score.pending else "",
                sum(not r.answers for r in requests),
            )
        )
    return ask.page("mine.html.jinja", entries=entries)


def report(ask: Ask) -> Response:
    """One report, with what was asked and answered."""
    return _page(ask, _open(ask))


def report_pdf(ask: Ask) -> Response:
    """The same report on paper."""
    shown = _open(ask)
    page = render_page(view_in(shown.found.context, ask.language), "report.html.jinja", **_parts(ask, shown))
    return as_pdf(ask, page, f"{shown.found.context.assignment.id}-{ask.number('number')}.pdf")


def ask_again(ask: Ask) -> Response:
    """A request, with its reason."""
    shown = _open(ask)
    criterion = ask.field("criterion")
    result = shown.found.results[shown.attempt_id].result
    if criterion and criterion not in {c.id for c in result.score.criteria}:
        raise NotFound
    try:
        ask.room.book.desk.ask(shown.attempt_id, criterion, ask.field("words"))
    except UsageError:
        words = ask.words.say("Say in some words what to look at. At most five requests can wait for an answer.")
        return _page(ask, shown, 400, words)
    ask.note("regrade asked for", f"{ask.path('assignment')} {shown.attempt_id}", criterion)
    return ask.go(f"/me/{ask.path('assignment')}/{ask.number('number')}", done="1")


def _page(ask: Ask, shown: Shown, status: int = 200, fault: str = "") -> Response:
    context, parts = shown.found.context, _parts(ask, shown)
    view = view_in(context, ask.language)
    titles = [(c.id, c.title) for c in parts["criteria"]]
    return ask.page(
        "own_report.html.jinja",
        status,
        **parts,
        assignment=context.assignment.id,
        number=ask.number("number"),
        requests=_requests(ask, shown),
        titles=titles,
        title_of={ident: criterion_title(view, ident) for ident in view.rubric.ids},
        fault=fault,
        done=ask.query("done"),
        has_pdf=ask.room.press.is_there,
    )


def _parts(ask: Ask, shown: Shown) -> dict[str, Any]:
    """The report as its student may see it."""
    context = shown.found.context
    graded = [i for i in shown.line.attempts if i in shown.found.results]
    counting = shown.found.results[shown.line.attempt_id].result.attempt_number
    href = ask.url(f"/me/{context.assignment.id}/{counting}")
    standing = Standing(len(graded), counting, href) if len(graded) > 1 else None
    return parts_for(context, shown.found.result_of(shown.attempt_id), shown.audience, ask.language, standing)


def _requests(ask: Ask, shown: Shown) -> Sequence[RegradeRequest]:
    return ask.room.book.desk.requests([shown.attempt_id])


def _open(ask: Ask) -> Shown:
    shown = _shown(ask, ask.path("assignment"), ask.number("number"))
    if shown is None:
        raise NotFound
    return shown


def _shown(ask: Ask, assignment: str, number: int | None) -> Shown | None:
    """The student's attempt of that number (``None``: the one that counts), if it is theirs, graded and released."""
    key = ask.person.student_key
    if not key or assignment not in ask.room.assignments():
        return None
    found = class_or_none(ask, assignment)
    lines = found.lines if found else ()
    line = next((x for x in lines if x.stored is not None and x.stored.student_key == key), None)
    if found is None or line is None:
        return None
    said = ask.room.book.desk.audience(assignment, line.section)
    if said not in (Audience.STUDENT, Audience.STUDENT_AFTER_DUE):
        return None
    numbers = {found.attempts[i].number: i for i in line.attempts if i in found.results}
    attempt_id = line.attempt_id if number is None else numbers.get(number)
    return None if attempt_id is None else Shown(found, line, attempt_id, Audience(said))
