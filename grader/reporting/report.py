"""The report of one attempt: what did I get, what is still open, what do I do next. One self-contained page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from markupsafe import Markup

from grader.errors import EvidenceError
from grader.evidence import Evidence
from grader.messages import DATA_MISSING, GRADER_FAILED
from grader.model import (
    Budget,
    Execution,
    ExecutionOutcome,
    FlagKind,
    Outcome,
    Result,
    Status,
    Text,
    Zone,
)
from grader.reporting import figures
from grader.reporting.context import Audience, ReportContext, TestSet, ThresholdView, localised_title, render_page
from grader.reporting.criteria import CriterionView, criterion_views, shown_criteria
from grader.reporting.late import late_banner, late_points
from grader.reporting.notebook import CellView, cell_views
from grader.reporting.trainings import TrainingView, training_views
from grader.reporting.words import FLAG_WORDS, Words

# Flags that accuse, or speak of other people, are for staff to judge first.
_STUDENT_FLAGS = frozenset({FlagKind.COMPATIBILITY, FlagKind.CLAIM_DIFFERS, FlagKind.TRAINED_ON_TEST_DATA})

_EXECUTION_NOTES = {
    ExecutionOutcome.CELL_ERROR: Text(
        "A cell stopped with an error. The cells after it were still tried, and everything that ran was graded."
    ),
    ExecutionOutcome.TIMEOUT: Text(
        "The notebook did not finish within the time limit. What ran until then was graded. "
        "Look for an endless loop, or for more epochs than were asked for."
    ),
    ExecutionOutcome.MEMORY: Text(
        "The notebook needed more memory than it may have and was stopped. What ran until then was graded. "
        "Look for arrays that are far larger than the data."
    ),
    ExecutionOutcome.KERNEL_DIED: Text(
        "The kernel died while the notebook ran. What ran until then was graded. "
        "Restart the kernel, run all cells, and see which one it is."
    ),
    ExecutionOutcome.BUDGET: Text(
        "Trainings were shortened to save time, so accuracies say little here. Points for them need a full run."
    ),
}
_FAULTS = {DATA_MISSING.id: Text("A data set is missing here"), GRADER_FAILED.id: Text("The grader failed")}
_UNREADABLE_NEXT = Text(
    "Open the file in Jupyter or Colab. If it opens, save it as .ipynb and hand it in again; "
    "if it does not, go back to your last copy that does."
)


@dataclass(frozen=True, slots=True)
class ScoreView:
    """The head of a page: points as written, the bar, and what is still open in a sentence."""

    points: str
    total: str
    bar: Markup
    note: str
    late: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an attempt stands among those of its student, ``n_attempts`` in all.

    :ivar counting: number of the attempt that counts. :ivar href: of its report, from where this one lies.
    """

    n_attempts: int
    counting: int
    href: str = ""


@dataclass(frozen=True)
class ShownEvidence:
    """An attempt's evidence for several pages in one language: what takes time is made for the first of them."""

    evidence: Evidence
    cells: list[CellView] = field(default_factory=list)
    trainings: dict[str, TrainingView] = field(default_factory=dict)


def student_report(
    result: Result,
    evidence: Evidence | ShownEvidence | None,
    context: ReportContext,
    *,
    audience: Audience | str = Audience.STUDENT,
    thresholds: Mapping[str, ThresholdView] | None = None,
    images: TestSet | None = None,
    standing: Standing | None = None,
) -> str:
    """The page of one attempt as HTML; for the parameters see :func:`report_parts`."""
    parts = report_parts(
        result,
        evidence,
        context,
        audience=audience,
        thresholds=thresholds,
        images=images,
        standing=standing,
    )
    return render_page(context, "report.html.jinja", **parts)


