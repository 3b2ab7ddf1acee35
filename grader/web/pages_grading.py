"""Written answers, question by question: read, tick, next. By keyboard alone, without names, several people at once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from starlette.responses import Response

from grader.errors import StoreError, UsageError
from grader.model import CriterionScore, Outcome
from grader.pipeline.view import view_in
from grader.reporting.criteria import criterion_title
from grader.scoring import typed_points
from grader.store import Edit, EditConflict, How, Marking, Snippet
from grader.web.answers import answer_view
from grader.web.ask import Ask, NotFound
from grader.web.classlist import ClassList, Line
from grader.web.pages_class import open_class
from grader.web.pages_submission import last_edit

ITEM_KEYS = "123456789"
COMMENT_KEYS = "qwertyuiop"


@dataclass(frozen=True)
class Item:
    """One answer of the list at the side. ``state``: ``done``, ``open`` or ``settled`` (the checks decided)."""

    line: Line
    label: str
    points: str
    state: str
    author: str
    reader: str


@dataclass(frozen=True)
class Question:
    """One criterion with everybody's answers, in the order in which this person reads them."""

    found: ClassList
    criterion: str
    title: str
    max_points: float
    items: Sequence[Item]

    @property
    def open(self) -> list[Item]:
        """Those that nobody has decided."""
        return [item for item in self.items if item.state == "open"]


def questions(ask: Ask) -> Response:
    """What a person has to read, with how far it is."""
    found = open_class(ask)
    made = [_question(ask, found, ident) for ident in asked_of_people(found)]
    return ask.page(
        "questions.html.jinja",
        assignment=found.context.assignment.id,
        title=ask.room.title(found.context.assignment.id, ask.language),
        questions=made,
    )


def asked_of_people(found: ClassList) -> list[str]:
    """Criteria that are written, and others that some attempt leaves to a person."""
    rubric = found.context.rubric
    left = {
        c.id
        for line in found.lines
        if line.result
        for c in line.result.score.criteria
        if c.outcome is Outcome.NEEDS_REVIEW
    }
    return [c.id for c in rubric.criteria if c.kind == "written" or c.id in left]


def question(ask: Ask) -> Response:
    """One answer: the one named, else the first that is open."""
    asked = _open_question(ask)
    if not asked.items:
        raise NotFound
    named = ask.query("at")
    if not named:
        item = _next_open(ask, asked, None) or asked.items[0]
        return ask.go(_path(asked), at=item.line.attempt_id, done=ask.query("done"), names=ask.query("names"))
    response = _answer_page(ask, asked, _item(asked, named))
    if ask.query("names") in ("0", "1"):
        scope = ask.request.scope
        response.set_cookie(
            "grader-names", ask.query("names"), path=f"{scope['root_path']}/", httponly=True, samesite="lax"
        )
    return response


def save(ask: Ask) -> Response:
    """Keeps the points unless somebody else was quicker, and goes on to the next open answer."""
    asked = _open_question(ask)
    item = _item(asked, ask.field("attempt"))
    try:
        points = _points(ask, asked)
    except ValueError:
        sentence = ask.words.say("Points are a number from 0 to {most}.", most=ask.words.total(asked.max_points))
        return _answer_page(ask, asked, item, 400, fault=sentence)
    chosen = [s for s in ask.room.book.desk.snippets(*_place(asked)) if str(s.id) in ask.form.get("snippet", ())]
    own = ask.field("own")[:2000].strip()
    marking = Marking(tuple(s.id for s in chosen), own)
    reason = reason_of(ask, chosen, own)
    try:
        ask.room.book.add_edit(
            item.line.attempt_id,
            asked.criterion,
            points,
            ask.person.name,
            reason,
            how=How(ask.whole("seen"), marking),
        )
    except EditConflict as conflict:
        fresh = _open_question(ask)
        ask.note("edit met another", f"{asked.found.context.assignment.id} {item.line.attempt_id} {asked.criterion}")
        return _answer_page(ask, fresh, _item(fresh, ask.field("attempt")), 409, theirs=conflict.last, mine=marking)
    what = f"{asked.found.context.assignment.id} {item.line.attempt_id} {asked.criterion}"
    ask.note("points given", what, ask.words.points(points))
    following = _next_open(ask, asked, item) or _after(asked, item)
    return ask.go(_path(asked), at=following.line.attempt_id, done=item.line.attempt_id)


