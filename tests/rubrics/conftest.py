import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

_PATH = Path(__file__).resolve().parents[1] / "checks" / "factory.py"
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


ANSWER_1 = "学習後のフィルタは明るい部分と暗い部分に分かれ、数字の線の向きを見つける形に変わったと考えた。"
ANSWER_2 = "CNN は同じフィルタを画像全体で使うので、少ない枚数でも BPNN より数字の特徴を学習しやすかったと考えられる。"


@pytest.fixture
def complete(attempt):
    """Everything that is asked for."""
    from checks_factory import bpnn, cnn

    attempt.base = attempt.fit(cnn(20), attempt.train, accuracy=0.98, epochs=10)
    attempt.figure()
    attempt.markdown("## 課題 B2-1-1")
    attempt.markdown(ANSWER_1)
    attempt.markdown("## 課題 B2-1-2")
    attempt.small = attempt.fit(cnn(), attempt.train[:600])
    attempt.evaluate(attempt.small)
    attempt.dense = attempt.fit(bpnn(), attempt.train[:600], accuracy=0.85)
    attempt.evaluate(attempt.dense, 0.85)
    attempt.markdown(ANSWER_2)
    return attempt


@pytest.fixture(scope="session")
def vgg_course(tmp_path_factory):
    from small_vgg import make_vgg_course

    return make_vgg_course(tmp_path_factory.mktemp("vgg"))


@pytest.fixture
def vgg_attempt(vgg_course, tmp_path, monkeypatch):
    from vgg_attempt import VggAttempt

    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return VggAttempt(vgg_course, tmp_path / "evidence")
