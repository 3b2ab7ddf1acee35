"""Makes results, evidence folders and rubrics that look like real ones, small enough for a test and a screenshot."""

from __future__ import annotations

import base64
import json
import math
import tomllib
from collections.abc import Mapping
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from grader.evidence import Evidence, read_evidence
from grader.messages import Catalogue
from grader.model import (
    Budget,
    CellOutcome,
    CellRun,
    CheckResult,
    CriterionScore,
    Execution,
    ExecutionOutcome,
    Flag,
    FlagKind,
    Measurement,
    Outcome,
    Result,
    Score,
    Status,
    Student,
    Text,
    Verified,
    Visibility,
    Zone,
)
from grader.reporting import ReportContext, TestSet, ThresholdView
from grader.reporting.svg import png
from grader.rubric import Assignment, Rubric

ROOT = Path(__file__).resolve().parents[2]
N_IMAGES = 2000

THRESHOLDS = {"small-data-accuracy": ThresholdView(0.861, 0.8745, 0.892, n=30, false_fail=0.001)}


@cache
def rubric() -> Rubric:
    """The rubric that goes with the results below."""
    table = tomllib.loads(Path(__file__).with_name("rubric.toml").read_text("utf-8"))
    return msgspec.convert({**table, "assignment": "b2-1"}, Rubric)


def context(language: str = "ja") -> ReportContext:
    """Everything a page needs, with dates in UTC."""
    assignment = Assignment(
        id="b2-1",
        version="1",
        title={"ja": "B2-1 畳み込みニューラルネットワーク入門", "en": "B2-1 Introduction to convolutional networks"},
        dataset="mnist",
        templates={"ja": "ja.py"},
    )
    catalogue = Catalogue(language, ROOT / "reports" / "locale", rubric().texts_in(language))
    return ReportContext(rubric(), assignment, catalogue, ROOT / "reports", timezone=UTC)


def criterion(
    ident: str, outcome: Outcome, share: float | None, message: Text, hint: Text | None = None, **more: Any
) -> CriterionScore:
    """One criterion's score with one check behind it; ``more``: ``measured``, ``cell``, ``detail``."""
    most = rubric().criterion(ident).points
    measured = more.get("measured", {})
    check = CheckResult(
        check=f"test_{ident.replace('-', '_')}",
        criterion=ident,
        outcome=outcome,
        credit=share,
        message=message,
        hint=hint,
        measured=measured,
        cell=more.get("cell"),
        detail=more.get("detail"),
    )
    points = None if share is None else share * most
    visibility = more.get("visibility", Visibility.PUBLIC)
    return CriterionScore(ident, points, most, outcome, visibility, message, hint, measured, (check,))


def criteria(accuracy: float = 0.882) -> tuple[CriterionScore, ...]:
    """A mixed set: passed, partial, failed, waiting."""
    measured = {"test_accuracy": accuracy, "threshold": 0.861, "n": "10,000", "fit": "fit-2"}
    passed = accuracy >= 0.861
    return (
        criterion(
            "small-data-accuracy",
            Outcome.PASSED if passed else Outcome.FAILED,
            float(passed),
            Text("acc/ok", measured),
            measured=measured,
        ),
        criterion("bpnn-comparison", Outcome.PARTIAL, 0.5, Text("cmp/half"), Text("cmp/hint"), cell=9),
        criterion("runs", Outcome.FAILED, 0.0, Text("runs/no"), Text("runs/hint"), cell=10),
        criterion("filters-discussion", Outcome.NEEDS_REVIEW, None, Text("wait", {"n": 212}), cell=6),
        criterion("comparison-discussion", Outcome.NEEDS_REVIEW, None, Text("wait", {"n": 96}), cell=9),
        criterion("base-model", Outcome.PASSED, 1.0, Text("base/ok")),
    )


def score(lines: tuple[CriterionScore, ...], flags: tuple[Flag, ...] = ()) -> Score:
    """The sum of the lines."""
    earned = sum(c.points or 0.0 for c in lines)
    pending = sum(c.max_points for c in lines if c.points is None)
    status = Status.NEEDS_REVIEW if pending else Status.GRADED
    return Score(status, earned, pending, 25.0, lines, flags)


