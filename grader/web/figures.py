"""Figures of a class that only the application shows: credit by group and criterion, and earlier assignments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles

from markupsafe import Markup

from grader.model import CriterionScore, Outcome, Result
from grader.reporting.figures import histogram
from grader.reporting.svg import build, fluid, join
from grader.reporting.words import Words
from grader.web.classlist import Line

BINS = 10
_GROUPS = 5
_FEWEST = 4  # fewer people than that in a group say nothing about it


@dataclass(frozen=True, slots=True)
class Cell:
    """Mean credit of a group for a criterion; ``shade`` 0 to 10, ``None`` where nothing is decided."""

    shown: str
    shade: int | None


@dataclass(frozen=True, slots=True)
class HeatMap:
    """``heads`` with how many people each group has; one row a criterion."""

    heads: Sequence[tuple[str, int]]
    rows: Sequence[tuple[str, Sequence[Cell]]]


def share(result: Result) -> float | None:
    """Points of those decided, 0 to 1; ``None`` while nothing is."""
    decided = result.score.max_points - result.score.pending
    return result.score.points / decided if result.score.points is not None and decided > 0 else None


def results_of(lines: Sequence[Line]) -> list[Result]:
    """The results of those who handed in."""
    return [line.result for line in lines if line.result is not None]


def distribution(words: Words, results: Sequence[Result], max_points: float) -> Markup:
    """Scores in ten bins: final ones, and those with points still open."""
    final, pending = [0] * BINS, [0] * BINS
    for result in results:
        if result.score.points is not None and max_points > 0:
            place = min(BINS - 1, int(result.score.points / max_points * BINS))
            (pending if result.score.pending > 0 else final)[place] += 1
    return histogram(words, final, pending, max_points)


def heat_map(words: Words, lines: Sequence[Line], criteria: Sequence[tuple[str, str]]) -> HeatMap:
    """Mean credit of each criterion, for fifths of the class by their score and for each section.

    A criterion that strong students miss as often as weak ones is one to look at.

    :param criteria: id and title.
    """
    scored = sorted((r for r in results_of(lines) if share(r) is not None), key=lambda r: share(r) or 0.0)
    groups: list[tuple[str, list[Result]]] = [(words.say("all"), scored)]
    if len(scored) >= _GROUPS * _FEWEST:
        size = len(scored) / _GROUPS
        for i in range(_GROUPS):
            name = (
                words.say("lowest fifth") if i == 0 else words.say("highest fifth") if i == _GROUPS - 1 else str(i + 1)
            )
            groups.append((name, scored[round(i * size) : round((i + 1) * size)]))
    sections = sorted({line.section for line in lines if line.section})
    if len(sections) > 1:
        groups += [(name, results_of([line for line in lines if line.section == name])) for name in sections]
    rows = [(title, [_cell(words, ident, members) for _, members in groups]) for ident, title in criteria]
    return HeatMap([(name, len(members)) for name, members in groups], rows)


def _cell(words: Words, criterion: str, results: Sequence[Result]) -> Cell:
    found = [c for r in results for c in r.score.criteria if c.id == criterion]
    earned = [c.points / c.max_points for c in found if _is_decided(c) and c.max_points > 0 and c.points is not None]
    if not earned:
        return Cell("–", None)
    mean = fmean(earned)
    return Cell(words.percent(mean), min(10, int(mean * 10 + 0.5)))


def _is_decided(line: CriterionScore) -> bool:
    return line.points is not None and line.outcome not in (Outcome.NEEDS_REVIEW, Outcome.ERRORED)


@dataclass(frozen=True, slots=True)
class Trend:
    """One assignment beside the others: how many, the median share, and the middle half as a figure."""

    assignment: str
    title: str
    n: int
    median: str
    figure: Markup
    is_this: bool


def trend(words: Words, assignment: str, title: str, shares: Sequence[float], is_this: bool) -> Trend:
    """``shares``: of the decided points, one a student."""
    if not shares:
        return Trend(assignment, title, 0, "–", Markup(""), is_this)
    low, middle, high = quantiles(shares, n=4, method="inclusive") if len(shares) > 1 else (shares[0],) * 3
    label = words.say(
        "{title}: the middle half of the class has {low} to {high} of the points, the median is {median}",
        title=title,
        low=words.percent(low),
        high=words.percent(high),
        median=words.percent(middle),
    )
    parts = [
        build('<line class="grid" x1="0" x2="100%" y1="11" y2="11"/>'),
        build('<rect class="half" x="{:.1%}" width="{:.1%}" y="5" height="12" rx="4"/>', low, max(high - low, 0.005)),
        build('<circle class="you" cx="{:.1%}" cy="11" r="5"/>', middle),
    ]
    return Trend(assignment, title, len(shares), words.percent(middle), fluid(label, join(parts), 22, "plot"), is_this)
