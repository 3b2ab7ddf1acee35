"""Idioms of older Keras that an assignment may accept. Each option is off by default, and noted where it was needed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from types import ModuleType
from typing import Any

from grader.recorder.session import Session

ACC_LOG_NAMES = "acc-log-names"
SEQUENTIAL_INPUT = "sequential-input"
OPTIONS = (ACC_LOG_NAMES, SEQUENTIAL_INPUT)
"""``acc-log-names``: logs and history answer to ``acc`` and ``accuracy`` alike, as TensorFlow 1 named the one and 2 the
other. ``sequential-input``: ``input`` and ``output`` of a built Sequential that was never called, as in Keras 2.
"""
_ACCURACY_NAMES = {"acc": "accuracy", "val_acc": "val_accuracy"}
_OTHER = _ACCURACY_NAMES | {new: old for old, new in _ACCURACY_NAMES.items()}
_HOOKS = ("on_epoch_end", "on_batch_end", "on_train_batch_end", "on_test_batch_end", "on_test_end", "on_train_end")


def other_name(name: object) -> str | None:
    """``accuracy`` for ``acc`` and the other way round; ``None`` for any other log."""
    return _OTHER.get(name) if isinstance(name, str) else None


class AliasedLogs(dict[str, Any]):
    """Logs with an accuracy that can be read by either name. Listing or printing them shows the real names only.

    :param used: told the name that was read and was not there.
    :param own: real names that have another; by default all.
    """

    def __init__(
        self, values: Mapping[str, Any], used: Callable[[str], None], own: Collection[str] | None = None
    ) -> None:
        super().__init__(values)
        self._used = used
        self._own = own

    def _real(self, name: object) -> str | None:
        real = other_name(name)
        known = real is not None and super().__contains__(real) and (self._own is None or real in self._own)
        return real if known else None

    def __missing__(self, name: str) -> Any:
        real = self._real(name)
        if real is None:
            raise KeyError(name)
        self._used(name)
        return super().__getitem__(real)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dictionary's, with the other name."""
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self._real(name) is not None

    def copy(self) -> AliasedLogs:
        """One like it."""
        return AliasedLogs(self, self._used, self._own)


class LogNames:
    """Hands callbacks logs that answer to either name, for as long as one training lasts."""

    def __init__(self, session: Session) -> None:
        self.on = session.accepts(ACC_LOG_NAMES)
        self._session = session
        self._undo: list[Callable[[], None]] = []

    def used(self, name: str) -> None:
        """A log was read by the name that it does not have."""
        self._session.accepted(ACC_LOG_NAMES, name)

    def lend(self, callbacks: Any, metrics: Any = None) -> None:
        """Wraps the hooks of each callback; :meth:`take_back` leaves the callbacks as they were.

        :param metrics: what ``compile`` was given: Keras 3 asks them, not the logs, for what a callback monitors.
        """
        items = callbacks if isinstance(callbacks, list | tuple) else [callbacks] if callbacks else []
        for callback in items if self.on else ():
            if isinstance(callback, list | tuple):
                self.lend(callback, metrics)
            elif not isinstance(callback, type) and hasattr(callback, "__dict__"):
                self._monitor(callback, metrics if isinstance(metrics, list | tuple) else [metrics])
                for name in _HOOKS:
                    self._wrap(callback, name)

    def _monitor(self, callback: Any, metrics: Sequence[Any]) -> None:
        monitor = getattr(callback, "monitor", None)
        real = other_name(monitor)
        if real is not None and _OTHER[_plain(real)] not in metrics and _plain(real) in metrics:
            self.used(str(monitor))
            vars(callback)["monitor"] = real
            self._undo.append(functools.partial(vars(callback).__setitem__, "monitor", monitor))

    def _wrap(self, callback: Any, name: str) -> None:
        hook = getattr(callback, name, None)
        if not callable(hook) or getattr(hook, "_is_default", False) or hasattr(hook, "_lent"):
            return

        @functools.wraps(hook)
        def lent(*args: Any, **kwargs: Any) -> Any:
            return hook(*map(self.aliased, args), **{key: self.aliased(value) for key, value in kwargs.items()})

        lent._lent = True  # type: ignore[attr-defined]
        own = vars(callback)
        undo = functools.partial(own.__setitem__, name, own[name]) if name in own else functools.partial(own.pop, name)
        own[name] = lent
        self._undo.append(undo)

    def aliased(self, value: Any) -> Any:
        """A plain dictionary with either name; anything else as it is."""
        return AliasedLogs(value, self.used) if self.on and type(value) is dict else value

    def give_history(self, model: Any) -> None:
        """The history that ``fit`` returns, and the model keeps, answers to either name."""
        kept = getattr(model, "history", None)
        if isinstance(getattr(kept, "history", None), dict):
            kept.history = self.aliased(kept.history)  # type: ignore[union-attr]

    def take_back(self) -> None:
        """Undoes :meth:`lend`."""
        while self._undo:
            self._undo.pop()()


def _plain(name: str) -> str:
    return name.removeprefix("val_")


def give_sequential_ends(keras: ModuleType, session: Session) -> None:
    """``input`` and ``output`` of a Sequential that is built: Keras 3 has them only once it was called as a layer."""
    if not session.accepts(SEQUENTIAL_INPUT):
        return
    for name in ("input", "output"):
        original = getattr(keras.Sequential, name)

        def read(model: Any, name: str = name, original: Any = original) -> Any:
            try:
                return original.fget(model)
            except AttributeError:
                tensors = getattr(model, f"{name}s", None)  # those that it was built with
                if not tensors:
                    raise
            session.accepted(SEQUENTIAL_INPUT, f"{model.name}.{name}")
            return tensors[0] if len(tensors) == 1 else tensors

        setattr(keras.Sequential, name, property(read, doc=original.__doc__))
