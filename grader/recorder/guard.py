"""Notices when student code has replaced what the recording rests on, and says so in an event.

This runs in the student's own process: whoever can replace ``Model.evaluate`` can replace this as well. An event is a
reason to look; that there is none never proves anything. What counts for points is re-measured elsewhere.

Left alone on purpose: methods of a subclass of ``Model`` or ``Callback`` (that is how Keras is meant to be used), and
what people patch in good faith (``print``, ``numpy.load`` with another default, plotting).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from grader.recorder.origin import is_installed

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks
    from grader.recorder.session import Session

EVENTS_LIMIT = 50
_OWN = "grader.recorder"
_MODEL = ("compile", "fit", "evaluate", "predict", "save", "save_weights", "load_weights", "get_weights", "set_weights")
_MODEL_STEPS = ("train_step", "test_step", "predict_step", "count_params", "get_metrics_result")
_CALLBACKS = {
    "Callback": ("on_train_begin", "on_epoch_end"),
    "CallbackList": ("append", "on_train_begin", "on_epoch_end"),
    "History": ("on_epoch_end",),
    "EarlyStopping": ("on_epoch_end", "get_monitor_value"),
}
_ENTRY_POINTS = {
    "numpy": ("asarray", "savez", "savez_compressed"),
    "json": ("dumps",),
    "os": ("open", "write", "close"),
    "hashlib": ("blake2b",),
}
_GOOD_FAITH = frozenset({"summary", "__repr__", "__str__", "_repr_html_"})
_LOADERS = re.compile(r"(?:^|\.)datasets\.(\w+)$")

_Identity = tuple[Any, Any]
_Place = tuple[Any, str, _Identity]


class Guard:
    """Remembers functions as the recorder found or made them, and looks at them again."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._emit = functools.partial(type(session).emit, session)
        self._places: dict[str, _Place] = {}
        self._loaders: dict[str, _Identity] = {}
        self._seen: set[str] = set()
        self._adopted: set[str] = set()
        self._hooks: KerasHooks | None = None
        self._forked = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_parent=self._note_fork)
        self._adopt_own_modules()

    def _note_fork(self) -> None:
        self._forked = True

    def watch_keras(self, hooks: KerasHooks) -> None:
        """Remembers Keras as it is once the recorder has wrapped it."""
        self._hooks = hooks
        keras = hooks.keras
        for cls in _family(keras.Model):
            self.watch(cls, _title(cls), (*_MODEL, *_MODEL_STEPS))
        for owner, names in _CALLBACKS.items():
            self.watch(getattr(keras.callbacks, owner, None), owner, names)
        for library, names in _ENTRY_POINTS.items():
            self.watch(sys.modules.get(library), library, names)
        for full_name, dataset in _loaders(keras.__name__):
            if full_name.startswith(f"{keras.__name__}.src."):
                module = sys.modules[full_name]
                self._loaders[dataset] = _identity(getattr(module, "load_data", None))
                self.watch(module, dataset, ("get_file",))

    def watch(self, owner: Any, title: str, names: Iterable[str]) -> None:
        """A class' own attributes only: what it inherits is looked at where it stands. Not there is a state, too."""
        for name in names if owner is not None else ():
            self._places[f"{title}.{name}"] = (owner, name, _identity(vars(owner).get(name)))

    def _adopt_own_modules(self) -> None:
        """The recorder's functions, remembered when first seen; one whose code is from another file is not ours."""
        for full_name, module in sys.modules.copy().items():  # other threads import meanwhile
            if module is None or full_name in self._adopted or not full_name.startswith(f"{_OWN}."):
                continue
            self._adopted.add(full_name)
            for owner, title in _owners(module):
                functions = {n: v for n, v in dict(vars(owner)).items() if isinstance(v, FunctionType)}
                self.watch(owner, title, functions)
                for name, function in functions.items():
                    foreign = inspect.unwrap(function).__code__.co_filename != module.__file__
                    if foreign and function.__module__ in (full_name, "__main__") and not name.startswith("__"):
                        self.tell(f"{title}.{name}", function)

    def look(self) -> None:
        """Emits an event for whatever is not as it was, once for each."""
        for title, (owner, name, known) in list(self._places.items()):
            now = vars(owner).get(name)
            if not _same(_identity(now), known):
                self.tell(title, now)
        self._adopt_own_modules()
        self._look_at_loaders()
        self._look_at_instances()
        self._look_at_events()

    def look_everywhere(self) -> None:
        """Before a training: no function in the modules of Keras was written in the notebook. Takes milliseconds."""
        package = self._hooks.keras.__name__.split(".")[0] if self._hooks is not None else "keras"
        for title, function in _functions_in(package):
            if not is_installed(function) and title.rpartition(".")[2] not in _GOOD_FAITH:
                self.tell(title, function)

    def check_callbacks(self, ident: str, history: Any, seen: int) -> None:
        """After training ``ident``: Keras' own history counts as many epochs as the recorder's callback saw."""
        epochs = getattr(history, "epoch", None)
        if type(history).__name__ == "History" and isinstance(epochs, list) and len(epochs) != seen:
            self.tell(f"callbacks of {ident}", None)

    def _look_at_loaders(self) -> None:
        """``load_data`` under all its public names, which appear as they are asked for."""
        for full_name, dataset in _loaders(self._hooks.keras.__name__) if self._hooks is not None else ():
            now = vars(sys.modules[full_name]).get("load_data")
            if now is not None and dataset in self._loaders and not _same(_identity(now), self._loaders[dataset]):
                self.tell(f"{dataset}.load_data", now)

    def _look_at_instances(self) -> None:
        """A method put over one object alone: the recorder's own, or a model."""
        for owner in filter(None, (self._session, self._hooks)):
            for name in vars(owner).keys() & vars(type(owner)).keys():
                self.tell(f"{type(owner).__name__}.{name}", vars(owner)[name])
        for model in self._hooks.models() if self._hooks is not None else ():
            for name in vars(model).keys() & set(_MODEL):
                self.tell(f"{name} of one model", vars(model)[name])

    def _look_at_events(self) -> None:
        """Only the recorder writes into its file; a process forked from this one may have, too."""
        with contextlib.suppress(OSError):
            if not self._forked and self._session.events_path.stat().st_size != self._session.written:
                self.tell("events.jsonl", None)

    def tell(self, what: str, by: Any) -> None:
        """Emits one event for ``what``, the first time."""
        if what in self._seen or len(self._seen) >= EVENTS_LIMIT:
            return
        self._seen.add(what)
        name = getattr(by, "__qualname__", None) or type(by).__name__
        source = None if by is None else f"{getattr(by, '__module__', '?')}.{name}"[:200]
        self._emit("tamper", what=what[:200], by=source)


