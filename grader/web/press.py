"""PDFs of reports for those who read them here: one browser at a time, few people in line for it, each once."""

from __future__ import annotations

import math
import threading
import time

from grader.errors import BrowserError, PrintError
from grader.reporting.printing import Printer, find_browser

IN_LINE = 4
PAUSE_S = 5.0
_IN_THE_MAKING = math.inf


class Busy(Exception):
    """It is somebody else's turn. ``wait_s``: when to try again."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"wait {wait_s:.0f} s")
        self.wait_s = wait_s


class Press:
    """Makes PDFs for the people of one server; a browser runs only while one is made.

    :param browser: setting ``browser``. Whether there is one is found out here, once.
    """

    def __init__(self, browser: str | None) -> None:
        try:
            self._program: str | None = find_browser(browser)
        except BrowserError:
            self._program = None
        self._browser = threading.Lock()
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}  # when somebody may have the next one

    @property
    def is_there(self) -> bool:
        """Whether PDFs can be made here."""
        return self._program is not None

    def pdf(self, who: str, page: str) -> bytes:
        """``page`` as PDF, for ``who``.

        :raises Busy: they had one a moment ago or have one in the making, or too many people are in line.
        :raises PrintError: there is no browser, or it made none.
        """
        if self._program is None:
            raise PrintError("no browser was found when the server was started")
        self._line_up(who)
        try:
            with self._browser, Printer(self._program) as printer:
                return printer.pdf(page)
        except BrowserError as error:
            raise PrintError(str(error)) from error
        finally:
            with self._lock:
                self._until[who] = time.monotonic() + PAUSE_S

    def _line_up(self, who: str) -> None:
        with self._lock:
            now = time.monotonic()
            self._until = {name: until for name, until in self._until.items() if until > now}
            n_waiting = sum(until == _IN_THE_MAKING for until in self._until.values())
            if who in self._until or n_waiting >= IN_LINE:
                raise Busy(min(PAUSE_S, self._until.get(who, _IN_THE_MAKING) - now))
            self._until[who] = _IN_THE_MAKING