def report_parts(
    result: Result,
    evidence: Evidence | ShownEvidence | None,
    context: ReportContext,
    *,
    audience: Audience | str = Audience.STUDENT,
    thresholds: Mapping[str, ThresholdView] | None = None,
    images: TestSet | None = None,
    standing: Standing | None = None,
) -> dict[str, Any]:
    """What the templates of a report need.

    :param result: with the score already redacted for ``audience``.
    :param evidence: ``None`` where there is none (an unreadable file): the page is then about that.
    :param thresholds: by name of the rubric's threshold; those that ``audience`` may see.
    :param images: for confusion matrix and mistakes; left out without it.
    :param standing: where the student has several attempts.
    """
    words, reader = context.words, Audience(audience)
    shown = ShownEvidence(evidence) if isinstance(evidence, Evidence) else evidence
    cells, trainings, faults = _from_evidence(words, result, shown, images)
    labels = {cell.index: cell.label for cell in cells}
    criteria = criterion_views(context, result, reader, thresholds or {}, labels)
    return {
        "audience": reader,
        "result": result,
        "title": localised_title(context.assignment.title, words.language),
        "name": _name(words, result, reader),
        "score": _score(context, result, reader),
        "standing": standing,
        "banners": _banners(words, result, reader),
        "tally": sorted(Counter(c.outcome for c in criteria).items(), key=lambda item: list(Outcome).index(item[0])),
        "criteria": _said_once(words, result, criteria),
        "is_graded": result.score.status is not Status.NOT_GRADABLE,
        "trainings": trainings,
        "cells": cells,
        "notes": [words.render(note) for note in (*result.notes, *result.execution.notes)],
        "flags": _flags(words, result, reader),
        "conflicts": [words.render(c) for c in result.conflicts] if reader is Audience.STAFF else [],
        "faults": faults if reader is Audience.STAFF else [],
        "reproduce": _reproduce(words, result, shown.evidence if shown else None),
    }


def _said_once(words: Words, result: Result, criteria: list[CriterionView]) -> list[CriterionView]:
    """The criteria without the reason of the whole score, which a banner says already."""
    if result.execution.outcome is not ExecutionOutcome.UNREADABLE and _fault(result) is None:
        return criteria
    reason = words.render(result.score.reason)
    return [replace(c, message="") if c.message == reason else c for c in criteria]


def _from_evidence(
    words: Words, result: Result, shown: ShownEvidence | None, images: TestSet | None
) -> tuple[list[CellView], list[TrainingView], list[str]]:
    """Cells and trainings; a damaged folder costs the section, not the page, and staff are told."""
    if shown is None:
        return [], [], []
    evidence, cells = shown.evidence, shown.cells
    faults = list(evidence.faults)
    try:
        cells[:] = cells or cell_views(words, evidence.notebook(), result.execution)
    except EvidenceError as error:
        faults.append(str(error))
    return cells, training_views(words, evidence, result.score, images, shown.trainings), faults


def _name(words: Words, result: Result, audience: Audience) -> str:
    if audience is Audience.CHECK:
        return words.say("Self-check")
    if result.student.name:
        return words.say("{name}", name=result.student.name)
    return result.student.id or words.say("Name not known")


def _score(context: ReportContext, result: Result, audience: Audience) -> ScoreView | None:
    """``None`` where no points can be shown at all."""
    words = context.words
    score = result.score
    if score.status is Status.NOT_GRADABLE or score.points is None:
        return None
    points, pending, most = score.points, score.pending, score.max_points
    note = ""
    if audience is Audience.CHECK:
        shown = shown_criteria(result, audience)
        points = sum(c.points or 0.0 for c in shown)
        pending = sum(c.max_points for c in shown if c.points is None)
        most = sum(c.max_points for c in shown)
        note = words.say("Public criteria only. This is no grade.")
    elif pending > 0:
        note = _open_note(context, result)
    bar = figures.score_bar(words, points, pending, most)
    late = late_points(words, result.late) if audience is not Audience.CHECK else ""
    return ScoreView(words.points(points), words.total(most), bar, note, late)


def _open_note(context: ReportContext, result: Result) -> str:
    words, pending = context.words, context.words.total(result.score.pending)
    still_open = [c for c in result.score.criteria if c.points is None]
    if still_open and all(c.outcome is Outcome.NEEDS_REVIEW and context.is_written(c.id) for c in still_open):
        return words.say("{n} more points are open: staff read what you wrote", n=pending)
    return words.say("{n} more points are open: staff look at them", n=pending)


def _banners(words: Words, result: Result, audience: Audience) -> list[tuple[str, str, str]]:
    """What must be said before anything else: look, headline, sentence."""
    banners: list[tuple[str, str, str]] = []
    if audience is Audience.CHECK:
        sentence = words.say(
            "Only the public criteria are tried here. Staff also read what you wrote and may look at more: "
            "the points below are not your grade."
        )
        banners.append(("plain", words.say("What this check tells you"), sentence))
    reason = words.render(result.score.reason)
    if result.score.status is Status.NOT_GRADABLE:
        said = reason or words.say("There is nothing that can be graded.")
        banners.append(("failed", words.say("This submission could not be graded"), said))
    elif result.execution.outcome is ExecutionOutcome.UNREADABLE and reason:
        banners.append(("partial", words.say("The file could not be read"), reason))
    if result.execution.outcome is ExecutionOutcome.UNREADABLE:
        banners.append(("next", words.say("Next step"), words.render(_UNREADABLE_NEXT)))
    if audience is not Audience.CHECK and (late := late_banner(words, result.late)):
        banners.append(late)
    note = _EXECUTION_NOTES.get(result.execution.outcome)
    if note is not None:
        banners.append(("partial", _headline(words, result), words.render(note)))
    elif result.execution.budget is Budget.QUICK and result.execution.outcome is ExecutionOutcome.OK:
        banners.append(("partial", words.say("Quick check"), words.render(_EXECUTION_NOTES[ExecutionOutcome.BUDGET])))
    if (fault := _fault(result)) is not None:
        banners.append(("errored", words.render(fault), reason))
    elif any(c.outcome is Outcome.ERRORED for c in result.score.criteria):
        sentence = words.say(
            "Part of the grading did not work. This is our fault and costs you no points; staff know about it."
        )
        banners.append(("errored", words.say("A fault of the grader"), sentence))
    return banners