def _identity(value: Any) -> _Identity:
    """The object itself and the code it runs: replacing either is seen."""
    return value, getattr(value, "__code__", None)


def _same(now: _Identity, known: _Identity) -> bool:
    return now[0] is known[0] and now[1] is known[1]


def _family(model: type[Any]) -> Iterator[type[Any]]:
    """``Model`` with Keras' own classes above and below it; a student's are not there yet, or are not Keras'."""
    package = model.__module__.split(".", 1)[0]
    found = dict.fromkeys(model.__mro__)
    waiting = [model]
    while waiting:
        found |= dict.fromkeys(subclasses := waiting.pop().__subclasses__())
        waiting += subclasses
    yield from (cls for cls in found if cls.__module__.split(".", 1)[0] == package)


def _title(cls: type[Any]) -> str:
    """Its name; two generations of trainers have classes of the same name."""
    legacy = "_v1" if cls.__module__.endswith("_v1") else ""
    return f"{cls.__name__}{legacy}"


def _loaders(package: str) -> Iterator[tuple[str, str]]:
    """Modules that offer a data set: full name and the data set's."""
    for name in list(sys.modules):
        if name.startswith((package, "tensorflow")) and (match := _LOADERS.search(name)):
            yield name, match.group(1)


def _functions_in(package: str) -> Iterator[tuple[str, FunctionType]]:
    """Functions and methods that stand in the modules of ``package`` now, with what they are called in an event."""
    for full_name, module in sys.modules.copy().items():
        if module is None or not full_name.startswith(f"{package}.src."):
            continue
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType):
                yield f"{full_name.rpartition('.')[2]}.{name}", value
            elif isinstance(value, type) and value.__module__ == full_name:
                for method, function in list(vars(value).items()):
                    function = getattr(function, "__func__", getattr(function, "fget", function))
                    if isinstance(function, FunctionType):
                        yield f"{value.__name__}.{method}", function


def _owners(module: ModuleType) -> Iterator[tuple[Any, str]]:
    """``module`` and the classes it defines, with what they are called in an event."""
    short = module.__name__.removeprefix(f"{_OWN}.")
    yield module, short
    for name, value in dict(vars(module)).items():
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield value, f"{short}.{name}"
