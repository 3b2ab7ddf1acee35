"""Trains the reference answers under many seeds and keeps what they reach, so that thresholds follow from data."""

from __future__ import annotations

import datetime
import json
import os
import platform
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from grader.calibration.plan import PLAN_FILE, RESULT_FILE, Plan, Reference, read_plan
from grader.calibration.runs import Say, train_all
from grader.datasets import DataStore, StoredDataset, find_dataset, load_catalogue
from grader.errors import CourseError, DataError, UsageError, VerificationError
from grader.evidence.npz import read_npz
from grader.rubric import Calibration, Course, Distribution
from grader.rubric.calibration import DOUBT_SHARE, read_calibrations
from grader.rubric.student_t import student_t_quantile
from grader.scratch import scratch_prefix
from grader.verification import (
    DatasetView,
    Failure,
    InputForm,
    Job,
    VerifierSettings,
    clean_config,
    predict_models,
    unlabelled_inputs,
)

FEWEST_RUNS = 3
_NO_FILES: Mapping[str, Path] = MappingProxyType({})
PREDICTION_TIMEOUT_S = 600.0


def calibrate(
    course: Course,
    assignment_id: str,
    dataset: DatasetView,
    *,
    runs: int = 30,
    first_seed: int = 1,
    workers: int = 2,
    say: Say = lambda line: None,
) -> Calibration:
    """Measures every reference of the assignment under seeds ``first_seed`` to ``first_seed + runs - 1``.

    The models are measured as a student's are: rebuilt and run by the verifier. The same seeds give the same values.

    :param dataset: also has ``x_train`` (uint8, (n, h, w[, c])) and ``y_train``; :param say: gets a line a training.
    :raises UsageError: too few runs. :raises CourseError: the plan is missing or wrong. :raises VerificationError: a
        training or prediction failed.
    """
    if runs < FEWEST_RUNS or workers < 1:
        raise UsageError(f"{runs} runs and {workers} workers received, expected at least {FEWEST_RUNS} runs, 1 worker")
    plan = plan_for(course, assignment_id, dataset.name)
    seeds = range(first_seed, first_seed + runs)
    versions, values = measure(plan, dataset, seeds, workers, say, weights_files(plan, course, dataset))
    asked = {*plan.false_fail, *_asked_for(course, assignment_id)}
    tails = sorted(asked | {DOUBT_SHARE * p for p in asked})
    quantiles = {f"{p:g}": round(student_t_quantile(p, runs - 1), 10) for p in tails}
    return Calibration(
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, 1 thread a training",
        versions=versions,
        distributions={
            name: Distribution(tuple(found), quantiles, f"{description}; seeds {seeds[0]} to {seeds[-1]}")
            for name, (description, found) in values.items()
        },
    )


def measure(
    plan: Plan, dataset: DatasetView, seeds: range, workers: int, say: Say, files: Mapping[str, Path] = _NO_FILES
) -> tuple[dict[str, str], dict[str, tuple[str, list[float]]]]:
    """Trains and measures every reference of ``plan`` under each seed.

    :param files: of weights that the references' bases begin with (:func:`weights_files`).
    :return: versions of the software; distribution name to description and values, in the order of the seeds.
    :raises VerificationError: a training or prediction failed. :raises DataError: there are too few images.
    """
    with tempfile.TemporaryDirectory(prefix=scratch_prefix("calibrate"), ignore_cleanup_errors=True) as folder:
        directory = Path(folder)
        versions = train_all(_tasks(plan, dataset, seeds, directory, files), directory, workers, say)
        say(f"measuring {len(seeds) * len(plan.references)} models")
        return versions, _measured(plan, dataset, seeds, directory, workers)


def weights_files(plan: Plan, course: Course, dataset: DatasetView) -> dict[str, Path]:
    """File of the weights of each base, by their name; they are kept in the store that ``dataset`` is in.

    :raises DataError: they are not installed.
    """
    names = dict.fromkeys(r.base.weights for r in plan.references if r.base)
    catalogue = load_catalogue(course.root)
    found = {}
    for name in names:
        spec = find_dataset(catalogue, name)
        stored = DataStore(dataset.directory.parent).get(spec) if isinstance(dataset, StoredDataset) else None
        if stored is None or spec.file is None:
            raise DataError(f"weights {name!r} are not installed: run 'grader data install {name}'")
        found[name] = stored.served / spec.file.name
    return found


def plan_for(course: Course, assignment_id: str, name: str) -> Plan:
    """The references for this data set alone; :raises CourseError: there is none."""
    plan = read_plan(rubric_directory(course, assignment_id))
    measured_on = course.assignment(assignment_id).dataset
    references = tuple(r for r in plan.references if (r.dataset or measured_on) == name)
    if not references:
        raise CourseError(
            f"{PLAN_FILE} of {assignment_id} has no reference for data set {name!r}: add one, or name another"
        )
    return msgspec.structs.replace(plan, references=references)


def rubric_directory(course: Course, assignment_id: str) -> Path:
    """Where the assignment's plan is and its result goes; :raises UnknownAssignment: there is no such assignment."""
    course.assignment(assignment_id)
    return course.root / "rubrics" / assignment_id