def undo(ask: Ask) -> Response:
    """Takes this person's last points for an answer back; what stood before them does not come back by itself."""
    asked = _open_question(ask)
    item = _item(asked, ask.field("attempt"))
    edits = [e for e in (item.line.stored.edits if item.line.stored else ()) if e.criterion == asked.criterion]
    if not edits or edits[-1].author != ask.person.name or edits[-1].points is None:
        return _answer_page(ask, asked, item, 400, fault=ask.words.say("There are no points of yours to take back."))
    seen = How(edits[-1].id)
    reason = ask.words.say("taken back")
    try:
        ask.room.book.add_edit(item.line.attempt_id, asked.criterion, None, ask.person.name, reason, how=seen)
    except EditConflict as conflict:
        fresh = _open_question(ask)
        return _answer_page(ask, fresh, _item(fresh, ask.field("attempt")), 409, theirs=conflict.last)
    ask.note("points taken back", f"{asked.found.context.assignment.id} {item.line.attempt_id} {asked.criterion}")
    return ask.go(_path(asked), at=item.line.attempt_id)


def snippets(ask: Ask) -> Response:
    """A new rubric item or comment, another wording, or one less."""
    asked = _open_question(ask)
    desk, words = ask.room.book.desk, ask.field("words")
    points = _snippet_points(ask, asked)
    old = ask.whole("snippet")
    if not ask.field("snippet"):
        desk.add_snippet(*_place(asked), words, points, ask.person.name)
    elif old in {s.id for s in desk.snippets(*_place(asked))}:
        desk.change_snippet(old, None if ask.field("retire") else words, points, ask.person.name)
    else:
        raise UsageError(ask.words.say("Somebody changed this meanwhile: look at it again."))
    ask.note("rubric item changed", " ".join(_place(asked)), words[:200])
    return ask.go(_path(asked), at=ask.field("attempt"))


def reason_of(ask: Ask, chosen: Sequence[Snippet], own: str) -> str:
    """What the student reads as the reason: items with their points, comments, own words."""
    parts = [s.words if s.points is None else f"{s.words} ({s.points:+g})" for s in chosen]
    return " / ".join([*parts, *([own] if own else [])]) or ask.words.say("read by a person")


def _open_question(ask: Ask) -> Question:
    found = open_class(ask)
    if ask.path("criterion") not in asked_of_people(found):
        raise NotFound
    return _question(ask, found, ask.path("criterion"))


def _question(ask: Ask, found: ClassList, criterion: str) -> Question:
    lines = [line for line in found.seen_by(ask.person) if line.result and _score_of(line, criterion)]
    anonymous = _is_anonymous(ask)
    if anonymous:
        lines.sort(key=lambda line: _shuffled(criterion, line))
    readers = {
        a: who
        for who, a in ask.room.book.presence.others(ask.person.name, found.context.assignment.id, criterion).items()
    }
    view = view_in(found.context, ask.language)
    items = [_item_of(ask, line, criterion, number, readers) for number, line in enumerate(lines, 1)]
    return Question(
        found, criterion, criterion_title(view, criterion), found.context.rubric.criterion(criterion).points, items
    )


def _item_of(ask: Ask, line: Line, criterion: str, number: int, readers: Mapping[int, str]) -> Item:
    score, edit = _score_of(line, criterion), _live_edit(line, criterion)
    is_open = score is None or score.outcome is Outcome.NEEDS_REVIEW
    return Item(
        line=line,
        label=ask.words.say("Answer {n}", n=f"{number:02d}") if _is_anonymous(ask) else line.name,
        points=ask.words.points(score.points if score else None),
        state="open" if is_open else "done" if edit else "settled",
        author=edit.author if edit else "",
        reader=readers.get(line.attempt_id, ""),
    )


def _answer_page(
    ask: Ask,
    asked: Question,
    item: Item,
    status: int = 200,
    *,
    fault: str = "",
    theirs: Edit | None = None,
    mine: Marking | None = None,
) -> Response:
    line, assignment = item.line, asked.found.context.assignment.id
    if line.result is None or line.stored is None:
        raise NotFound
    with suppress(StoreError):  # a full disk, say: answers can be read all the same
        ask.room.book.presence.here(ask.person.name, assignment, asked.criterion, line.attempt_id)
    edit, marking = _shown_marking(ask, asked, line, mine)
    place = [i.line.attempt_id for i in asked.items].index(line.attempt_id)
    score = _score_of(line, asked.criterion)
    done = next((i for i in asked.items if str(i.line.attempt_id) == ask.query("done")), None)
    return ask.page(
        "grading.html.jinja",
        status,
        assignment=assignment,
        title=ask.room.title(assignment, ask.language),
        asked=asked,
        item=item,
        answer=answer_view(ask.words, asked.found.context, line.result, asked.criterion),
        snippets=_keyed(ask, asked),
        marking=marking,
        points=_shown_points(ask, edit, mine),
        seen=last_edit(line.stored, asked.criterion),
        history=[e for e in line.stored.edits if e.criterion == asked.criterion][::-1],
        message=view_in(asked.found.context, ask.language).words.render(score.message if score else None),
        before=asked.items[place - 1].line.attempt_id if place else 0,
        after=asked.items[place + 1].line.attempt_id if place + 1 < len(asked.items) else 0,
        anonymous=_is_anonymous(ask),
        others=ask.room.book.presence.others(ask.person.name, assignment, asked.criterion),
        fault=fault,
        theirs=theirs,
        done=done,
    )


