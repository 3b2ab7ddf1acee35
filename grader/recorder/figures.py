"""Notes each matplotlib figure and what it held when its cell ended."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from grader.recorder.session import Session

_PER_CELL_LIMIT = 200


class Figures:
    """Keeps the figures of the running cell alive until they are counted."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: list[Any] = []

    def watch(self, module: ModuleType) -> None:
        """Hook for ``matplotlib.figure``."""
        figure = module.Figure
        original = figure.__init__

        @functools.wraps(original)
        def init(this: Any, *args: Any, **kwargs: Any) -> None:
            original(this, *args, **kwargs)
            if len(self._made) < _PER_CELL_LIMIT:
                self._made.append(this)

        figure.__init__ = init

    def flush(self) -> None:
        """Writes an event a figure; called when a cell has ended."""
        made, self._made = self._made, []
        for figure in made:
            axes = list(figure.axes)
            if axes:
                self._session.emit(
                    "figure",
                    axes=len(axes),
                    images=sum(len(a.images) for a in axes),
                    lines=sum(len(a.lines) for a in axes),
                )
