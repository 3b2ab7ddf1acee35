"""Watches a running kernel: its memory, its progress, and that all its processes are gone in the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

from grader.evidence.files import EVENTS_LIMIT_BYTES

SAMPLE_S = 0.1
SCRATCH_SAMPLE_S = 0.5
FILES_LIMIT = 50_000


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
    """Kills every process given, children first, and waits until they are gone or wait to be collected."""
    for process in reversed(processes):
        with contextlib.suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + 5
    while any(_lives(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.005)


def _lives(process: psutil.Process) -> bool:
    """Not gone, and no zombie: in a container nobody may ever collect those."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def open_plain(path: Path) -> BinaryIO:
    """A file that student code may have replaced, for reading: it is not waited for and no link is followed.

    :raises OSError: it is no plain file, or not there.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(f"{path} is no plain file")


def has_custom_models(events: Path) -> bool:
    """Whether the recorder tells of a model that only the kernel itself can run."""
    try:
        with open_plain(events) as file:
            return b'"custom": true' in file.read(EVENTS_LIMIT_BYTES)
    except OSError:
        return False


class MemoryWatch:
    """Samples the memory of a process tree; over the limit it is killed and ``exceeded`` is true.

    :param limit_mib: ``None``: somebody else keeps the limit.
    :param supervisors: how many of its first processes are ours, and are not counted.
    """

    def __init__(self, pid: int, limit_mib: float | None, supervisors: int = 0) -> None:
        self._pid = pid
        self._limit = limit_mib
        self._supervisors = supervisors
        self.peak_mib = 0.0
        self.exceeded = False
        self.seen: dict[int, psutil.Process] = {}

    def sample(self) -> None:
        """Looks once."""
        processes = tree(self._pid)
        self.seen.update({p.pid: p for p in processes})
        now = resident_mib(processes[self._supervisors :])
        self.peak_mib = max(self.peak_mib, now)
        if self._limit is not None and now > self._limit:
            self.exceeded = True
            kill_all(processes)

    async def run(self) -> None:
        """Looks every 0.1 s until cancelled."""
        while not self.exceeded:
            self.sample()
            await asyncio.sleep(SAMPLE_S)


class ScratchWatch:
    """Measures what was written to a folder; over the limit the process tree is killed and ``exceeded`` is true.

    Files that were deleted and are still open count as well.
    """

    def __init__(self, pid: int, folder: Path, limit_mib: float) -> None:
        self._pid = pid
        self._folder = folder
        self._limit_bytes = limit_mib * 2**20
        self.exceeded = False

    def sample(self) -> None:
        """Looks once; stops counting where the limit is reached."""
        total = 0
        for files, status in enumerate(self._entries(), 1):
            total += status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size
            if total > self._limit_bytes or files > FILES_LIMIT:
                self.exceeded = True
                kill_all(tree(self._pid))
                return

    def _entries(self) -> Iterator[os.stat_result]:
        folders = [str(self._folder)]
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        with contextlib.suppress(OSError):
                            yield entry.stat(follow_symlinks=False)
                            if entry.is_dir(follow_symlinks=False):
                                folders.append(entry.path)
            except OSError:
                continue
        yield from self._deleted()

    def _deleted(self) -> Iterator[os.stat_result]:
        """Deleted files of the same disk that a process still holds (Linux)."""
        try:
            disk = self._folder.stat().st_dev
        except OSError:
            return
        seen = set()
        for process in tree(self._pid):
            for link in Path(f"/proc/{process.pid}/fd").glob("*"):
                with contextlib.suppress(OSError):
                    status = link.stat()
                    if status.st_nlink == 0 and status.st_dev == disk and status.st_ino not in seen:
                        seen.add(status.st_ino)
                        yield status

    async def run(self) -> None:
        """Looks every half second until cancelled."""
        while not self.exceeded:
            self.sample()
            await asyncio.sleep(SCRATCH_SAMPLE_S)


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
            with open_plain(self._events) as file:
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
