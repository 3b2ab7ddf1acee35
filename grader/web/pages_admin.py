"""Release of grades, and the audit log."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from grader.reporting.words import Words
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
    number = int(ask.query("page")) if ask.query("page").isdecimal() and len(ask.query("page")) < 7 else 1
    lines, total = ask.room.book.accounts.log(LINES, (max(1, number) - 1) * LINES, ask.query("who"))
    people = ask.room.book.accounts.all()
    return ask.page(
        "audit.html.jinja",
        lines=lines,
        actions=_actions(ask.words),
        total=total,
        number=max(1, number),
        n_pages=max(1, -(-total // LINES)),
        who=ask.query("who"),
        people=people,
    )


def _actions(words: Words) -> Mapping[str, str]:
    """What the log calls in English, in the words of whoever reads it; those not here are shown as they are."""
    return {
        "signed in": words.say("signed in"),
        "signed out": words.say("signed out"),
        "sign-in refused": words.say("sign-in refused"),
        "password changed": words.say("password changed"),
        "points given": words.say("points given"),
        "points edited": words.say("points edited"),
        "points taken back": words.say("points taken back"),
        "edit met another": words.say("edit met another"),
        "rubric item changed": words.say("rubric item changed"),
        "attempt chosen": words.say("attempt chosen"),
        "file fetched": words.say("file fetched"),
        "regrade asked for": words.say("regrade asked for"),
        "request answered": words.say("request answered"),
        "grades released": words.say("grades released"),
        "grades hidden": words.say("grades hidden"),
        "job started": words.say("job started"),
        "job stopped": words.say("job stopped"),
        "export fetched": words.say("export fetched"),
    }
