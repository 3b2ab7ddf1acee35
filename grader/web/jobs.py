"""Commands of this program, started from a page: one at a time, each a process of its own with its log."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from grader.config import Settings
from grader.errors import UsageError

LOG_SHOWN_BYTES = 64 * 1024
FOLDER = "jobs"
KEPT = 200
_STOP = "stop"
_LOOK_S = 1.0


@dataclass(frozen=True)
class Job:
    """One command. ``code`` is its exit code, ``None`` while it runs; ``file``: what it wrote, to be fetched."""

    id: int
    kind: str
    assignment: str
    arguments: tuple[str, ...]
    author: str
    started_at: str
    ended_at: str | None = None
    code: int | None = None
    file: str | None = None


class Jobs:
    """The jobs of one workspace. A lock file keeps two servers from starting two at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.workspace.resolve() / FOLDER
        self._lock = threading.Lock()
        self._running: tuple[Job, subprocess.Popen[bytes], FileLock] | None = None

    def all(self) -> list[Job]:
        """The newest first; one whose server ended before it did counts as interrupted."""
        found = [job for path in self._folder.glob("*.json") if (job := _read(path)) is not None]
        running = self._running_of(found)
        ended = [j if j.code is not None or (running and running.id == j.id) else replace(j, code=130) for j in found]
        return sorted(ended, key=lambda job: -job.id)[:KEPT]

    def one(self, ident: int) -> Job | None:
        """The job with this id."""
        return next((job for job in self.all() if job.id == ident), None)

    @property
    def running(self) -> Job | None:
        """What runs now, whichever server started it."""
        return next((job for job in self.all() if job.code is None), None)

    def _running_of(self, found: Sequence[Job]) -> Job | None:
        with self._lock:
            if self._running:
                return self._running[0]
        open_ = [job for job in found if job.code is None]
        if not open_:
            return None
        lock = FileLock(self._folder / "one.lock", mode=0o600, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:  # another server waits for it
            return max(open_, key=lambda job: job.id)
        lock.release()
        return None

    def folder_of(self, ident: int) -> Path:
        """Where a job's files lie; made if it is not there."""
        folder = self._folder / str(ident)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def next_id(self) -> int:
        """A number that no job has; its folder is made, so that no other server takes it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        taken = [int(p.name) for p in self._folder.iterdir() if p.is_dir() and p.name.isdigit()]
        ident = max(taken, default=0) + 1
        while True:
            try:
                (self._folder / str(ident)).mkdir(mode=0o700)
            except FileExistsError:
                ident += 1
            else:
                return ident

    def start(self, job: Job) -> None:
        """Starts ``grader ARGUMENTS``.

        :raises UsageError: another one runs.
        """
        lock = FileLock(self._folder / "one.lock", mode=0o600, thread_local=False)
        with self._lock:
            if self._running is not None:
                raise UsageError("another job runs: wait for it, or stop it")
            try:
                lock.acquire(timeout=1)  # a server that only looks holds it for a moment
            except Timeout:
                raise UsageError("a job of another server runs in this workspace: wait for it") from None
            log = (self.folder_of(job.id) / "log.txt").open("wb")
            process = subprocess.Popen(
                [sys.executable, "-m", "grader", *job.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment_of(self._settings),
                start_new_session=True,
            )
            log.close()
            self._running = (job, process, lock)
            _write(self._folder / f"{job.id}.json", job)
        threading.Thread(target=self._wait, args=(job, process, lock), daemon=True).start()

    def stop(self, ident: int) -> None:
        """Asks the job to end, as Ctrl-C would: what was graded is kept. Another server does so within a second."""
        (self.folder_of(ident) / _STOP).touch(mode=0o600)
        with self._lock:
            if self._running and self._running[0].id == ident:
                _signal(self._running[1], signal.SIGTERM)

    def close(self) -> None:
        """Ends what runs, with the server."""
        with self._lock:
            process = self._running[1] if self._running else None
        if process is not None:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            _signal(process, signal.SIGKILL)

    def log(self, ident: int) -> str:
        """The last part of what the command said."""
        path = self._folder / str(ident) / "log.txt"
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - LOG_SHOWN_BYTES))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _wait(self, job: Job, process: subprocess.Popen[bytes], lock: FileLock) -> None:
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
            if (self.folder_of(job.id) / _STOP).exists():
                _signal(process, signal.SIGTERM)
        code = process.returncode
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock:
            _write(self._folder / f"{job.id}.json", replace(job, code=code, ended_at=ended))
            self._running = None
            lock.release()


def environment_of(settings: Settings) -> dict[str, str]:
    """Of a command: the server's, with the settings that every command takes."""
    own = {"GRADER_WORKSPACE": str(settings.workspace.resolve()), "COLUMNS": "160", "NO_COLOR": "1"}
    if settings.course:
        own["GRADER_COURSE"] = str(settings.course.resolve())
    if settings.database_url:
        own["GRADER_DATABASE_URL"] = settings.database_url
    if settings.data_dir:
        own["GRADER_DATA_DIR"] = str(settings.data_dir.resolve())
    return {**os.environ, **own}


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, number)


def _write(path: Path, job: Job) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(job)), "utf-8")
    part.replace(path)


def _read(path: Path) -> Job | None:
    try:
        fields = json.loads(path.read_text("utf-8"))
        return Job(**{**fields, "arguments": tuple(_words(fields["arguments"]))})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _words(arguments: Sequence[object]) -> list[str]:
    return [str(word) for word in arguments]
