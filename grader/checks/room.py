"""Where the checks run: a process for each rubric, which stays for as long as attempts come."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

import msgspec

import grader
from grader.checks.requests import Asked, CheckRequest, News, decode_news, encode, findings_file
from grader.scratch import scratch_prefix, undisturbed

_OUTPUT_LIMIT_BYTES = 4_000
_GRACE_S = 5.0
_POLL_S = 0.2

Answer = tuple[bytes, str | None]
"""Lines that the child wrote about an attempt, and why it broke off, in words for staff, if it did."""


class Room:
    """Keeps the processes of a batch; they end with this object. Threads may share one.

    :param jobs: attempts that are judged at the same time. :param fork: ``False``: a fresh Python for each attempt.
    """

    def __init__(self, jobs: int = 1, *, python: str = sys.executable, fork: bool | None = None) -> None:
        self._jobs = max(1, jobs) if (sys.platform.startswith("linux") if fork is None else fork) else 0
        self._python = python
        self._lock = threading.Lock()
        self._sessions: dict[tuple[object, ...], Session] = {}
        self._finalizer = weakref.finalize(self, _close_all, self._sessions)

    def close(self) -> None:
        """Ends every process."""
        self._finalizer()

    def judge(self, requests: Sequence[CheckRequest], timeout_s: float) -> list[Answer]:
        """What the child says of each request, in their order."""
        answers: dict[int, Answer] = {}
        while missing := [i for i in range(len(requests)) if i not in answers]:
            key = _key(requests[missing[0]])
            alike = [i for i in missing if _key(requests[i]) == key]
            batch = alike if self._jobs else alike[:1]
            session = self._session(key)
            answers |= session.judge({i: requests[i] for i in batch}, timeout_s)
            if not self._jobs:
                session.close()
        return [answers[i] for i in range(len(requests))]

    def _session(self, key: tuple[object, ...]) -> Session:
        if not self._jobs:
            return Session(self._python, 0)
        with self._lock:
            session = self._sessions.get(key)
            if session is None or session.ended:
                session = self._sessions[key] = Session(self._python, self._jobs)
            return session


def _close_all(sessions: dict[tuple[object, ...], Session]) -> None:
    with undisturbed():
        for session in sessions.values():
            session.close()


def _key(request: CheckRequest) -> tuple[object, ...]:
    """What attempts must have in common to be judged by one process: the rubric, as its files are now, above all."""
    files = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in request.rubric_dir.glob("*.*"))
    return request.course_dir, request.assignment, request.public_only, request.data_dir, tuple(files)


class Session:
    """One child process, and the files between it and us."""

    def __init__(self, python: str, jobs: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=scratch_prefix("checks"), ignore_cleanup_errors=True)
        self._scratch = Path(self._folder.name)
        self._grace_s = _GRACE_S if jobs else 0.0
        with (self._scratch / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(
                [python, "-m", "grader.checks.child", str(self._scratch), str(jobs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=self._scratch,
                env=_environment(self._scratch),
            )
        self._changed = threading.Condition()
        self._number = 0
        self._ready = False
        self._begun: set[int] = set()
        self._done: set[int] = set()
        self._heard = time.monotonic()
        self.ended = False
        threading.Thread(target=_listen, args=(weakref.ref(self), self._process.stdout), daemon=True).start()

    def judge(self, requests: dict[int, CheckRequest], timeout_s: float) -> dict[int, Answer]:
        """Answers by the keys of ``requests``. Those that the child had not come to when it ended are left out."""
        with self._changed:
            first = self._number
            self._number += len(requests)
            if not self._begun - self._done:
                self._heard = time.monotonic()
        numbers = dict(zip(requests, range(first, first + len(requests)), strict=True))
        self._send(b"".join(encode(Asked(numbers[i], timeout_s, r)) + b"\n" for i, r in requests.items()))
        why = self._wait(set(numbers.values()), timeout_s)
        answers: dict[int, Answer] = {}
        for i, number in numbers.items():
            if number in self._done:
                answers[i] = self._read(number), None
            elif number in self._begun or not self._ready:
                answers[i] = self._read(number), why
        return answers

    def _send(self, lines: bytes) -> None:
        assert self._process.stdin  # noqa: S101 - it is a pipe
        try:
            with self._changed:
                self._process.stdin.write(lines)
                self._process.stdin.flush()
        except OSError:  # it has ended, which the listener hears
            pass

    def _wait(self, numbers: set[int], timeout_s: float) -> str:
        """Until the child has done all of ``numbers`` or ended; why it did."""
        with self._changed:
            while not numbers <= self._done:
                if self.ended:
                    return f"the checks' process ended with exit code {self._process.wait()}\n{self._tail()}"
                if time.monotonic() - self._heard > timeout_s + self._grace_s:
                    self._end()
                    return f"the checks of this attempt took more than {timeout_s:g} s and were stopped\n{self._tail()}"
                self._changed.wait(_POLL_S)
        return ""

    def hear(self, news: News | None) -> None:
        """What the child says; ``None`` at its end."""
        with self._changed:
            self._heard = time.monotonic()
            if news is None:
                self.ended = True
            else:
                self._ready = self._ready or news.ready
                self._begun |= {news.begun} if news.begun is not None else set()
                self._done |= {news.ended} if news.ended is not None else set()
            self._changed.notify_all()

    def _read(self, number: int) -> bytes:
        path = findings_file(self._scratch, number)
        if not path.is_file():
            return b""
        said = path.read_bytes()
        path.unlink()
        return said

    def close(self) -> None:
        """Ends the child; its forks end with it."""
        assert self._process.stdin  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.close()
            self._process.wait(_GRACE_S)
        except (OSError, subprocess.TimeoutExpired):
            pass
        self._end()
        self._folder.cleanup()

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.ended = True

    def _tail(self) -> str:
        return (self._scratch / "output.txt").read_bytes()[-_OUTPUT_LIMIT_BYTES:].decode("utf-8", "replace")


def _listen(session: weakref.ref[Session], stream: object) -> None:
    """Hands every line of the child's to its session, which may be gone."""
    for line in stream:  # type: ignore[attr-defined]
        there = session()
        if there is None:
            return
        try:
            there.hear(decode_news(line))
        except msgspec.DecodeError:
            continue
        del there
    if (there := session()) is not None:
        there.hear(None)


def _environment(scratch: Path) -> dict[str, str]:
    """Nothing of the caller's pytest reaches the child, and it writes no byte code beside the rubric."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_", "PYTHONSTARTUP"))}
    package = str(Path(grader.__file__).resolve().parents[1])
    path = os.pathsep.join([package, *filter(None, [env.get("PYTHONPATH")])])
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    # Temporary folders of checks (``tmp_path``) go with the rest of the scratch folder.
    return env | own | {"PYTHONPATH": path, "PYTEST_DEBUG_TEMPROOT": str(scratch)}
