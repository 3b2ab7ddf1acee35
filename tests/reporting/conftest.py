"""Loads this folder's helpers by path: test folders are no packages."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"reporting_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def factory() -> Any:
    """Results and evidence that look real."""
    return _load("factory")


@pytest.fixture(scope="session")
def msgids() -> Any:
    """Collector of the program's sentences."""
    return _load("msgids")


@pytest.fixture(scope="session")
def evidence(factory: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The evidence that goes with ``factory.result()``."""
    return factory.evidence(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="session")
def payloads() -> Any:
    """What a hostile submission may try."""
    return _load("payloads")


@pytest.fixture(scope="session")
def browser() -> Any:
    """A headless Chromium; tests that need one are skipped where there is none."""
    module = _load("browser")
    if module.find() is None:
        pytest.skip("no Chromium here")
    return module
