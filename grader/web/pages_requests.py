"""Requests of students that a person looks again, and the answers."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from grader.pipeline.view import view_in
from grader.reporting.criteria import criterion_title
from grader.store import RegradeRequest
from grader.web.ask import Ask, NotFound
from grader.web.classlist import Line
from grader.web.pages_class import class_or_none


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request as staff see it."""

    request: RegradeRequest
    line: Line
    title: str
    criterion: str
    points: str


def requests(ask: Ask) -> Response:
    """Those that wait first, then those with an answer, the newest first."""
    views = [view for request in ask.room.book.desk.requests() if (view := _view(ask, request)) is not None]
    waiting = [view for view in views if not view.request.answers]
    answered = [view for view in views if view.request.answers][::-1]
    return ask.page("requests.html.jinja", waiting_views=waiting, answered=answered[:100], done=ask.query("done"))


def answer(ask: Ask) -> Response:
    """Keeps the answer. Points are changed on the submission's page, before."""
    found = next((r for r in ask.room.book.desk.requests() if r.id == ask.number("request")), None)
    view = _view(ask, found) if found else None
    if found is None or view is None:
        raise NotFound
    since = [e for e in (view.line.stored.edits if view.line.stored else ()) if e.at > found.at]
    changed = any(not found.criterion or e.criterion == found.criterion for e in since)
    ask.room.book.desk.answer(found.id, ask.field("words"), changed, ask.person.name)
    ask.note("request answered", f"{found.assignment} {found.attempt_id}", str(found.id))
    return ask.go("/requests", done="1")


def _view(ask: Ask, request: RegradeRequest) -> RequestView | None:
    """``None``: this person may not see it, or its assignment is no more in the course, or not as it should be."""
    found = class_or_none(ask, request.assignment) if request.assignment in ask.room.assignments() else None
    if found is None:
        return None
    line = found.of_attempt(request.attempt_id)
    if line is None or line.result is None or not ask.person.sees(line.section):
        return None
    view = view_in(found.context, ask.language)
    score = next((c for c in line.result.score.criteria if c.id == request.criterion), None)
    shown = f"{view.words.points(score.points)} / {view.words.total(score.max_points)}" if score else ""
    return RequestView(
        request,
        line,
        ask.room.title(request.assignment, ask.language),
        criterion_title(view, request.criterion) if request.criterion else "",
        shown,
    )
