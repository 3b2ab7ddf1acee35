"""Watches a running kernel: its memory, its progress, and that all its processes are gone in the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_S = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one execution is; ``epoch`` counts from 1 and is ``None`` outside a training."""

    source: str
    cell: int
    n_cells: int
    epoch: int | None = None
    epochs: int | None = None


def tree(pid: int) -> list[psutil.Process]:
    """The process and all its descendants that are there."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def resident_mib(processes: list[psutil.Process]) -> float:
    """Sum of the resident sets, MiB."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total / 2**20


def kill_all(processes: list[psutil.Process]) -> None:
    """Kills every process given and waits until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


class MemoryWatch:
    """Samples the memory of a process tree; over the limit it is killed and ``exceeded`` is true."""

    def __init__(self, pid: int, limit_mib: float) -> None:
        self._pid = pid
        self._limit = limit_mib
        self.peak_mib = 0.0
        self.exceeded = False
        self.seen: dict[int, psutil.Process] = {}

    def sample(self) -> None:
        """Looks once."""
        processes = tree(self._pid)
        self.seen.update({p.pid: p for p in processes})
        now = resident_mib(processes)
        self.peak_mib = max(self.peak_mib, now)
        if now > self._limit:
            self.exceeded = True
            kill_all(processes)

    async def run(self) -> None:
        """Looks every 0.1 s until cancelled."""
        while not self.exceeded:
            self.sample()
            await asyncio.sleep(SAMPLE_S)


class ProgressWatch:
    """Follows ``events.jsonl`` while it grows, to say which epoch a training is in."""

    def __init__(self, events: Path, tell: Callable[[int | None, int | None], None]) -> None:
        self._events = events
        self._tell = tell
        self._offset = 0
        self._epochs: int | None = None

    def look(self) -> None:
        """Reads what is new; lines that are not understood are left to the evidence reader."""
        try:
            with self._events.open("rb") as file:
                file.seek(self._offset)
                data = file.read(2**20)
        except OSError:
            return
        end = data.rfind(b"\n") + 1
        self._offset += end
        for line in data[:end].splitlines():
            self._line(line)

    def _line(self, line: bytes) -> None:
        if not line.startswith((b'{"event": "epoch"', b'{"event": "fit_')):
            return
        try:
            event = json.loads(line)
            if event["event"] == "fit_start":
                self._epochs = int(event.get("epochs") or 1)
                self._tell(1, self._epochs)
            elif event["event"] == "epoch":
                self._tell(min(int(event["epoch"]) + 2, self._epochs or 1), self._epochs)
            else:
                self._tell(None, None)
        except (ValueError, KeyError, TypeError):
            return

    async def run(self) -> None:
        """Looks every 0.5 s until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(0.5)
