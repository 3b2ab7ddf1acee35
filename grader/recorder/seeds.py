"""Moves the seeds that a notebook fixes itself, so that a further try is not the first one over again.

Only where the harness says so (``seed_shift``), which it never does for the first run of a notebook.
"""

from __future__ import annotations

import functools
import operator
import random
from collections.abc import Callable
from typing import Any

from grader.recorder.importing import AfterImport

_LIMIT = 2**32  # what numpy.random.seed takes


class SeedShift:
    """Adds ``shift`` to whole numbers given as global seed to Python, numpy and TensorFlow; 0 does nothing at all."""

    def __init__(self, shift: int) -> None:
        self.shift = shift
        self._paused = False

    def watch(self, after: AfterImport, fault: Callable[[str, BaseException], None]) -> None:
        """Wraps the seeding functions as their libraries are imported; ``fault`` is told what goes wrong."""
        if not self.shift:
            return

        def wrap(find: Callable[[Any], Any], name: str) -> Callable[[Any], None]:
            def hook(module: Any) -> None:
                try:
                    self._wrap(find(module), name)
                except Exception as error:
                    fault("seed shift", error)

            return hook

        self._wrap(random, "seed")
        after.add("numpy.random", wrap(lambda module: module, "seed"))
        after.add("tensorflow", wrap(lambda module: module.random, "set_seed"))

    def shifted(self, seed: Any) -> Any:
        """``seed`` moved; anything but a whole number as it is."""
        if self._paused or not self.shift:
            return seed
        try:
            return (operator.index(seed) + self.shift) % _LIMIT
        except TypeError:
            return seed

    def exactly(self, function: Callable[[int], Any], seed: int) -> None:
        """Calls ``function`` with ``seed``, and lets it seed others with that very number."""
        before, self._paused = self._paused, True
        try:
            function(seed)
        finally:
            self._paused = before

    def _wrap(self, owner: Any, name: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def seeding(*args: Any, **kwargs: Any) -> Any:
            args = (*map(self.shifted, args[:1]), *args[1:])
            kwargs = {k: self.shifted(v) if k in ("seed", "a") else v for k, v in kwargs.items()}
            return original(*args, **kwargs)

        setattr(owner, name, seeding)
