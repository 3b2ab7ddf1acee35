"""Writes what has run in the kernel as an evidence folder, as :mod:`grader.execution` leaves one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from grader.model import Budget, CellOutcome, Execution, ExecutionOutcome
from grader.notebook.timeline import Timeline
from grader.notebook.watch import Watch

_ALWAYS = ("session", "dataset", "model")
_FILES = ("config", "weights", "rows")


@dataclass(frozen=True)
class Snapshot:
    """What was written.

    :ivar directory: the evidence folder. :ivar notebook: as it ran.
    :ivar continued: index of each cell that went on training a model which an earlier run of a cell had trained.
    """

    directory: Path
    notebook: dict[str, Any]
    continued: tuple[int, ...]


def write_snapshot(watch: Watch, timeline: Timeline, directory: Path) -> Snapshot:
    """Evidence of the runs that count; trainings that these went on from stay in it."""
    claims = directory / "claims"
    claims.mkdir(parents=True)
    watch.settle()
    rows = _rows(watch.session.events_path)
    kept, continued = _kept_fits(rows, timeline)
    events = [_placed(row, timeline) for row in rows if _counts(row, timeline, kept)]
    found = directory / "probes.jsonl"
    watch.probe(found)
    events += [row for row in _rows(found) if row.get("fit") in kept]
    found.unlink(missing_ok=True)
    (claims / "events.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in events), "utf-8")
    for name in {name for row in events for name in _names(row)}:
        _link(watch.claims / name, claims / name)
    if (watch.claims / "names.json").is_file():
        shutil.copyfile(watch.claims / "names.json", claims / "names.json")
    notebook = _notebook(watch, timeline)
    (directory / "executed.ipynb").write_text(json.dumps(notebook), "utf-8")
    execution = _execution(watch, timeline, events)
    (directory / "execution.json").write_bytes(msgspec.json.encode(execution))
    return Snapshot(directory, notebook, continued)


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text("utf-8", "replace").splitlines()]


def _kept_fits(rows: Iterable[Mapping[str, Any]], timeline: Timeline) -> tuple[set[str], tuple[int, ...]]:
    """Trainings that count, and the cells in which they went on from one of a run that does not."""
    kept: set[str] = set()
    earlier: dict[str, list[str]] = {}
    continued: list[int] = []
    for row in rows:
        if row["event"] != "fit_start":
            continue
        if row["cell"] is None or row["cell"] in timeline.latest:
            superseded = [fit for fit in earlier.get(row["model"], ()) if fit not in kept]
            continued += [timeline.places[row["cell"]]] if superseded and row["cell"] in timeline.places else []
            kept |= {row["fit"], *superseded}
        earlier.setdefault(row["model"], []).append(row["fit"])
    return kept, tuple(dict.fromkeys(continued))


def _counts(row: Mapping[str, Any], timeline: Timeline, kept: set[str]) -> bool:
    if row["event"] in _ALWAYS:
        return True
    if row["event"] in ("fit_start", "epoch", "fit_end"):
        return row["fit"] in kept
    return row["cell"] is None or row["cell"] in timeline.latest


def _placed(row: Mapping[str, Any], timeline: Timeline) -> dict[str, Any]:
    return {**row, "cell": timeline.places.get(row["cell"]) if row["cell"] is not None else None}


def _names(value: Any) -> Iterable[str]:
    """File names in an event."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _FILES and isinstance(inner, str):
                yield inner
            elif isinstance(inner, Mapping):
                yield from _names(inner)


def _link(source: Path, target: Path) -> None:
    """The recorder writes each of these files once; a digest names no file."""
    if not source.is_file():
        return
    try:
        os.link(source, target)
    except OSError:
        with contextlib.suppress(OSError):
            shutil.copyfile(source, target)


def _notebook(watch: Watch, timeline: Timeline) -> dict[str, Any]:
    results = watch.printed_results()
    cells = [dict(cell) for cell in timeline.cells]
    for index, ran in timeline.shown.items():
        if ran.count in results:
            data = {"text/plain": str(results[ran.count])}
            output = {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": ran.count}
            cells[index]["outputs"] = [output]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def _execution(watch: Watch, timeline: Timeline, events: Iterable[Mapping[str, Any]]) -> Execution:
    events = list(events)
    failed = any(run.outcome is CellOutcome.ERROR for run in timeline.runs)
    versions: dict[str, str] = next((row["versions"] for row in reversed(events) if row["event"] == "session"), {})
    return Execution(
        outcome=ExecutionOutcome.CELL_ERROR if failed else ExecutionOutcome.OK,
        runtime=watch.runtime,
        budget=Budget.FULL,
        cells=timeline.runs,
        trained_fits=sum(row["event"] == "fit_start" for row in events),
        versions=versions,
    )