def execution(outcome: ExecutionOutcome = ExecutionOutcome.CELL_ERROR, **more: Any) -> Execution:
    """A run of the notebook below."""
    cells = (
        CellRun(0, CellOutcome.EMPTY),
        CellRun(1, CellOutcome.OK, "1-1", 3.912),
        CellRun(2, CellOutcome.OK, "1-2", 0.31),
        CellRun(3, CellOutcome.OK, "1-6", 0.022),
        CellRun(4, CellOutcome.OK, "1-8", 51.2),
        CellRun(5, CellOutcome.OK, "1-11", 0.57),
        CellRun(7, CellOutcome.OK, None, 8.9),
        CellRun(8, CellOutcome.OK, None, 1.4),
        CellRun(10, CellOutcome.ERROR, None, 0.004, "SyntaxError", "expected ':'"),
    )
    defaults: dict[str, Any] = {
        "runtime": "keras3",
        "budget": Budget.FULL,
        "seed": 20261121,
        "duration_s": 68.4,
        "peak_memory_mib": 1612.4,
        "cells": cells,
        "trained_fits": 2,
        "replayed_fits": 1,
        "notes": (),
        "versions": {"keras": "3.15.1", "tensorflow": "2.21.0"},
        "sandbox": "namespaces",
    }
    return Execution(outcome, **{**defaults, **more})


def result(**more: Any) -> Result:
    """A student's result: 17.5 of 25 less what is open."""
    defaults: dict[str, Any] = {
        "assignment": "b2-1",
        "digest": "sha256:" + "3f" * 32,
        "source": "class/s07.ipynb",
        "student": Student("21X4001", "山田 花子", "hanako@example.org"),
        "execution": execution(),
        "score": score(criteria()),
        "verified": verified(),
        "rubric_version": "3",
        "language": "ja",
        "handed_in_at": "2026-11-20T21:14:00+00:00",
        "graded_at": "2026-11-21T10:02:00+00:00",
        "attempt_number": 2,
        "evidence": "3f3f",
        "report": "reports/21X4001.html",
        "grader_version": "0.1.0",
    }
    return Result(**{**defaults, **more})


def unreadable() -> Result:
    """What becomes of a truncated file."""
    reason = Text("the file cannot be read")
    blocked = tuple(
        CriterionScore(c.id, None, c.points, Outcome.BLOCKED, Visibility.PUBLIC, reason) for c in rubric().criteria
    )
    return result(
        student=Student("21X4005", "鈴木 一郎"),
        execution=Execution(ExecutionOutcome.UNREADABLE),
        score=Score(Status.NOT_GRADABLE, None, 25.0, 25.0, blocked, (), reason),
        verified=Verified(),
        evidence=None,
        report="reports/21X4005.html",
        digest="sha256:" + "05" * 32,
    )


def verified() -> Verified:
    """Two trainings re-measured."""
    return Verified(
        "mnist",
        (
            Measurement("fit-1", 0.9871, 0.951, N_IMAGES, None, Zone.VERIFIER),
            Measurement("fit-2", 0.882, 0.812, N_IMAGES, "fit-2.npy", Zone.VERIFIER),
        ),
    )


