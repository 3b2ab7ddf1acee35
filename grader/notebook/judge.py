"""Judges the public criteria on what has run in this kernel; runs nothing again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader.evidence import Evidence, read_evidence
from grader.evidence.reader import read_execution
from grader.intake.header import header_student
from grader.model import Attempt, CellOutcome, Measurement, Outcome, Result, Text, Verified
from grader.notebook.chosen import Opened, notebook_settings
from grader.notebook.snapshot import Snapshot, write_snapshot
from grader.notebook.timeline import Timeline, assemble
from grader.notebook.watch import Watch
from grader.pipeline import Context, open_context
from grader.pipeline.attempt import score_evidence
from grader.verification import VerifierSettings, verify, write_verified

MEASURED_LATER = Text("The model has layers of its own making: it is measured when your work is graded.")
TEXT_CELLS = Text(
    "Written answers stand in text cells, which are only seen in the saved file. {command} looks at them."
)
NO_DATA = Text("The test images are not on this computer: accuracies are measured when your work is graded.")
UNSEEN = Text("Cells that ran before the check was loaded were not recorded: restart the kernel and run all cells.")
CONTINUED = Text(
    "Cell {cells}: training went on from an earlier run of the cell. A fresh run begins with an untrained model."
)
NOT_RUN = Text("Not run yet: {cells}.")
FRESH = "%grader submit-ready"


@dataclass(frozen=True)
class Judged:
    """A result of public criteria, what it was made with, and what else the student should know."""

    result: Result
    context: Context
    language: str
    notes: tuple[Text, ...] = ()


@dataclass
class Judge:
    """Keeps what was measured once, for the next call."""

    watch: Watch
    _measured: dict[str, Measurement] = field(default_factory=dict)
    _calls: int = 0

    def __call__(self, opened: Opened, language: str | None, saved: Mapping[str, Any]) -> Judged:
        """The public criteria on what has run.

        :param saved: the notebook's file, empty where it is not known.
        :raises GraderError: course, kit or evidence are wrong.
        """
        self._calls += 1
        settings = notebook_settings(self.watch.root / "workspace", language)
        context = open_context(settings, opened.assignment, course=opened.course, public_only=True)
        evidence_root = context.workspace / "evidence"
        shutil.rmtree(evidence_root, ignore_errors=True)
        timeline = assemble(self.watch.ran, saved.get("cells"))
        snapshot = write_snapshot(self.watch, timeline, evidence_root / f"{self._calls}")
        self._measure(context, snapshot)
        attempt = _attempt(opened.assignment, snapshot.notebook, language)
        graded = score_evidence(context, [(attempt, snapshot.directory)])[0]
        context.checks_room.close()
        result = graded.result if saved else _without_text_cells(graded.result, context)
        notes = _notes(context, timeline, snapshot, self.watch)
        return Judged(result, context, result.language, tuple(notes))

    def _measure(self, context: Context, snapshot: Snapshot) -> None:
        """In the verifier's own process, each training once; models of the student's own layers are left for later."""
        evidence = read_evidence(snapshot.directory)
        dataset = context.measured_on
        if dataset is None or not evidence.fits:
            return
        own = [fit.id for fit in evidence.fits if fit.model.custom or fit.model.config is None]
        new = [fit.id for fit in evidence.fits if fit.id not in self._measured and fit.id not in own]
        if new:
            self._verify(context, evidence, new)
        known = {**self._measured, **{i: Measurement(i, reason=MEASURED_LATER, our_fault=False) for i in own}}
        found = tuple(known[fit.id] for fit in evidence.fits if fit.id in known)
        write_verified(snapshot.directory, Verified(dataset=dataset.name, measurements=found))
        for measurement in found:
            kept = self._predictions(measurement.fit)
            if measurement.predictions and kept.is_file():
                (snapshot.directory / "verified").mkdir(exist_ok=True)
                shutil.copyfile(kept, snapshot.directory / measurement.predictions)

    def _verify(self, context: Context, evidence: Evidence, fits: Sequence[str]) -> None:
        settings = context.settings
        limit_s = max(settings.verification_timeout_s, context.assignment.verification_time_limit_s or 0.0)
        assert context.measured_on is not None  # noqa: S101 - the caller has looked
        verified = verify(
            evidence,
            context.measured_on,
            held_out_seed=None,
            scratch=self.watch.root / "verify",
            settings=VerifierSettings(timeout_s=limit_s, threads=settings.threads_per_kernel),
            fits=fits,
        )
        for measurement in verified.measurements:
            if not measurement.our_fault:
                self._measured[measurement.fit] = measurement
            if measurement.predictions:
                self._predictions(measurement.fit).parent.mkdir(exist_ok=True)
                shutil.copyfile(evidence.directory / measurement.predictions, self._predictions(measurement.fit))

    def _predictions(self, fit: str) -> Path:
        return self.watch.root / "predicted" / f"{fit}.npy"


def _attempt(assignment: str, notebook: Mapping[str, Any], language: str | None) -> Attempt:
    content = json.dumps(notebook).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Attempt(assignment, digest, "", content, header_student(notebook), notebook, language)


def _without_text_cells(result: Result, context: Context) -> Result:
    """A written answer that is not seen is not missing."""
    written = {question.criterion for question in context.assignment.questions}

    def line(criterion: Any) -> Any:
        if criterion.id not in written or criterion.outcome not in (Outcome.FAILED, Outcome.BLOCKED):
            return criterion
        message = Text(TEXT_CELLS.id, {"command": FRESH})
        return replace(
            criterion, outcome=Outcome.NEEDS_REVIEW, points=None, message=message, hint=None, checks=(), measured={}
        )

    return replace(result, score=replace(result.score, criteria=tuple(map(line, result.score.criteria))))


def _notes(context: Context, timeline: Timeline, snapshot: Snapshot, watch: Watch) -> list[Text]:
    notes = []
    runs = read_execution(snapshot.directory).cells
    waiting = [run for run in runs if run.outcome is CellOutcome.NOT_RUN]
    if waiting:
        notes.append(Text(NOT_RUN.id, {"cells": _names(waiting)}))
    if any(not ran.recorded and ".fit(" in ran.source for ran in watch.ran):
        notes.append(UNSEEN)
    if snapshot.continued:
        notes.append(Text(CONTINUED.id, {"cells": _names([timeline.runs[i] for i in snapshot.continued])}))
    if context.dataset is None:
        notes.append(NO_DATA)
    return notes


def _names(runs: Sequence[Any]) -> str:
    """``[1-8], #4`` as students know their cells; at most ten."""
    names = [f"[{run.label}]" if run.label else f"#{run.index + 1}" for run in runs]
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