def _fault(result: Result) -> Text | None:
    """What went wrong with the whole attempt on our side."""
    return _FAULTS.get(result.score.reason.id) if result.score.reason else None


def _headline(words: Words, result: Result) -> str:
    """How the run ended, and where."""
    headlines = {
        ExecutionOutcome.CELL_ERROR: words.say("Not every cell ran"),
        ExecutionOutcome.TIMEOUT: words.say("Out of time"),
        ExecutionOutcome.MEMORY: words.say("Out of memory"),
        ExecutionOutcome.KERNEL_DIED: words.say("The kernel died"),
        ExecutionOutcome.BUDGET: words.say("Quick check"),
    }
    return headlines[result.execution.outcome]


def _flags(words: Words, result: Result, audience: Audience) -> list[tuple[str, str]]:
    return [
        (words.render(FLAG_WORDS[flag.kind]), words.render(flag.message))
        for flag in result.score.flags
        if audience is Audience.STAFF or flag.kind in _STUDENT_FLAGS
    ]


def _reproduce(words: Words, result: Result, evidence: Evidence | None) -> list[tuple[str, str]]:
    """What somebody needs to get the same numbers again."""
    execution = result.execution
    versions = {**execution.versions, **({"grader": result.grader_version} if result.grader_version else {})}
    rows = [(words.say("Versions"), " · ".join(f"{name} {version}" for name, version in versions.items()))]
    rows.append((words.say("Seed"), str(execution.seed)))
    rows.append((words.say("Budget"), _budget(words, execution.budget)))
    rows.append((words.say("Data"), _datasets(evidence)))
    rubric = words.say("{rubric}, version {version}", rubric=result.assignment, version=result.rubric_version or "–")
    rows.append((words.say("Rubric"), rubric))
    if execution.trained_fits is not None:
        rows.append((words.say("Trainings"), _trained(words, execution)))
    rows.append((words.say("Weights measured"), _zones(words, result)))
    rows.append((words.say("Sandbox"), words.say("none") if execution.sandbox == "none" else execution.sandbox))
    if execution.duration_s is not None:
        rows.append((words.say("Time and memory"), _cost(words, result)))
    file = re.split(r"[/\\\\!]", result.source)[-1]
    rows.append((words.say("File"), f"{file} · {result.digest[:19]}…"))
    return [(name, value) for name, value in rows if value]


def _trained(words: Words, execution: Execution) -> str:
    if not execution.replayed_fits:
        return words.say("{trained} trained here", trained=execution.trained_fits)
    return words.say(
        "{trained} trained here, {replayed} replayed from our own identical training",
        trained=execution.trained_fits,
        replayed=execution.replayed_fits,
    )


def _budget(words: Words, budget: Budget) -> str:
    return words.say("full, as written") if budget is Budget.FULL else words.say("quick, trainings shortened")


def _datasets(evidence: Evidence | None) -> str:
    known = evidence.datasets.items() if evidence else ()
    return " · ".join(f"{name} {digest[:10]}…" for name, digest in known if digest)


def _zones(words: Words, result: Result) -> str:
    zones = {m.zone for m in result.verified.measurements}
    said = []
    if Zone.VERIFIER in zones:
        said.append(words.say("in a clean process without the notebook's code"))
    if Zone.STUDENT in zones:
        said.append(words.say("beside the notebook, for models with layers of their own"))
    return " · ".join(said)


def _cost(words: Words, result: Result) -> str:
    parts = [words.duration(result.execution.duration_s)]
    if result.execution.peak_memory_mib is not None:
        parts.append(f"{words.count(round(result.execution.peak_memory_mib))} MiB")
    return " · ".join(parts)
