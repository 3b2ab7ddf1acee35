"""The records that the rooms hand to each other. Frozen; standard library only.

``Attempt → Execution (+ evidence on disk) → Verified → [CheckResult] → Score → Result``

A text that a person will read is a :class:`Text`: an identifier and its parameters, turned into a sentence of one
language as late as possible, so that a stored result can be shown in another language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ExecutionOutcome(StrEnum):
    """How one run of a notebook ended."""

    OK = "ok"
    CELL_ERROR = "cell_error"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    KERNEL_DIED = "kernel_died"
    UNREADABLE = "unreadable"
    BUDGET = "budget"


class CellOutcome(StrEnum):
    """How one cell of a run ended. ``EMPTY`` cells and markdown are not run."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    NOT_RUN = "not_run"
    EMPTY = "empty"


class Outcome(StrEnum):
    """What a check, or a criterion, found.

    ``BLOCKED``: what it needs is missing, and the message names it. ``ERRORED``: our fault, points withheld and flagged
    for staff. ``NEEDS_REVIEW``: a person decides.
    """

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    BLOCKED = "blocked"
    ERRORED = "errored"
    NEEDS_REVIEW = "needs_review"


class Visibility(StrEnum):
    """Who may see a criterion: everybody (also in the self-check), students after the due date, or staff only."""

    PUBLIC = "public"
    AFTER_DUE = "after_due"
    STAFF = "staff"


class Status(StrEnum):
    """Where one attempt stands."""

    GRADED = "graded"
    NEEDS_REVIEW = "needs_review"
    NOT_GRADABLE = "not_gradable"


class FlagKind(StrEnum):
    """Something a person should look at; a flag takes no points by itself."""

    TRAINED_ON_TEST_DATA = "trained_on_test_data"
    CLAIM_DIFFERS = "claim_differs"
    TAMPERING = "tampering"
    STALE_OUTPUTS = "stale_outputs"
    COMPATIBILITY = "compatibility"
    SIMILAR = "similar"


class Budget(StrEnum):
    """``FULL``: trainings as written. ``QUICK``: trainings capped, for the student's own check."""

    FULL = "full"
    QUICK = "quick"


class Zone(StrEnum):
    """Where a prediction was made."""

    VERIFIER = "verifier"
    STUDENT = "student"


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence to be: ``id`` is an English source sentence of the program (``{name}`` placeholders, looked up in the
    message catalogues) or a key of the rubric's own texts (``criterion-id/key``); ``params`` fill the placeholders.
    """

    id: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Student:
    """Who handed in; ``None`` where it is not known."""

    id: str | None = None
    name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One received file.

    :ivar digest: ``sha256:`` and 64 hexadecimal digits, of ``content``.
    :ivar source: the input as it was given; inside an archive ``ARCHIVE!MEMBER``.
    :ivar content: the bytes as received; kept whatever they are.
    :ivar notebook: the parsed notebook as nbformat 4.5 (a plain dict), or ``None`` when unreadable.
    :ivar language: of the handout (its stamp), else guessed from its text: ``ja en zh ru``.
    :ivar notes: what was repaired or converted on the way in.
    :ivar conflicts: places that disagree on who the student is; staff decide.
    :ivar unreadable: why there is no notebook, in words a student understands.
    :ivar handed_in_at: ISO 8601, UTC, where the source tells (file time, archive entry), else ``None``.
    :ivar told_by: the system that told ``handed_in_at``; ``None``: it is no more than the time of a file.
    :ivar marked_late: the system that marked it as late, where one did.
    """

    assignment: str
    digest: str
    source: str
    content: bytes = field(repr=False)
    student: Student
    notebook: Mapping[str, Any] | None = field(repr=False)
    language: str | None = None
    notes: tuple[Text, ...] = ()
    conflicts: tuple[Text, ...] = ()
    unreadable: Text | None = None
    handed_in_at: str | None = None
    told_by: str | None = None
    marked_late: str | None = None


@dataclass(frozen=True, slots=True)
class GpuSlot:
    """A place for one kernel on a GPU.

    :ivar index: as the driver counts. :ivar uuid: what ``CUDA_VISIBLE_DEVICES`` is set to.
    :ivar memory_limit_mib: what the kernel may take of the device's memory.
    :ivar minor: number of its device node, ``/dev/nvidia0`` and on.
    """

    index: int
    uuid: str
    memory_limit_mib: int
    minor: int


