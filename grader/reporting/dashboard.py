"""The class dashboard: is the class all right, who needs me. One static page per assignment, and a small index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from grader.messages import DATA_MISSING, GRADER_FAILED, Catalogue
from grader.model import Execution, ExecutionOutcome, FlagKind, Outcome, Result, Status, Student
from grader.reporting import classfigures, figures
from grader.reporting.context import ReportContext, localised_title, render_bare, render_page
from grader.reporting.criteria import criterion_title
from grader.reporting.late import late_points
from grader.reporting.words import EXECUTION_WORDS, FLAG_WORDS, Words

SLOWEST_SHOWN = 6
LIST_SHOWN = 30
BINS = 10

_BAD_ENDS = frozenset(
    {ExecutionOutcome.TIMEOUT, ExecutionOutcome.MEMORY, ExecutionOutcome.KERNEL_DIED, ExecutionOutcome.UNREADABLE}
)
_SERIOUS_FLAGS = frozenset({FlagKind.TRAINED_ON_TEST_DATA, FlagKind.TAMPERING, FlagKind.SIMILAR})
_BAR_ORDER = (
    Outcome.PASSED,
    Outcome.PARTIAL,
    Outcome.FAILED,
    Outcome.BLOCKED,
    Outcome.ERRORED,
    Outcome.NEEDS_REVIEW,
)


@dataclass(frozen=True, slots=True)
class DashboardInfo:
    """What the results themselves do not say.

    :ivar duration_s: wall time of the last run that executed notebooks, of which there were ``n_executed``.
    :ivar link_prefix: put before each :attr:`grader.model.Result.report`, from where the dashboard lies (``../``).
    :ivar roster: everybody who could hand in; those without a result are listed as missing.
    :ivar similar: address of the page of similar submissions, if there is one.
    """

    duration_s: float | None = None
    n_executed: int | None = None
    link_prefix: str = "../"
    roster: Sequence[Student] = ()
    similar: str = ""


@dataclass(frozen=True, slots=True)
class DashboardRow:
    """One line of the table. ``states`` are the filters it answers to; ``late`` is what lateness took and left."""

    id: str
    name: str
    href: str
    points: float | None
    points_shown: str
    pending: str
    outcomes: tuple[Outcome | None, ...]
    duration_s: float | None
    duration: str
    attempt: int
    why: tuple[str, ...]
    states: tuple[str, ...]
    late: str = ""
    late_note: str = ""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One assignment on the index page; ``href`` is relative to it, ``graded_at`` is of its newest result.

    ``n_attention`` is ``None`` where nobody knows.
    """

    title: str
    href: str
    n_results: int
    n_attention: int | None
    graded_at: str | None = None


def dashboard(results: Sequence[Result], context: ReportContext, info: DashboardInfo | None = None) -> str:
    """The page for one class: ``results`` holds the counting attempt of each student, in any order."""
    words, about = context.words, info or DashboardInfo()
    rows = [_row(context, result, about) for result in results]
    rows.sort(key=lambda row: ("attention" not in row.states, row.id, row.name))
    rows += _missing(words, results, about.roster, len(context.rubric.ids))
    frame = classfigures.frame(results)
    return render_page(
        context,
        "dashboard.html.jinja",
        script="dashboard.js",
        title=localised_title(context.assignment.title, words.language),
        graded_at=newest_graded_at(results),
        took=_took(words, about),
        kpis=_kpis(words, frame, rows, about),
        bars=_bars(context, frame),
        histogram=_histogram(words, frame, context.rubric.max_points),
        attention=[row for row in rows if "attention" in row.states],
        waiting=sum("review" in row.states for row in rows),
        failed=_failed(words, results, about),
        slowest=_slowest(words, results, about),
        flags=_flag_counts(words, results),
        heads=[criterion_title(context, ident, short=True) for ident in context.rubric.ids],
        rows=rows,
        filters=_filters(words, rows),
        similar=quote(about.similar),
    )


def index(entries: Sequence[IndexEntry], catalogue: Catalogue, reports_dir: Path) -> str:
    """One line for each assignment, linking to its dashboard."""
    return render_bare(Words(catalogue), reports_dir, "index.html.jinja", entries=entries)


def newest_graded_at(results: Sequence[Result]) -> str | None:
    """When the last of ``results`` was graded (ISO 8601); ``None`` if nobody knows."""
    return max((r.graded_at for r in results if r.graded_at), key=_moment, default=None)


