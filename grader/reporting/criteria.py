"""One criterion as a report shows it: outcome, what was measured on its scale, what is wrong, what to try next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from grader.model import CheckResult, CriterionScore, Outcome, Result, Text, Visibility
from grader.reporting import figures
from grader.reporting.clean import clean
from grader.reporting.context import Audience, ReportContext, ThresholdView, localised_title
from grader.reporting.words import FACT_WORDS, Words
from grader.rubric.calibration import DOUBT_SHARE

_VALUE_KEYS = ("drop", "value", "test_accuracy", "accuracy")


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check below a criterion; ``detail`` is for staff."""

    outcome: Outcome
    message: str
    hint: str
    cell: int | None
    cell_label: str
    detail: str


@dataclass(frozen=True, slots=True)
class CriterionView:
    """One criterion; ``points`` and ``max_points`` as written, ``scale`` a figure or empty."""

    id: str
    title: str
    outcome: Outcome
    points: str
    max_points: str
    message: str
    hint: str
    scale: Markup
    scale_note: str
    checks: tuple[CheckView, ...]
    facts: tuple[tuple[str | Markup, str], ...]
    opened: bool

    @property
    def has_body(self) -> bool:
        """Whether there is anything below the headline."""
        return bool(self.scale or self.hint or self.checks or self.facts)


def shown_criteria(result: Result, audience: Audience) -> list[CriterionScore]:
    """What this audience may see. The pipeline redacts scores already; this holds even if it did not.

    A staff line keeps its points for the student, so that they add up, and says nothing else.
    """
    lines = result.score.criteria
    if audience is Audience.STAFF:
        return list(lines)
    if audience is Audience.CHECK:
        return [c for c in lines if c.visibility is Visibility.PUBLIC]
    return [_silent(c) if c.visibility is Visibility.STAFF else c for c in lines]


def _silent(line: CriterionScore) -> CriterionScore:
    message = Text("What was checked here is shown to staff only.")
    return replace(line, message=message, hint=None, measured={}, checks=())


def criterion_title(context: ReportContext, ident: str, *, short: bool = False) -> str:
    """The criterion's title (or its short form, for a table's head); its id if the rubric no longer has it."""
    if ident not in context.rubric.ids:
        return ident
    criterion = context.rubric.criterion(ident)
    return localised_title((criterion.short if short else None) or criterion.title, context.words.language)


def criterion_views(
    context: ReportContext,
    result: Result,
    audience: Audience,
    thresholds: Mapping[str, ThresholdView],
    labels: Mapping[int, str],
) -> list[CriterionView]:
    """All criteria that ``audience`` may see, in the rubric's order.

    :param labels: of the cells that the page shows, by index; others are not linked to.
    """
    return [_view(context, c, audience, thresholds, labels) for c in shown_criteria(result, audience)]


def _view(
    context: ReportContext,
    criterion: CriterionScore,
    audience: Audience,
    thresholds: Mapping[str, ThresholdView],
    labels: Mapping[int, str],
) -> CriterionView:
    words = context.words
    scale, note = _scale(words, criterion, thresholds)
    message, hint = words.render(criterion.message), words.render(criterion.hint)
    checks = tuple(_check(words, check, audience, labels) for check in criterion.checks)
    if criterion.points is not None:
        checks = tuple(replace(c, message="") if c.outcome is Outcome.NEEDS_REVIEW else c for c in checks)
    if len(checks) == 1:
        only = replace(checks[0], message="" if checks[0].message == message else checks[0].message)
        checks = (only,) if only.message or only.hint or only.detail or only.cell is not None else ()
    settled = criterion.outcome in (Outcome.PASSED, Outcome.NEEDS_REVIEW)
    hidden = criterion.visibility is Visibility.STAFF and audience is not Audience.STAFF
    return CriterionView(
        id=criterion.id,
        title=words.say("An item for staff") if hidden else criterion_title(context, criterion.id),
        outcome=criterion.outcome,
        points=words.points(criterion.points),
        max_points=words.points(criterion.max_points),
        message=message,
        hint="" if any(check.hint == hint for check in checks) else hint,
        scale=scale,
        scale_note=note,
        checks=checks,
        facts=_facts(words, criterion) if audience is Audience.STAFF else (),
        opened=bool(scale) or not settled,
    )


def _check(words: Words, check: CheckResult, audience: Audience, labels: Mapping[int, str]) -> CheckView:
    said = check.measured.get("cell")
    cell = check.cell if check.cell is not None else said if type(said) is int else None
    return CheckView(
        outcome=check.outcome,
        message=words.render(check.message),
        hint=words.render(check.hint),
        cell=cell if cell in labels else None,
        cell_label=labels.get(cell, "") if cell is not None else "",
        detail=check.detail or "" if audience is Audience.STAFF else "",
    )