def test_set() -> TestSet:
    """Made-up digits: strokes drawn from each digit's seven segments, so that pictures look like something."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 10, N_IMAGES)
    images = np.zeros((N_IMAGES, 28, 28), np.uint8)
    segments = ("abcedf", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
    boxes = {
        "a": (4, 6, 9, 19),
        "b": (4, 14, 17, 20),
        "c": (14, 24, 17, 20),
        "d": (22, 24, 9, 19),
        "e": (14, 24, 8, 11),
        "f": (4, 14, 8, 11),
        "g": (13, 15, 9, 19),
    }
    for image, label in zip(images, labels, strict=True):
        for segment in segments[label]:
            top, bottom, left, right = boxes[segment]
            dy, dx = rng.integers(-1, 2, 2)
            image[top + dy : bottom + dy, left + dx : right + dx] = rng.integers(150, 255)
    return TestSet(images, labels)


def predictions(labels: np.ndarray) -> np.ndarray:
    """Right nine times in ten; the mistakes favour 4 → 9 and 7 → 1. int16, (n,)."""
    rng = np.random.default_rng(6)
    wrong = {4: 9, 7: 1, 3: 5, 9: 4, 8: 3}
    said = [int(label) if rng.random() > 0.12 else wrong.get(int(label), int(rng.integers(0, 10))) for label in labels]
    return np.asarray(said, np.int16)


def matplotlib_like_png() -> str:
    """A figure as a notebook would hold it: base64 of a PNG, 320 × 160."""
    x = np.linspace(0, 6 * math.pi, 320)
    sheet = np.full((160, 320), 255, np.uint8)
    sheet[(80 + 60 * np.sin(x)).astype(int), np.arange(320)] = 0
    return base64.b64encode(png(sheet)).decode()


def notebook() -> dict[str, Any]:
    """The notebook as executed, with outputs of every kind."""

    def code(source: str, *outputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": {}, "execution_count": 1}

    def text(source: str) -> dict[str, Any]:
        return {"cell_type": "markdown", "source": source, "metadata": {}}

    figure = {
        "output_type": "display_data",
        "data": {"image/png": matplotlib_like_png(), "text/plain": "<Figure size 640x480 with 1 Axes>"},
    }
    html = {
        "output_type": "execute_result",
        "data": {"text/html": "<script>alert(1)</script>", "text/plain": "   a  b\n0  1  2"},
    }
    error = {
        "output_type": "error",
        "ename": "SyntaxError",
        "evalue": "expected ':'",
        "traceback": ['\x1b[0;36m  File "<cell>"\x1b[0m, line 1', "    for i in range(3)", "                     ^"],
    }
    cells = [
        text("# B2-1 畳み込みニューラルネットワーク入門\n学籍番号: 21X4001\n氏名: 山田 花子"),
        code("# [1-1] 準備\nimport tensorflow as tf\nfrom tensorflow import keras\nimport numpy as np"),
        code("# [1-2] データを読み込む\n(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()"),
        code(
            "# [1-6] モデルを作る\nmodel = make_model()\nmodel.summary()", {"output_type": "stream", "text": "Model\n"}
        ),
        code(
            "# [1-8] 学習を実行する\nhistory = model.fit(x_train, y_train, epochs=10)",
            {"output_type": "stream", "name": "stdout", "text": "Epoch 10/10 accuracy: 0.9921\n"},
        ),
        code("# [1-11] 学習後のフィルターの可視化\nshow_filters(model)", figure),
        text(
            "## 課題 B2-1-1\n学習前のフィルタは乱数なので模様がないが、学習後は白と黒の帯が"
            "はっきり分かれた。<b>線の向き</b>に反応する。"
        ),
        code("data_size = 600\nmodel600.fit(X_train[:data_size], Y_train[:data_size], epochs=50)", html),
        code("model600.evaluate(x_test, y_test)", {"output_type": "stream", "text": ["[0.41, ", "0.8821]\n"]}),
        text("## 課題 B2-1-2\nBPNN より良い。"),
        code("for i in range(3)\n    print(i)", error),
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def _events() -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    layers = [
        {"class_name": "Conv2D", "name": "conv", "params": 832, "config": {"filters": 32, "kernel_size": [5, 5]}},
        {"class_name": "Dense", "name": "out", "params": 210, "config": {"units": 10}},
    ]
    events: list[dict[str, Any]] = [
        {"event": "session", "versions": {"keras": "3.15.1"}, "runtime": "keras3", "seed": 20261121},
        {"event": "dataset", "name": "mnist", "digest": "741c988805d008ac6e4c904b69001ba1"},
    ]
    for k, (rows, epochs, cell, best) in enumerate([(60000, 10, 4, 0.99), (600, 50, 7, 0.885)], 1):
        model, fit = f"model-{k}", f"fit-{k}"
        events.append({"event": "model", "model": model, "kind": "sequential", "layers": layers, "params": 93232})
        start = {"event": "fit_start", "fit": fit, "model": model, "cell": cell, "epochs": epochs}
        start |= {"x": {"kind": "array", "shape": [rows, 28, 28, 1]}, "y": {}, "weights": f"{fit}-before.npz"}
        events.append(start)
        for epoch in range(epochs):
            rise = 1 - math.exp(-(epoch + 1) / (epochs / 7))
            noise = [float(v) for v in rng.normal(0, 0.006, 2)]
            logs = {
                "accuracy": min(0.6 + 0.395 * rise + noise[0], 0.999),
                "val_accuracy": 0.6 + (best - 0.6) * rise + noise[1],
                "loss": 1.9 * (1 - rise) + 0.03,
                "val_loss": 1.5 * (1 - rise) + 0.42,
            }
            events.append({"event": "epoch", "fit": fit, "epoch": epoch, "logs": logs})
        end = {"event": "fit_end", "fit": fit, "reason": "completed", "epochs_run": epochs}
        events.append(end | {"weights": f"{fit}-after.npz"})
    return events


def _kernels(trained: bool, seed: int) -> np.ndarray:
    """Kernels of a 5×5 convolution, float32, (5, 5, 1, 32): noise, or oriented bands."""
    rng = np.random.default_rng(seed)
    kernels = rng.uniform(-0.085, 0.085, (5, 5, 1, 32)).astype(np.float32)
    if trained:
        i, j = np.mgrid[-2:3, -2:3]
        for k in range(32):
            angle, rate = rng.uniform(0, math.pi), rng.uniform(0.5, 1.3)
            kernels[:, :, 0, k] += 0.2 * np.sin(rate * (i * math.cos(angle) + j * math.sin(angle)) + k)
    return kernels


def evidence(directory: Path, of: Result | None = None) -> Evidence:
    """Writes an evidence folder and reads it back the way the pipeline does."""
    of = of or result()
    claims = directory / "claims"
    claims.mkdir(parents=True, exist_ok=True)
    (directory / "execution.json").write_bytes(msgspec.json.encode(of.execution))
    (directory / "verified.json").write_bytes(msgspec.json.encode(of.verified))
    (directory / "executed.ipynb").write_text(json.dumps(notebook()), "utf-8")
    (claims / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in _events()), "utf-8")
    for k in (1, 2):
        for when in ("before", "after"):
            np.savez(claims / f"fit-{k}-{when}.npz", w000=_kernels(when == "after", k), w001=np.zeros(32, np.float32))
    np.save(directory / "fit-2.npy", predictions(test_set().labels))
    return read_evidence(directory)


def flagged() -> Result:
    """A result that staff must look at."""
    flags = (Flag(FlagKind.TRAINED_ON_TEST_DATA, Text("trained on test data")),)
    lines = (*criteria(0.7)[:5], criterion("base-model", Outcome.ERRORED, None, Text("bug"), detail="KeyError: 'x'"))
    return result(
        student=Student("21X4002", "佐藤 太郎"),
        score=score(lines, flags),
        conflicts=(Text("ran out of time"),),
        digest="sha256:" + "02" * 32,
        report="reports/21X4002.html",
        attempt_number=1,
    )


def class_of(n: int) -> list[Result]:
    """A class: mixed scores, one unreadable file, one flagged."""
    rng = np.random.default_rng(9)
    family, given = (
        ("山田", "佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "中村", "小林", "加藤"),
        ("花子", "太郎", "一郎", "美咲", "健", "翔太", "さくら", "葵"),
    )
    made: list[Result] = [result(), flagged(), unreadable()]
    for k in range(len(made), n):
        outcomes = rng.choice(["passed", "partial", "failed"], 4, p=[0.75, 0.1, 0.15])
        lines = tuple(
            criterion(ident, Outcome(o), {"passed": 1.0, "partial": 0.5, "failed": 0.0}[str(o)], Text("base/ok"))
            for ident, o in zip(("small-data-accuracy", "bpnn-comparison", "runs", "base-model"), outcomes, strict=True)
        )
        read = k % 4 == 0
        written = tuple(
            criterion(
                ident,
                Outcome.PASSED if read else Outcome.NEEDS_REVIEW,
                1.0 if read else None,
                Text("wait", {"n": int(rng.integers(40, 400))}),
            )
            for ident in ("filters-discussion", "comparison-discussion")
        )
        ident = f"21X4{k + 3:03d}"
        slow = k % 11 == 0
        made.append(
            result(
                student=Student(ident, f"{family[k % 10]} {given[k % 8]}"),
                score=score(lines + written),
                execution=execution(
                    ExecutionOutcome.TIMEOUT if slow else ExecutionOutcome.OK,
                    duration_s=300.0 if slow else float(rng.uniform(8, 90)),
                    cells=execution().cells[:-1],
                ),
                digest=f"sha256:{k:064x}",
                report=f"reports/{ident}.html",
                attempt_number=1 + k % 3 // 2,
            )
        )
    return made
