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

from grader.checks.pixels import Scaling
from grader.errors import EvidenceError
from grader.evidence import Array, Evaluation, Evidence, Fit, Model
from grader.model import Budget, CellOutcome, CellRun, Execution, Measurement
from grader.recorder import arrays

Rows = npt.NDArray[np.uint64]
Labels = npt.NDArray[np.int64]
_NO_ROWS: Rows = np.zeros(0, np.uint64)
_NO_LABELS: Labels = np.zeros(0, np.int64)
_ASKED_KEPT = 64
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
class DataFacts:
    """Which images are whose. Row digests do not depend on scale or shape (:mod:`grader.recorder.rows`).

    :ivar train, test: row digests, uint64, (n,), of the official splits.
    :ivar train_labels: int64, (n,), class of each image of ``train``; empty where they are not known.
    :ivar others: the same of the assignment's other data sets that are installed.
    """

    name: str
    train: Rows
    test: Rows
    digest: str = ""
    train_labels: Labels = field(default_factory=lambda: _NO_LABELS, repr=False)
    others: tuple[DataFacts, ...] = ()

    @property
    def n_train(self) -> int:
        """Images in the training split."""
        return len(self.train)

    def share(self, rows: Rows, split: str) -> float:
        """Share of ``rows`` that stand in ``train`` or ``test``, 0 to 1; those in both splits count as ``train``."""
        if not len(rows):
            return 0.0
        in_train = self._standing(rows, "train")
        found = in_train if split == "train" else self._standing(rows, "test") & ~in_train
        return float(found.mean())

    @cached_property
    def _known(self) -> dict[str, Rows]:
        """Different images of each split, sorted; ``labelled``: those of training with their labels."""
        known = {"train": np.unique(self.train), "test": np.unique(self.test)}
        if len(self.train_labels) == len(self.train):
            known["labelled"] = np.unique(_with_label(self.train, self.train_labels))
        return known

    @cached_property
    def _found(self) -> dict[tuple[str, int], tuple[Rows, npt.NDArray[np.bool_]]]:
        """Answers given, with the rows they are about: kept, so that no other array can have the same address."""
        return {}

    def warm_up(self) -> None:
        """Makes now what all attempts need."""
        for facts in (self, *self.others):
            _ = facts._known

    def _standing(self, rows: Rows, among: str) -> npt.NDArray[np.bool_]:
        """Which of ``rows`` stand in a split; several checks ask the same of one training."""
        known, asked = self._known[among], (among, id(rows))
        if asked not in self._found:
            while len(self._found) >= _ASKED_KEPT:
                del self._found[next(iter(self._found))]
            places = np.searchsorted(known, rows).clip(max=max(len(known) - 1, 0))
            self._found[asked] = rows, known[places] == rows if len(known) else np.zeros(len(rows), np.bool_)
        return self._found[asked][1]

    def wrong_labels(self, rows: Rows, labels: Labels) -> float | None:
        """Share of the known training images among ``rows`` whose label is not theirs, 0 to 1.

        :param labels: one a row; below 0 where it has none. An image that the split holds twice may have either label.
        :returns: ``None`` where labels are missing or fewer than half of the rows are training images.
        """
        if len(labels) != len(rows) or len(self.train_labels) != len(self.train):
            return None
        known = self._standing(rows, "train") & (labels >= 0)
        if not len(rows) or known.mean() < 0.5:
            return None
        right = self._standing(_with_label(rows[known], labels[known]), "labelled")
        return float(1.0 - right.mean())


def _with_label(rows: Rows, labels: Labels) -> Rows:
    """One number for each pair of image and label; the factor (2**64 over the golden ratio) spreads labels apart."""
    return rows + labels.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class TrainedFit:
    """One training: the claimed :class:`grader.evidence.Fit`, and our re-measurement after it.

    :ivar earlier: trainings whose result this one went on from, oldest first.
    :ivar weights_digests: of the weights before and after this training; ``None`` where they are unknown.
    """

    fit: Fit
    evidence: Evidence = field(repr=False)
    earlier: tuple[TrainedFit, ...] = field(default=(), repr=False)
    weights_digests: tuple[str | None, str | None] = field(default=(None, None), repr=False)

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
        """Row digests of the training inputs as given, the validation split included; empty where unknown."""
        return _digests_in(self._given)

    @cached_property
    def _given(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """What is recorded of the rows given to ``fit``; nothing where that cannot be read."""
        return self._rows_of(self.fit.x)

    @cached_property
    def labels(self) -> Labels:
        """Class given with each of ``rows``: integers as they are, one-hot rows by their place, -1 where it is neither.

        Empty where unknown.
        """
        labels = self._given.get("labels", _NO_LABELS)
        return labels.astype(np.int64) if labels.ndim == 1 and labels.dtype.kind in "iu" else _NO_LABELS

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
        return _digests_in(self._rows_of(self.fit.validation))

    def _rows_of(self, array: Array) -> Mapping[str, npt.NDArray[np.generic]]:
        try:
            return self.evidence.rows(array)
        except EvidenceError:
            return {}

    @cached_property
    def unique_rows(self) -> Rows:
        """Different training inputs over the whole chain: uint64, (n,), sorted."""
        return np.unique(np.concatenate([f.rows for f in self.chain]))

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

    @property
    def tried(self) -> bool:
        """Whether its result was looked at: ``evaluate``, ``predict`` or validation data."""
        predicted = any(p.after_fit == self.id for p in self.evidence.predictions)
        return bool(self.evaluations) or predicted or self.fit.validation.kind != "none"


def _digests_in(given: Mapping[str, npt.NDArray[np.generic]]) -> Rows:
    rows = given.get("rows", _NO_ROWS)
    return rows.astype(np.uint64) if rows.ndim == 1 and rows.dtype.kind in "ui" else _NO_ROWS


def weights_digest(evidence: Evidence, name: str | None) -> str | None:
    """Digest of a weights file's arrays; ``None`` where it is missing, unreadable or empty."""
    if name is None:
        return None
    try:
        return arrays.weights_digest(evidence.weights(name))
    except EvidenceError:
        return None


def read_fits(evidence: Evidence) -> tuple[TrainedFit, ...]:
    """All trainings in order, each knowing the ones it went on from (equal weights, else the same model)."""
    trained: list[TrainedFit] = []
    ends: dict[str, TrainedFit] = {}
    latest: dict[str, TrainedFit] = {}
    for fit in evidence.fits:
        before = weights_digest(evidence, fit.weights_before)
        previous = latest.get(fit.model.id) if before is None else ends.get(before)
        after = weights_digest(evidence, fit.weights_after)
        current = TrainedFit(fit, evidence, previous.chain if previous else (), (before, after))
        trained.append(current)
        if fit.epochs_run:
            latest[fit.model.id] = current
            if after is not None and after != before:
                ends[after] = current
    return tuple(trained)


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