def _number(value: Any) -> float | None:
    """A finite number, or ``None``."""
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _scale(words: Words, criterion: CriterionScore, thresholds: Mapping[str, ThresholdView]) -> tuple[Markup, str]:
    """The measured accuracy on its scale, and a note on where the line comes from."""
    for measured in _with_threshold(criterion):
        value = next((v for k in _VALUE_KEYS if (v := _number(measured.get(k))) is not None), None)
        line = _number(measured.get("threshold"))
        if value is None or line is None:
            continue
        view = _matching(criterion.id, line, thresholds) or _from_facts(line, measured)
        tries = _tries(measured)
        lower, decided = view.side == "lower", criterion.outcome is not Outcome.NEEDS_REVIEW
        scale = figures.Scale(value, line, view.low, view.high, at_least=lower, tries=tries, decided=decided)
        said = (_told_tries(words, tries, value), _origin(words, view), _rarity(words, view, measured))
        return figures.strip(words, scale), " ".join(filter(None, said))
    return Markup(""), ""


def _from_facts(line: float, measured: Mapping[str, Any]) -> ThresholdView:
    """The threshold as the check itself told it; the line is an upper one if it lies above the reference."""
    low, high = _number(measured.get("reference_min")), _number(measured.get("reference_max"))
    if low is None or high is None:
        return ThresholdView(line)
    return ThresholdView(line, low, high, side="lower" if line <= (low + high) / 2 else "upper")


def _with_threshold(criterion: CriterionScore) -> Sequence[Mapping[str, Any]]:
    found = (criterion.measured, *(check.measured for check in criterion.checks))
    return [measured for measured in found if "threshold" in measured]


def _matching(ident: str, line: float, thresholds: Mapping[str, ThresholdView]) -> ThresholdView | None:
    """The threshold of this name, else the one with this value."""
    if ident in thresholds and math.isclose(thresholds[ident].value, line, abs_tol=5e-4):
        return thresholds[ident]
    return next((t for t in thresholds.values() if math.isclose(t.value, line, abs_tol=5e-4)), None)


def _origin(words: Words, view: ThresholdView) -> str:
    if view.n is None or view.false_fail is None:
        return ""
    return words.say(
        "The line follows from {n} right answers trained with different seeds: "
        "a right answer misses it at most once in {times} times.",
        n=view.n,
        times=words.count(round(1 / view.false_fail)),
    )


def _tries(measured: Mapping[str, Any]) -> tuple[float, ...]:
    """Values of the single runs behind a median."""
    told = measured.get("tries")
    runs = told if isinstance(told, list | tuple) else ()
    values = (_number(run.get("value")) for run in runs if isinstance(run, Mapping))
    return tuple(value for value in values if value is not None)


def _told_tries(words: Words, tries: Sequence[float], median: float) -> str:
    if not tries:
        return ""
    return words.say(
        "One run was too close to the line to decide, so the notebook was run under {n} seeds: {values}. "
        "The median, {median}, decides.",
        n=len(tries),
        values=", ".join(f"{value:.3f}" for value in tries),
        median=f"{median:.3f}",
    )


def _rarity(words: Words, view: ThresholdView, measured: Mapping[str, Any]) -> str:
    """How sure it is that a value beyond the line is no right answer's bad luck."""
    one_in = measured.get("one_in")
    if type(one_in) is not int or view.false_fail is None:
        return ""
    if one_in >= 0.99 / (DOUBT_SHARE * view.false_fail):
        return words.say("Fewer than 1 in {n} right answers is as far off as this.", n=words.count(one_in))
    return words.say("About 1 in {n} right answers is as far off as this.", n=words.count(one_in))


def _facts(words: Words, criterion: CriterionScore) -> tuple[tuple[str | Markup, str], ...]:
    """What checks measured, for staff and rubric authors; a fact without a word of its own under its key, as code."""
    merged: dict[str, Any] = {}
    for measured in (*(check.measured for check in criterion.checks), criterion.measured):
        merged |= dict(measured)
    return tuple((_fact_word(words, key), _plain(words, value)) for key, value in merged.items())


def _fact_word(words: Words, key: str) -> str | Markup:
    known = FACT_WORDS.get(key)
    return words.render(known) if known else Markup("<code>{}</code>").format(clean(key))


def _plain(words: Words, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if type(value) is int:
        return words.count(value)
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_plain(words, v)}" for key, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(words, v) for v in value)
    return "–" if value is None else str(value)
