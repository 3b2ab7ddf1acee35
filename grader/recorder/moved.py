"""Notices weights that something else than ``fit`` has changed: a loop of one's own, or values from elsewhere.

What such weights were trained on is not recorded. Known is each array of weights as it was drawn when its layer was
made (:mod:`grader.recorder.births`), as a training ended with it, or as it was loaded (which has an event of its own).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from grader.recorder import facts
from grader.recorder.births import Births, digest_of

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks

_CHANGING = ("train_on_batch", "set_weights")


class WeightsWatch:
    """Digests of known arrays of weights, of all models of one generation of Keras."""

    def __init__(self, hooks: KerasHooks) -> None:
        self._hooks = hooks
        self._births = Births(hooks)
        self._known: set[str] = set()
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()
        self._touched: weakref.WeakSet[Any] = weakref.WeakSet()
        self._losing: weakref.WeakSet[Any] = weakref.WeakSet()

    def install(self) -> None:
        """Wraps what makes weights, and what changes them by hand: a model that is first seen afterwards is not new."""
        self._births.install()
        model = self._hooks.keras.Model
        for name in _CHANGING:
            owner = next(cls for cls in model.__mro__ if name in vars(cls))
            setattr(owner, name, self._marking(getattr(model, name)))

        layer = self._hooks.keras.layers.Layer
        owner = next(cls for cls in layer.__mro__ if "add_loss" in vars(cls))
        owner.add_loss = self._adding(owner.add_loss)

    def adds_loss(self, layer: Any) -> bool:
        """Whether a layer of the student's has added a loss of its own."""
        return layer in self._losing

    def _adding(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def add_loss(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if not facts.is_builtin(type(layer)):
                self._losing.add(layer)
            return original(layer, *args, **kwargs)

        return add_loss

    def _marking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def changing(model: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(model, *args, **kwargs)
            if not self._hooks.session.depth and isinstance(model, self._hooks.keras.Model):
                self._touched.add(model)
            return result

        return changing

    def first_look(self, model: Any) -> None:
        """Knows those weights of a built model whose making was not seen, unless they were put there by hand."""
        if model.built and model not in self._seen:
            self._seen.add(model)
            if model not in self._touched:
                self._known |= _digests(v for v in model.weights if not self._births.seen(v))

    def know(self, model: Any) -> None:
        """The weights of ``model`` have an event that tells where they come from."""
        self._seen.add(model)
        self._known |= _digests(model.weights)

    def look(self, model: Any, fit: str | None = None) -> None:
        """Emits an event where some weights are others. ``fit``: the training that begins with them."""
        self.first_look(model)
        found = _digests(model.weights) if model in self._seen else set()
        if found - self._known - self._births.drawn:
            self._hooks.session.emit("moved", model=self._hooks.track(model).ident, fit=fit)
            self._known |= found

    def look_at_all(self) -> None:
        """After the last cell: every model that is still there."""
        for model in self._hooks.models():
            self.look(model)


def _digests(variables: Iterable[Any]) -> set[str]:
    return {digest for variable in variables if (digest := digest_of(variable)) is not None}
