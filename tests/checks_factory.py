"""Makes tiny evidence folders by hand: what a run would have left, without running anything."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from grader.checks.attempt import check_attempt
from grader.checks.requests import CheckRequest
from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.model import (
    Budget,
    CellOutcome,
    CellRun,
    CheckResult,
    Execution,
    ExecutionOutcome,
    Flag,
    Measurement,
    Text,
    Verified,
)
from grader.recorder.rows import row_digests

REPOSITORY = Path(__file__).resolve().parents[1]
N_TRAIN, N_TEST = 3_000, 400


def conv(filters=32, kernel=5, activation="relu"):
    config = {"filters": filters, "kernel_size": [kernel, kernel], "activation": activation}
    return {"class_name": "Conv2D", "name": "conv2d", "params": 832, "config": config}


def dense(units, activation):
    return {"class_name": "Dense", "name": "dense", "config": {"units": units, "activation": activation}}


POOL = {"class_name": "MaxPooling2D", "name": "pool", "config": {"pool_size": [2, 2]}}
FLATTEN = {"class_name": "Flatten", "name": "flatten"}
DROPOUT = {"class_name": "Dropout", "name": "dropout", "config": {"rate": 0.5}}


def cnn(hidden=128):
    return [conv(), POOL, FLATTEN, dense(hidden, "relu"), dense(10, "softmax")]


def bpnn():
    return [FLATTEN, dense(128, "relu"), dense(10, "softmax")]


def make_course(root: Path) -> Path:
    """The b2-1 course on a small data set of random images, with a calibration for it."""
    rng = np.random.default_rng(5)
    arrays = {
        "x_train": rng.integers(0, 256, (N_TRAIN, 4, 4), np.uint8),
        "y_train": (np.arange(N_TRAIN) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (N_TEST, 4, 4), np.uint8),
        "y_test": (np.arange(N_TEST) % 10).astype(np.uint8),
    }
    lines = ["[mnist]", 'licence = "made for a test"', 'source = "a test"']
    for name, array in arrays.items():
        sha256 = hashlib.sha256(array.tobytes()).hexdigest()
        lines.append(f'arrays.{name} = {{ shape = {list(array.shape)}, sha256 = "{sha256}" }}')
    (root / "assignments" / "b2-1").mkdir(parents=True)
    (root / "datasets.toml").write_text("\n".join(lines), "utf-8")
    shutil.copy(REPOSITORY / "assignments" / "b2-1" / "assignment.toml", root / "assignments" / "b2-1")
    ignored = shutil.ignore_patterns("calibration.*", "__pycache__")
    shutil.copytree(REPOSITORY / "rubrics" / "b2-1", root / "rubrics" / "b2-1", ignore=ignored)
    spec = find_dataset(load_catalogue(root), "mnist")
    DataStore(root / "data").put(spec, arrays)
    calibrate(root, spec.digest)
    return root


def calibrate(root: Path, digest: str) -> None:
    quantile = {"0.001": 3.0, "1e-05": 5.0}
    entry = {
        "dataset": "mnist",
        "dataset_digest": digest,
        "date": "2026-01-01",
        "machine": "none",
        "versions": {},
        "distributions": {
            "small-data-cnn": {"values": [0.88, 0.885, 0.875], "student_t": quantile},
            "small-data-held-out-drop": {"values": [0.2, 0.195, 0.205], "student_t": quantile},
        },
    }
    (root / "rubrics" / "b2-1" / "calibration.json").write_text(json.dumps([entry]), "utf-8")


@dataclass
class Found:
    """What the checks said, by criterion."""

    results: list[CheckResult] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __call__(self, report):
        if isinstance(report, CheckResult):
            self.results.append(report)
        elif isinstance(report, Flag):
            self.flags.append(report)
        elif isinstance(report, str):
            self.faults.append(report)

    def __getitem__(self, criterion):
        assert not self.faults, self.faults
        return next(r for r in self.results if r.criterion == criterion)

    def said(self, criterion):
        """Outcome and key, as ``passed quoted``."""
        result = self[criterion]
        assert result.outcome != "errored", result.detail
        return f"{result.outcome.value} {result.message.id.split('/')[-1]}"


class Attempt:
    """An attempt in the making."""

    def __init__(self, course: Path, directory: Path) -> None:
        self.course = course
        self.directory = directory
        self.cells: list[dict] = []
        self.runs: list[CellRun] = []
        self.events: list[dict] = []
        self.measurements: list[Measurement] = []
        self.outcome = ExecutionOutcome.OK
        self.budget = Budget.FULL
        self.seed = 0
        self._n = 0
        spec = find_dataset(load_catalogue(course), "mnist")
        stored = DataStore(course / "data").get(spec)
        self.labels = np.asarray(stored.array("y_train")).astype(np.int64)
        self.train, self.test = (row_digests(np.asarray(stored.array(f"x_{split}"))) for split in ("train", "test"))
        (directory / "claims").mkdir(parents=True)

    def markdown(self, source, tags=()):
        self.cells.append({"cell_type": "markdown", "metadata": {"tags": list(tags)}, "source": source})
        return len(self.cells) - 1

    def code(self, source="pass", outcome=CellOutcome.OK, *, printed="", label=None, error=None):
        outputs = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
        self.cells.append({"cell_type": "code", "metadata": {}, "source": source, "outputs": outputs})
        index = len(self.cells) - 1
        self.runs.append(CellRun(index, CellOutcome(outcome), label, error_name=error))
        return index

    def model(self, layers, input_shape=(None, 28, 28, 1)):
        self._n += 1
        ident = f"model-{self._n}"
        self.events.append(
            {"event": "model", "model": ident, "kind": "sequential", "layers": layers, "input_shape": input_shape}
        )
        return ident

    def fit(self, layers, rows, *, accuracy=0.88, held_out=0.68, epochs=50, learned=True, ended="completed", **more):
        """A training of a new model, or of ``more["model"]``; ``rows`` are digests, or a number when unknown."""
        self._n += 1
        cell = more.pop("cell", None)
        cell = self.code("model.fit(x, y)") if cell is None else cell
        model = more.pop("model", None) or self.model(layers)
        ident = f"fit-{self._n}"
        before, after = f"{ident}.before.npz", f"{ident}.after.npz"
        initial = more.pop("initial", np.full(3, self._n, np.float32))
        np.savez(self.directory / "claims" / before, w0000=initial)
        self.final = initial + 0.5 if learned else initial
        np.savez(self.directory / "claims" / after, w0000=self.final)
        known = not isinstance(rows, int)
        x = {"kind": "array", "shape": [len(rows) if known else rows, 28, 28, 1], **more.pop("pixels", {})}
        given = {name: more.pop(name) for name in ("labels", "soft") if more.get(name) is not None}
        if known:
            x["rows"] = f"{ident}.rows.npz"
            digests = {"rows": np.asarray(rows, np.uint64)} | given
            np.savez(self.directory / "claims" / x["rows"], **digests)
        start = {"event": "fit_start", "fit": ident, "model": model, "x": x, "y": {}, "weights": before, "cell": cell}
        self.events.append(start | {"epochs": epochs} | more)
        logs = {"accuracy": accuracy, "val_accuracy": accuracy}
        self.events += [{"event": "epoch", "fit": ident, "epoch": e, "logs": logs} for e in range(epochs)]
        if ended is not None:
            end = {"event": "fit_end", "fit": ident, "reason": ended, "epochs_run": epochs, "weights": after}
            self.events.append(end)
        self.measurements.append(Measurement(ident, accuracy, held_out, n_examples=N_TEST))
        return ident

    def unmeasured(self, reason="cannot be rebuilt", *, our_fault=False, left_out=False):
        last = self.measurements.pop()
        self.measurements.append(Measurement(last.fit, reason=Text(reason), our_fault=our_fault, left_out=left_out))

    def evaluate(self, fit, accuracy=0.88, cell=None, images=None):
        cell = self.code("model.evaluate(x, y)") if cell is None else cell
        x = {"shape": [images, 28, 28, 1]} if images else {}
        self.events.append(
            {"event": "evaluate", "model": "model-1", "x": x, "results": {"accuracy": accuracy}, "after_fit": fit}
            | {"cell": cell}
        )
        return cell

    def figure(self, images=32, source="plot_conv_filter(model, 0)"):
        cell = self.code(source)
        self.events.append({"event": "figure", "cell": cell, "axes": images, "images": images})
        return cell

    def write(self) -> Path:
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": self.cells}
        (self.directory / "executed.ipynb").write_text(json.dumps(notebook), "utf-8")
        execution = Execution(self.outcome, "keras3", self.budget, self.seed, cells=tuple(self.runs))
        (self.directory / "execution.json").write_bytes(msgspec.json.encode(execution))
        verified = Verified("mnist", tuple(self.measurements))
        (self.directory / "verified.json").write_bytes(msgspec.json.encode(verified))
        lines = "".join(json.dumps(event) + "\n" for event in self.events)
        (self.directory / "claims" / "events.jsonl").write_text(lines, "utf-8")
        return self.directory

    def request(self, **more) -> CheckRequest:
        self.write()
        own = {"language": "ja", "data_dir": self.course / "data", "budget": self.budget}
        return CheckRequest(self.directory, more.pop("course_dir", self.course), "b2-1", **(own | more))

    def check(self, **more) -> Found:
        """Runs the rubric in this process."""
        found = Found()
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        check_attempt(self.request(**more), found, scratch)
        return found
