"""All assignments, and one class: is it all right, and who needs somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from starlette.responses import FileResponse, Response

from grader.errors import GraderError
from grader.model import FlagKind, Outcome, Result
from grader.people import id_key
from grader.pipeline.similar import similar_page
from grader.reporting import ReportContext, attention_reasons
from grader.reporting.criteria import criterion_title
from grader.reporting.words import FLAG_WORDS, STATUS_WORDS, Words
from grader.web.ask import Ask, NotFound
from grader.web.classlist import SORTS, STATES, ClassList, Line, Wanted, chosen, paged
from grader.web.figures import Trend, distribution, heat_map, results_of, share, trend


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, as shown."""

    line: Line
    points: str
    final: str
    pending: str
    outcomes: Sequence[Outcome | None]
    status: str
    duration: str
    why: Sequence[str]
    change: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment of the list; ``fault`` where its files are wrong."""

    id: str
    title: str
    n: int = 0
    done: int = 0
    review: int = 0
    attention: int = 0
    released: str = ""
    fault: str = ""


def open_class(ask: Ask) -> ClassList:
    """The class of the assignment in the path. :raises NotFound: nobody handed anything in."""
    assignment = ask.path("assignment")
    if assignment not in ask.room.assignments():
        raise NotFound
    return ask.room.class_of(assignment)


def report_context(ask: Ask, found: ClassList) -> ReportContext:
    """What texts about criteria need, in the language of the person."""
    return found.context.report_context(ask.language)


def assignments(ask: Ask) -> Response:
    """One line each."""
    entries = []
    for ident in ask.room.assignments():
        try:
            lines = ask.room.class_of(ident).seen_by(ask.person)
        except GraderError as error:
            entries.append(Entry(ident, ident, fault=str(error)))
            continue
        counts = {state: sum(state in line.states for line in lines) for state in STATES}
        n = len(lines) - counts["missing"]
        entries.append(
            Entry(
                ident,
                ask.room.title(ident, ask.language),
                n,
                counts["done"],
                counts["review"],
                counts["attention"],
                released_words(ask, ident),
            )
        )
    return ask.page("assignments.html.jinja", entries=entries)


def released_words(ask: Ask, assignment: str) -> str:
    """What students may see, in a few words; empty: nothing."""
    latest: dict[str, str] = {}
    for release in ask.room.book.desk.releases(assignment):
        if release.section == "*":
            latest = {}
        latest[release.section] = release.audience
    shown = [section for section, audience in latest.items() if audience]
    if "*" in shown:
        hidden = [section for section, audience in latest.items() if not audience and section != "*"]
        return ask.words.say("all but {sections}", sections=", ".join(hidden)) if hidden else ask.words.say("all")
    return ", ".join(shown)


def class_page(ask: Ask) -> Response:
    """Figures of those whom the filters leave, and a page of the table."""
    found = open_class(ask)
    wanted, view = wanted_of(ask), report_context(ask, found)
    seen = found.seen_by(ask.person)
    lines = chosen(seen, wanted)
    page = paged(lines, wanted.page)
    results = results_of(lines)
    criteria = [(ident, criterion_title(view, ident, short=True)) for ident in view.rubric.ids]
    earlier = earlier_shares(ask, found)
    return ask.page(
        "class.html.jinja",
        assignment=found.context.assignment.id,
        title=ask.room.title(found.context.assignment.id, ask.language),
        kpis=_kpis(ask.words, lines),
        histogram=distribution(ask.words, results, view.rubric.max_points) if results else "",
        heat=heat_map(ask.words, lines, criteria),
        trends=_trends(ask, found),
        rows=[_row(view, line, earlier) for line in page.lines],
        has_change=bool(earlier),
        page=page,
        wanted=wanted,
        heads=[title for _, title in criteria],
        filters=_filters(ask.words, seen),
        flags=_flags(ask.words, seen),
        sections=[s for s in found.sections if ask.person.sees(s)],
        all_sections=found.sections,
        released=released_words(ask, found.context.assignment.id),
        releases=ask.room.book.desk.releases(found.context.assignment.id)[::-1],
        open_points=sum(bool(r.score.pending) for r in results_of(seen)),
        stale=len(ask.room.refresh.waiting(found.context.assignment.id)),
        query=_query_of(wanted),
        has_similar=similar_page(ask.room.workspace, found.context.assignment.id).is_file(),
    )


def similar(ask: Ask) -> Response:
    """Pairs that resemble each other, as ``grader similar`` wrote them: a page with a policy of its own."""
    path = similar_page(ask.room.workspace, open_class(ask).context.assignment.id)
    if not path.is_file():
        raise NotFound
    return FileResponse(path, headers={"content-security-policy": "frame-ancestors 'none'"})


def wanted_of(ask: Ask) -> Wanted:
    """The filters of the address; what is unknown is left out."""
    number = ask.query("page")
    return Wanted(
        section=ask.query("section"),
        state=ask.query("state") if ask.query("state") in STATES else "",
        flag=ask.query("flag") if ask.query("flag") in set(FlagKind) else "",
        words=ask.query("q")[:100],
        sort=ask.query("sort") if ask.query("sort") in SORTS else "id",
        down=ask.query("down") == "1",
        page=int(number) if number.isdecimal() and len(number) < 7 else 1,
    )


def earlier_shares(ask: Ask, found: ClassList) -> Mapping[str, float]:
    """Mean share of the points in assignments that began before this one, by student number."""
    began = _began(found)
    shares: dict[str, list[float]] = {}
    for ident in ask.room.assignments():
        other = class_or_none(ask, ident)
        if other is None or ident == found.context.assignment.id or _began(other) >= began:
            continue
        for line in other.lines:
            value = share(line.result) if line.result and line.student.id else None
            if value is not None:
                shares.setdefault(id_key(line.student.id or ""), []).append(value)
    return {ident: fmean(values) for ident, values in shares.items()}


def _began(found: ClassList) -> str:
    return min((a.received_at for a in found.attempts.values()), default="")


def class_or_none(ask: Ask, assignment: str) -> ClassList | None:
    """One whose rubric is broken does not take the others' page away."""
    try:
        return ask.room.class_of(assignment)
    except GraderError:
        return None


