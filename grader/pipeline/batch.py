"""Many attempts at once, each on its own; every result is in the gradebook as soon as it is there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from grader.execution import Progress
from grader.model import Attempt
from grader.pipeline.attempt import Graded, grade_attempt, score_evidence
from grader.pipeline.context import Context
from grader.scratch import remove_strays
from grader.store import StoredAttempt

_LOCK_POLL_S = 0.5


@dataclass
class Batch:
    """What a batch is doing, for a live display; ``running`` holds the latest word of each attempt."""

    total: int
    tell: Callable[[Batch], None] = lambda _: None
    done: list[Graded] = field(default_factory=list)
    running: dict[str, Progress | None] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def started(self, attempt: Attempt) -> None:
        """An attempt is being graded."""
        with self._lock:
            self.running[attempt.source] = None
        self.tell(self)

    def progress(self, progress: Progress) -> None:
        """A kernel said where it is."""
        with self._lock:
            if progress.source in self.running:
                self.running[progress.source] = progress
        self.tell(self)

    def ended(self, source: str, graded: Graded) -> None:
        """An attempt has its result."""
        with self._lock:
            self.running.pop(source, None)
            self.done.append(graded)
        self.tell(self)


def grade_batch(
    context: Context, attempts: Sequence[Attempt], *, fresh: bool = False, batch: Batch | None = None
) -> list[Graded]:
    """Grades every attempt, ``settings.jobs`` at a time; results in the order of the attempts.

    Attempts of the same content are run once. The gradebook, if any, has each result before the next one starts.
    """
    batch = batch or Batch(len(attempts))
    _prepare(context, attempts)
    groups: dict[str, list[int]] = {}
    for index, attempt in enumerate(attempts):
        groups.setdefault(attempt.digest, []).append(index)
    results: dict[int, Graded] = {}

    def one(indices: list[int]) -> list[tuple[int, Graded]]:
        return [(i, _one(context, attempts[i], fresh and i == indices[0], batch)) for i in indices]

    with ThreadPoolExecutor(max_workers=context.settings.jobs, thread_name_prefix="grader") as pool:
        futures: list[Future[list[tuple[int, Graded]]]] = [pool.submit(one, group) for group in groups.values()]
        try:
            for future in as_completed(futures):
                results.update(future.result())
        except BaseException:
            batch.cancelled.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [results[index] for index in range(len(attempts))]


def _one(context: Context, attempt: Attempt, fresh: bool, batch: Batch) -> Graded:
    batch.started(attempt)
    if context.public_only:
        graded = grade_attempt(context, attempt, fresh=fresh, tell=batch.progress, cancelled=batch.cancelled)
    else:
        with _alone(context, attempt, batch.cancelled):
            graded = grade_attempt(context, attempt, fresh=fresh, tell=batch.progress, cancelled=batch.cancelled)
            context.gradebook.add_result(graded.result)
    batch.ended(attempt.source, graded)
    return graded


@contextmanager
def _alone(context: Context, attempt: Attempt, cancelled: threading.Event) -> Iterator[None]:
    """Only one grader at a time works on an attempt in this workspace; the next one finds its evidence.

    The system lets go of the lock when its holder ends, however it ends.
    """
    folder = context.workspace / "locks"
    folder.mkdir(exist_ok=True, mode=0o700)
    name = attempt.digest.removeprefix("sha256:")
    lock = FileLock(folder / f"{context.assignment.id}-{name}.lock", mode=0o600)
    while True:
        if cancelled.is_set():
            raise asyncio.CancelledError
        try:
            lock.acquire(timeout=_LOCK_POLL_S)
            break
        except Timeout:
            continue
    try:
        yield
    finally:
        lock.release()


def _prepare(context: Context, attempts: Sequence[Attempt]) -> None:
    """Everything that threads share is made before they start; nothing handed in is lost from here on."""
    remove_strays()
    context.execution_request()
    _ = context.threshold_views, context.test_set
    if context.public_only:
        return
    folder = context.workspace / "submissions"
    folder.mkdir(exist_ok=True, mode=0o700)
    for attempt in attempts:
        path = folder / attempt.digest.removeprefix("sha256:")
        if not path.is_file():
            part = path.with_suffix(".part")
            part.write_bytes(attempt.content)
            part.replace(path)
        context.gradebook.add_attempt(attempt)


def regrade(context: Context) -> list[Graded]:
    """Scores every attempt of the gradebook again from its evidence; no notebook is run."""
    stored = {(a.digest, a.source): a for a in context.gradebook.attempts(context.assignment.id)}
    latest = {s.attempt_id: s.result for s in context.gradebook.latest_results(context.assignment.id)}
    work: list[tuple[Attempt, Path]] = []
    kept: list[Graded] = []
    for entry in stored.values():
        result = latest.get(entry.id)
        directory = context.workspace / "evidence" / (result.evidence or "") if result else None
        if result is None or result.evidence is None or directory is None or not directory.is_dir():
            if result is not None:
                kept.append(Graded(result))
            continue
        work.append((_attempt(entry), directory))
    graded = score_evidence(context, work)
    for one in graded:
        context.gradebook.add_result(one.result)
    return graded + kept


def _attempt(stored: StoredAttempt) -> Attempt:
    return Attempt(
        assignment=stored.assignment,
        digest=stored.digest,
        source=stored.source,
        content=b"",
        student=stored.student,
        notebook=None,
        language=stored.language,
        notes=stored.notes,
        conflicts=stored.conflicts,
        unreadable=stored.unreadable,
        handed_in_at=stored.handed_in_at,
    )
