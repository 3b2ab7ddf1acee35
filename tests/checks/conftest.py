import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).with_name("factory.py")
if "checks_factory" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("checks_factory", _PATH)
    sys.modules["checks_factory"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["checks_factory"])


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    from checks_factory import make_course

    return make_course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def attempt(course, tmp_path, monkeypatch):
    from checks_factory import Attempt

    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Attempt(course, tmp_path / "evidence")
