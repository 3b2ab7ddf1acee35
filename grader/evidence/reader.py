"""Reads one evidence folder into plain facts; refuses what is malformed or too large.

The folder of one execution::

    submission.ipynb   as received            executed.ipynb   as executed, outputs folded
    submitted.json     its saved outputs
    execution.json     what the harness saw    verified.json    what was re-measured
    claims/            what the kernel wrote: events.jsonl, *.npz, *.json (untrusted)
    arrays.json        what was moved out of claims/*.npz into arrays/ (see grader.evidence.compact)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from grader.errors import EvidenceError
from grader.evidence import events as ev
from grader.evidence.compact import stored_arrays
from grader.evidence.events import Array, CallbackFacts, LayerFacts
from grader.evidence.files import (
    JSON_LIMIT_BYTES,
    NOTEBOOK_LIMIT_BYTES,
    claims_of,
    is_plain_file,
    read_bytes,
    read_events,
    read_json,
)
from grader.evidence.npz import BYTES_LIMIT, read_npz
from grader.model import Execution, Verified

FAULTS_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it was at its latest compile or fit (see :class:`grader.evidence.events.ModelEvent`)."""

    id: str
    kind: str
    layers: tuple[LayerFacts, ...] = ()
    input_shape: tuple[int | None, ...] | None = None
    output_shape: tuple[int | None, ...] | None = None
    params: int | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    loss: str | None = None
    metrics: tuple[str, ...] = ()
    config: str | None = None
    custom: bool = False
    cell: int | None = None

    def layers_of(self, *class_names: str) -> tuple[LayerFacts, ...]:
        """Layers of the given classes, in order."""
        return tuple(layer for layer in self.layers if layer.class_name in class_names)


@dataclass(frozen=True, slots=True)
class Fit:
    """One call of ``fit`` with the model as it was then, its epochs and how it ended.

    :ivar logs: one mapping an epoch, metric name to value (``None`` for NaN).
    :ivar ended: ``completed stopped error interrupted``, or ``None`` when the run ended inside it.
    :ivar weights_before, weights_after: file names in the folder's ``claims/``.
    :ivar replayed: answered from the same training that the grader had made before.
    """

    id: str
    model: Model
    x: Array
    y: Array
    cell: int | None = None
    batch_size: int | None = None
    epochs: int | None = None
    initial_epoch: int = 0
    validation_split: float | None = None
    validation: Array = field(default_factory=Array)
    train_rows: int | None = None
    steps_per_epoch: int | None = None
    callbacks: tuple[CallbackFacts, ...] = ()
    logs: tuple[Mapping[str, float | None], ...] = ()
    ended: str | None = None
    error: str | None = None
    duration_s: float | None = None
    weights_before: str | None = None
    weights_after: str | None = None
    capped: bool = False
    replayed: bool = False

    @property
    def n_rows(self) -> int | None:
        """Rows given to ``fit``, the validation split included; ``None`` where it is not known."""
        shape = self.x.shape
        return shape[0] if shape else None

    @property
    def epochs_run(self) -> int:
        """Epochs that ended."""
        return len(self.logs)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One call of ``evaluate``."""

    model: str
    x: Array
    results: Mapping[str, float | None]
    after_fit: str | None = None
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One call of ``predict``."""

    model: str
    x: Array
    output_shape: tuple[int | None, ...] | None = None
    after_fit: str | None = None
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that one execution left. ``faults``: what could not be read, each a short English sentence for staff."""

    directory: Path
    execution: Execution
    verified: Verified = field(default_factory=Verified)
    models: tuple[Model, ...] = ()
    fits: tuple[Fit, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    datasets: Mapping[str, str | None] = field(default_factory=dict)
    figures: tuple[ev.FigureEvent, ...] = ()
    saves: tuple[ev.SaveEvent, ...] = ()
    loads: tuple[ev.LoadEvent, ...] = ()
    notes: tuple[ev.NoteEvent, ...] = ()
    custom_predictions: Mapping[str, str] = field(default_factory=dict)
    probes: tuple[ev.ProbeEvent, ...] = ()
    levels: tuple[ev.LevelEvent, ...] = ()
    tampering: tuple[ev.TamperEvent, ...] = ()
    moved: tuple[ev.MovedEvent, ...] = ()
    faults: tuple[str, ...] = ()
    _kept: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict, repr=False, compare=False)

    def notebook(self) -> dict[str, Any]:
        """The notebook as executed, else as received (nbformat 4, plain dict)."""
        for name in ("executed.ipynb", "submission.ipynb"):
            path = self.directory / name
            if path.is_file():
                return read_json(path, NOTEBOOK_LIMIT_BYTES)
        raise EvidenceError(f"no notebook in {self.directory.name}: expected executed.ipynb; grade the attempt again")

    def claim(self, name: str) -> Path:
        """Path of a file that the student's kernel wrote."""
        path = claims_of(self.directory) / name
        if Path(name).name != name or not is_plain_file(path):
            raise EvidenceError(f"the evidence names {name!r}, but there is no such file")
        return path

    def weights(self, name: str) -> list[npt.NDArray[np.generic]]:
        """Arrays of a weights file, in Keras' ``get_weights`` order; large ones are read once and cannot be changed."""
        arrays = read_npz(self.claim(name)) | stored_arrays(self.directory, name, kept=self._kept)
        return [arrays[key] for key in sorted(arrays)]

    def convolutions(self, name: str) -> list[npt.NDArray[np.generic]]:
        """Of a weights file the kernels of 2-D convolutions and the biases, in order; large dense ones are not read."""
        arrays = read_npz(self.claim(name)) | stored_arrays(self.directory, name, n_dims=(1, 4))
        return [arrays[key] for key in sorted(arrays) if arrays[key].ndim in (1, 4)]

    def arrays(self, name: str, bytes_limit: int = BYTES_LIMIT) -> dict[str, npt.NDArray[np.generic]]:
        """Numeric arrays of a claims file by name, those that compaction moved away included.

        :raises EvidenceError: missing, malformed, or more than ``bytes_limit`` in all.
        """
        kept = read_npz(self.claim(name), bytes_limit)
        return kept | stored_arrays(self.directory, name, bytes_limit)

    def rows(self, array: Array) -> dict[str, npt.NDArray[np.generic]]:
        """``rows`` (uint64, (n,)) and, for a training, ``labels`` (int64, (n,)) of what was given; empty if unknown.

        ``soft`` (bool, (n,)), where some labels are no classes but shares.
        """
        return self.arrays(array.rows) if array.rows else {}

    def names(self) -> dict[str, Any]:
        """Final global names of the notebook: name to ``{"type", "shape"?, "value"?}``."""
        path = claims_of(self.directory) / "names.json"
        return read_json(path) if is_plain_file(path) else {}


