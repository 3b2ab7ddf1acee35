import pytest
from attempt_fixtures import attempt, course, no_plugins
from checks_factory import bpnn, cnn
from small_vgg import make_vgg_course
from vgg_attempt import VggAttempt

__all__ = ["attempt", "course", "no_plugins"]

ANSWER_1 = "学習後のフィルタは明るい部分と暗い部分に分かれ、数字の線の向きを見つける形に変わったと考えた。"
ANSWER_2 = "CNN は同じフィルタを画像全体で使うので、少ない枚数でも BPNN より数字の特徴を学習しやすかったと考えられる。"


@pytest.fixture
def complete(attempt):
    """Everything that is asked for."""
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
    return make_vgg_course(tmp_path_factory.mktemp("vgg"))


@pytest.fixture
def vgg_attempt(vgg_course, tmp_path, no_plugins):
    return VggAttempt(vgg_course, tmp_path / "evidence")
