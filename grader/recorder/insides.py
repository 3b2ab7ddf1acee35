"""Notices where a call of ``fit`` did not do what Keras does with the data it was given.

Student code takes part in a training in many ways that are meant to be used (layers, callbacks). Those that decide what
is learned from which data make it unknown what ``fit`` used: a model with a ``train_step`` of its own, a loss, an
optimizer or a constraint of its own, a layer that adds a loss, a callback that changes weights or trains in between, a
thread beside it. A person looks at such a training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from grader.recorder import arrays, facts
from grader.recorder.beside import running_beside
from grader.recorder.origin import is_own, is_own_attribute

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks

_STEPS = (
    *("train_step", "train_function", "make_train_function", "compute_loss", "_compute_loss"),
    *("losses", "add_loss", "trainable_variables", "trainable_weights", "optimizer"),
)
_COMPILED = (
    *(("_compile_loss", "_user_loss"), ("_compile_metrics", "_user_metrics")),
    *(("compiled_loss", "_user_losses"), ("compiled_metrics", "_user_metrics")),
)
_PARTS = ("_constraint", "_regularizer")
_BATCH_HOOKS = tuple(f"on_{what}_{when}" for what in ("batch", "train_batch") for when in ("begin", "end"))
_TEST_HOOKS = tuple(f"on_{what}_{when}" for what in ("test", "test_batch") for when in ("begin", "end"))


class Insides:
    """One training, seen from inside.

    Two callbacks of the recorder stand around the student's: the first hears of everything before them, the last after
    them. What lies between has changed nothing, or it is told.

    :ivar watches: whether there are callbacks that could change weights. :ivar watches_batches, watches_tests: whether
        these hear of batches, or of validation.
    """

    def __init__(self, hooks: KerasHooks, model: Any, callbacks: Any) -> None:
        self.hooks = hooks
        self._model = model
        self._reasons: dict[str, None] = {}
        self._known: set[str | None] = set()
        given, own = facts.student_callbacks(callbacks), facts.own_callbacks(callbacks)
        averages = any(facts.is_builtin(type(c)) and type(c).__name__ == "SwapEMAWeights" for c in given)
        self.watches = bool(own) and not averages
        self.watches_batches = self.watches and any(facts.hears(c, _BATCH_HOOKS) for c in own)
        self.watches_tests = self.watches and any(facts.hears(c, _TEST_HOOKS) for c in own)
        self._mark: tuple[float, ...] | None = None
        self._counted: tuple[Any, int] | None = None
        self._per_epoch: int | None = None

    def begin(self) -> None:
        """Before the first step, and before any callback of the student's."""
        self._look_at_code()
        self._know()
        optimizer = getattr(self._model, "optimizer", None)
        count = _steps_of(optimizer)
        self._counted = None if count is None else (optimizer, count)

    def epoch_begins(self, params: Any) -> None:
        """Weights are those that an epoch ended with. ``params``: Keras' own, with the ``steps`` of an epoch."""
        steps = params.get("steps") if isinstance(params, dict) else None
        self._per_epoch = steps if isinstance(steps, int) else self._per_epoch
        self._mark = None
        self.compare()

    def epoch_ended(self) -> None:
        """Before any callback of the student's hears of it."""
        self._look_beside()
        if self.watches_tests:
            self.compare_mark()
        self._know()

    def compare(self) -> None:
        """Weights are some that an epoch ended with."""
        if self._known and arrays.weights_digest(self._model.get_weights()) not in self._known:
            self._reasons["callback"] = None

    def mark(self) -> None:
        """After a step, or before validation: the student's callbacks have not heard of it yet."""
        self._mark = self._sums()

    def compare_mark(self) -> None:
        """They have, and left the weights alone."""
        if self._mark is not None and self._sums() != self._mark:
            self._reasons["callback"] = None

    def _sums(self) -> tuple[float, ...]:
        """Two numbers for each array of weights: to digest them after every step would take longer than the step."""
        flat = [np.asarray(w, np.float32).reshape(-1) for w in self._model.get_weights()]
        return tuple(float(n) for w in flat for n in (w.sum(), np.dot(w, w)))

    def finish(self, epochs_run: int, *, completed: bool) -> list[str]:
        """After ``fit``: what of it is not Keras' own doing, empty where nothing is."""
        self._look_at_code()
        if epochs_run and completed:  # else it was broken off amid an epoch, with weights that no epoch has ended with
            self.compare()
        if self._counted is not None and self._per_epoch:
            optimizer, before = self._counted
            now = _steps_of(optimizer)
            epochs = epochs_run if completed else epochs_run + 1  # an epoch that was broken off counts in part
            if now is not None and now - before > epochs * self._per_epoch:
                self._reasons["further steps"] = None
        return list(self._reasons)

    def _look_at_code(self) -> None:
        compiled = self.hooks.track(self._model).compiled
        for name in _STEPS:
            if is_own_attribute(self._model, name):
                self._reasons[name] = None
        self._look_beside()
        for name, part in (*compiled.items(), ("optimizer", getattr(self._model, "optimizer", None))):
            if is_own(part):
                self._reasons[name] = None
        for holder, given in _COMPILED:
            kept = vars(self._model).get(holder)
            if is_own(kept) or is_own(getattr(kept, given, None)):
                self._reasons["loss" if "loss" in holder else "metrics"] = None
        for layer in (self._model, *facts.leaf_layers(self._model)):
            self._reasons |= dict.fromkeys(n for n, v in vars(layer).items() if n.endswith(_PARTS) and is_own(v))
            if self.hooks.weights.adds_loss(layer):
                self._reasons["add_loss"] = None

    def _look_beside(self) -> None:
        self._reasons |= dict.fromkeys(running_beside())

    def _know(self) -> None:
        if self.watches and self._model.built:
            self._known.add(arrays.weights_digest(self._model.get_weights()))


def _steps_of(optimizer: Any) -> int | None:
    try:
        return int(optimizer.iterations)
    except Exception:  # an optimizer of another kind counts in another way, or not
        return None
