"""Frees what no result rests on: runs that were superseded or broken off, and arrays that no run has any more."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.config import Settings
from grader.errors import UsageError
from grader.evidence.compact import unused_blobs
from grader.pipeline.locks import free
from grader.pipeline.runs import BLOBS_FOLDER, OUTPUTS_FOLDER, remove_run
from grader.store import Gradebook, existing_gradebook
from grader.store.used import digests_in_use, evidence_in_use

_WRITING_S = 3600.0


@dataclass(frozen=True)
class Freed:
    """What was freed, or would be.

    :ivar runs: evidence folders. :ivar leftovers: parts of runs that were broken off, and saved outputs of no attempt.
    :ivar busy: runs that a grader works on at this moment, left alone.
    """

    runs: int
    leftovers: int
    blobs: int
    n_bytes: int
    busy: int


def collect_garbage(settings: Settings, *, dry_run: bool = False) -> Freed:
    """Removes from the workspace the evidence that the latest result of no attempt refers to, and what only that had.

    Results, edits, submissions and pages stay, and with them the evidence of every attempt, superseded ones included;
    of an attempt that was graded again under other settings, the run before it goes. Safe beside a running grader: a
    run that one works on is locked, and an array belongs to every run that has a link to it.

    :raises UsageError: the workspace holds no gradebook.
    """
    workspace = settings.workspace.resolve()
    book = existing_gradebook(settings)
    if book is None:
        raise UsageError(f"{settings.workspace} holds no gradebook: name the workspace with --workspace")
    before = _inodes(workspace)
    sweep = _Sweep(workspace, book, dry_run)
    for path in sorted((workspace / "evidence").glob("*/*")):
        sweep.look_at(path)
    sweep.outputs()
    blobs = workspace / BLOBS_FOLDER
    if dry_run:
        left = _inodes(workspace, {*sweep.gone, blobs})
        unused = [path for path in blobs.glob("*/*") if _inode(path) not in left]
    else:
        unused = unused_blobs(blobs)
        for path in unused:
            path.unlink(missing_ok=True)
        left = _inodes(workspace)
    n_bytes = sum(size for inode, size in before.items() if inode not in left)
    return Freed(sweep.runs, sweep.leftovers, len(unused), n_bytes, sweep.busy)


class _Sweep:
    """One pass over the evidence of a workspace."""

    def __init__(self, workspace: Path, book: Gradebook, dry_run: bool) -> None:
        self.runs = self.leftovers = self.busy = 0
        self.gone: list[Path] = []
        self._workspace, self._book, self._dry_run = workspace, book, dry_run
        self._used = evidence_in_use(book)

    def look_at(self, path: Path) -> None:
        """Removes the folder if no result refers to it and nobody works on it."""
        name = path.name.lstrip(".").split(".", 1)[0]  # ".NAME.partial", "NAME.keras2": what a run of NAME leaves
        part = path.name != name
        run = f"{path.parent.name}/{name}"
        if not path.is_dir() or (not part and run in self._used):
            return
        with free(self._workspace, run.replace("/", "-")) as mine:
            if not mine:
                self.busy += 1
            elif part or run not in evidence_in_use(self._book):  # it may have got its result meanwhile
                self.runs += not part
                self.leftovers += part
                self._remove(path)

    def outputs(self) -> None:
        """Saved outputs of files that the gradebook does not know, and what a killed grader left there."""
        known = digests_in_use(self._book)
        for path in sorted((self._workspace / OUTPUTS_FOLDER).glob("*")):
            being_written = path.name.startswith(".") and time.time() - path.stat().st_mtime < _WRITING_S
            if f"sha256:{path.stem}" not in known and not being_written:
                self.leftovers += 1
                self._remove(path)

    def _remove(self, path: Path) -> None:
        self.gone.append(path)
        if self._dry_run:
            return
        if not path.is_dir():
            path.unlink(missing_ok=True)
        elif path.name.startswith("."):
            shutil.rmtree(path, ignore_errors=True)
        else:
            remove_run(path)


def _inode(path: Path) -> tuple[int, int]:
    info = path.stat()
    return info.st_dev, info.st_ino


def _inodes(workspace: Path, without: Iterable[Path] = ()) -> dict[tuple[int, int], int]:
    """Size of every file of evidence, blobs and outputs, however many names it has."""
    return {_inode(path): path.stat().st_size for path in _files(workspace, set(without))}


def _files(workspace: Path, without: set[Path]) -> Iterator[Path]:
    waiting = [workspace / name for name in ("evidence", BLOBS_FOLDER, OUTPUTS_FOLDER)]
    while waiting:
        path = waiting.pop()
        if path in without:
            continue
        if path.is_dir() and not path.is_symlink():
            waiting += path.iterdir()
        elif path.is_file():
            yield path
