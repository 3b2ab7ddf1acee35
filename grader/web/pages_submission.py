"""One attempt: its report, what it left behind, the attempts before it, and points given by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import FileResponse, HTMLResponse, Response

from grader.errors import EvidenceError
from grader.evidence.files import is_plain_file
from grader.pipeline.view import evidence_of, parts_for, view_in
from grader.reporting.context import render_page
from grader.reporting.criteria import criterion_title
from grader.scoring import Audience, typed_points
from grader.store import EditConflict, Event, How, StoredAttempt, StoredResult
from grader.web.ask import Ask, NotFound
from grader.web.classlist import ClassList, Line
from grader.web.figures import share
from grader.web.notebookdiff import compare
from grader.web.pages_class import class_or_none, open_class
from grader.web.press import Busy

FILES = {
    "submission.ipynb": "application/x-ipynb+json",
    "executed.ipynb": "application/x-ipynb+json",
    "execution.json": "application/json",
    "verified.json": "application/json",
    "events.jsonl": "application/x-ndjson",
}
"""What of the evidence can be fetched; as files, never shown by the browser."""


@dataclass(frozen=True)
class Opened:
    """An attempt that this person may see."""

    found: ClassList
    line: Line
    attempt: StoredAttempt
    stored: StoredResult | None


def open_attempt(ask: Ask, ident: int | None = None) -> Opened:
    """The attempt in the path. :raises NotFound: there is none, or it is of a section that is not this person's."""
    found = open_class(ask)
    wanted = ask.number("attempt") if ident is None else ident
    line, attempt = found.of_attempt(wanted), found.attempts.get(wanted)
    if line is None or attempt is None or not ask.person.sees(line.section):
        raise NotFound
    return Opened(found, line, attempt, found.results.get(wanted))


def submission(ask: Ask) -> Response:
    """The staff's view of an attempt."""
    return _page(ask, open_attempt(ask))


def _page(ask: Ask, opened: Opened, status: int = 200, fault: str = "") -> Response:
    context, stored = opened.found.context, opened.stored
    if stored is None:
        raise NotFound
    result = opened.found.result_of(opened.attempt.id)
    view = view_in(context, ask.language)
    parts = parts_for(context, result, Audience.STAFF, ask.language)
    titles = {ident: criterion_title(view, ident) for ident in view.rubric.ids}
    return ask.page(
        "submission.html.jinja",
        status,
        **{**parts, "title": ask.room.title(context.assignment.id, ask.language)},
        assignment=context.assignment.id,
        line=opened.line,
        attempt=opened.attempt,
        attempts=[opened.found.attempts[i] for i in opened.line.attempts],
        files=_files(opened),
        history=[_event(ask, titles, event) for event in ask.room.book.history(opened.attempt.id)][::-1],
        titles=titles,
        seen={ident: last_edit(stored, ident) for ident in titles},
        elsewhere=_elsewhere(ask, opened),
        requests=ask.room.book.desk.requests(opened.line.attempts),
        neighbours=_neighbours(ask, opened),
        has_pdf=ask.room.press.is_there,
        fault=fault,
        done=ask.query("done"),
    )


def last_edit(stored: StoredResult, criterion: str) -> int:
    """Id of the last edit of a criterion, 0 where there is none."""
    return next((e.id for e in reversed(stored.edits) if e.criterion == criterion), 0)


def whole_report(ask: Ask) -> Response:
    """The staff report as a page of its own, as ``grader report`` writes it."""
    # The report has a policy of its own in it: ours adds that nobody frames it.
    return HTMLResponse(_whole(ask, open_attempt(ask)), headers={"content-security-policy": "frame-ancestors 'none'"})


def report_pdf(ask: Ask) -> Response:
    """The staff report on paper."""
    opened = open_attempt(ask)
    name = f"{opened.attempt.id}-report.pdf"
    response = as_pdf(ask, _whole(ask, opened), name)
    if response.status_code == HTTPStatus.OK:
        ask.note("file fetched", f"{opened.attempt.assignment} {opened.attempt.id} report.pdf")
    return response


def as_pdf(ask: Ask, page: str, name: str) -> Response:
    """``page`` as a file to keep. :raises NotFound: there is no browser here. :raises PrintError: it made none."""
    if not ask.room.press.is_there:
        raise NotFound
    try:
        content = ask.room.press.pdf(ask.person.name, page)
    except Busy as busy:
        seconds = math.ceil(busy.wait_s)
        sentence = ask.words.say("Too many PDFs at once. Wait {seconds} s.", seconds=seconds)
        response = ask.page("message.html.jinja", HTTPStatus.TOO_MANY_REQUESTS, sentence=sentence)
        response.headers["retry-after"] = str(seconds)
        return response
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/pdf", headers=headers)


def _whole(ask: Ask, opened: Opened) -> str:
    if opened.stored is None:
        raise NotFound
    context, result = opened.found.context, opened.found.result_of(opened.attempt.id)
    parts = parts_for(context, result, Audience.STAFF, ask.language)
    return render_page(view_in(context, ask.language), "report.html.jinja", **parts)


def evidence_file(ask: Ask) -> Response:
    """One file of the evidence, to keep."""
    opened, name = open_attempt(ask), ask.path("name")
    if name not in FILES or opened.stored is None or opened.stored.result.evidence is None:
        raise NotFound
    path = _files(opened).get(name)
    if path is None:
        raise NotFound
    ask.note("file fetched", f"{opened.attempt.assignment} {opened.attempt.id} {name}")
    headers = {"content-security-policy": "sandbox; default-src 'none'"}
    return FileResponse(path, media_type=FILES[name], filename=f"{opened.attempt.id}-{name}", headers=headers)