def write_calibration(directory: Path, calibration: Calibration) -> Path:
    """Puts ``calibration`` into ``calibration.json``, in place of an earlier one for the same data; the file.

    :raises CourseError: the file there is malformed, or cannot be written.
    """
    path = directory / RESULT_FILE
    others = [c for c in read_calibrations(path) if c.dataset_digest != calibration.dataset_digest]
    text = msgspec.json.format(msgspec.json.encode([*others, calibration]), indent=1)
    part = path.with_suffix(".json.part")
    try:
        part.write_bytes(text + b"\n")
        part.replace(path)
    except OSError as error:
        raise CourseError(f"{path} cannot be written ({error}): calibrate in a course directory of your own") from error
    return path


def _asked_for(course: Course, assignment_id: str) -> list[float]:
    """False-fail probabilities that the rubric's thresholds name; none while there is no rubric yet."""
    if not (rubric_directory(course, assignment_id) / "rubric.toml").is_file():
        return []
    return [rule.false_fail for rule in course.rubric(assignment_id).thresholds.values()]


def _form(reference: Reference) -> InputForm:
    return InputForm((0, *reference.input_shape), 0.0, 1.0)


def _tasks(
    plan: Plan, dataset: DatasetView, seeds: range, directory: Path, files: Mapping[str, Path] = _NO_FILES
) -> list[dict[str, Any]]:
    """Writes the training data; one task a reference and seed, the seeds of one reference after another."""
    tasks = []
    for reference in plan.references:
        images, labels = dataset.array("x_train")[: reference.rows], dataset.array("y_train")[: reference.rows]
        if reference.rows and len(images) < reference.rows:
            raise DataError(f"{dataset.name} has {len(images)} training images, {reference.id} needs {reference.rows}")
        np.save(directory / f"{reference.id}-x.npy", _form(reference).apply(np.asarray(images)), allow_pickle=False)
        np.save(directory / f"{reference.id}-y.npy", labels.reshape(-1).astype(np.int64), allow_pickle=False)
        settings = {
            "reference": reference.id,
            "config": reference.config(),
            "x": f"{reference.id}-x.npy",
            "y": f"{reference.id}-y.npy",
            "batch_size": reference.batch_size,
            "epochs": reference.epochs,
            "validation_split": reference.validation_split,
            "learning_rate": reference.learning_rate,
            "optimizer": reference.optimizer,
            "one_hot": reference.labels == "one-hot",
            "base": reference.base
            and {**msgspec.to_builtins(reference.base), "file": str(files[reference.base.weights])},
        }
        tasks += [{**settings, "seed": seed} for seed in seeds]
    return tasks


def _measured(
    plan: Plan, dataset: DatasetView, seeds: range, directory: Path, workers: int
) -> dict[str, tuple[str, list[float]]]:
    """Distribution name to its description and its values, in the order of the seeds.

    Each seed has a held-out variant of its own: the values are then independent, as the thresholds assume.
    """
    with ThreadPoolExecutor(workers) as pool:
        scores = list(pool.map(lambda seed: _scores(plan.references, dataset, seed, directory), seeds))
    found: dict[str, tuple[str, list[float]]] = {}
    for r in plan.references:
        found[r.measures.accuracy] = (r.description, [score[r.id][0] for score in scores])
        if r.measures.held_out_drop:
            description = f"{r.description}: official less held-out accuracy"
            found[r.measures.held_out_drop] = (description, [score[r.id][1] for score in scores])
    return found


def _scores(
    references: tuple[Reference, ...], dataset: DatasetView, seed: int, directory: Path
) -> dict[str, tuple[float, float]]:
    """Official accuracy of each reference trained under ``seed``, and how much less its held-out accuracy is."""
    labels = np.asarray(dataset.array("y_test")).reshape(-1)
    jobs = [Job(_config(r, directory), _weights(directory / f"{r.id}-{seed}.npz"), _form(r)) for r in references]
    settings = VerifierSettings(timeout_s=PREDICTION_TIMEOUT_S)
    answers = predict_models(jobs, unlabelled_inputs(dataset, held_out_seed=seed), "keras3", directory, settings)
    found = {}
    for reference, answer in zip(references, answers, strict=True):
        if isinstance(answer, Failure):
            why = answer.reason.id.format(**answer.reason.params)
            raise VerificationError(f"{reference.id}, seed {seed}, could not be measured: {why}")
        official, held_out = (int(np.count_nonzero(answer[name] == labels)) for name in ("official", "held_out"))
        found[reference.id] = official / len(labels), (official - held_out) / len(labels)
    return found


def _config(reference: Reference, directory: Path) -> dict[str, Any]:
    """The whole model; with a base as the training wrote it down.

    :raises RefusedConfigError: a layer that the verifier would not rebuild.
    """
    if reference.base is None:
        return reference.config()
    return clean_config(json.loads((directory / f"{reference.id}.config.json").read_text("utf-8")))


def _weights(path: Path) -> list[Any]:
    arrays = read_npz(path)
    return [arrays[name] for name in sorted(arrays)]
