"""The trainings of one attempt: their curves, filters, confusion matrix and mistakes, from the evidence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from grader.errors import EvidenceError
from grader.evidence import Evidence, Fit
from grader.model import CheckResult, Measurement, Score, Zone
from grader.reporting import figures, pictures
from grader.reporting.context import TestSet
from grader.reporting.filterfacts import filter_sentences
from grader.reporting.words import Words

TRAININGS_SHOWN = 6
MISTAKES_SHOWN = 15
LARGEST_SHOWN = 1e15  # beyond it axes overflow and labels are longer than the page is wide
_ACCURACY_KEYS = ("accuracy", "acc", "categorical_accuracy", "sparse_categorical_accuracy")


@dataclass(frozen=True, slots=True)
class TrainingView:
    """One training as shown. Figures are empty where the evidence lacks what they need."""

    title: str
    facts: str
    accuracy: str
    cell: int | None
    opened: bool = False
    curves: tuple[tuple[str, Markup], ...] = ()
    filters: tuple[tuple[str, Markup], ...] = ()
    filter_scale: str = ""
    filter_facts: tuple[str, ...] = ()
    confusion: Markup | None = None
    mistakes: Markup | None = None
    remark: str = ""
    held_out: str = ""


def training_views(
    words: Words, evidence: Evidence, score: Score, images: TestSet | None, made: dict[str, TrainingView]
) -> list[TrainingView]:
    """The trainings that count: those a criterion names, else those that were re-measured; at most a handful.

    :param made: views by id of the training, in the same language; new ones are added.
    """
    named = _named(score, evidence)
    measured = [m.fit for m in evidence.verified.measurements if m.accuracy is not None]
    counting = [f for f in evidence.fits if f.id in named or f.id in measured] or list(evidence.fits)
    chosen = sorted(counting, key=lambda f: f.id not in named)[:TRAININGS_SHOWN]
    opened = {*(named or measured[-1:] or [f.id for f in chosen[-1:]])}
    order = [f for f in evidence.fits if f in chosen]
    for fit in order:
        if fit.id not in made:
            made[fit.id] = _training(words, evidence, fit, images)
    return [replace(made[fit.id], opened=fit.id in opened) for fit in order]


def _named(score: Score, evidence: Evidence) -> list[str]:
    """Trainings whose accuracy a check compares with a threshold: by id (``fit``), else by cell and accuracy."""
    found: list[str] = []
    for check in (check for criterion in score.criteria for check in criterion.checks):
        if "threshold" not in check.measured:
            continue
        ids = [f.id for f in evidence.fits if check.measured.get("fit") == f.id or _is_of(f, evidence, check)]
        found += [ident for ident in ids[-1:] if ident not in found]
    return found


def _is_of(fit: Fit, evidence: Evidence, check: CheckResult) -> bool:
    measurement, accuracy = evidence.verified.of(fit.id), check.measured.get("test_accuracy")
    if measurement is None or measurement.accuracy is None or not isinstance(accuracy, float):
        return False
    return fit.cell in (check.cell, check.measured.get("cell")) and math.isclose(
        accuracy, measurement.accuracy, abs_tol=1e-6
    )


def _training(words: Words, evidence: Evidence, fit: Fit, images: TestSet | None) -> TrainingView:
    measurement = evidence.verified.of(fit.id)
    accuracy = measurement.accuracy if measurement else None
    confusion, mistakes = _recognition(words, evidence, measurement, images)
    weights = ReadOnce(evidence)
    filters = _filters(words, weights, fit)
    return TrainingView(
        title=_title(words, fit),
        facts=_facts(words, fit),
        accuracy="" if accuracy is None else words.say("re-measured accuracy {value}", value=words.share(accuracy)),
        cell=fit.cell,
        curves=tuple(_curves(words, fit)),
        filters=filters[0] if filters else (),
        filter_scale=filters[1] if filters else "",
        filter_facts=filter_sentences(words, weights, fit, images) if filters else (),
        confusion=confusion,
        mistakes=mistakes,
        remark=_remark(words, fit, measurement),
        held_out=_held_out(words, measurement),
    )


def _is_convolutional(fit: Fit) -> bool:
    return any("Conv" in layer.class_name for layer in fit.model.layers)


def _title(words: Words, fit: Fit) -> str:
    rows = "?" if fit.n_rows is None else words.count(fit.n_rows)
    if _is_convolutional(fit):
        return words.say("Network with convolution, {n} images", n=rows)
    return words.say("Network without convolution, {n} images", n=rows)


def _facts(words: Words, fit: Fit) -> str:
    ended = {
        "completed": words.say("ran as asked"),
        "stopped": words.say("stopped by a callback"),
        "error": words.say("ended with an error"),
        "interrupted": words.say("was interrupted"),
    }
    parts = [words.say("{n} epochs", n=fit.epochs_run), ended.get(fit.ended or "", words.say("did not end"))]
    if fit.model.params is not None:
        parts.append(words.say("{n} parameters", n=words.count(fit.model.params)))
    if fit.capped:
        parts.append(words.say("shortened by the quick budget"))
    if fit.replayed:
        parts.append(words.say("the grader had made this very training before and took its result"))
    return " · ".join(parts)


def _remark(words: Words, fit: Fit, measurement: Measurement | None) -> str:
    if measurement is None:
        return ""
    if measurement.reason is not None:
        return words.render(measurement.reason)
    if measurement.zone is Zone.STUDENT:
        return words.say("Its predictions were made beside the notebook, because it has layers of its own.")
    return ""


def _held_out(words: Words, measurement: Measurement | None) -> str:
    if measurement is None or measurement.held_out_accuracy is None:
        return ""
    return words.say("accuracy on the held-out images {value}", value=words.share(measurement.held_out_accuracy))


def _curves(words: Words, fit: Fit) -> Iterable[tuple[str, Markup]]:
    key = next((k for k in _ACCURACY_KEYS if any(k in logs for logs in fit.logs)), None)
    wanted = [(words.say("Accuracy"), key, True)] if key else []
    for title, name, is_share in [*wanted, (words.say("Loss"), "loss", False)]:
        train, validation = _series(fit.logs, name), _series(fit.logs, f"val_{name}")
        figure = figures.curve(words, title, train, validation, is_share) if train else None
        if figure:
            yield title, figure


def _series(logs: Iterable[Mapping[str, float | None]], name: str) -> list[float | None]:
    values = [entry.get(name) for entry in logs]
    return [v if v is not None and abs(v) <= LARGEST_SHOWN else None for v in values]


class ReadOnce:
    """Kernels and biases of one training, which several figures look at."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._read: dict[str, list[npt.NDArray[np.generic]]] = {}

    def convolutions(self, name: str) -> list[npt.NDArray[np.generic]]:
        """As :meth:`grader.evidence.Evidence.convolutions`."""
        if name not in self._read:
            self._read[name] = self._evidence.convolutions(name)
        return self._read[name]


