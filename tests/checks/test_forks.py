"""The process that forks for each attempt."""

import errno
import os
import subprocess
import sys
import time
from collections import deque

import pytest

from grader.checks.requests import Asked, findings_file

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")


@pytest.fixture
def server(tmp_path):
    """A server without a rubric, and the end of the pipe that it tells its news to."""
    from grader.checks.forks import Server

    heard, news = os.pipe()
    asking, asked = os.pipe()
    made = Server.__new__(Server)
    made._scratch, made._jobs, made._requests, made._news = tmp_path, 2, asking, news
    made._queue, made._rest, made._open, made._running = deque(), b"", True, {}
    (tmp_path / "output.txt").touch()
    yield made, heard
    for end in (heard, news, asking, asked):
        os.close(end)


def refuse():
    raise OSError(errno.EAGAIN, "Resource temporarily unavailable")


def test_an_attempt_for_which_no_process_can_be_made_is_answered_at_once(server, monkeypatch, tmp_path):
    ours, heard = server
    monkeypatch.setattr(os, "fork", refuse)
    ours._begin(None, Asked(number=3, timeout_s=60, request=None))
    assert os.read(heard, 2**16).splitlines()[-1].endswith(b'"ended":3}')
    assert "temporarily unavailable" in findings_file(tmp_path, 3).read_text()
    assert not ours._running


def test_a_server_that_breaks_down_ends_its_forks_and_answers_for_them(server, monkeypatch):
    from grader.checks.forks import _Running

    ours, heard = server
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    ours._running[child.pid] = _Running(4, time.monotonic() + 60, 60.0)

    def broken(_wake):
        raise MemoryError

    monkeypatch.setattr(ours, "_wait", broken)
    for name in ("signal.signal", "signal.set_wakeup_fd", "gc.freeze"):
        monkeypatch.setattr(name, lambda *_, **__: None)
    with pytest.raises(MemoryError):
        ours.pytest_runtestloop(None)
    assert os.read(heard, 2**16).splitlines()[-1].endswith(b'"ended":4}')
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, os.WNOHANG)
    child.wait()
