import pytest
from conv_attempt import TASK, ConvAttempt, make_course


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    return make_course(tmp_path_factory.mktemp("conv-course"))


@pytest.fixture
def attempt(course, tmp_path, no_plugins):
    return ConvAttempt(course, tmp_path / "evidence")


@pytest.fixture
def asked(attempt):
    """An attempt on a notebook whose task names the level."""
    attempt.markdown(TASK)
    return attempt
