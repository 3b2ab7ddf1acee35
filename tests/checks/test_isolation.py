"""One process checks many attempts, and none of them sees what the checks of another have done."""

import os
import shutil
import threading
import time

import pytest
from checks_factory import Attempt

from grader.checks import Room, run_checks

SPOILING = """
import atexit, builtins, gc, json, os, random, signal, sys, tempfile, warnings
from pathlib import Path
import numpy as np
import pytest
import beside

SEEN = []
CLEAN = {"cwd": os.getcwd(), "environ": dict(os.environ), "random": random.getstate(),
         "numpy": np.random.get_state()[1].tolist(), "dumps": json.dumps, "print": builtins.print,
         "signal": signal.getsignal(signal.SIGUSR1),
         "limit": sys.getrecursionlimit(), "errors": np.geterr(), "gc": gc.isenabled(),
         "mask": os.umask(0o077)}
os.umask(CLEAN["mask"])

@pytest.fixture(scope="session")
def kept():
    return []

@pytest.mark.criterion("runs")
def test_everything_is_as_it_was_and_then_it_is_not(kept, tmp_path):
    now = {"cwd": os.getcwd(), "environ": {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
           "random": random.getstate(), "numpy": np.random.get_state()[1].tolist(), "dumps": json.dumps,
           "print": builtins.print, "signal": signal.getsignal(signal.SIGUSR1),
           "limit": sys.getrecursionlimit(), "errors": np.geterr(), "gc": gc.isenabled()}
    spoiled = [k for k, v in now.items() if v != CLEAN[k]]
    spoiled += [n for n, v in (("module", SEEN), ("helper", beside.SEEN), ("fixture", kept)) if v]
    spoiled += [m for m in ("spoilt_module",) if m in sys.modules]
    spoiled += ["umask"] if os.umask(0o077) != CLEAN["mask"] else []
    SEEN.append(1); beside.SEEN.append(1); kept.append(1)
    os.chdir(tmp_path); os.environ["SPOILT"] = "1"; sys.path.insert(0, "/nowhere"); random.seed(1); np.random.seed(1)
    json.dumps = lambda *a, **k: "spoilt"; builtins.print = None; warnings.simplefilter("error")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN); sys.setrecursionlimit(5000); np.seterr(all="raise"); gc.disable()
    sys.modules["spoilt_module"] = sys; os.close(0)
    Path.read_text = None
    assert not spoiled, f"spoiled are {spoiled}"

@pytest.mark.criterion("base-model")
def test_within_one_attempt_checks_share_what_they_made(kept):
    assert SEEN == [1] and beside.SEEN == [1] and kept == [1], "not shared"
"""
SLOW = """
import os, time
from pathlib import Path
import pytest

@pytest.mark.criterion("runs")
def test_two_wait_for_each_other(notebook):
    folder = Path({folder!r})
    (folder / str(os.getpid())).touch()
    limit = time.monotonic() + 30
    while len(list(folder.iterdir())) < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    assert len(list(folder.iterdir())) == 2, "alone"
"""


@pytest.fixture
def rubric(course, tmp_path):
    """``rubric(source)`` is the root of a copy of the course whose only checks are ``source``."""

    def make(source):
        root = tmp_path / "own"
        shutil.copytree(course, root, ignore=shutil.ignore_patterns("data", "__pycache__"))
        folder = root / "rubrics" / "b2-1"
        for path in folder.glob("*.py"):
            path.unlink()
        (folder / "test_public.py").write_text(source, "utf-8")
        (folder / "beside.py").write_text("SEEN = []\n", "utf-8")
        (root / "data").symlink_to(course / "data")
        return root

    return make


def requests(root, tmp_path, n):
    made = []
    for number in range(n):
        attempt = Attempt(root, tmp_path / f"evidence-{number}")
        attempt.code("x = 1")
        made.append(attempt.request())
    return made


def said(checked):
    return [(r.outcome.value, r.message.id, r.detail) for r in checked.results[:2]]


@pytest.mark.slow
@pytest.mark.parametrize("fork", [None, False], ids=["as here", "without forks"])
def test_a_rubric_that_spoils_everything_spoils_nothing_for_the_next_attempt(rubric, tmp_path, fork):
    room = Room(fork=fork)
    try:
        found = run_checks(requests(rubric(SPOILING), tmp_path, 3), room=room)
    finally:
        room.close()
    assert [said(f) for f in found] == [said(found[0])] * 3
    assert [outcome for outcome, *_ in said(found[0])] == ["passed", "passed"], said(found[0])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
def test_two_jobs_judge_two_attempts_at_the_same_time(rubric, tmp_path):
    (tmp_path / "both").mkdir()
    room = Room(jobs=2)
    try:
        found = run_checks(requests(rubric(SLOW.format(folder=str(tmp_path / "both"))), tmp_path, 2), room=room)
    finally:
        room.close()
    assert [f.results[0].outcome.value for f in found] == ["passed", "passed"]


@pytest.mark.slow
def test_a_room_serves_threads_and_sees_a_changed_rubric(course, rubric, tmp_path):
    root = rubric('import pytest\n\n@pytest.mark.criterion("runs")\ndef test_it():\n    pass\n')
    room, asked, answers = Room(jobs=2), requests(root, tmp_path, 4), {}

    def ask(number):
        answers[number] = run_checks([asked[number]], room=room)[0].results[0].outcome.value

    try:
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == dict.fromkeys(range(4), "passed")
        path = root / "rubrics" / "b2-1" / "test_public.py"
        path.write_text(path.read_text("utf-8").replace("pass\n", "assert False, 'no longer'\n"), "utf-8")
        ask(0)
    finally:
        room.close()
    assert answers[0] == "failed"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
def test_what_a_check_started_ends_with_it(rubric, tmp_path):
    source = (
        "import subprocess, sys, pytest\n"
        f"FILE = {str(tmp_path / 'pid')!r}\n"
        '@pytest.mark.criterion("runs")\n'
        "def test_it():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "    open(FILE, 'w').write(str(child.pid))\n"
    )
    (found,) = run_checks(requests(rubric(source), tmp_path, 1))
    assert found.results[0].outcome == "passed"
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
