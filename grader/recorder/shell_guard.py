"""Notices when a notebook has made the shell say that a failed cell went well; see :mod:`grader.recorder.guard`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.recorder.guard import Guard

_RUNNING = ("run_cell", "run_cell_async", "_run_cell", "run_code", "run_ast_nodes", "showtraceback", "_showtraceback")


class ShellGuard:
    """Remembers how the shell runs cells, and whether the last one failed."""

    def __init__(self, shell: Any, guard: Guard) -> None:
        self._guard = guard
        self._result: Any = None
        self._failed = False
        for owner in (shell, *type(shell).__mro__):
            title = "the shell" if owner is shell else owner.__name__
            guard.watch(owner, title, [n for n in _RUNNING if owner is shell or n in vars(owner)])
        shell.events.register("post_run_cell", self._after_run)  # before any that a notebook can register

    def _after_run(self, result: Any) -> None:
        self.look()
        self._result, self._failed = result, not result.success

    def look(self) -> None:
        """Emits an event where the last cell failed and its result no longer says so."""
        if self._failed and self._result is not None and self._result.success:
            self._guard.tell("the error of a cell", None)
            self._failed = False
