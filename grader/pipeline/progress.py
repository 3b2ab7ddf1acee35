"""Tells other processes what a batch does: ``progress.json`` in the workspace, written at most twice a second."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from grader.pipeline.batch import Batch

PROGRESS_FILE = "progress.json"
_EVERY_S = 0.5
_DONE_SHOWN = 30


class ProgressFile:
    """Keeps the file of one batch; at the end of the ``with`` block it says that the batch has ended.

    :param clock: seconds that only rise.
    """

    def __init__(self, workspace: Path, assignment: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = workspace / PROGRESS_FILE
        self._assignment = assignment
        self._clock = clock
        self._started_at = _now()
        self._last = float("-inf")
        self._lock = threading.Lock()
        self._batch: Batch | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._batch is not None:
                self._write(self._batch, _now())

    def tell(self, batch: Batch) -> None:
        """Something happened; written down if the last time is long enough ago."""
        with self._lock:
            self._batch = batch
            if self._clock() - self._last >= _EVERY_S or len(batch.done) == batch.total:
                self._last = self._clock()
                self._write(batch, None)

    def _write(self, batch: Batch, ended_at: str | None) -> None:
        done = list(batch.done)
        state: dict[str, Any] = {
            "assignment": self._assignment,
            "pid": os.getpid(),
            "total": batch.total,
            "n_done": len(done),
            "started_at": self._started_at,
            "updated_at": _now(),
            "ended_at": ended_at,
            "running": [_running(source, progress) for source, progress in list(batch.running.items())],
            "done": [
                {
                    "source": one.result.source,
                    "status": str(one.result.score.status),
                    "outcome": str(one.result.execution.outcome),
                }
                for one in done[-_DONE_SHOWN:]
            ],
        }
        part = self._path.with_suffix(".part")
        with suppress(OSError):  # a full disk must not end the batch here: no grade depends on this file
            part.write_text(json.dumps(state), "utf-8")
            part.replace(self._path)


def _running(source: str, progress: Any) -> dict[str, Any]:
    if progress is None:
        return {"source": source, "cell": None, "n_cells": None, "epoch": None, "epochs": None}
    return {
        "source": source,
        "cell": progress.cell + 1,
        "n_cells": progress.n_cells,
        "epoch": progress.epoch,
        "epochs": progress.epochs,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
