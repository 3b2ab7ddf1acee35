"""Everything that the checks of one attempt look at, loaded once. What all attempts share is kept between them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

from grader.checks.answers import Answer, find_answers
from grader.checks.chains import read_fits
from grader.checks.facts import DataFacts, NotebookCell, Submission, read_cells
from grader.checks.handed_out import read_given
from grader.checks.prose import GivenText
from grader.checks.requests import CheckRequest
from grader.checks.thresholds import Thresholds
from grader.datasets import DatasetSpec, DataStore, find_dataset, load_catalogue
from grader.errors import EvidenceError, GraderError
from grader.evidence import Evidence, read_evidence
from grader.evidence.tries import tries_of
from grader.model import Flag
from grader.rubric import Assignment, Course, Rubric


@dataclass
class Context:
    """One attempt and the course's side of it.

    :ivar cells: ``None`` when the evidence holds no notebook. :ivar flags: raised so far.
    """

    request: CheckRequest
    assignment: Assignment
    rubric: Rubric
    evidence: Evidence
    cells: tuple[NotebookCell, ...] | None
    flags: list[Flag] = field(default_factory=list)

    @classmethod
    def load(cls, request: CheckRequest) -> Context:
        """:raises GraderError: the course's files or the evidence are wrong."""
        assignment, rubric, _, _ = _course_side(request.course_dir, request.assignment)
        evidence = read_evidence(request.evidence_dir)
        return cls(request, assignment, rubric, evidence, _cells(evidence))

    @cached_property
    def submission(self) -> Submission:
        """All facts of the attempt."""
        tries = (read_evidence(folder) for folder in tries_of(self.request.evidence_dir))
        first = self._submission(self.evidence, self.cells)
        return replace(first, tries=tuple(self._submission(found, _cells(found)) for found in tries))

    def _submission(self, evidence: Evidence, cells: tuple[NotebookCell, ...] | None) -> Submission:
        return Submission(
            evidence=evidence,
            cells=cells or (),
            fits=read_fits(evidence, self.data),
            language=self.request.language,
            budget=self.request.budget,
        )

    @cached_property
    def answers(self) -> Mapping[str, Answer]:
        """Written answers by criterion id."""
        _, _, given, _ = _course_side(self.request.course_dir, self.request.assignment)
        return find_answers(self.cells or (), self.assignment.questions, given)

    @property
    def data(self) -> DataFacts | None:
        """Which images are whose; ``None`` where the data set is not installed."""
        names = (self.assignment.dataset, *self.assignment.datasets)
        return _all_data(self.request.data_dir, tuple(dict.fromkeys(names)), self.request.course_dir)

    @property
    def threshold(self) -> Thresholds:
        """Thresholds by name."""
        _, _, _, spec = _course_side(self.request.course_dir, self.request.assignment)
        return Thresholds(self.rubric, spec.digest)


def warm_up(request: CheckRequest) -> None:
    """Loads what all attempts share; what is wrong with it is said when an attempt needs it."""
    with contextlib.suppress(GraderError, OSError):
        assignment, rubric, _, spec = _course_side(request.course_dir, request.assignment)
        for name in rubric.thresholds:
            Thresholds(rubric, spec.digest).find(name)  # quantiles are found by halving, once a process
        names = tuple(dict.fromkeys((assignment.dataset, *assignment.datasets)))
        if facts := _all_data(request.data_dir, names, request.course_dir):
            facts.warm_up()


def _cells(evidence: Evidence) -> tuple[NotebookCell, ...] | None:
    try:
        return read_cells(evidence.notebook(), evidence.execution)
    except EvidenceError:
        return None


@lru_cache(maxsize=8)
def _course_side(course_dir: Path, assignment_id: str) -> tuple[Assignment, Rubric, GivenText, DatasetSpec]:
    course = Course(course_dir)
    assignment, rubric = course.assignment(assignment_id), course.rubric(assignment_id)
    spec = find_dataset(load_catalogue(course.root), assignment.dataset)
    return assignment, rubric, read_given(rubric.directory), spec


@lru_cache(maxsize=4)
def _all_data(root: Path | None, names: tuple[str, ...], course_dir: Path) -> DataFacts | None:
    """Facts of the first data set, with the others that hold images."""
    first, *others = (_data(root, find_dataset(load_catalogue(course_dir), name)) for name in names)
    return replace(first, others=tuple(found for found in others if found)) if first else None


def _data(root: Path | None, spec: DatasetSpec) -> DataFacts | None:
    stored = DataStore(root).get(spec) if spec.file is None else None
    if stored is None:
        return None
    (train, labels), (test, _) = stored.rows("train"), stored.rows("test")
    images = {split: stored.array(f"x_{split}") for split in ("train", "test")}
    return DataFacts(spec.name, train, test, spec.digest, labels, images=images)
