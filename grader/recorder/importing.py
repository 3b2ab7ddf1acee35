"""Runs a function right after a module was imported, without importing it earlier than the notebook does."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader, after: Callable[[ModuleType], None]) -> None:
        self._inner = inner
        self._after = after

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        # What the module itself sees as its loader is the real one again.
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        module.__loader__ = self._inner
        self._after(module)


class AfterImport(importlib.abc.MetaPathFinder):
    """First finder on ``sys.meta_path``; each hook runs once."""

    def __init__(self) -> None:
        self._hooks: dict[str, Callable[[ModuleType], None]] = {}
        sys.meta_path.insert(0, self)

    def add(self, name: str, hook: Callable[[ModuleType], None]) -> None:
        """Runs ``hook`` with module ``name`` once it is imported, at once if it is already."""
        if name in sys.modules:
            hook(sys.modules[name])
        else:
            self._hooks[name] = hook

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The real specification with its loader wrapped, for a module that somebody waits for.

        Looking for a module is not importing it, so the hook is only taken off when the module runs.
        """
        hook = self._hooks.get(fullname)
        if hook is None:
            return None

        def once(module: ModuleType) -> None:
            if self._hooks.pop(fullname, None) is not None:
                hook(module)

        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, once)
                return spec
        return None


_Binding = tuple[ModuleType, str]
"""A module, and a name in it."""
_looked_up: dict[tuple[int, tuple[str, ...]], tuple[Any, list[_Binding], str]] = {}
"""What :func:`look_ahead` found: the object itself, where it is bound, and the module imported last by then."""


def look_ahead(original: Any, packages: tuple[str, ...]) -> None:
    """Finds now what :func:`rebind` will look for: before a fork, as looking at a module copies its page after one."""
    names = list(sys.modules)
    _looked_up[id(original), packages] = original, _bindings(original, packages, names), names[-1]


def rebind(original: Any, wrapper: Any, packages: tuple[str, ...]) -> None:
    """Puts ``wrapper`` wherever ``packages`` have bound ``original``; what is imported later finds it there."""
    known = _looked_up.get((id(original), packages))
    if known is None:
        found = _bindings(original, packages, list(sys.modules))
    else:
        _, found, last = known
        since = list(itertools.takewhile(lambda name: name != last, reversed(sys.modules)))
        found = found + _bindings(original, packages, since)
    for module, name in found:
        if vars(module).get(name) is original:
            vars(module)[name] = wrapper


def _bindings(original: Any, packages: tuple[str, ...], names: Iterable[str]) -> list[_Binding]:
    found = []
    for full_name in names:
        module = sys.modules.get(full_name)
        if isinstance(module, ModuleType) and full_name.split(".", 1)[0] in packages:
            found += [(module, name) for name, value in list(vars(module).items()) if value is original]
    return found
