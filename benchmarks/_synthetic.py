"""A class of B2-1 that was never run: notebooks, and evidence as runs would have left it, of full size.

The data set is as large as MNIST and made of noise, so that the benchmarks need no download: what they measure does not
look at what a picture shows.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from grader.config import Settings, load_settings
from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.datasets.catalogue import sha256_of
from grader.evidence.compact import compact
from grader.handout.samples import build_samples
from grader.intake import collect
from grader.model import (
    Attempt,
    CellOutcome,
    CellRun,
    Execution,
    ExecutionOutcome,
    Measurement,
    Verified,
    Zone,
)
from grader.pipeline.context import Context, open_context
from grader.pipeline.runs import BLOBS_FOLDER, evidence_name, keep_outputs, mark_used
from grader.pipeline.whole import write_key
from grader.reporting.svg import png
from grader.rubric import Course, bundled_course_dir

ASSIGNMENT = "b2-1"
SAMPLE, SAMPLE_STUDENT = "s01", "21X4001"
N_TRAIN, N_TEST = 60_000, 10_000
_SHAPES = {
    "fit-1": [(5, 5, 1, 32), (32,), (4608, 20), (20,), (20, 10), (10,)],
    "fit-2": [(5, 5, 1, 32), (32,), (4608, 128), (128,), (128, 10), (10,)],
    "fit-3": [(784, 128), (128,), (128, 10), (10,)],
}
_ROWS = {"fit-1": N_TRAIN, "fit-2": 600, "fit-3": 600}
_EPOCHS = {"fit-1": 10, "fit-2": 50, "fit-3": 50}


def make_course(folder: Path) -> Path:
    """A copy of the bundled course on a data set of noise, with the bundled calibration; its data are in ``data/``."""
    root = folder / "course"
    for name in ("assignments", "rubrics"):
        shutil.copytree(bundled_course_dir() / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    rng = np.random.default_rng(1)
    arrays = {
        "x_train": rng.integers(0, 256, (N_TRAIN, 28, 28), np.uint8),
        "y_train": rng.integers(0, 10, N_TRAIN).astype(np.uint8),
        "x_test": rng.integers(0, 256, (N_TEST, 28, 28), np.uint8),
        "y_test": rng.integers(0, 10, N_TEST).astype(np.uint8),
    }
    lines = ["[mnist]", 'licence = "noise"', 'source = "a benchmark"']
    for name, array in arrays.items():
        lines += [f"[mnist.arrays.{name}]", f"shape = {list(array.shape)}", f'sha256 = "{sha256_of(array)}"']
    (root / "datasets.toml").write_text("\n".join(lines), "utf-8")
    spec = find_dataset(load_catalogue(root), "mnist")
    DataStore(folder / "data").put(spec, arrays)
    path = root / "rubrics" / ASSIGNMENT / "calibration.json"
    path.write_text(json.dumps([{**json.loads(path.read_text("utf-8"))[0], "dataset_digest": spec.digest}]), "utf-8")
    return root


def settings_of(folder: Path, workspace: str = "workspace", **more: Any) -> Settings:
    """Settings that grade with the course of :func:`make_course`."""
    base = {"workspace": folder / workspace, "course": folder / "course", "data_dir": folder / "data"}
    return load_settings({**base, "held_out_seed": 11, "sandbox": "none", **more}, environ={})


def write_class(folder: Path, n: int, name: str = "class") -> Path:
    """``n`` notebooks, each of another student, whose number stands in its header."""
    if not (folder / "samples").is_dir():
        build_samples(Course(folder / "course"), ASSIGNMENT, folder / "samples")
    text = (folder / "samples" / f"{SAMPLE}.ipynb").read_text("utf-8")
    assert SAMPLE_STUDENT in text
    target = folder / name
    target.mkdir()
    for number in range(n):
        student = f"22X{number:05}"
        (target / f"{student}.ipynb").write_text(text.replace(SAMPLE_STUDENT, student), "utf-8")
    return target


def collected(folder: Path) -> list[Attempt]:
    """The attempts in ``folder``."""
    return collect([folder], ASSIGNMENT)


def leave_evidence(context: Context, attempts: Sequence[Attempt], distinct: int) -> None:
    """As if every attempt had been run. Only ``distinct`` of them have weights of their own; the rest have links."""
    made: list[Path] = []
    for number, attempt in enumerate(attempts):
        directory = context.workspace / "evidence" / evidence_name(context, attempt)
        if number < distinct:
            _make(context, attempt, directory, np.random.default_rng(number))
            made.append(directory)
        else:
            _link(made[number % distinct], directory)
        write_key(directory, context.execution_key())
        mark_used(directory, attempt.digest)
        keep_outputs(context, attempt)


def _link(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file() and path.name != "key.json" and path.parent.name != "used_by":
            own = target / path.relative_to(source)
            own.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, own)


def _make(context: Context, attempt: Attempt, directory: Path, rng: np.random.Generator) -> None:
    claims = directory / "claims"
    claims.mkdir(parents=True)
    (directory / "verified").mkdir()
    notebook = json.loads(json.dumps(attempt.notebook))
    trains = [i for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code" and ".fit(" in c["source"]]
    places = dict(zip(_SHAPES, [*trains, *[trains[-1]] * 3][:3], strict=True))
    _outputs(notebook, places, rng)
    (directory / "executed.ipynb").write_text(json.dumps(notebook), "utf-8")
    events: list[dict[str, Any]] = [
        {"event": "session", "versions": {"keras": "3"}, "runtime": "keras3", "seed": 0},
        {"event": "dataset", "name": "mnist", "digest": context.dataset.digest if context.dataset else None},
    ]
    for fit, cell in places.items():
        events += _training(context, fit, cell, claims, rng)
    (claims / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events), "utf-8")
    measured = []
    for number, fit in enumerate(_SHAPES):
        accuracy = (0.98, 0.88, 0.80)[number] + float(rng.normal(0, 0.003))
        labels = np.asarray(context.dataset.array("y_test")).reshape(-1) if context.dataset else np.zeros(N_TEST)
        guessed = np.where(rng.random(N_TEST) < accuracy, labels, rng.integers(0, 10, N_TEST))
        np.save(directory / "verified" / f"{fit}.npy", guessed.astype(np.int16))
        measured.append(Measurement(fit, accuracy, accuracy - 0.2, N_TEST, f"verified/{fit}.npy", Zone.VERIFIER))
    (directory / "verified.json").write_bytes(msgspec.json.encode(Verified("mnist", tuple(measured))))
    cells = tuple(
        CellRun(i, CellOutcome.OK if c["cell_type"] == "code" and c["source"].strip() else CellOutcome.EMPTY)
        for i, c in enumerate(notebook["cells"])
    )
    execution = Execution(
        ExecutionOutcome.OK,
        "keras3",
        duration_s=float(rng.uniform(5, 60)),
        peak_memory_mib=700.0,
        cells=cells,
        trained_fits=3,
        replayed_fits=0,
        versions={"keras": "3"},
    )
    (directory / "execution.json").write_bytes(msgspec.json.encode(execution))
    compact(directory, context.workspace / BLOBS_FOLDER)


def _outputs(notebook: dict[str, Any], places: dict[str, int], rng: np.random.Generator) -> None:
    for fit, cell in places.items():
        log = "".join(f"Epoch {e + 1}/{_EPOCHS[fit]}\naccuracy: {0.5 + e / 200:.4f}\n" for e in range(_EPOCHS[fit]))
        picture = base64.b64encode(png(rng.integers(0, 256, (160, 220), np.uint8))).decode()
        notebook["cells"][cell]["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": log},
            {"output_type": "display_data", "data": {"image/png": picture}, "metadata": {}},
        ]


def _training(context: Context, fit: str, cell: int, claims: Path, rng: np.random.Generator) -> list[dict[str, Any]]:
    shapes, model, n = _SHAPES[fit], fit.replace("fit", "model"), _ROWS[fit]
    same = np.random.default_rng(len(shapes) + shapes[0][0])  # initial weights: the same in the whole class
    for when, source in (("before", same), ("after", rng)):
        arrays = {f"w{i:04}": source.normal(0, 0.05, shape).astype(np.float32) for i, shape in enumerate(shapes)}
        np.savez(claims / f"{fit}.{when}.npz", **arrays)
    assert context.dataset is not None
    rows, labels = context.dataset.rows("train")
    np.savez(claims / f"{fit}.rows.npz", rows=rows[:n], labels=np.asarray(labels[:n], np.int64))
    x = {"kind": "array", "shape": [n, 28, 28, 1], "dtype": "float32", "min": 0.0, "max": 1.0, "mean": 0.13, "std": 0.3}
    epochs = _EPOCHS[fit]
    events: list[dict[str, Any]] = [
        {
            "event": "model",
            "model": model,
            "kind": "sequential",
            "layers": _layers(fit),
            "loss": "sparse",
            "cell": cell,
        },
        {
            "event": "fit_start",
            "fit": fit,
            "model": model,
            "x": x | {"rows": f"{fit}.rows.npz"},
            "y": {"kind": "array", "shape": [n], "dtype": "uint8"},
            "weights": f"{fit}.before.npz",
            "epochs": epochs,
            "cell": cell,
        },
    ]
    events += [
        {"event": "epoch", "fit": fit, "epoch": e, "logs": {"accuracy": 0.5 + e / 200, "loss": 1 / (e + 1)}}
        for e in range(epochs)
    ]
    end = {"event": "fit_end", "fit": fit, "reason": "completed", "epochs_run": epochs, "weights": f"{fit}.after.npz"}
    test = {"kind": "array", "shape": [N_TEST, 28, 28, 1]}
    result = {"event": "evaluate", "model": model, "x": test, "results": {"accuracy": 0.88}, "after_fit": fit}
    return [*events, end, result | {"cell": cell}]


def _layers(fit: str) -> list[dict[str, Any]]:
    units = [shape[0] for shape in _SHAPES[fit] if len(shape) == 1]
    dense = [
        {"class_name": "Dense", "name": f"dense_{i}", "config": {"units": n, "activation": a}}
        for i, (n, a) in enumerate(zip(units[-2:], ("relu", "softmax"), strict=True))
    ]
    flat = {"class_name": "Flatten", "name": "flatten"}
    if fit == "fit-3":
        return [flat, *dense]
    conv = {"filters": 32, "kernel_size": [5, 5], "activation": "relu"}
    return [
        {"class_name": "Conv2D", "name": "conv2d", "params": 832, "config": conv},
        {"class_name": "MaxPooling2D", "name": "pool", "config": {"pool_size": [2, 2]}},
        flat,
        *dense,
    ]


def opened(settings: Settings) -> Context:
    """The context of these settings."""
    return open_context(settings, ASSIGNMENT)
