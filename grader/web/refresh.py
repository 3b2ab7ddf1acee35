"""Keeps the static pages of the workspace up with what people change here: one process at a time, in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from datetime import UTC, datetime

from grader.config import Settings
from grader.errors import StoreError
from grader.pipeline.locks import free
from grader.store import StalePage
from grader.store.shared import StalePages
from grader.web.jobs import environment_of

LOOK_S = 5.0
QUIET_S = 10.0
LONGEST_S = 60.0
AFTER_FAILURE_S = 600.0
PATIENCE_S = 20.0
_NICE = 10


class Refresh:
    """Runs ``grader report --changed`` when nobody has changed anything for a moment, or not written for a minute.

    What is to be written stands in the gradebook, so that another server does it where this one ends before.
    """

    def __init__(self, settings: Settings, pages: StalePages) -> None:
        self._settings = settings
        self._pages = pages
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Looks from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._look, name="refresh", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends, and what it runs."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(30)

    def waiting(self, assignment: str | None = None) -> list[StalePage]:
        """Those whose files are older than the gradebook; nobody where no page was ever written."""
        written = self._settings.workspace.resolve() / "dashboard"
        return [page for page in self._pages.all(assignment) if (written / f"{page.assignment}.html").is_file()]

    def once(self, now: datetime | None = None) -> bool | None:
        """Writes what is due.

        :returns: whether it went well; ``None``: nothing is due, or another server is at it.
        """
        if not is_due(self.waiting(), now or datetime.now(UTC)):
            return None
        with free(self._settings.workspace.resolve(), "refresh") as alone:
            return self._written() if alone else None

    def _look(self) -> None:
        wait_s = LOOK_S
        while not self._end.wait(wait_s):
            try:
                wait_s = AFTER_FAILURE_S if self.once() is False else LOOK_S
            except (StoreError, OSError):
                traceback.print_exc()
                wait_s = AFTER_FAILURE_S

    def _written(self) -> bool:
        with subprocess.Popen(
            [sys.executable, "-m", "grader", "report", "--changed"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment_of(self._settings),
            start_new_session=True,
        ) as process:
            with suppress(OSError, AttributeError):  # no such thing on Windows; it may have ended
                os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
            while process.poll() is None:
                if self._end.wait(0.1):
                    _ended(process)
            return process.returncode == 0


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Asks it to end, and waits until it has; what does not listen is killed."""
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def is_due(pages: list[StalePage], now: datetime) -> bool:
    """Whether ``pages`` should be written now."""
    if not pages:
        return False
    quiet_s = (now - max(datetime.fromisoformat(page.at) for page in pages)).total_seconds()
    waited_s = (now - min(datetime.fromisoformat(page.since) for page in pages)).total_seconds()
    return quiet_s >= QUIET_S or waited_s >= LONGEST_S
