"""Whose code it is: Keras' and TensorFlow's, some installed package's, or the notebook's."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

FRAMEWORKS = ("keras", "tf_keras", "tensorflow")
_DEPTH = 3


def is_own_attribute(model: Any, name: str) -> bool:
    """Whether the method or property ``name`` of ``model`` is none of Keras': of its class, or put over the object."""
    found = vars(model).get(name)
    if found is None:
        found = next((vars(cls)[name] for cls in type(model).__mro__ if name in vars(cls)), None)
    found = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
    return is_own(found) if isinstance(found, FunctionType) or hasattr(found, "python_function") else False


def is_own(part: Any, depth: int = _DEPTH) -> bool:
    """Whether ``part`` (a loss, a metric, an optimizer, a function; also in a list or mapping) runs code that is none
    of Keras' or TensorFlow's.
    """
    if part is None or isinstance(part, str | int | float) or not depth:
        return False
    if isinstance(part, list | tuple):
        return any(is_own(item, depth - 1) for item in part)
    if isinstance(part, dict):
        return any(is_own(item, depth - 1) for item in part.values())
    return not all(map(is_from_framework, functions_of(part)))


def functions_of(part: Any) -> Iterator[FunctionType]:
    """The functions that ``part`` is made of, those of its classes included."""
    if isinstance(part, functools.partial):
        part = part.func
    part = getattr(part, "python_function", part)
    if isinstance(part, MethodType):
        part = part.__func__
    if isinstance(part, FunctionType):
        yield part
        return
    kind = part if isinstance(part, type) else type(part)
    for owner in (kind.__mro__, () if isinstance(part, type) else (part,)):
        for holder in owner:
            own = getattr(holder, "__dict__", {})
            yield from (value for value in list(own.values()) if isinstance(value, FunctionType))


def is_from_framework(function: FunctionType) -> bool:
    """Whether the code of ``function`` is Keras', TensorFlow's or the recorder's."""
    file = function.__code__.co_filename
    return file.startswith(("<frozen ", *_roots()))


@functools.cache
def _roots() -> tuple[str, ...]:
    """Folders of the code that a plain training runs: the recorder wraps some of it."""
    modules = (*FRAMEWORKS, "functools", "numpy", "grader")
    files = [getattr(sys.modules.get(name), "__file__", None) for name in modules]
    return tuple(f"{Path(file).parent}{os.sep}" for file in files if file)


def is_installed(function: FunctionType) -> bool:
    """Whether the code of ``function`` is that of an installed package; generated code belongs to who has made it."""
    return is_installed_code(function.__code__, function.__globals__)


def is_installed_code(code: CodeType, names: dict[str, Any]) -> bool:
    """As :func:`is_installed`, of code that runs with the global ``names``."""
    if code.co_filename.startswith("<"):
        return names is not vars(sys.modules["__main__"])
    return code.co_filename.startswith((*_roots(), *_installed()))


@functools.cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib"))
