"""Starts an IPython kernel with the recorder in it: ``python -s -P launch.py LIBRARY SETTINGS.json -f CONNECTION``.

LIBRARY is the directory that holds this package as ``grader/recorder``.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks
    from grader.recorder.session import Session


class Recorder:
    """Everything that is installed in one kernel; kept where the harness' last message finds it."""

    def __init__(self, session: Session) -> None:
        from grader.recorder.figures import Figures
        from grader.recorder.gpu import limit_memory
        from grader.recorder.guard import Guard
        from grader.recorder.importing import AfterImport
        from grader.recorder.plots import shorten_plots

        self.session = session
        self.guard = Guard(session)
        self.figures = Figures(session)
        self.hooks: KerasHooks | None = None
        after = AfterImport()
        after.add("tf_keras" if session.settings.runtime == "keras2" else "keras", self._keras)
        after.add("matplotlib.figure", self.figures.watch)
        if session.settings.quick_epochs:
            after.add("matplotlib.axes._axes", partial(shorten_plots, cut=session.cut_epochs))
        if session.settings.gpu_memory_limit_mib:
            after.add("tensorflow", partial(limit_memory, session))
        session.seeds.watch(after, session.fault)

    def _keras(self, module: ModuleType) -> None:
        from grader.recorder.datasets import serve
        from grader.recorder.keras_hooks import KerasHooks

        try:
            serve(self.session, module.__name__)
            self.hooks = KerasHooks(self.session, module, self.guard)
            self.hooks.install()
        except Exception as error:
            self.session.fault("install", error)

    def attach(self, shell: Any) -> None:
        """Hooks into the shell before the first cell."""
        import random

        from grader.recorder.environment import ColabFinder, tame_processes, tame_shell
        from grader.recorder.selfcheck import stand_in
        from grader.recorder.shell_guard import ShellGuard

        self.session.seeds.exactly(random.seed, self.session.seed_for("start"))
        ColabFinder(self.session)
        tame_shell(shell, self.session)
        tame_processes(self.session)
        stand_in(shell)
        self.shell_guard = ShellGuard(shell, self.guard)
        shell.events.register("post_execute", self._after_cell)

    def _after_cell(self) -> None:
        try:
            self.figures.flush()
        except Exception as error:
            self.session.fault("figures", error)
        self._safely("guard", self.guard.look)

    def finish(self, namespace: dict[str, Any], inputs_file: str | None = None) -> None:
        """Called by the harness after the last cell; what student code may end goes last."""
        from grader.recorder.finish import predict_custom, write_names
        from grader.recorder.held import look_at_layers
        from grader.recorder.probes import probe_callbacks

        self._safely("guard", self.shell_guard.look)
        self._safely("guard", self.guard.look)
        self._safely("names", lambda: write_names(self.session, namespace))
        if self.hooks is None:
            return
        hooks = self.hooks
        self._safely("weights", lambda: hooks.quietly("weights", hooks.weights.look_at_all))
        if inputs_file is not None and hooks.custom_fits:
            self.session.depth += 1
            self._safely("custom predictions", lambda: predict_custom(self.session, hooks, Path(inputs_file)))
        if hooks.custom_fits and not hooks.only_watch:
            self._safely("layers", lambda: hooks.quietly("layers", lambda: look_at_layers(hooks)))
        if hooks.callback_fits:
            self._safely("probes", lambda: probe_callbacks(hooks, hooks.callback_fits))

    def _safely(self, what: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self.session.fault(what, error)


def main(arguments: list[str]) -> None:
    """Runs the kernel until it is told to stop."""
    library, settings_file, *rest = arguments
    if sys.path[0] != library:
        sys.path.insert(0, library)
    from ipykernel.kernelapp import IPKernelApp

    from grader.recorder.session import Session, Settings

    settings = Settings.read(Path(settings_file))
    if settings.preload:
        _preload(settings.runtime)
    sys.argv = ["ipykernel_launcher", *rest]
    app = IPKernelApp.instance()
    app.initialize(rest)
    recorder = Recorder(Session(settings))
    # The modules of this package stay importable from the notebook's names only through sys.modules.
    sys.modules["grader.recorder"].active = recorder  # type: ignore[attr-defined]
    recorder.attach(app.shell)
    app.start()


def _preload(runtime: str) -> None:
    """Imports Keras, so that the recorder is in place from the first cell on; a cell tells where there is none."""
    # As IPython sets it when it starts: Keras may import matplotlib, which reads it then.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    with contextlib.suppress(ImportError):
        importlib.import_module("tf_keras" if runtime == "keras2" else "keras")


if __name__ == "__main__":
    main(sys.argv[1:])
