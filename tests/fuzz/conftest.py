"""Loads the targets, and the helpers of the reports' tests, by path: test folders are no packages."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


def _load(path: Path) -> ModuleType:
    name = f"fuzz_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def targets() -> Any:
    """What must hold for any bytes."""
    return _load(HERE / "targets.py")


@pytest.fixture(scope="session")
def factory() -> Any:
    """Results and evidence that look real."""
    return _load(HERE.parent / "reporting" / "factory.py")