def _model(event: ev.ModelEvent) -> Model:
    skip = ("model", "t_s")
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name not in skip}
    return Model(id=event.model, **fields)


class _Builder:
    """Folds events into facts; an event that refers to something unknown is a fault, not a crash."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self.starts: dict[str, tuple[ev.FitStartEvent, Model]] = {}
        self.logs: dict[str, list[Mapping[str, float | None]]] = {}
        self.ends: dict[str, ev.FitEndEvent] = {}
        self.evaluations: list[Evaluation] = []
        self.predictions: list[Prediction] = []
        self.datasets: dict[str, str | None] = {}
        self.figures: list[ev.FigureEvent] = []
        self.saves: list[ev.SaveEvent] = []
        self.loads: list[ev.LoadEvent] = []
        self.notes: list[ev.NoteEvent] = []
        self.custom: dict[str, str] = {}
        self.probes: list[ev.ProbeEvent] = []
        self.levels: list[ev.LevelEvent] = []
        self.tampering: list[ev.TamperEvent] = []
        self.moved: list[ev.MovedEvent] = []
        self.versions: dict[str, str] = {}
        self.faults: list[str] = []

    def add(self, event: ev.AnyEvent) -> None:  # noqa: C901 - one flat case a kind of event
        match event:
            case ev.SessionEvent():
                self.versions.update(event.versions)
            case ev.DatasetEvent():
                self.datasets[event.name] = event.digest
            case ev.ModelEvent():
                self.models[event.model] = _model(event)
            case ev.FitStartEvent() | ev.EpochEvent() | ev.FitEndEvent():
                self._training(event)
            case ev.EvaluateEvent():
                self.evaluations.append(Evaluation(event.model, event.x, event.results, event.after_fit, event.cell))
            case ev.PredictEvent():
                self.predictions.append(
                    Prediction(event.model, event.x, event.output_shape, event.after_fit, event.cell)
                )
            case ev.FigureEvent():
                self.figures.append(event)
            case ev.SaveEvent():
                self.saves.append(event)
            case ev.LoadEvent():
                self.loads.append(event)
            case ev.NoteEvent():
                self.notes.append(event)
            case ev.CustomPredictionEvent():
                self.custom[event.fit] = event.file
            case ev.ProbeEvent():
                self.probes.append(event)
            case ev.LevelEvent():
                self.levels.append(event)
            case ev.TamperEvent():
                self.tampering.append(event)
            case ev.MovedEvent():
                self.moved.append(event)

    def _training(self, event: ev.FitStartEvent | ev.EpochEvent | ev.FitEndEvent) -> None:
        if isinstance(event, ev.FitStartEvent):
            if event.model not in self.models or event.fit in self.starts:
                self._fault(f"{event.fit} starts on an unknown model, or twice")
            else:
                self.starts[event.fit] = (event, self.models[event.model])
        elif event.fit not in self.starts or event.fit in self.ends:
            self._fault(f"an event of {event.fit}, which is not running")
        elif isinstance(event, ev.EpochEvent):
            self.logs.setdefault(event.fit, []).append(event.logs)
        else:
            self.ends[event.fit] = event

    def _fault(self, words: str) -> None:
        if len(self.faults) < FAULTS_LIMIT:
            self.faults.append(words)

    def fits(self) -> tuple[Fit, ...]:
        return tuple(self._fit(ident) for ident in self.starts)

    def _fit(self, ident: str) -> Fit:
        start, model = self.starts[ident]
        end = self.ends.get(ident)
        same = "cell x y batch_size epochs initial_epoch validation_split validation train_rows"
        same += " steps_per_epoch callbacks capped"
        return Fit(
            id=ident,
            model=model,
            logs=tuple(self.logs.get(ident, ())),
            ended=end.reason if end else None,
            error=end.error if end else None,
            duration_s=end.duration_s if end else None,
            replayed=end.replayed if end else False,
            weights_before=start.weights,
            weights_after=end.weights if end else None,
            **{name: getattr(start, name) for name in same.split()},
        )


def read_execution(directory: Path) -> Execution:
    """``execution.json`` of an evidence folder.

    :raises EvidenceError: missing or malformed.
    """
    path = directory / "execution.json"
    if not path.is_file():
        raise EvidenceError(f"no execution.json in {directory.name}: grade the attempt again")
    try:
        return msgspec.json.decode(read_bytes(path, JSON_LIMIT_BYTES), type=Execution)
    except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
        raise EvidenceError(f"execution.json of {directory.name} is malformed: {error}") from error


def read_verified(directory: Path) -> Verified:
    """``verified.json`` of an evidence folder; empty when nothing was verified.

    :raises EvidenceError: malformed.
    """
    path = directory / "verified.json"
    if not path.is_file():
        return Verified()
    try:
        return msgspec.json.decode(read_bytes(path, JSON_LIMIT_BYTES), type=Verified)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"verified.json of {directory.name} is malformed: {error}") from error


def read_evidence(directory: Path) -> Evidence:
    """Everything in one evidence folder.

    :raises EvidenceError: a file that the harness itself writes is missing or malformed, or the claims are too large.
    """
    execution = read_execution(directory)
    found, faults = read_events(claims_of(directory) / "events.jsonl")
    builder = _Builder()
    for event in found:
        builder.add(event)
    return Evidence(
        directory=directory,
        execution=execution,
        verified=read_verified(directory),
        models=tuple(builder.models.values()),
        fits=builder.fits(),
        evaluations=tuple(builder.evaluations),
        predictions=tuple(builder.predictions),
        datasets=builder.datasets,
        figures=tuple(builder.figures),
        saves=tuple(builder.saves),
        loads=tuple(builder.loads),
        notes=tuple(builder.notes),
        custom_predictions=builder.custom,
        probes=tuple(builder.probes),
        levels=tuple(builder.levels),
        tampering=tuple(builder.tampering),
        moved=tuple(builder.moved),
        faults=tuple(faults[:FAULTS_LIMIT] + builder.faults),
    )
