"""Notices weights that something else than ``fit`` has changed: a loop of one's own, or values from elsewhere.

What such weights were trained on is not recorded. Weights are known that a model had when it was first seen, that a
training ended with, or that were loaded (which has an event of its own).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from grader.recorder import arrays

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks

_CHANGING = ("train_on_batch", "set_weights")


class WeightsWatch:
    """Digests of known weights, of all models of one generation of Keras."""

    def __init__(self, hooks: KerasHooks) -> None:
        self._hooks = hooks
        self._known: set[str] = set()
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()
        self._touched: weakref.WeakSet[Any] = weakref.WeakSet()

    def install(self) -> None:
        """Wraps what changes weights by hand: a model that is first seen afterwards is not taken for a new one."""
        model = self._hooks.keras.Model
        for name in _CHANGING:
            owner = next(cls for cls in model.__mro__ if name in vars(cls))
            setattr(owner, name, self._marking(getattr(model, name)))

    def _marking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def changing(model: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(model, *args, **kwargs)
            if not self._hooks.session.depth and isinstance(model, self._hooks.keras.Model):
                self._touched.add(model)
            return result

        return changing

    def first_look(self, model: Any) -> None:
        """Knows the weights of a built model that was never seen, unless they were put there by hand."""
        if model.built and model not in self._seen:
            self._seen.add(model)
            if model not in self._touched:
                self.know(model)

    def know(self, model: Any) -> None:
        """The weights of ``model`` have an event that tells where they come from."""
        self._seen.add(model)
        digest = arrays.weights_digest(model.get_weights())
        if digest is not None:
            self._known.add(digest)

    def look(self, model: Any, fit: str | None = None) -> None:
        """Emits an event where the weights are others. ``fit``: the training that begins with them."""
        self.first_look(model)
        digest = arrays.weights_digest(model.get_weights()) if model in self._seen else None
        if digest is not None and digest not in self._known:
            self._hooks.session.emit("moved", model=self._hooks.track(model).ident, fit=fit)
            self._known.add(digest)

    def look_at_all(self) -> None:
        """After the last cell: every model that is still there."""
        for model in self._hooks.models():
            self.look(model)