def _shown_marking(ask: Ask, asked: Question, line: Line, mine: Marking | None) -> tuple[Edit | None, Marking]:
    """The edit that counts, and what is ticked: the person's own that was not kept, else what the edit came from."""
    edit = _live_edit(line, asked.criterion)
    kept = ask.room.book.desk.markings([edit.id]).get(edit.id) if edit else None
    return edit, mine or kept or Marking(own_words=edit.reason if edit else "")


def _keyed(ask: Ask, asked: Question) -> list[tuple[Snippet, str, int]]:
    """Items and comments with their key and how often they were used; items first."""
    found, uses = ask.room.book.desk.snippets(*_place(asked)), ask.room.book.desk.uses(*_place(asked))
    items = [s for s in found if s.points is not None]
    comments = [s for s in found if s.points is None]
    keyed = [(s, ITEM_KEYS[i] if i < len(ITEM_KEYS) else "") for i, s in enumerate(items)]
    keyed += [(s, COMMENT_KEYS[i] if i < len(COMMENT_KEYS) else "") for i, s in enumerate(comments)]
    return [(s, key, uses.get(s.id, 0)) for s, key in keyed]


def _shown_points(ask: Ask, edit: Edit | None, mine: Marking | None) -> str:
    if mine is not None:
        return ask.field("points")
    return f"{edit.points:g}" if edit and edit.points is not None else ""


def _points(ask: Ask, asked: Question) -> float:
    """:raises ValueError: no number from 0 to the maximum."""
    value = typed_points(ask.field("points"))
    if not 0 <= value <= asked.max_points:
        raise ValueError(value)
    return value


def _snippet_points(ask: Ask, asked: Question) -> float | None:
    """What a snippet adds or takes; ``None``: it is a comment.

    :raises UsageError: no number, or more than the criterion has.
    """
    if not ask.field("points").strip():
        return None
    try:
        points = typed_points(ask.field("points"))
    except ValueError:
        points = math.inf
    if abs(points) > asked.max_points:
        raise UsageError(ask.words.say("Points are a number from 0 to {most}.", most=asked.max_points))
    return points


def _item(asked: Question, attempt: str) -> Item:
    found = next((i for i in asked.items if str(i.line.attempt_id) == attempt), None)
    if found is None:
        raise NotFound
    return found


def _next_open(ask: Ask, asked: Question, item: Item | None) -> Item | None:
    """The next answer that nobody has decided; one that somebody else has open only if there is no other."""
    start = asked.items.index(item) + 1 if item else 0
    ring = [i for i in (*asked.items[start:], *asked.items[:start]) if i.state == "open" and i is not item]
    return next((i for i in ring if not i.reader), ring[0] if ring else None)


def _after(asked: Question, item: Item) -> Item:
    place = asked.items.index(item)
    return asked.items[min(place + 1, len(asked.items) - 1)]


def _score_of(line: Line, criterion: str) -> CriterionScore | None:
    lines = line.result.score.criteria if line.result else ()
    return next((c for c in lines if c.id == criterion), None)


def _live_edit(line: Line, criterion: str) -> Edit | None:
    """The last edit of the criterion, unless it took points back."""
    edits = [e for e in (line.stored.edits if line.stored else ()) if e.criterion == criterion]
    return edits[-1] if edits and edits[-1].points is not None else None


def _is_anonymous(ask: Ask) -> bool:
    return (ask.query("names") or ask.request.cookies.get("grader-names", "0")) != "1"


def _shuffled(criterion: str, line: Line) -> str:
    """An order that says nothing about who it is, and stays the same."""
    return hashlib.sha256(f"{criterion} {line.attempt_id}".encode()).hexdigest()


def _place(asked: Question) -> tuple[str, str]:
    return asked.found.context.assignment.id, asked.criterion


def _path(asked: Question) -> str:
    return f"/a/{asked.found.context.assignment.id}/grade/{asked.criterion}"
