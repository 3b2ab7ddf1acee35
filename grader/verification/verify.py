"""Re-measures every trained model of one execution; labels never leave this process."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from grader.errors import EvidenceError
from grader.evidence import Evidence, Fit
from grader.model import Measurement, Text, Verified, Zone
from grader.recorder.custom import LEFT_OUT
from grader.verification.allowlist import CARRIES_CODE, RefusedConfigError, clean_config
from grader.verification.inputs import DatasetView, Images, input_form, unlabelled_inputs
from grader.verification.process import Failure, Job, Predictions, VerifierSettings, predict_models

CONFIG_LIMIT_BYTES = 4 * 2**20
WEIGHTS_LIMIT_BYTES = 1024 * 2**20  # VGG-16 with its dense layers has 528 MiB
TOO_MANY = Text(
    "The notebook trains more models with layers of its own making than can be measured, and this one was left out. "
    "A person will look."
)


def verify(
    evidence: Evidence,
    dataset: DatasetView,
    *,
    held_out_seed: int | None,
    scratch: Path,
    settings: VerifierSettings | None = None,
    fits: Collection[str] | None = None,
) -> Verified:
    """Measures the model after each training on the official test images and on their held-out variant.

    Writes ``verified.json`` and ``verified/<fit>.npy`` (int16, (n,): predicted class of each official image) into the
    evidence folder. Same model, weights and inputs are predicted once.

    :param held_out_seed: secret of the course; ``None`` (a student's own check) leaves the held-out accuracy out.
    :param scratch: folder for files that may be lost; :param fits: ids to measure, all by default.
    :raises DataError: the data set has no test split. :raises VerificationError: no child could be started.
    """
    images = unlabelled_inputs(dataset, held_out_seed)
    wanted = [fit for fit in evidence.fits if fits is None or fit.id in fits]
    plans = {fit.id: _plan(evidence, fit, images, dataset) for fit in wanted}
    unique = {plan.key: plan for plan in plans.values() if isinstance(plan, _Planned)}
    by_key = _answers(unique, images, evidence.execution.runtime or "keras3", scratch, settings or VerifierSettings())
    labels = np.asarray(dataset.array("y_test")).reshape(-1)
    writer = _Writer(evidence.directory, labels)
    measurements = []
    for ident, plan in plans.items():
        outcome = by_key[plan.key] if isinstance(plan, _Planned) else plan
        zone = Zone.VERIFIER if isinstance(plan, _Planned) else Zone.STUDENT
        measurements.append(writer.measurement(ident, outcome, zone))
    verified = Verified(dataset=dataset.name, measurements=tuple(measurements))
    write_verified(evidence.directory, verified)
    return verified


def _answers(
    unique: dict[str, _Planned], images: dict[str, Images], runtime: str, scratch: Path, settings: VerifierSettings
) -> dict[str, Predictions | Failure]:
    """What is known already, and what the child says of the rest."""
    known = settings.known
    names = {key: known.key(key, images, runtime, settings.threads) for key in unique} if known else {}
    found = {key: known.find(names[key]) if known else None for key in unique}
    waiting = [key for key, answer in found.items() if answer is None]
    jobs = [unique[key].job for key in waiting]
    made = predict_models(jobs, images, runtime, scratch, settings) if jobs else []
    answers = dict(zip(waiting, made, strict=True))
    for key, answer in answers.items():
        if known is not None and not isinstance(answer, Failure):
            known.add(names[key], answer)
    return answers | {key: answer for key, answer in found.items() if answer is not None}


def write_verified(directory: Path, verified: Verified) -> None:
    """Writes ``verified.json`` in one step."""
    part = directory / "verified.json.part"
    part.write_bytes(msgspec.json.encode(verified))
    os.replace(part, directory / "verified.json")  # noqa: PTH105 - also replaces on Windows


@dataclass(frozen=True)
class _Planned:
    """A model that can be rebuilt; ``key`` is the same for the same model, weights and inputs."""

    key: str
    job: Job


def _plan(
    evidence: Evidence, fit: Fit, images: dict[str, Images], dataset: DatasetView
) -> _Planned | Predictions | Failure:
    """How ``fit`` is measured: in the verifier, by what the student zone predicted, or not at all."""
    if fit.weights_after is None:
        return _no_weights(fit)
    try:
        planned = _rebuildable(evidence, fit, images, dataset)
        if isinstance(planned, Failure) and fit.id in evidence.custom_predictions:
            return _student_zone(evidence, fit, images)
        return planned
    except EvidenceError as error:
        reason = Text("The recorded model cannot be read ({detail}).", {"detail": str(error)[:300]})
        return Failure(reason, our_fault=True)


def _no_weights(fit: Fit) -> Failure:
    if fit.ended in ("completed", "stopped"):
        return Failure(Text("No weights were recorded after this training."), our_fault=True)
    return Failure(Text("This training did not come to its end, so there is nothing to measure."), our_fault=False)


def _rebuildable(evidence: Evidence, fit: Fit, images: dict[str, Images], dataset: DatasetView) -> _Planned | Failure:
    if fit.model.custom or fit.model.config is None:
        if any(note.kind == LEFT_OUT and note.detail == fit.id for note in evidence.notes):
            return Failure(TOO_MANY, our_fault=False, left_out=True)
        return Failure(
            Text("The model has layers of its own making and could not be measured after the notebook ran."), False
        )
    form = input_form(evidence, fit, images["official"].shape[1:], dataset)
    if isinstance(form, Text):
        return Failure(form, our_fault=False)
    try:
        config = clean_config(_read_config(evidence.claim(fit.model.config)))
    except RefusedConfigError as refused:
        return Failure(refused.text, our_fault=False, left_out=_is_our_gap(refused, fit))
    weights = _read_weights(evidence, str(fit.weights_after))
    digest = hashlib.sha256(json.dumps([config, repr(form)], sort_keys=True).encode())
    for array in weights:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return _Planned(digest.hexdigest(), Job(config, weights, form))


def _is_our_gap(refused: RefusedConfigError, fit: Fit) -> bool:
    """Whether a layer of Keras' own, without code in it, is not in our list: newer than it, say."""
    name = refused.class_name
    return name not in CARRIES_CODE and any(la.builtin and la.class_name == name for la in fit.model.layers)


def _read_config(path: Path) -> Any:
    if path.stat().st_size > CONFIG_LIMIT_BYTES:
        raise RefusedConfigError(
            Text("The model's description is too large ({what}).", {"what": f"{path.stat().st_size} bytes"})
        )
    try:
        return json.loads(path.read_text("utf-8"))
    except RecursionError as error:
        raise RefusedConfigError(Text("The model's description is too large ({what}).", {"what": "nesting"})) from error
    except ValueError as error:
        raise EvidenceError(f"{path.name} is not JSON: {error}") from error


def _read_weights(evidence: Evidence, name: str) -> list[npt.NDArray[Any]]:
    arrays = evidence.arrays(name, WEIGHTS_LIMIT_BYTES)
    return [arrays[name] for name in sorted(arrays)]


def _student_zone(evidence: Evidence, fit: Fit, images: dict[str, Images]) -> Predictions | Failure:
    """Classes that the student's kernel predicted, checked for form."""
    arrays = evidence.arrays(evidence.custom_predictions[fit.id])
    found: Predictions = {}
    for name, inputs in images.items():
        array = arrays.get(name)
        if array is None or array.dtype.kind not in "iu" or array.shape != (len(inputs),):
            detail = "missing" if array is None else f"{array.dtype} {array.shape}"
            raise EvidenceError(f"predictions {name!r} of {fit.id} are {detail}, expected integers ({len(inputs)},)")
        found[name] = np.clip(array, -1, np.iinfo(np.int16).max).astype(np.int16)
    return found


class _Writer:
    """Compares predictions with the labels and keeps those of the official images."""

    def __init__(self, directory: Path, labels: npt.NDArray[Any]) -> None:
        self.directory = directory
        self.labels = labels

    def measurement(self, fit: str, outcome: Predictions | Failure, zone: Zone) -> Measurement:
        """One line of ``verified.json``. An output of NaN counts as class 0, as Keras' own ``evaluate`` has it."""
        if isinstance(outcome, Failure):
            reason, ours, left_out = outcome.reason, outcome.our_fault, outcome.left_out
            return Measurement(fit=fit, reason=reason, our_fault=ours, left_out=left_out)
        name = f"verified/{fit}.npy"
        (self.directory / "verified").mkdir(exist_ok=True)
        np.save(self.directory / name, outcome["official"], allow_pickle=False)
        return Measurement(
            fit=fit,
            accuracy=self._accuracy(outcome["official"]),
            held_out_accuracy=self._accuracy(outcome["held_out"]) if "held_out" in outcome else None,
            n_examples=len(self.labels),
            predictions=name,
            zone=zone,
        )

    def _accuracy(self, classes: npt.NDArray[np.int16]) -> float:
        return int(np.count_nonzero(classes == self.labels)) / len(self.labels)
