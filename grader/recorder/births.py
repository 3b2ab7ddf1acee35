"""Knows the first values of weights, as Keras' own initializers drew them.

A model is first heard of when it is compiled. By then its weights may have been trained by hand, or taken from another
model layer by layer: only a weight that still is as it was drawn has not learned anything.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.recorder import arrays
from grader.recorder.origin import is_own

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks


class Births:
    """Weights that were seen being made.

    :ivar drawn: digests of what Keras' own random initializers gave. Values that a student's own initializer brought
        are left out: of what they come, nobody knows.
    """

    def __init__(self, hooks: KerasHooks) -> None:
        self._hooks = hooks
        self._born: dict[int, weakref.ref[Any]] = {}
        self.drawn: set[str] = set()

    def install(self) -> None:
        """Wraps what makes weights: of variables in Keras 3, of layers in legacy Keras."""
        keras = self._hooks.keras
        variable = getattr(sys.modules.get(f"{keras.__name__}.src.backend"), "Variable", None)
        if variable is not None and hasattr(variable, "_initialize_with_initializer"):
            self._wrap(variable, "_initialize", self._of_value)
            self._wrap(variable, "_initialize_with_initializer", self._of_variable)
        else:
            self._wrap(keras.layers.Layer, "add_weight", self._of_layer)

    def seen(self, variable: Any) -> bool:
        """Whether the making of ``variable`` was seen."""
        known = self._born.get(id(variable))
        return known is not None and known() is variable

    def _wrap(self, owner: Any, name: str, note: Callable[..., None]) -> None:
        owner = next(cls for cls in owner.__mro__ if name in vars(cls))
        original = getattr(owner, name)

        @functools.wraps(original)
        def making(subject: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(subject, *args, **kwargs)
            self._hooks.quietly("births", lambda: note(subject, result, args, kwargs))
            return result

        setattr(owner, name, making)

    def _of_value(self, variable: Any, result: Any, args: Any, kwargs: Any) -> None:
        """Made of numbers, as far as is known here: a variable that an initializer draws passes here as well."""
        if variable.trainable:
            key = id(variable)
            self._born[key] = weakref.ref(variable, lambda _: self._born.pop(key, None))

    def _of_variable(self, variable: Any, result: Any, args: Any, kwargs: Any) -> None:
        self._note(variable, args[0] if args else kwargs.get("initializer"))

    def _of_layer(self, layer: Any, variable: Any, args: Any, kwargs: Any) -> None:
        self._note(variable, args[3] if len(args) > 3 else kwargs.get("initializer"))

    def _note(self, variable: Any, initializer: Any) -> None:
        """Statistics that layers keep for themselves are none of those that ``fit`` trains, and are left out."""
        if not variable.trainable:
            return
        self._of_value(variable, None, (), {})
        if is_own(initializer) or _brings_numbers(initializer):
            return
        digest = digest_of(variable)
        if digest is not None:
            self.drawn.add(digest)


def _brings_numbers(initializer: Any) -> bool:
    """Whether it holds numbers of somebody's instead of drawing its own: a constant, or an array as the mean."""
    if isinstance(initializer, functools.partial) or type(initializer).__name__ == "Constant":
        return True
    held = getattr(initializer, "__dict__", {}).values()
    return any(isinstance(v, list | tuple | dict) or np.size(getattr(v, "shape", ())) for v in held)


def digest_of(variable: Any) -> str | None:
    """Digest of its value now; ``None`` where all numbers are the same (zeros of a bias), which tell nothing."""
    import tensorflow as tf

    with tf.init_scope():  # a variable may be made while a function is traced
        value = np.asarray(variable.numpy())
    if value.size < 2 or (value == value.flat[0]).all():
        return None
    return arrays.weights_digest([value])
