import importlib.util
import sys
from pathlib import Path

import pytest

if "conv_factory" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("conv_factory", Path(__file__).with_name("factory.py"))
    sys.modules["conv_factory"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["conv_factory"])
from conv_factory import TASK, ConvAttempt, make_course


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    return make_course(tmp_path_factory.mktemp("conv-course"))


@pytest.fixture
def attempt(course, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return ConvAttempt(course, tmp_path / "evidence")


@pytest.fixture
def asked(attempt):
    """An attempt on a notebook whose task names the level."""
    attempt.markdown(TASK)
    return attempt
