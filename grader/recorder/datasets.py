"""Serves data sets from the harness' store inside the kernel, whatever Keras thinks of the file's hash."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grader.recorder.session import Session

_KNOWN = ("mnist", "fashion_mnist", "cifar10", "cifar100", "imdb", "reuters", "boston_housing", "california_housing")


class DataMissingError(RuntimeError):
    """The grading machine lacks a data set: not the student's fault."""


def serve(session: Session, package: str) -> None:
    """Replaces ``get_file`` in every data set module of ``package`` (``keras`` or ``tf_keras``).

    The public ``load_data`` functions, under all their spellings, are one function object whose globals these are.
    """
    for name in _KNOWN:
        module = sys.modules.get(f"{package}.src.datasets.{name}")
        original = getattr(module, "get_file", None)
        if module is not None and original is not None:
            vars(module)["get_file"] = _served(session, name, original)


def _served(session: Session, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    entry = session.settings.datasets.get(name)
    told: set[str] = set()

    def tell(digest: str | None) -> None:
        if name not in told:
            told.add(name)
            session.emit("dataset", name=name, digest=digest)

    def get_file(fname: Any = None, origin: Any = None, *args: Any, **kwargs: Any) -> str:
        for candidate in (origin, fname):
            base = str(candidate or "").rsplit("/", 1)[-1]
            if entry and base in entry["files"]:
                tell(entry["digest"])
                return str(Path(entry["directory"]) / base)
        tell(None)
        if session.settings.fallback:
            return str(original(fname, origin, *args, **kwargs))
        raise DataMissingError(
            f"The data set {name!r} is not installed on the grading machine (this is no mistake of yours). "
            f"Staff: run 'grader data install {name}' and grade again."
        )

    return get_file
