"""Results as lines of text: the student's own check, and the summary of a class. The caller gives the lines colours."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from grader.model import Budget, CriterionScore, ExecutionOutcome, Outcome, Result, Status
from grader.reporting.clean import clean, shorten
from grader.reporting.context import Audience, ReportContext
from grader.reporting.criteria import criterion_title, shown_criteria
from grader.reporting.words import EXECUTION_WORDS, FLAG_WORDS, SIGNS, STATUS_WORDS, Words

INDENT = "    "
_STATUS_SIGNS = {Status.GRADED: "✓", Status.NEEDS_REVIEW: "…", Status.NOT_GRADABLE: "✕"}


class Line(NamedTuple):
    """One line. ``style``: an outcome's value, or ``title``, ``hint``, ``soft``, ``plain``."""

    style: str
    text: str


def plain(lines: Sequence[Line]) -> list[str]:
    """The texts alone."""
    return [line.text for line in lines]


def result_lines(result: Result, context: ReportContext, audience: Audience | str = Audience.CHECK) -> list[Line]:
    """One attempt: each criterion with sign, title and points, then message and hint, then the sum."""
    words, reader = context.words, Audience(audience)
    shown = shown_criteria(result, reader)
    lines = [Line("title", _headline(words, result, reader)), *_trouble(words, result), Line("plain", "")]
    titles = [clean(criterion_title(context, c.id)) for c in shown]
    width = max((columns(t) for t in titles), default=0)
    for criterion, title in zip(shown, titles, strict=True):
        lines += _criterion(words, criterion, pad(title, width))
    return [*lines, Line("plain", ""), *_sum(words, result, shown, reader)]


def _headline(words: Words, result: Result, reader: Audience) -> str:
    if reader is Audience.CHECK:
        return words.say("Self-check of {file}", file=_one_line(result.source))
    who = (result.student.id, result.student.name)
    return _one_line(" ".join(w for w in who if w) or result.source)


def _trouble(words: Words, result: Result) -> list[Line]:
    """How the run ended, unless well; and why nothing could be graded."""
    lines = []
    if result.score.status is Status.NOT_GRADABLE:
        reason = words.render(result.score.reason)
        lines.append(Line("failed", f"✕ {words.render(STATUS_WORDS[Status.NOT_GRADABLE])}: {_one_line(reason)}"))
    elif result.execution.outcome is not ExecutionOutcome.OK:
        lines.append(Line("partial", f"! {words.render(EXECUTION_WORDS[result.execution.outcome])}"))
    for cell in result.execution.cells:
        if cell.index in result.execution.failed_cells:
            where = cell.label or f"#{cell.index + 1}"
            error = ": ".join(_one_line(part) for part in (cell.error_name, cell.error_value) if part)
            lines.append(Line("soft", f"{INDENT}[{_one_line(where)}] {error}".rstrip()))
    return lines


def _criterion(words: Words, criterion: CriterionScore, title: str) -> list[Line]:
    style = str(criterion.outcome)
    points = f"{words.points(criterion.points)} / {words.points(criterion.max_points)}"
    lines = [Line(style, f"{SIGNS[criterion.outcome]} {title}  {points:>11}  {words.outcome(criterion.outcome)}")]
    if criterion.outcome is Outcome.PASSED:
        return lines
    said = [(criterion.message, criterion.hint), *((c.message, c.hint) for c in criterion.checks)]
    for message, hint in dict.fromkeys((words.render(m), words.render(h)) for m, h in said):
        lines += [Line("plain", f"{INDENT}{_one_line(message)}")] if message else []
        lines += [Line("hint", f"{INDENT}→ {_one_line(hint)}")] if hint else []
    return list(dict.fromkeys(lines))


def _sum(words: Words, result: Result, shown: Sequence[CriterionScore], reader: Audience) -> list[Line]:
    if reader is not Audience.CHECK:
        return [Line("title", _points(words, result))]
    got, most = sum(c.points or 0.0 for c in shown), sum(c.max_points for c in shown)
    lines = [
        Line(
            "title", words.say("Public criteria: {got} of {most} points", got=words.points(got), most=words.total(most))
        )
    ]
    if any(c.points is None for c in shown):
        lines.append(Line("soft", words.say("Staff decide on what is waiting.")))
    if result.execution.budget is Budget.QUICK:
        lines.append(Line("soft", words.say("Trainings were shortened: try --budget full before you hand in.")))
    return [*lines, Line("soft", words.say("Public criteria only. This is no grade."))]


def _points(words: Words, result: Result) -> str:
    score = result.score
    text = f"{words.points(score.points)} / {words.total(score.max_points)}"
    if score.pending and score.points is not None:
        text += " " + words.say("({n} open)", n=words.total(score.pending))
    return text


def summary_lines(results: Sequence[Result], context: ReportContext) -> list[Line]:
    """A class: a line an attempt, then how many have which status."""
    words = context.words
    who = [_one_line(" ".join(w for w in (r.student.id, r.student.name) if w) or r.source) for r in results]
    width = max((columns(name) for name in who), default=0)
    lines = []
    for result, name in zip(results, who, strict=True):
        status = result.score.status
        style = {Status.GRADED: "passed", Status.NEEDS_REVIEW: "needs_review", Status.NOT_GRADABLE: "failed"}[status]
        remark = _remark(words, result)
        points = pad(_points(words, result), 22)
        lines.append(Line(style, f"{_STATUS_SIGNS[status]} {pad(name, width)}  {points} {remark}".rstrip()))
    counts = [(status, sum(r.score.status is status for r in results)) for status in Status]
    total = " · ".join(f"{words.render(STATUS_WORDS[status])} {n}" for status, n in counts if n)
    return [*lines, Line("plain", ""), Line("title", total)]


def _remark(words: Words, result: Result) -> str:
    parts = []
    if result.score.status is Status.NOT_GRADABLE:
        parts.append(words.render(result.score.reason))
    elif result.execution.outcome is not ExecutionOutcome.OK:
        parts.append(words.render(EXECUTION_WORDS[result.execution.outcome]))
    parts += [words.render(FLAG_WORDS[flag.kind]) for flag in result.score.flags]
    if any(c.outcome is Outcome.ERRORED for c in result.score.criteria):
        parts.append(words.outcome(Outcome.ERRORED))
    return " · ".join(_one_line(part) for part in dict.fromkeys(parts) if part)


def _one_line(text: str) -> str:
    return shorten(clean(text), 300)


def columns(text: str) -> int:
    """How many terminal columns ``text`` takes: full-width characters two (Unicode standard annex 11)."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, width: int) -> str:
    """``text`` with spaces up to ``width`` columns."""
    return text + " " * max(0, width - columns(text))
