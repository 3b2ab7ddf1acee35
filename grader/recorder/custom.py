"""Trainings of models that only the student's kernel can run, kept to predict when the notebook is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from grader.recorder.session import Session

FITS_LIMIT = 64
WEIGHTS_LIMIT_BYTES = 2**30
"""Of all models together, as 4-byte numbers; an optimizer may hold twice as much again."""
LEFT_OUT = "not-predicted"
"""Kind of the note on each training that a limit of ours leaves out."""

CustomFit = tuple[str, Any, dict[str, Any]]
"""Id of the training, its model, and what was recorded of its inputs."""


class CustomFits:
    """The models themselves: a name that is bound to the next model must not lose the one before.

    Beyond a limit those in the middle go: the first and the last are likelier to be answers than a loop between them.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: list[CustomFit] = []

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[CustomFit]:
        return iter(tuple(self._kept))

    def add(self, fit: str, model: Any, x: dict[str, Any]) -> None:
        """Keeps one more; one that no longer fits in is noted."""
        self._kept.append((fit, model, x))
        while len(self._kept) > FITS_LIMIT or (len(self._kept) > 2 and self._bytes() > WEIGHTS_LIMIT_BYTES):
            dropped, _, _ = self._kept.pop(len(self._kept) // 2)
            self.leave_out(dropped)

    def _bytes(self) -> int:
        models = {id(model): model for _, model, _ in self._kept}
        return sum(4 * int(model.count_params()) for model in models.values())

    def leave_out(self, fit: str) -> None:
        """Notes that ``fit`` is not measured, and that this is not the student's doing."""
        self._session.note(LEFT_OUT, fit)

    def outside_in(self) -> Iterator[CustomFit]:
        """The last, the first, the last but one …: while there is time."""
        left = deque(self._kept)
        while left:
            yield left.pop()
            if left:
                yield left.popleft()