def _trends(ask: Ask, found: ClassList) -> list[Trend]:
    """The assignment beside the others, in the order in which they began; none where it is the only one."""
    classes = [other for ident in ask.room.assignments() if (other := class_or_none(ask, ident)) is not None]
    made = []
    for other in sorted(classes, key=_began):
        ident = other.context.assignment.id
        results = results_of(other.seen_by(ask.person))
        shares = [value for r in results if (value := share(r)) is not None]
        made.append(trend(ask.words, ident, ask.room.title(ident, ask.language), shares, other is found))
    return made if len(made) > 1 else []


def _kpis(words: Words, lines: Sequence[Line]) -> list[tuple[str, str, str]]:
    counts = {state: sum(state in line.states for line in lines) for state in STATES}
    points = [r.score.points for r in results_of(lines) if r.score.points is not None]
    return [
        (words.say("handed in"), f"{len(lines) - counts['missing']} / {len(lines)}", ""),
        (words.say("fully graded"), str(counts["done"]), ""),
        (words.say("answers to be read"), str(counts["review"]), "wait" if counts["review"] else ""),
        (words.say("need attention"), str(counts["attention"]), "hot" if counts["attention"] else ""),
        (words.say("median, open points left out"), words.points(median(points) if points else None), ""),
    ]


def _filters(words: Words, lines: Sequence[Line]) -> list[tuple[str, str]]:
    named = {
        "attention": words.say("need attention"),
        "review": words.say("answers to be read"),
        "done": words.say("fully graded"),
        "flagged": words.say("flagged"),
        "missing": words.say("not handed in"),
    }
    counted = ((state, word, sum(state in line.states for line in lines)) for state, word in named.items())
    return [(state, f"{word} {n}") for state, word, n in counted if n]


def _flags(words: Words, lines: Sequence[Line]) -> list[tuple[str, str]]:
    kinds = [flag.kind for result in results_of(lines) for flag in result.score.flags]
    return [(str(k), f"{words.render(FLAG_WORDS[k])} {kinds.count(k)}") for k in FlagKind if k in kinds]


def _row(view: ReportContext, line: Line, earlier: Mapping[str, float]) -> Row:
    words, result = view.words, line.result
    if result is None:
        none: Sequence[Outcome | None] = [None] * len(view.rubric.ids)
        return Row(line, "", "", "", none, "", "", [words.say("not handed in")], "")
    by_id = {c.id: c.outcome for c in result.score.criteria}
    reasons = attention_reasons(view, result)
    others = [words.render(FLAG_WORDS[f.kind]) for f in result.score.flags]
    return Row(
        line=line,
        points=words.points(result.score.points),
        final=final_points(words, result),
        pending=words.total(result.score.pending) if result.score.pending and result.score.points is not None else "",
        outcomes=[by_id.get(ident) for ident in view.rubric.ids],
        status=words.render(STATUS_WORDS[result.score.status]),
        duration=words.duration(result.execution.duration_s),
        why=list(dict.fromkeys([*reasons, *others])),
        change=_change(result, earlier),
    )


def final_points(words: Words, result: Result) -> str:
    """The points after what lateness takes; empty where it takes nothing."""
    return "" if result.final == result.score.points else words.points(result.final)


def _change(result: Result, earlier: Mapping[str, float]) -> str:
    """Against the mean of earlier assignments, in percentage points."""
    before, now = earlier.get(id_key(result.student.id or "")), share(result)
    return "" if before is None or now is None else f"{(now - before) * 100:+z.0f}"


def _query_of(wanted: Wanted) -> dict[str, object]:
    """The filters as they stand in an address, without the page."""
    return {
        "section": wanted.section,
        "state": wanted.state,
        "flag": wanted.flag,
        "q": wanted.words,
        "sort": wanted.sort if wanted.sort != "id" else "",
        "down": "1" if wanted.down else "",
    }