def _moment(iso: str) -> datetime:
    moment = datetime.fromisoformat(iso)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _took(words: Words, about: DashboardInfo) -> str:
    """How long the last run took, and for how many notebooks; empty where it is not known."""
    took = words.duration(about.duration_s)
    if not took:
        return ""
    if about.n_executed is None:
        return words.say("took {duration}", duration=took)
    return words.say("last run: {duration} (submissions: {n})", n=words.count(about.n_executed), duration=took)


def _href(result: Result, about: DashboardInfo) -> str:
    """A relative address; whatever the report's path holds, it cannot become another scheme or host."""
    return quote(about.link_prefix + result.report, safe="/.", errors="replace") if result.report else ""


def _row(context: ReportContext, result: Result, about: DashboardInfo) -> DashboardRow:
    words, score = context.words, result.score
    by_id = {c.id: c.outcome for c in score.criteria}
    reasons = attention_reasons(context, result)
    unread = any(c.outcome is Outcome.NEEDS_REVIEW and context.is_written(c.id) for c in score.criteria)
    states = {
        "done": score.status is Status.GRADED,
        "review": unread,
        "attention": bool(reasons),
        "flagged": bool(score.flags),
        "late": bool(result.late and result.late.days_late),
    }
    others = [words.render(FLAG_WORDS[f.kind]) for f in score.flags if f.kind not in _SERIOUS_FLAGS]
    return DashboardRow(
        id=result.student.id or "",
        name=result.student.name or result.student.id or Path(result.source).name,
        href=_href(result, about),
        points=score.points,
        points_shown=words.points(score.points),
        pending=words.total(score.pending) if score.pending and score.points is not None else "",
        outcomes=tuple(by_id.get(ident) for ident in context.rubric.ids),
        duration_s=result.execution.duration_s,
        duration=words.duration(result.execution.duration_s),
        attempt=result.attempt_number,
        why=(*reasons, *others),
        states=tuple(state for state, is_so in states.items() if is_so),
        late=late_points(words, result.late),
        late_note=words.render(result.late.note) if result.late else "",
    )


def attention_reasons(context: ReportContext, result: Result) -> list[str]:
    """Why a person must look at this, beyond reading the written answers; empty if nobody must.

    The one definition of "needs attention" on all pages.
    """
    words, score = context.words, result.score
    reasons = []
    if score.status is Status.NOT_GRADABLE:
        reasons.append(words.render(score.reason) or words.say("could not be graded"))
    elif result.execution.outcome in _BAD_ENDS:
        reasons.append(_ended(words, result.execution))
    reasons += [words.render(FLAG_WORDS[f.kind]) for f in score.flags if f.kind in _SERIOUS_FLAGS]
    reasons += [words.render(text) for text in result.conflicts]
    if result.student.id is None and result.student.name is None:
        reasons.append(words.say("nobody knows whose it is"))
    broken = [c.id for c in score.criteria if c.outcome is Outcome.ERRORED]
    if score.reason == DATA_MISSING:
        reasons.append(words.say("a data set is missing on this machine"))
    elif score.reason == GRADER_FAILED:
        reasons.append(words.say("the grader itself failed"))
    elif len(broken) > 1:
        reasons.append(words.say("the checks of {n} criteria broke", n=len(broken)))
    elif broken:
        title = criterion_title(context, broken[0], short=True)
        reasons.append(words.say("the check of “{criterion}” broke", criterion=title))
    for criterion in score.criteria:
        if criterion.outcome is Outcome.NEEDS_REVIEW and not context.is_written(criterion.id):
            title = criterion_title(context, criterion.id, short=True)
            reasons.append(words.say("“{criterion}” needs a decision", criterion=title))
    return list(dict.fromkeys(reasons))


def _ended(words: Words, execution: Execution) -> str:
    said = words.render(EXECUTION_WORDS[execution.outcome])
    if execution.duration_s is None:
        return said
    return words.say("{what} ({duration})", what=said, duration=words.duration(execution.duration_s))


def _missing(words: Words, results: Sequence[Result], roster: Sequence[Student], n_criteria: int) -> list[DashboardRow]:
    """A row for everybody on the roster who has no result."""
    seen = {result.student.id for result in results}
    return [
        DashboardRow(
            id=student.id or "",
            name=student.name or student.id or "",
            href="",
            points=None,
            points_shown="",
            pending="",
            outcomes=(None,) * n_criteria,
            duration_s=None,
            duration="",
            attempt=0,
            why=(words.say("not handed in"),),
            states=("missing",),
        )
        for student in sorted(roster, key=lambda s: s.id or "")
        if student.id not in seen
    ]


