"""What every test relies on."""

import os
from collections import Counter

import pytest


def pytest_collection_modifyitems(items):
    """Files with many slow tests first, so that workers side by side end at about the same time."""
    n_slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -n_slow[item.path])


@pytest.fixture(scope="session", autouse=True)
def _sandbox_of_this_machine():
    """Where no sandbox works, ``grader grade`` refuses; the tests that are about something else go on without one."""
    from grader.sandbox.choose import MECHANISMS, trial

    if not any(trial(name).works for name in MECHANISMS):
        os.environ["GRADER_SANDBOX"] = "none"
