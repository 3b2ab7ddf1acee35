"""Fixtures of whatever judges evidence made by hand; a ``conftest.py`` imports those that it wants."""

import pytest
from checks_factory import Attempt, make_course


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    return make_course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def no_plugins(monkeypatch):
    """A rubric's own pytest starts faster without what is installed beside it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@pytest.fixture
def attempt(course, tmp_path, no_plugins):
    return Attempt(course, tmp_path / "evidence")
