"""Judges each attempt in a fork of its own, made after the rubric was collected and before any check has run."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import select
import signal
import time
import traceback
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.checks.attempt import load_context
from grader.checks.judge import Judge, Report
from grader.checks.requests import Asked, Line, News, decode_asked, encode, findings_file
from grader.checks.writer import Writer
from grader.rubric import Course

_OUTPUT_LIMIT_BYTES = 4_000
_READ_BYTES = 2**16


@dataclass
class _Running:
    number: int
    deadline: float
    timeout_s: float


class Server:
    """A pytest plugin in whose place the loop over the checks is: it waits for attempts and forks for each."""

    def __init__(self, first: Asked, scratch: Path, jobs: int, requests: int, news: int) -> None:
        self._scratch, self._jobs = scratch, jobs
        self._requests, self._news = requests, news
        self._queue = deque([first])
        self._rest = b""
        self._open = True
        self._running: dict[int, _Running] = {}
        self._collected: list[Report] = []
        request = first.request
        rubric = Course(request.course_dir).rubric(request.assignment)
        self.judge = Judge(rubric, self._collected.append, public_only=request.public_only)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Until nobody asks any more; then what still runs is ended."""
        self.tell(News(ready=True))
        gc.collect()
        gc.freeze()  # what is there now stays shared between the forks
        wake, woken = os.pipe()
        for end in (wake, woken):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        try:
            while self._open:
                while self._queue and len(self._running) < self._jobs:
                    self._begin(session, self._queue.popleft())
                self._wait(wake)
                self._reap()
        finally:
            for pid, running in self._running.items():
                _kill(pid)
                os.waitpid(pid, 0)
                if self._open:
                    self._end(running.number, "the process that the checks are forked from broke down")
        return True

    def refuse(self, why: str) -> None:
        """Answers with a fault for as long as anybody asks: there was no session."""
        while self._open:
            while self._queue:
                asked = self._queue.popleft()
                self.tell(News(begun=asked.number))
                self._fault(asked.number, why)
            self._wait(None)

    def tell(self, news: News) -> None:
        """A short line, which a pipe takes in one piece."""
        os.write(self._news, encode(news) + b"\n")

    def _wait(self, wake: int | None) -> None:
        """Until something comes or ends, or an attempt's time is over."""
        soonest = min((r.deadline for r in self._running.values()), default=None)
        limit_s = None if soonest is None else max(0.0, soonest - time.monotonic())
        ready, _, _ = select.select([self._requests, *([] if wake is None else [wake])], [], [], limit_s)
        if wake in ready and wake is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, _READ_BYTES)
        if self._requests in ready:
            data = os.read(self._requests, _READ_BYTES)
            self._open = bool(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._queue.extend(map(decode_asked, lines))

    def _begin(self, session: pytest.Session, asked: Asked) -> None:
        self.tell(News(begun=asked.number))
        state = random.getstate()
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or too many processes
            self._fault(asked.number, f"no process could be started for the checks of this attempt: {error}")
            return
        if pid == 0:
            random.setstate(state)  # else Python draws a new one in every fork
            self._judge(session, asked)  # never returns
        self._running[pid] = _Running(asked.number, time.monotonic() + asked.timeout_s, asked.timeout_s)

    def _judge(self, session: pytest.Session, asked: Asked) -> None:
        """In the fork: every check on this one attempt."""
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._requests, self._news):
                os.close(descriptor)
            with findings_file(self._scratch, asked.number).open("ab") as file:
                writer = Writer(file)
                self._check(session, asked, writer)
                writer.done()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)  # nothing of the session above is to be torn down twice

    def _check(self, session: pytest.Session, asked: Asked, writer: Writer) -> None:
        context = load_context(asked.request, writer)
        if context is None:
            return
        for report in self._collected:
            writer(report)
        self.judge.look_at(context, writer)
        try:
            for item, following in zip(session.items, [*session.items[1:], None], strict=False):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        except BaseException as error:
            writer(f"the checks ended early (INTERRUPTED) by {error!r}\n{traceback.format_exc()}")

    def _reap(self) -> None:
        """Attempts that have ended, and those whose time is over."""
        for pid, running in list(self._running.items()):
            late = time.monotonic() > running.deadline
            if late:
                _kill(pid)
            ended, status = os.waitpid(pid, 0 if late else os.WNOHANG)
            if not ended:
                continue
            del self._running[pid]
            _kill_group(pid)  # what it started and left behind
            if late:
                why = f"the checks of this attempt took more than {running.timeout_s:g} s and were stopped"
            else:
                why = f"the checks' process ended with exit code {os.waitstatus_to_exitcode(status)}"
            self._end(running.number, why)

    def _end(self, number: int, why: str) -> None:
        path = findings_file(self._scratch, number)
        said = path.read_bytes() if path.is_file() else b""
        if said.endswith(encode(Line(done=True)) + b"\n"):
            self.tell(News(ended=number))
        else:
            path.write_bytes(said[: said.rfind(b"\n") + 1])  # the last line may be cut
            self._fault(number, why)

    def _fault(self, number: int, why: str) -> None:
        with findings_file(self._scratch, number).open("ab") as file:
            writer = Writer(file)
            writer(f"{why}\n{output_tail(self._scratch)}")
            writer.done()
        self.tell(News(ended=number))


def output_tail(scratch: Path) -> str:
    """The end of what this process and its forks printed past pytest."""
    return (scratch / "output.txt").read_bytes()[-_OUTPUT_LIMIT_BYTES:].decode("utf-8", "replace")


def _kill(pid: int) -> None:
    """The process with all of its group."""
    _kill_group(pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
