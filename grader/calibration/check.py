"""Holds right answers that were not calibrated with against the thresholds, to see whether these keep their promise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from grader.calibration.measure import measure, plan_for, rubric_directory, weights_files
from grader.calibration.plan import RESULT_FILE, Plan
from grader.calibration.runs import Say
from grader.errors import CourseError, UsageError
from grader.rubric import Calibration, Course, Distribution, ThresholdRule, read_calibration
from grader.verification import DatasetView

# As the description of a distribution ends.
_SEEDS = re.compile(r"seeds (\d+) to (\d+)$")


@dataclass(frozen=True)
class ThresholdCheck:
    """What right answers under ``seeds`` make of one threshold.

    :ivar line: the threshold. :ivar doubt: where its band of doubt ends. :ivar worst: the value farthest off.
    :ivar n_missed: values on the wrong side of the line. :ivar n_beyond_doubt: of them, those beyond the band.
    :ivar expected: how many should miss, by the threshold's false-fail probability.
    """

    name: str
    seeds: range
    line: float
    doubt: float
    worst: float
    n_missed: int
    n_beyond_doubt: int
    expected: float


def check_thresholds(
    course: Course,
    assignment_id: str,
    dataset: DatasetView,
    *,
    runs: int,
    first_seed: int | None = None,
    workers: int = 2,
    say: Say = lambda line: None,
) -> list[ThresholdCheck]:
    """Trains the references under ``runs`` further seeds and compares with the calibration there is; writes nothing.

    :param first_seed: by default the first beyond those that were calibrated with.
    :raises UsageError: no runs, or seeds that were calibrated with. :raises CourseError: nothing was calibrated for
        this data set. :raises VerificationError: a training or prediction failed.
    """
    if runs < 1 or workers < 1:
        raise UsageError(f"{runs} runs and {workers} workers received, expected at least 1 of each")
    calibration = read_calibration(rubric_directory(course, assignment_id) / RESULT_FILE, dataset.digest)
    rules = course.rubric(assignment_id).thresholds if calibration else {}
    known = calibration.distributions if calibration else {}
    rules = {name: rule for name, rule in rules.items() if rule.distribution in known}
    if calibration is None or not rules:
        raise CourseError(
            f"no threshold of {assignment_id} is calibrated on {dataset.name}: run 'grader calibrate' first"
        )
    plan = _feeding(plan_for(course, assignment_id, dataset.name), {r.distribution for r in rules.values()})
    seeds = _new_seeds(calibration, rules, runs, first_seed)
    _, values = measure(plan, dataset, seeds, workers, say, weights_files(plan, course, dataset))
    return [_checked(name, rule, known[rule.distribution], seeds, values) for name, rule in rules.items()]


def _feeding(plan: Plan, wanted: set[str]) -> Plan:
    """The references that one of the ``wanted`` distributions comes from."""
    measures = [(r, {r.measures.accuracy, r.measures.held_out_drop}) for r in plan.references]
    if missing := wanted - {name for _, names in measures for name in names if name}:
        raise CourseError(f"no reference gives distribution {', '.join(sorted(missing))}: calibrate again")
    return msgspec.structs.replace(plan, references=tuple(r for r, names in measures if names & wanted))


def _new_seeds(calibration: Calibration, rules: Mapping[str, ThresholdRule], runs: int, first: int | None) -> range:
    """``runs`` seeds that none of the distributions was taken with."""
    used = [_seeds_of(calibration.of(rule)) for rule in rules.values()]
    if first is None:
        first = max(seeds[-1] for seeds in used) + 1
    chosen = range(first, first + runs)
    for seeds in used:
        if chosen[0] <= seeds[-1] and seeds[0] <= chosen[-1]:
            raise UsageError(
                f"seeds {chosen[0]} to {chosen[-1]} received, but {seeds[0]} to {seeds[-1]} were calibrated with: "
                f"start at {seeds[-1] + 1}"
            )
    return chosen


def _seeds_of(distribution: Distribution) -> range:
    found = _SEEDS.search(distribution.description)
    return range(int(found[1]), int(found[2]) + 1) if found else range(1, distribution.n + 1)


def _checked(
    name: str,
    rule: ThresholdRule,
    reference: Distribution,
    seeds: range,
    values: Mapping[str, tuple[str, list[float]]],
) -> ThresholdCheck:
    line, doubt = reference.threshold(rule), reference.doubt(rule)
    sign = 1 if rule.side == "lower" else -1
    seen = [sign * value for value in values[rule.distribution][1]]
    return ThresholdCheck(
        name=name,
        seeds=seeds,
        line=line,
        doubt=doubt,
        worst=sign * min(seen),
        n_missed=sum(value < sign * line for value in seen),
        n_beyond_doubt=sum(value < sign * doubt for value in seen),
        expected=rule.false_fail * len(seeds),
    )
