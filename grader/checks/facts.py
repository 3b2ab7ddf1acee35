"""One attempt's evidence as rubric authors see it: cells, trainings and data in the words of the assignment.

Everything here is a claim of the student's kernel unless its name says *measured*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.checks.images import NO_LABELS, NO_ROWS, Labels, Rows, different
from grader.checks.images import DataFacts as DataFacts
from grader.checks.pixels import Scaling
from grader.errors import EvidenceError
from grader.evidence import Array, Evaluation, Evidence, Fit, Model
from grader.model import Budget, CellOutcome, CellRun, Execution, Measurement

_SELF_CHECK = "grader-extension"
"""Tag of the handout's cell that loads the student's own check."""


def is_convolutional(model: Model) -> bool:
    """Whether some layer convolves (``Conv2D``, ``SeparableConv2D`` …)."""
    return any("Conv" in layer.class_name for layer in model.layers)


@dataclass(frozen=True)
class NotebookCell:
    """One cell as executed. ``kind``: ``code``, ``markdown`` or ``raw``; ``label`` is ``1-8`` for a cell [1-8]."""

    index: int
    kind: str
    source: str
    tags: tuple[str, ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()
    label: str | None = None
    outcome: CellOutcome = CellOutcome.NOT_RUN
    error_name: str | None = None
    error_value: str | None = None

    @property
    def printed(self) -> str:
        """Text that the cell wrote: streams and plain results."""
        parts = [o.get("text") or (o.get("data") or {}).get("text/plain") or "" for o in self.outputs]
        return "\n".join(joined(p) for p in parts)


def joined(text: Any) -> str:
    """A notebook's multi-line text: a string, or a list of strings."""
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")


def read_cells(notebook: Mapping[str, Any], execution: Execution) -> tuple[NotebookCell, ...]:
    """Cells of an nbformat 4 notebook, with how each one ended; the one that loads the self-check counts as empty."""
    runs = {run.index: run for run in execution.cells}
    cells = []
    for index, cell in enumerate(notebook.get("cells") or ()):
        run = runs.get(index, CellRun(index, CellOutcome.NOT_RUN))
        outputs = tuple(o for o in cell.get("outputs") or () if isinstance(o, dict))
        tags = tuple(map(str, (cell.get("metadata") or {}).get("tags") or ()))
        if _SELF_CHECK in tags:
            cells.append(NotebookCell(index, "code", "", tags, outcome=CellOutcome.EMPTY))
            continue
        cells.append(
            NotebookCell(
                index=index,
                kind=str(cell.get("cell_type")),
                source=joined(cell.get("source")),
                tags=tags,
                outputs=outputs,
                label=run.label,
                outcome=run.outcome,
                error_name=run.error_name,
                error_value=run.error_value,
            )
        )
    return tuple(cells)