def _kpis(
    words: Words, frame: classfigures.Frame, rows: Sequence[DashboardRow], about: DashboardInfo
) -> list[tuple[str, str, str, str]]:
    """The figures at the top: name, value, smaller addition, look."""
    counts = {state: sum(state in row.states for row in rows) for state in ("done", "review", "attention", "missing")}
    handed_in = len(rows) - counts["missing"]
    of = f" / {len(rows)}" if about.roster else ""
    median = classfigures.median_points(frame)
    return [
        (words.say("handed in"), str(handed_in), of, ""),
        (words.say("fully graded"), str(counts["done"]), "", ""),
        (words.say("answers to be read"), str(counts["review"]), "", "wait" if counts["review"] else ""),
        (words.say("need attention"), str(counts["attention"]), "", "hot" if counts["attention"] else ""),
        (words.say("median, open points left out"), words.points(median), "", ""),
    ]


def _bars(context: ReportContext, frame: classfigures.Frame) -> list[tuple[str, Markup, str, str]]:
    """For each criterion: title, bar, pass rate as shown, and what a screen reader says of it beside."""
    words = context.words
    counts = classfigures.outcome_counts(frame, context.rubric.ids)
    made = []
    for ident in context.rubric.ids:
        mine = {outcome: counts[ident].get(outcome, 0) for outcome in _BAR_ORDER}
        title = criterion_title(context, ident, short=True)
        shares = {str(o): (words.outcome(o), n) for o, n in mine.items()}
        made.append((title, figures.outcome_bar(title, shares, sum(mine.values())), *_pass_rate(words, mine)))
    return made


def _pass_rate(words: Words, counts: Mapping[Outcome, int]) -> tuple[str, str]:
    """Share of passed among what is decided, and how much is not; a dash while that is more than half of it."""
    n_open = counts[Outcome.NEEDS_REVIEW] + counts[Outcome.ERRORED]
    n_decided = sum(counts.values()) - n_open
    spoken = words.say("{n} of {total} still open", n=n_open, total=n_open + n_decided) if n_open else ""
    if n_open > n_decided or not n_decided:
        return "–", spoken
    return words.percent(counts[Outcome.PASSED] / n_decided), spoken


def _histogram(words: Words, frame: classfigures.Frame, max_points: float) -> Markup:
    final, pending = classfigures.distribution(frame, max_points, BINS)
    return figures.histogram(words, final, pending, max_points)


def _label(result: Result) -> str:
    return result.student.name or result.student.id or Path(result.source).name


def _failed(words: Words, results: Sequence[Result], about: DashboardInfo) -> list[tuple[str, str, str]]:
    """Executions that did not run to the end: who, where, how."""
    failed = [r for r in results if r.execution.outcome not in (ExecutionOutcome.OK, ExecutionOutcome.BUDGET)]
    failed.sort(key=lambda r: (r.execution.outcome is ExecutionOutcome.CELL_ERROR, r.student.id or ""))
    return [(_label(r), _href(r, about), _failure(words, r.execution)) for r in failed[:LIST_SHOWN]]


def _failure(words: Words, execution: Execution) -> str:
    said = _ended(words, execution)
    cells = [c for c in execution.cells if c.index in execution.failed_cells]
    if not cells:
        return said
    where = cells[0].label or f"#{cells[0].index + 1}"
    if cells[0].error_name:
        return f"{words.render(EXECUTION_WORDS[execution.outcome])} · [{where}] {cells[0].error_name}"
    return f"{said} · [{where}]"


def _slowest(words: Words, results: Sequence[Result], about: DashboardInfo) -> list[tuple[str, str, str]]:
    timed = [r for r in results if r.execution.duration_s is not None]
    timed.sort(key=lambda r: -(r.execution.duration_s or 0.0))
    return [(_label(r), _href(r, about), words.duration(r.execution.duration_s)) for r in timed[:SLOWEST_SHOWN]]


def _flag_counts(words: Words, results: Sequence[Result]) -> list[tuple[str, int]]:
    kinds = [flag.kind for result in results for flag in result.score.flags]
    return [(words.render(FLAG_WORDS[kind]), kinds.count(kind)) for kind in FlagKind if kind in kinds]


def _filters(words: Words, rows: Sequence[DashboardRow]) -> list[tuple[str, str, int]]:
    """State, word and count of each filter button that would show something."""
    named: Mapping[str, str] = {
        "attention": words.say("need attention"),
        "review": words.say("answers to be read"),
        "done": words.say("fully graded"),
        "flagged": words.say("flagged"),
        "late": words.say("handed in late"),
        "missing": words.say("not handed in"),
    }
    counted = [(state, word, sum(state in row.states for row in rows)) for state, word in named.items()]
    return [("", words.say("all"), len(rows)), *(item for item in counted if item[2])]
