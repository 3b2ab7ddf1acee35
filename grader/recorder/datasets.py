"""Serves data sets and weights from the harness' store inside the kernel, whatever Keras thinks of a file's hash."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from grader.recorder.session import Session

_KNOWN = ("mnist", "fashion_mnist", "cifar10", "cifar100", "imdb", "reuters", "boston_housing", "california_housing")
_UTILITIES = ("file_utils", "data_utils")
_UNPACKED = "-target"
"""Keras 3 names the folder that it unpacks an archive into after the folder in it, with this behind."""


class DataMissingError(RuntimeError):
    """The grading machine lacks a data set or weights: not the student's fault."""


class _WithGetFile:
    """A module of Keras' utilities with another ``get_file``; for one importer only, the module itself stays as it is.

    ``keras.applications`` call ``file_utils.get_file`` (legacy Keras ``data_utils``), which everybody shares.
    """

    def __init__(self, inner: ModuleType, get_file: Callable[..., Any]) -> None:
        self._inner = inner
        self.get_file = get_file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def serve(session: Session, package: str) -> None:
    """Replaces ``get_file`` in every data set and application module of ``package`` (``keras`` or ``tf_keras``).

    The public ``load_data`` functions, under all their spellings, are one function object whose globals these are; so
    it is with the public constructors of applications.
    """
    for name in _KNOWN:
        module = sys.modules.get(f"{package}.src.datasets.{name}")
        original = getattr(module, "get_file", None)
        if module is not None and original is not None:
            served = _Served(session, name, "data set", original)
            vars(module)["get_file"] = served
            if served.offers(f"{name}.npz") and name == "cifar10":
                _replace_loader(module, served)
    prefix = f"{package}.src.applications."
    for full_name, module in sys.modules.copy().items():
        name = full_name.removeprefix(prefix)
        if module is None or not full_name.startswith(prefix) or name == "imagenet_utils":
            continue
        for attribute in _UTILITIES:
            utilities = vars(module).get(attribute)
            if isinstance(utilities, ModuleType) and hasattr(utilities, "get_file"):
                served = _Served(session, name, "weights", utilities.get_file)
                vars(module)[attribute] = _WithGetFile(utilities, served)


class _Served:
    """Stands in for ``get_file`` of one module."""

    def __init__(self, session: Session, name: str, kind: str, original: Callable[..., Any]) -> None:
        self._session = session
        self._name = name
        self._kind = kind
        self._original = original
        self._entry: dict[str, Any] = session.settings.datasets.get(name) or {}
        self._told: set[str | None] = set()

    def offers(self, file: str) -> bool:
        """Whether the store serves a file (or folder) of this name."""
        return file in self._entry.get("files", ())

    def path(self, file: str) -> Path:
        """Where it is; notes that it was asked for."""
        self._tell(self._entry["digest"])
        return Path(self._entry["directory"]) / file

    def _tell(self, digest: str | None) -> None:
        if digest not in self._told:
            self._told.add(digest)
            self._session.emit("dataset", name=self._name, digest=digest)

    def __call__(self, fname: Any = None, origin: Any = None, *args: Any, **kwargs: Any) -> str:
        """The path that Keras' own ``get_file`` would return; :raises DataMissingError: it is not installed."""
        for candidate in (origin, fname):
            base = str(candidate or "").rsplit("/", 1)[-1]
            if self.offers(base):
                return str(self.path(base))
            if base.endswith(_UNPACKED) and self.offers(inner := base.removesuffix(_UNPACKED)):
                return str(self.path(inner).parent)
        self._tell(None)
        if self._session.settings.fallback:
            return str(self._original(fname, origin, *args, **kwargs))
        verb = "are" if self._kind == "weights" else "is"
        raise DataMissingError(
            f"The {self._kind} {self._name!r} {verb} not installed on the grading machine (this is no mistake of "
            f"yours). Staff: run 'grader data install {self._name}' and grade again."
        )


def _replace_loader(module: ModuleType, served: _Served) -> None:
    """Lets ``load_data`` read an npz: Keras' own only takes batches of exactly 10,000 images.

    A course's own, smaller data set comes this way.
    """
    original = vars(module)["load_data"]

    @functools.wraps(original)
    def load_data(*_: Any, **__: Any) -> Any:
        with np.load(served.path(f"{module.__name__.rsplit('.', 1)[-1]}.npz"), allow_pickle=False) as data:
            return (data["x_train"], data["y_train"]), (data["x_test"], data["y_test"])

    for other in sys.modules.copy().values():
        if isinstance(other, ModuleType) and vars(other).get("load_data") is original:
            vars(other)["load_data"] = load_data