@dataclass(frozen=True)
class TrainedFit:
    """One training: the claimed :class:`grader.evidence.Fit`, and our re-measurement after it.

    :ivar earlier: trainings whose result this one went on from, oldest first.
    :ivar weights_digests: of the weights before and after this training; ``None`` where they are unknown.
    :ivar data: tells images of the data set among those that only came up while it was trained.
    """

    fit: Fit
    evidence: Evidence = field(repr=False)
    earlier: tuple[TrainedFit, ...] = field(default=(), repr=False)
    weights_digests: tuple[str | None, str | None] = field(default=(None, None), repr=False)
    data: DataFacts | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """``fit-1`` …"""
        return self.fit.id

    @property
    def cell(self) -> int | None:
        """Index of the cell that called ``fit``."""
        return self.fit.cell

    @property
    def model(self) -> Model:
        """The model as it was then."""
        return self.fit.model

    @property
    def capped(self) -> bool:
        """Whether the quick budget cut this training, or one it went on from, short."""
        return any(f.fit.capped for f in self.chain)

    @property
    def chain(self) -> tuple[TrainedFit, ...]:
        """The trainings that made these weights, oldest first; this one is the last."""
        return (*self.earlier, self)

    @property
    def epochs_run(self) -> int:
        """Epochs over the whole chain."""
        return sum(f.fit.epochs_run for f in self.chain)

    @property
    def rows_at_most(self) -> int | None:
        """Rows that the steps of the chain had room for, where ``steps_per_epoch`` bounds them; else ``None``."""
        fits = [f.fit for f in self.chain]
        if not all(f.steps_per_epoch and f.x.kind == "array" for f in fits):
            return None
        return sum((f.steps_per_epoch or 0) * (f.batch_size or 32) * f.epochs_run for f in fits)

    @property
    def rows_told(self) -> int | None:
        """Images that it can have seen, of those given: the lesser of ``n_rows`` and ``rows_at_most``."""
        return min((n for n in (self.n_rows, self.rows_at_most) if n is not None), default=None)

    @property
    def measurement(self) -> Measurement | None:
        """Our re-measurement of the weights after this training."""
        return self.evidence.verified.of(self.id)

    @property
    def measured_accuracy(self) -> float | None:
        """Re-measured share of the official test images recognised, 0 to 1."""
        return self.measurement.accuracy if self.measurement else None

    @property
    def is_convolutional(self) -> bool:
        """Whether some layer of the model convolves."""
        return is_convolutional(self.model)

    @property
    def began_elsewhere(self) -> bool:
        """Whether it, or one it went on from, began with weights that nothing recorded made: of what, nobody knows."""
        moved = {event.fit for event in self.evidence.moved}
        return any(f.id in moved for f in self.chain)

    @cached_property
    def learned(self) -> bool:
        """Whether an epoch ended and the weights are other than before; unknown weights are given the benefit."""
        if not self.fit.epochs_run:
            return False
        before, after = self.weights_digests
        return before is None or after is None or before != after

    @cached_property
    def rows(self) -> Rows:
        """Row digests of the training inputs, the validation split included; empty where unknown.

        Images in another form that can be told (:meth:`DataFacts.as_handed_out`) have the digests of the original.
        """
        given = _digests_in(self.given)
        return self.data.as_handed_out(given, self.fit.x.shape) if self.data else given

    @property
    def in_another_form(self) -> bool:
        """Whether ``rows`` are known images, and were given as a negative, with a frame, or in three channels."""
        return not np.array_equal(self.rows, _digests_in(self.given))

    @cached_property
    def seen_rows(self) -> Rows:
        """``rows``, and the images that a data set gave in later epochs only; drawn or turned ones do not count."""
        later = self.given.get("later", NO_ROWS)
        if self.data is None or not len(later) or later.dtype != np.uint64:
            return self.rows
        digests = later.astype(np.uint64, copy=False)
        return np.concatenate([self.rows, digests[self.data.knows(digests)]])

    @cached_property
    def given(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """What is recorded of the rows given to ``fit``; nothing where that cannot be read."""
        return self._rows_of(self.fit.x)

    @cached_property
    def labels(self) -> Labels:
        """Class given with each of ``rows``: integers as they are, one-hot rows by their place, -1 where it is neither.

        Empty where unknown.
        """
        labels = self.given.get("labels", NO_LABELS)
        return labels.astype(np.int64) if labels.ndim == 1 and labels.dtype.kind in "iu" else NO_LABELS

    def wrong_labels(self, data: DataFacts | None) -> float | None:
        """Share of this training's images whose label is not theirs, 0 to 1; ``None`` where it cannot be told.

        Told from digests of the images and the official labels, not from an accuracy. A plain column of labels that
        are no whole numbers (divided by 255) is wrong; soft ones, one row of shares an image, cannot be told.
        """
        if data is None:
            return None
        if id(data) not in self._wrong_labels:
            self._wrong_labels[id(data)] = data, self._compared(data)
        return self._wrong_labels[id(data)][1]

    @cached_property
    def _wrong_labels(self) -> dict[int, tuple[DataFacts, float | None]]:
        """What several checks ask, by the data set asked about."""
        return {}

    def _compared(self, data: DataFacts) -> float | None:
        labels, shape = self.labels, self.fit.y.shape or ()
        if math.prod(n or 0 for n in shape[1:]) == 1:
            labels = np.where(labels < 0, np.int64(2**62), labels)
        return data.wrong_labels(self.rows, labels)

    @property
    def scaling(self) -> Scaling:
        """Range and spread of the training inputs, and whether they are odd (``scaling.flaw``)."""
        return Scaling.of(self.fit.x)

    @cached_property
    def validation_rows(self) -> Rows:
        """Row digests of ``validation_data``; empty where there is none or it is unknown."""
        given = _digests_in(self._rows_of(self.fit.validation))
        return self.data.as_handed_out(given, self.fit.validation.shape) if self.data else given

    def _rows_of(self, array: Array) -> Mapping[str, npt.NDArray[np.generic]]:
        try:
            return self.evidence.rows(array)
        except EvidenceError:
            return {}

    @cached_property
    def unique_rows(self) -> Rows:
        """Different training inputs over the whole chain: uint64, (n,), sorted."""
        return different(np.concatenate([f.seen_rows for f in self.chain]))

    @property
    def n_rows(self) -> int | None:
        """Different training images over the chain, else rows given to ``fit``; ``None`` where neither is known."""
        return len(self.unique_rows) or self.fit.n_rows or self.fit.train_rows

    def same_images(self, other: TrainedFit) -> float:
        """Share of the larger of the two training sets that both have, 0 to 1."""
        common = np.intersect1d(self.unique_rows, other.unique_rows, assume_unique=True)
        return len(common) / max(len(self.unique_rows), len(other.unique_rows), 1)

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Calls of ``evaluate`` on the model between this training and its next."""
        return tuple(e for e in self.evidence.evaluations if e.after_fit == self.id)

    def evaluated_on_all(self, data: DataFacts | None) -> list[tuple[Evaluation, float]]:
        """Evaluations on as many images as the test split has, with each accuracy that they gave, 0 to 1: claims."""
        whole = [e for e in self.evaluations if data and e.x.shape and e.x.shape[0] == len(data.test)]
        return [(e, v) for e in whole for name, v in e.results.items() if "acc" in name and v is not None]

    @property
    def tried(self) -> bool:
        """Whether its result was looked at: ``evaluate``, ``predict`` or validation data."""
        predicted = any(p.after_fit == self.id for p in self.evidence.predictions)
        return bool(self.evaluations) or predicted or self.fit.validation.kind != "none"


def _digests_in(given: Mapping[str, npt.NDArray[np.generic]]) -> Rows:
    rows = given.get("rows", NO_ROWS)
    return rows.astype(np.uint64) if rows.ndim == 1 and rows.dtype.kind in "ui" else NO_ROWS


@dataclass(frozen=True)
class Submission:
    """Everything known of the attempt: what a check may look at.

    :ivar tries: the same for further runs under other seeds, where some value was in doubt.
    """

    evidence: Evidence = field(repr=False)
    cells: tuple[NotebookCell, ...] = field(repr=False)
    fits: tuple[TrainedFit, ...]
    language: str = "en"
    budget: Budget = Budget.FULL
    tries: tuple[Submission, ...] = ()

    @property
    def execution(self) -> Execution:
        """What the harness itself saw of the run."""
        return self.evidence.execution

    @property
    def quick(self) -> bool:
        """Whether trainings may have been capped."""
        return Budget.QUICK in (self.budget, self.execution.budget)

    @property
    def known_accuracies(self) -> tuple[float, ...]:
        """Every accuracy that the run measured, logged or evaluated, and every one we re-measured."""
        return self._accuracies("")

    @property
    def test_accuracies(self) -> tuple[float, ...]:
        """Those of them that are not of training images."""
        return self._accuracies("val")

    def _accuracies(self, logged_as: str) -> tuple[float, ...]:
        logs = [item for f in self.evidence.fits for m in f.logs for item in m.items() if item[0].startswith(logged_as)]
        evaluated = [item for e in self.evidence.evaluations for item in e.results.items()]
        claimed = [value for name, value in logs + evaluated if "acc" in name.lower()]
        return tuple(_numbers([*claimed, *(m.accuracy for m in self.evidence.verified.measurements)]))


def _numbers(values: Iterable[float | None]) -> list[float]:
    return [v for v in values if v is not None]
