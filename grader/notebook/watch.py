"""Records what runs in the student's own kernel, and changes nothing that it does.

The same recorder as in grading, told to watch only: nothing is seeded, no command is held back, nothing is shortened.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from grader.recorder.datasets import serve
from grader.recorder.figures import Figures
from grader.recorder.finish import write_names
from grader.recorder.importing import AfterImport
from grader.recorder.keras_hooks import KerasHooks
from grader.recorder.probes import TIME_LIMIT_S, probe_callbacks
from grader.recorder.session import Session, Settings
from grader.scratch import scratch_prefix

_POLL_S = 0.02
_FRAMEWORKS = {"keras3": "keras", "keras2": "tf_keras"}


@dataclass(frozen=True)
class Ran:
    """One cell that ran.

    :ivar number: counts from 1 in the order of running; events of the recorder are marked with it.
    :ivar cell_id: of the notebook's cell, where the front end tells. :ivar count: as in ``In[count]``.
    :ivar recorded: ``False``: it ran before the recorder was there.
    """

    number: int
    source: str
    cell_id: str | None = None
    count: int | None = None
    error_name: str | None = None
    error_value: str | None = None
    recorded: bool = True


class LiveSession(Session):
    """A session whose cell is the number of the :class:`Ran` that runs."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.running: list[int | None] = []

    def cell(self) -> int | None:
        """Its number; ``None`` outside of cells."""
        return self.running[-1] if self.running else None

    def divert(self, path: Path) -> None:
        """Events go to ``path`` from now on."""
        self._events = path


class Watch:
    """The recorder in one kernel; ends with it.

    :ivar ran: cells in the order of running. :ivar runtime: ``keras3`` or ``keras2``.
    """

    def __init__(self, shell: Any, datasets: Mapping[str, Any]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=scratch_prefix("notebook"), ignore_cleanup_errors=True)
        self.root = Path(self._folder.name)
        self.claims = self.root / "claims"
        self.runtime = "keras2" if os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "True", "true") else "keras3"
        self.session = LiveSession(
            Settings(
                claims=self.claims,
                cell_file=self.root / "cell",
                seed=0,
                runtime=self.runtime,
                datasets=datasets,
                fallback=True,
                only_watch=True,
            )
        )
        self.shell = shell
        self.hooks: KerasHooks | None = None
        self.figures = Figures(self.session)
        self.ran: list[Ran] = [Ran(n, source, count=n, recorded=False) for n, source in enumerate(_earlier(shell), 1)]
        self._sources: dict[int, tuple[str, str | None]] = {}
        self._next = len(self.ran) + 1
        after = AfterImport()
        after.add(_FRAMEWORKS[self.runtime], self._keras)
        after.add("matplotlib.figure", self.figures.watch)
        for event, action in (
            ("pre_run_cell", self._begin),
            ("post_execute", self._flush),
            ("post_run_cell", self._end),
        ):
            shell.events.register(event, partial(self._safely, event, action))

    def _keras(self, module: ModuleType) -> None:
        try:
            serve(self.session, module.__name__)
            hooks = KerasHooks(self.session, module)
            hooks.install()
            self.hooks = hooks
        except Exception as error:  # the student's own code goes on, whatever happens to the recording
            self.session.fault("install", error)

    def _safely(self, what: str, action: Callable[..., Any], *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception as error:
            self.session.fault(what, error)

    def _begin(self, info: Any) -> None:
        """A cell; what a front end runs unseen, or a magic within a cell, belongs to no cell or to the outer one."""
        if info.silent or not info.store_history:
            self.session.running.append(self.session.cell())
            return
        number, self._next = self._next, self._next + 1
        self._sources[number] = (str(info.raw_cell), getattr(info, "cell_id", None))
        self.session.running.append(number)

    def _flush(self, *_: Any) -> None:
        self.figures.flush()

    def _end(self, result: Any) -> None:
        number = self.session.running.pop() if self.session.running else None
        if number is None or number not in self._sources or number in self.session.running:
            return
        source, cell_id = self._sources.pop(number)
        error = result.error_before_exec or result.error_in_exec
        name, value = (type(error).__name__[:200], str(error)[:2000]) if error is not None else (None, None)
        self.ran.append(Ran(number, source, cell_id, result.execution_count, name, value))

    def settle(self) -> None:
        """Before the recording is read: what is only written after the last cell."""
        self._safely("figures", self._flush)
        self._safely("names", write_names, self.session, self.shell.user_ns)
        hooks = self.hooks
        if hooks is not None:
            self._safely("weights", hooks.quietly, "weights", hooks.weights.look_at_all)

    def printed_results(self) -> dict[int, str]:
        """``Out[count]`` as it was shown."""
        return dict(getattr(self.shell.history_manager, "output_hist_reprs", None) or {})

    def probe(self, events: Path) -> None:
        """Drives the callbacks through made-up runs, in a copy of this process: the student's own stay as they are.

        :param events: gets what was found; stays away where a process cannot be copied.
        """
        if self.hooks is None or not self.hooks.callback_fits or not hasattr(os, "fork"):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads; the copy has one
            child = os.fork()
        if child == 0:
            self._probe_and_end(events)
        deadline = time.monotonic() + TIME_LIMIT_S + 2.0
        try:
            while os.waitpid(child, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    os.kill(child, signal.SIGKILL)
                time.sleep(_POLL_S)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise

    def _probe_and_end(self, events: Path) -> None:
        """In the copy, which never returns and writes to nothing but ``events``."""
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - until this process ends
            self.session.divert(events)
            if self.hooks is not None:
                probe_callbacks(self.hooks, self.hooks.callback_fits)
        finally:
            os._exit(0)


def _earlier(shell: Any) -> list[str]:
    """Sources of the cells that ran before this one."""
    history = list(getattr(shell.history_manager, "input_hist_raw", ()))
    return [str(source) for source in history[1 : shell.execution_count]]
