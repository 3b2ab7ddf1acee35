"""What every test relies on."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _sandbox_of_this_machine():
    """Where no sandbox works, ``grader grade`` refuses; the tests that are about something else go on without one."""
    from grader.sandbox.choose import MECHANISMS, trial

    if not any(trial(name).works for name in MECHANISMS):
        os.environ["GRADER_SANDBOX"] = "none"