@dataclass(frozen=True, slots=True)
class CellRun:
    """One cell of one execution. ``index`` counts all cells from 0; ``label`` is ``1-8`` for a cell marked ``[1-8]``.

    ``duration_s`` is ``None`` for a cell that did not run.
    """

    index: int
    outcome: CellOutcome
    label: str | None = None
    duration_s: float | None = None
    error_name: str | None = None
    error_value: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a notebook: what the harness itself saw (not what the student's kernel claims)."""

    outcome: ExecutionOutcome
    runtime: str | None = None
    budget: Budget = Budget.FULL
    seed: int = 0
    duration_s: float | None = None
    peak_memory_mib: float | None = None
    cells: tuple[CellRun, ...] = ()
    trained_fits: int | None = None
    replayed_fits: int | None = None
    notes: tuple[Text, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    sandbox: str = "none"

    @property
    def failed_cells(self) -> tuple[int, ...]:
        """Indices of the cells that ended in an error or ran out of time."""
        return tuple(c.index for c in self.cells if c.outcome in (CellOutcome.ERROR, CellOutcome.TIMEOUT))


@dataclass(frozen=True, slots=True)
class Measurement:
    """One trained model, re-measured by us.

    :ivar fit: id of the training (``fit-1`` …) after which the weights were taken.
    :ivar accuracy: share of the official test images recognised, 0 to 1; ``None`` when it could not be measured.
    :ivar held_out_accuracy: the same on the held-out variant of the test images.
    :ivar predictions: file name beside ``verified.json``: int16, (n_examples,), predicted class of each official image.
    :ivar zone: where it predicted; ``None`` when it did not.
    :ivar reason: why not measured. ``our_fault`` tells whether that is the harness' doing.
    :ivar left_out: whether a limit of the harness is why.
    """

    fit: str
    accuracy: float | None = None
    held_out_accuracy: float | None = None
    n_examples: int | None = None
    predictions: str | None = None
    zone: Zone | None = None
    reason: Text | None = None
    our_fault: bool = False
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Verified:
    """All re-measurements of one execution."""

    dataset: str | None = None
    measurements: tuple[Measurement, ...] = ()

    def of(self, fit: str) -> Measurement | None:
        """The measurement after training ``fit``, if there is one."""
        return next((m for m in self.measurements if m.fit == fit), None)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one pytest function of a rubric found.

    :ivar credit: share of the check's weight that is earned, 0 to 1; ``None`` while nobody can say.
    :ivar measured: small JSON facts behind the message (``{"test_accuracy": 0.8821, "threshold": 0.861}``).
    :ivar detail: for staff only: traceback or assertion text.
    :ivar retrain: a value is too near its threshold: the notebook should run again under further seeds.
    """

    check: str
    criterion: str
    outcome: Outcome
    credit: float | None
    message: Text
    hint: Text | None = None
    weight: float = 1.0
    measured: Mapping[str, Any] = field(default_factory=dict)
    cell: int | None = None
    detail: str | None = None
    retrain: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """Something for a person to look at."""

    kind: FlagKind
    message: Text


@dataclass(frozen=True, slots=True)
class CriterionScore:
    """One line of the rubric with the points it got; ``points`` is ``None`` while it cannot be given."""

    id: str
    points: float | None
    max_points: float
    outcome: Outcome
    visibility: Visibility
    message: Text
    hint: Text | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """Earned of possible. ``points`` are certain; ``pending`` are still open (for a person, or a fault of ours)."""

    status: Status
    points: float | None
    pending: float
    max_points: float
    criteria: tuple[CriterionScore, ...] = ()
    flags: tuple[Flag, ...] = ()
    reason: Text | None = None


@dataclass(frozen=True, slots=True)
class Lateness:
    """What a deadline makes of a score; the score itself stays as it is.

    :ivar due: ISO 8601, with the student's extension. :ivar handed_in_at: ISO 8601, UTC; ``None``: not known.
    :ivar days_late: days begun after ``due``, 0 in time; ``None`` where it is not known.
    :ivar extension_days: how many of its days only this student has.
    :ivar percent: what is taken. :ivar penalty, final: points; ``None`` while there is no score.
    """

    due: str
    handed_in_at: str | None
    days_late: int | None
    extension_days: float
    percent: float
    penalty: float | None
    final: float | None
    note: Text


@dataclass(frozen=True, slots=True)
class Result:
    """Everything known of one attempt: what the gradebook keeps, reports show and ``--json`` writes.

    ``attempt_number`` counts the attempts of the same student, from 1. ``evidence`` is the folder's name below the
    workspace's ``evidence/``; ``report`` the report's path below the workspace. ``late`` is never stored: it follows
    from the deadline of the day; ``None`` where there is none.
    """

    assignment: str
    digest: str
    source: str
    student: Student
    execution: Execution
    score: Score
    verified: Verified = field(default_factory=Verified)
    rubric_version: str = ""
    language: str = "en"
    notes: tuple[Text, ...] = ()
    conflicts: tuple[Text, ...] = ()
    handed_in_at: str | None = None
    graded_at: str | None = None
    attempt_number: int = 1
    evidence: str | None = None
    report: str | None = None
    grader_version: str = ""
    late: Lateness | None = None

    @property
    def final(self) -> float | None:
        """The score after what lateness takes; ``None`` while there is no score."""
        return self.late.final if self.late else self.score.points
