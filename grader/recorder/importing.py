"""Runs a function right after a module was imported, without importing it earlier than the notebook does."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Collection, Sequence
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


def rebind(original: Any, wrapper: Any, packages: Collection[str]) -> None:
    """Puts ``wrapper`` wherever ``packages`` have bound ``original``; what is imported later finds it there."""
    for full_name, module in sys.modules.copy().items():
        if isinstance(module, ModuleType) and full_name.split(".", 1)[0] in packages:
            for name in [k for k, v in list(vars(module).items()) if v is original]:
                vars(module)[name] = wrapper
