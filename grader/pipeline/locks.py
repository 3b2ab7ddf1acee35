"""Locks between graders on one workspace. The system lets go of them when their holder ends, however it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_POLL_S = 0.5


@contextmanager
def free(workspace: Path, name: str) -> Iterator[bool]:
    """Like :func:`locked`, but waits for nobody: says whether nobody else was inside."""
    folder = workspace / "locks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / f"{name}.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def locked(workspace: Path, name: str, cancelled: threading.Event | None = None) -> Iterator[None]:
    """Only one thread of one grader at a time is inside for ``name`` in this workspace; the others wait.

    Not reentrant.

    :raises asyncio.CancelledError: ``cancelled`` was set while waiting.
    """
    folder = workspace / "locks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / f"{name}.lock", mode=0o600)
    while True:
        if cancelled is not None and cancelled.is_set():
            raise asyncio.CancelledError
        try:
            lock.acquire(timeout=_POLL_S)
            break
        except Timeout:
            continue
    try:
        yield
    finally:
        lock.release()