def _filters(words: Words, evidence: ReadOnce, fit: Fit) -> tuple[tuple[tuple[str, Markup], ...], str] | None:
    """The first convolution's kernels before and after."""
    if not _is_convolutional(fit) or not (fit.weights_before and fit.weights_after):
        return None
    try:
        pair = [_kernel(evidence.convolutions(name)) for name in (fit.weights_before, fit.weights_after)]
    except EvidenceError:
        return None
    if pair[0] is None or pair[1] is None:
        return None
    made = pictures.filters(words, pair[0], pair[1])
    if made is None:
        return None
    before, after, limit = made
    scale = words.say("One grey scale for both: black −{limit}, white +{limit}.", limit=words.share(limit))
    return ((words.say("Before training"), before), (words.say("After training"), after)), scale


def _kernel(arrays: list[npt.NDArray[np.generic]]) -> npt.NDArray[np.generic] | None:
    """The first array shaped as a 2-D convolution's kernel, (height, width, input channels, filters)."""
    return next((a for a in arrays if a.ndim == 4 and a.shape[0] <= 16 and a.shape[1] <= 16), None)


def _recognition(
    words: Words, evidence: Evidence, measurement: Measurement | None, images: TestSet | None
) -> tuple[Markup | None, Markup | None]:
    """Confusion matrix and some mistakes; ``None`` where there are no predictions of all test images."""
    nothing = (None, None)
    if measurement is None or measurement.predictions is None or images is None:
        return nothing
    predicted = read_predictions(evidence, measurement.predictions)
    if predicted is None or predicted.shape != images.labels.shape:
        return nothing
    counts = pictures.confusion_counts(images.labels, predicted, images.n_classes)
    wrong = pictures.pick_mistakes(images.labels, predicted, MISTAKES_SHOWN)
    pairs = [(int(images.labels[i]), int(predicted[i])) for i in wrong]
    mistakes = pictures.mistakes(words, images.images[wrong], pairs) if pairs else None
    return pictures.confusion(words, counts), mistakes


def read_predictions(evidence: Evidence, name: str) -> npt.NDArray[np.int64] | None:
    """Predicted classes, int64, (n,), from an ``.npy`` or ``.npz`` of the evidence folder, if there are any."""
    path = (evidence.directory / name).resolve()
    if not path.is_relative_to(evidence.directory.resolve()) or not path.is_file():
        return None
    try:
        loaded = np.load(path, allow_pickle=False)
        array = loaded if isinstance(loaded, np.ndarray) else loaded[_first(loaded.files)]
    except Exception:  # numpy and zipfile have a dozen ways to fail on damaged bytes; the page goes without
        return None
    return array.astype(np.int64) if array.ndim == 1 and array.dtype.kind in "iu" else None


def _first(names: list[str]) -> str:
    """The member with the official test images' predictions."""
    return next((n for n in names if n in ("test", "official")), names[0] if names else "")
