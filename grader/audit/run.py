"""Grades the variants and says which wrong ones slipped through and which right ones were refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from grader.audit.course import small_course
from grader.audit.variants import Variant, Variants, read_variants, variant_notebook
from grader.calibration.runs import Say
from grader.config import Settings
from grader.errors import CourseError, UsageError
from grader.handout import dumps
from grader.intake import collect
from grader.model import Attempt, CriterionScore, FlagKind, Outcome, Result
from grader.pipeline import Batch, Context, Graded, grade_batch, open_context
from grader.rubric import Assignment, Course


class Verdict(StrEnum):
    """What became of a variant. ``FAULT``: ours, the rubric's or the grader's."""

    CAUGHT = "caught"
    SLIPPED = "slipped"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAULT = "fault"

    @property
    def is_good(self) -> bool:
        """Whether the rubric did what it should."""
        return self in (Verdict.CAUGHT, Verdict.ACCEPTED)


@dataclass(frozen=True)
class Finding:
    """One variant as the rubric judged it.

    :ivar lost: points lost by criterion. :ivar open: automatic criteria left to a person.
    :ivar said: message of each criterion in ``lost`` or ``open``: its key in the rubric's texts.
    """

    variant: Variant
    verdict: Verdict
    lost: dict[str, float]
    open: tuple[str, ...]
    flags: tuple[FlagKind, ...]
    said: dict[str, str]
    seconds: float | None = None
    fault: str | None = None

    def row(self) -> dict[str, Any]:
        """The finding as plain JSON."""
        return {
            "name": self.variant.name,
            "kind": self.variant.kind,
            "about": self.variant.about,
            "expected_criterion": self.variant.criterion,
            "expected_flag": self.variant.flag,
            "verdict": self.verdict,
            "points_lost": self.lost,
            "left_to_a_person": list(self.open),
            "flags": list(self.flags),
            "messages": self.said,
            "duration_s": self.seconds,
            "fault": self.fault,
        }


@dataclass(frozen=True)
class Audit:
    """Everything ready to be graded."""

    context: Context
    variants: tuple[Variant, ...]
    attempts: tuple[Attempt, ...]

    def run(self, batch: Batch | None = None) -> list[Finding]:
        """Grades every variant, ``settings.jobs`` at a time; findings in the order of the variants."""
        graded = grade_batch(self.context, self.attempts, batch=batch)
        written = {c.id for c in self.context.rubric.criteria if c.kind == "written"}
        return [judge(v, g, written) for v, g in zip(self.variants, graded, strict=True)]


def prepare(
    settings: Settings, assignment_id: str, folder: Path, *, only: Collection[str] = (), say: Say = lambda line: None
) -> Audit:
    """Makes the variants, a course on small data and its calibration in ``folder``.

    :param only: names of variants; all where it is empty. What ``folder`` has of an earlier audit is used again.
    :raises UsageError: there is no variant of a name. :raises CourseError: the variants are wrong.
    """
    full = Course(settings.course)
    assignment = full.assignment(assignment_id)
    variants = read_variants(assignment, full.rubric(assignment_id))
    if unknown := sorted(set(only) - {v.name for v in variants.variants}):
        raise UsageError(f"{assignment_id} has no variant {', '.join(unknown)}; see assignments/{assignment_id}/audit")
    chosen = tuple(v for v in variants.variants if not only or v.name in only)
    recorded = [v for v in variants.variants if v.name in variants.recorded]
    attempts, references = (_attempts(assignment, variants, some, folder / "notebooks") for some in (chosen, recorded))
    context = open_context(small_course(settings, assignment_id, variants, folder, say), assignment_id)
    return Audit(replace(context, references=references), chosen, attempts)


def _attempts(
    assignment: Assignment, variants: Variants, chosen: Sequence[Variant], notebooks: Path
) -> tuple[Attempt, ...]:
    """Writes each variant as a notebook into ``notebooks`` and takes it in."""
    notebooks.mkdir(parents=True, exist_ok=True)
    paths = [notebooks / f"{variant.name}.ipynb" for variant in chosen]
    for path, variant in zip(paths, chosen, strict=True):
        path.write_text(dumps(variant_notebook(assignment, variants, variant)), "utf-8")
    attempts = tuple(collect(paths, assignment.id))
    if unreadable := [a.source for a in attempts if a.unreadable]:
        raise CourseError(f"variants that are no notebooks: {', '.join(unreadable)}")
    return attempts


def judge(variant: Variant, graded: Graded, written: Collection[str]) -> Finding:
    """Compares what the rubric said with what the variant is.

    A wrong variant is caught when its criterion is not passed (of a written one: no answer was found) and its flag is
    raised. A right one is accepted when no criterion lost points, no flag was raised, and nothing automatic was left to
    a person but what it declares.

    :param written: ids of the criteria that a person gives the points of.
    """
    result = graded.result
    lines = result.score.criteria
    lost = {c.id: round(c.max_points - c.points, 4) for c in lines if c.points is not None and c.points < c.max_points}
    left = [c for c in lines if c.points is None and c.outcome is Outcome.NEEDS_REVIEW and c.id not in written]
    faults = [c.id for c in lines if c.outcome is Outcome.ERRORED]
    return Finding(
        variant=variant,
        verdict=_verdict(variant, lost, [c.id for c in left], _flags(result), graded.fault or faults),
        lost=lost,
        open=tuple(c.id for c in left),
        flags=_flags(result),
        said={c.id: c.message.id for c in lines if c.id in lost or c in left},
        seconds=result.execution.duration_s,
        fault=graded.fault or (_details(lines) if faults else None),
    )


def _verdict(
    variant: Variant, lost: dict[str, float], left: Sequence[str], flags: Sequence[FlagKind], fault: Any
) -> Verdict:
    if fault:
        return Verdict.FAULT
    if variant.kind == "wrong":
        by_criterion = variant.criterion is None or variant.criterion in lost or variant.criterion in left
        by_flag = variant.flag is None or variant.flag in flags
        return Verdict.CAUGHT if by_criterion and by_flag else Verdict.SLIPPED
    alarms = set(flags) - {FlagKind.COMPATIBILITY}
    return Verdict.REFUSED if lost or alarms or set(left) - set(variant.open) else Verdict.ACCEPTED


def _flags(result: Result) -> tuple[FlagKind, ...]:
    return tuple(dict.fromkeys(f.kind for f in result.score.flags))


def _details(lines: Sequence[CriterionScore]) -> str:
    found = (f"{c.id}: {check.detail or check.message.id}" for c in lines for check in c.checks)
    return "\n".join(text for text in found if text)[:4000]
