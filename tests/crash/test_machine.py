"""What else happens to a grader than being killed: the next run goes on where it stopped, and nothing is lost."""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from crash.harness import N_STUDENTS, SIGNALS, Seen

from grader.store import Gradebook

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals and mounts of POSIX")]
PAIRS = max(2, int(os.environ.get("GRADER_TEST_KILLS", "6")) // 10)
PARTS = ["everything", "execution.json", "half of execution.json", "executed.ipynb", "key.json"]


@contextmanager
def write_lock(path):
    """Another program that holds the gradebook."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def begun(crash, name):
    """A workspace with some results, whose grader was killed; and what its gradebook held."""
    workspace, seen = crash.folder / name, Seen()
    crash.start(workspace, "add_result", "after", 3, "SIGKILL").wait(120)
    crash.look(workspace, seen)
    assert seen.rows["results"]
    return workspace, seen


def finish(crash, workspace, seen, n_graded=N_STUDENTS):
    """Grades to the end; the class is as if nothing had happened."""
    code, said = crash.run(workspace)
    assert code == crash.code, said[-3000:]
    crash.look(workspace, seen)
    crash.compare(workspace, n_graded)


def test_a_gradebook_that_another_program_holds_for_a_while_is_waited_for(crash):
    workspace, seen = begun(crash, "waited")
    with write_lock(workspace / "gradebook.sqlite"):
        grader = crash.start(workspace)
        time.sleep(crash.whole_s / 2)
        assert grader.poll() is None
    assert grader.wait(600) == crash.code
    crash.look(workspace, seen)
    crash.compare(workspace)


@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_a_gradebook_that_stays_locked_is_named_and_nothing_is_lost(crash, delay):
    workspace, seen = begun(crash, f"locked-{delay}")
    grader = None
    if delay:
        grader = crash.start(workspace)
        time.sleep(crash.whole_s * delay)
        grader.send_signal(signal.SIGKILL)
        grader.wait(60)
    with write_lock(workspace / "gradebook.sqlite"):
        code, said = crash.run(workspace, GRADER_TEST_BUSY_S="1")
    assert code == 3
    assert "another program held it" in said
    assert "Traceback" not in said
    finish(crash, workspace, seen)


def test_two_graders_on_one_workspace_share_the_work(crash):
    workspace = crash.folder / "shared"
    graders = [crash.start(workspace) for _ in range(2)]
    assert [grader.wait(600) for grader in graders] == [crash.code] * 2, crash.said(workspace)[-3000:]
    crash.look(workspace, Seen())
    crash.compare(workspace)


def test_of_two_graders_on_one_workspace_one_may_be_killed(crash):
    for number in range(PAIRS):
        workspace = crash.folder / f"pair-{number}"
        first, second = crash.start(workspace), crash.start(workspace)
        try:
            first.wait(crash.random.uniform(0.2, crash.whole_s))
        except subprocess.TimeoutExpired:
            first.send_signal(crash.random.choice(SIGNALS))
        first.wait(120)
        assert second.wait(600) == crash.code, crash.said(workspace)[-3000:]
        crash.look(workspace, Seen())
        crash.compare(workspace)


def pulled(folder, part):
    """Takes ``part`` of one attempt's evidence away."""
    if part == "half of execution.json":
        path = folder / "execution.json"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif part == "everything":
        shutil.rmtree(folder)
    else:
        (folder / part).unlink()


def test_evidence_that_is_taken_away_costs_no_grade_and_is_made_again(crash):
    workspace, seen = crash.folder / "pulled", Seen()
    shutil.copytree(crash.folder / "reference", workspace)
    shutil.copy(crash.folder / "reference.json", crash.folder / "pulled.json")
    crash.edit(workspace / "gradebook.sqlite", 0.5)
    crash.look(workspace, seen)
    with closing(Gradebook(workspace / "gradebook.sqlite")) as book:
        before = book.counting("b2-1")
    for stored, part in zip(before, PARTS, strict=False):
        pulled(workspace / "evidence" / stored.result.evidence, part)
    code, said = crash.run(workspace, "regrade")
    assert code == 1
    assert said.count("the earlier result stays") == len(PARTS)
    seen.look(workspace / "gradebook.sqlite")
    with closing(Gradebook(workspace / "gradebook.sqlite")) as book:
        assert [(s.result.score, s.edits) for s in book.counting("b2-1")] == [(s.result.score, s.edits) for s in before]
    crash.run(workspace)
    crash.edit(workspace / "gradebook.sqlite", None)
    finish(crash, workspace, seen, N_STUDENTS + len(PARTS))


@pytest.fixture
def small_disk():
    """A file system of its own with 24 MiB; its path is short, as sockets' paths have a limit."""
    with tempfile.TemporaryDirectory(prefix="disk-", dir="/tmp") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("only root may mount a small disk")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def fill(path: Path, room_kib: int) -> None:
    """Leaves ``room_kib`` on the disk of ``path``."""
    free = shutil.disk_usage(path.parent).free
    path.write_bytes(b"\0" * max(0, free - room_kib * 1024))


def test_a_full_disk_is_named_and_nothing_is_lost(crash, small_disk):
    workspace, seen, ballast = small_disk / "disk", Seen(), small_disk / "ballast"
    codes = []
    for room_kib in (0, 40, 700, 1800, 2000, 2200):
        fill(ballast, room_kib)
        code, said = crash.run(workspace)
        codes.append(code)
        assert code in (crash.code, 3)
        assert code != 3 or "disk is full" in said or "No space left" in said
        assert "this is a fault of the program" not in said
        ballast.unlink()
        crash.look(workspace, seen, faults=True)
    assert codes.count(3) >= 2
    finish(crash, workspace, seen)


def test_a_full_disk_under_the_notebooks_is_no_fault_of_theirs(crash, small_disk):
    workspace, seen, ballast = crash.folder / "no-room", Seen(), small_disk / "ballast"
    fill(ballast, 900)
    code, said = crash.run(workspace, TMPDIR=str(small_disk))
    assert code == 3
    assert "No space left on device" in said
    ballast.unlink()
    for row in crash.rows(workspace):
        assert row["status"] in ("needs_review", "not_gradable")
        assert row["status"] == "not_gradable" or {line["outcome"] for line in row["criteria"]} == {"errored"}
    crash.look(workspace, seen, faults=True)
    finish(crash, workspace, seen)
