"""Release of grades, and the audit log."""

from __future__ import annotations

from starlette.responses import Response

from grader.scoring import Audience
from grader.store.desk import EVERYBODY
from grader.web.ask import Ask, NotFound
from grader.web.pages_class import open_class

LINES = 100


def release(ask: Ask) -> Response:
    """Shows grades to students, or hides them again."""
    found = open_class(ask)
    section, audience = ask.field("section"), ask.field("audience")
    if section != EVERYBODY and section not in found.sections:
        raise NotFound
    if audience not in ("", Audience.STUDENT, Audience.STUDENT_AFTER_DUE):
        raise NotFound
    assignment = found.context.assignment.id
    ask.room.book.desk.release(assignment, section, audience, ask.person.name)
    ask.note("grades released" if audience else "grades hidden", f"{assignment} {section}", audience)
    return ask.go(f"/a/{assignment}")


def audit(ask: Ask) -> Response:
    """Who did what, the newest first."""
    number = int(ask.query("page")) if ask.query("page").isdigit() and len(ask.query("page")) < 7 else 1
    lines, total = ask.room.book.accounts.log(LINES, (max(1, number) - 1) * LINES, ask.query("who"))
    people = ask.room.book.accounts.all()
    return ask.page(
        "audit.html.jinja",
        lines=lines,
        total=total,
        number=max(1, number),
        n_pages=max(1, -(-total // LINES)),
        who=ask.query("who"),
        people=people,
    )