def difference(ask: Ask) -> Response:
    """What changed from another attempt of the same student to this one, cell by cell."""
    new, old = open_attempt(ask), open_attempt(ask, ask.number("other"))
    if new.stored is None or old.stored is None or new.line is not old.line:
        raise NotFound
    notebooks = []
    for opened, stored in ((old, old.stored), (new, new.stored)):
        evidence = evidence_of(opened.found.context, stored.result)
        try:
            notebooks.append(evidence.notebook() if evidence else {})
        except EvidenceError:
            notebooks.append({})
    return ask.page(
        "diff.html.jinja",
        assignment=new.attempt.assignment,
        title=ask.room.title(new.attempt.assignment, ask.language),
        line=new.line,
        new=new.attempt,
        old=old.attempt,
        changes=compare(*notebooks) if all(notebooks) else None,
    )


def edit(ask: Ask) -> Response:
    """Points by hand for any criterion; never over an edit that its author has not seen."""
    opened = open_attempt(ask)
    stored, criterion, given = opened.stored, ask.field("criterion"), ask.field("points").strip()
    if stored is None:
        raise NotFound
    points = None if given == "" else _number(given)
    if given and points is None:
        return _page(ask, opened, 400, ask.words.say("Points are a number, received {given}.", given=given[:20]))
    if not ask.field("reason").strip():
        return _page(ask, opened, 400, ask.words.say("Give a reason: it stays with the points, and students see it."))
    try:
        ask.room.book.add_edit(
            opened.attempt.id,
            criterion,
            points,
            ask.person.name,
            ask.field("reason")[:2000],
            how=How(ask.whole(f"seen-{criterion}")),
        )
    except EditConflict as conflict:
        return _page(ask, open_attempt(ask), 409, conflict_words(ask, conflict))
    ask.note("points edited", f"{opened.attempt.assignment} {opened.attempt.id} {criterion}", given or "-")
    return ask.go(f"/a/{opened.attempt.assignment}/s/{opened.attempt.id}", done="1")


def choose(ask: Ask) -> Response:
    """From now on this attempt counts, until the student hands in another file."""
    opened = open_attempt(ask)
    if opened.stored is None:
        raise NotFound
    if not ask.field("reason").strip():
        return _page(ask, opened, 400, ask.words.say("Give a reason: it stays with the choice."))
    attempt = opened.attempt
    ask.room.book.choose(
        attempt.assignment, attempt.student_key, attempt.digest, ask.person.name, ask.field("reason")[:2000]
    )
    ask.note("attempt chosen", f"{attempt.assignment} {attempt.id}")
    return ask.go(f"/a/{attempt.assignment}/s/{attempt.id}", done="1")


def conflict_words(ask: Ask, conflict: EditConflict) -> str:
    """Who was quicker, and with what."""
    last = conflict.last
    return ask.words.say(
        "{author} edited this meanwhile ({date}): {points} points, “{reason}”. Yours were not kept: decide again.",
        author=last.author,
        date=ask.words.date(last.at),
        points=ask.words.points(last.points),
        reason=last.reason,
    )


def _number(text: str) -> float | None:
    try:
        return typed_points(text)
    except ValueError:
        return None


def _files(opened: Opened) -> dict[str, str]:
    """Names of evidence files that are there, and where."""
    evidence = opened.stored.result.evidence if opened.stored else None
    if evidence is None:
        return {}
    folder = opened.found.context.workspace / "evidence" / evidence
    places = {name: folder / ("claims" if name == "events.jsonl" else "") / name for name in FILES}
    return {name: str(path) for name, path in places.items() if is_plain_file(path)}


def _event(ask: Ask, titles: dict[str, str], event: Event) -> dict[str, str]:
    words = ask.words
    kinds = {
        "received": words.say("handed in"),
        "result": words.say("graded"),
        "edit": words.say("points by a person"),
        "choice": words.say("chosen as the one that counts"),
    }
    return {
        "at": event.at,
        "kind": kinds.get(event.kind, event.kind),
        "author": event.author or "",
        "reason": event.reason or "",
        "criterion": titles.get(event.criterion or "", event.criterion or ""),
        "points": words.points(event.points) if event.points is not None else "",
        "taken_back": words.say("taken back") if event.kind == "edit" and event.points is None else "",
    }


def _elsewhere(ask: Ask, opened: Opened) -> list[tuple[str, str, int, str]]:
    """The same student's other assignments: id, title, attempt, share of the points."""
    made = []
    for ident in ask.room.assignments():
        other = class_or_none(ask, ident) if ident != opened.attempt.assignment else None
        for line in other.lines if other else ():
            if line.stored and line.result and line.stored.student_key == opened.attempt.student_key:
                value = share(line.result)
                shown = "–" if value is None else ask.words.percent(value)
                made.append((ident, ask.room.title(ident, ask.language), line.attempt_id, shown))
    return made


def _neighbours(ask: Ask, opened: Opened) -> tuple[int, int]:
    """Attempts of the students before and after this one on the list; 0 where there is none."""
    seen = [line.attempt_id for line in opened.found.seen_by(ask.person) if line.attempt_id]
    if opened.line.attempt_id not in seen:
        return 0, 0
    place = seen.index(opened.line.attempt_id)
    return (seen[place - 1] if place else 0), (seen[place + 1] if place + 1 < len(seen) else 0)
