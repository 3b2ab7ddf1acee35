"""``grader serve`` and ``grader user``."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from grader.config import load_settings
from grader.store import Role, open_gradebook


def accounts(tmp_path):
    return open_gradebook(load_settings({"workspace": tmp_path / "workspace"}, environ={})).accounts


def test_a_user_is_added_with_a_link_that_works_once(grader, tmp_path):
    ran = grader("user", "add", "tanaka", "--role", "ta", "--section", "A", "--section", "B")
    assert ran.code == 0, ran.err
    assert re.search(r"http://127\.0\.0\.1:8765/link/[\w-]{43}\n", ran.out)
    user = accounts(tmp_path).named("tanaka")
    assert (user.role, user.sections, user.password) == (Role.TA, ("A", "B"), None)
    assert user.token not in ran.out
    first = user.token
    assert grader("user", "link", "tanaka").code == 0
    assert accounts(tmp_path).named("tanaka").token != first


def test_a_student_is_known_by_the_number(grader, tmp_path):
    assert grader("user", "add", "yamada", "--role", "student", "--student", "２１Ｘ４００１").code == 0
    assert accounts(tmp_path).named("yamada").student_key == "id:21x4001"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "x", "--role", "boss"), "expected one of instructor, ta, student"),
        (("add", "x", "--role", "ta"), "section"),
        (("add", "x", "--role", "student"), "student number"),
        (("link", "nobody"), "no user"),
        (("disable", "nobody"), "no user"),
    ],
)
def test_what_cannot_be_is_refused_with_a_word(grader, arguments, told):
    ran = grader("user", *arguments)
    assert ran.code == 2
    assert told in ran.err


def test_users_are_listed_shut_out_and_let_in_again(grader):
    grader("user", "add", "sensei", "--role", "instructor")
    assert "sensei: instructor (no password yet)" in grader("user", "list").out
    assert grader("user", "disable", "sensei").code == 0
    assert "(shut out)" in grader("user", "list").out
    assert grader("user", "disable", "sensei", "--undo").code == 0
    assert "(shut out)" not in grader("user", "list").out


def test_a_prefix_that_is_no_path_is_refused(grader):
    ran = grader("serve", "--prefix", "http://x")
    assert ran.code == 2
    assert "--prefix" in ran.err


@pytest.mark.slow
def test_it_serves_until_it_is_ended(tmp_path):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [sys.executable, "-m", "grader", "serve", "--workspace", str(tmp_path), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ) as server:
        try:
            assert _answer(f"http://127.0.0.1:{port}/health", server) == "ok"
            assert 'action="/sign-in"' in _answer(f"http://127.0.0.1:{port}/", server)
        finally:
            server.send_signal(signal.SIGTERM)
            said = server.communicate(timeout=60)[0].decode()
    assert f"http://127.0.0.1:{port}/" in said
    assert "Traceback" not in said
    assert server.returncode == 0


def _answer(address, server):
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            return urllib.request.urlopen(address, timeout=10).read().decode()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"no answer from {address}")
