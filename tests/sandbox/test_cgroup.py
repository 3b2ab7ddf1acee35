import subprocess
import sys
from pathlib import Path

import pytest

from grader.sandbox import cgroup
from grader.sandbox.cgroup import Controller, Group
from grader.sandbox.spec import Limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux'")


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        ("/", "/a/b", "/cg/a/b"),
        ("/docker/x", "/docker/x/y", "/cg/y"),
        ("/docker/x", "/docker/x", "/cg"),
        ("/", "/", "/cg/"),
    ],
)
def test_the_own_group_is_found_below_what_is_mounted(root, path, expected):
    assert cgroup._within("/cg", root, path) == Path(expected)


@pytest.mark.parametrize("version", [1, 2])
def test_limits_are_written_in_the_words_of_each_version(version, tmp_path, monkeypatch):
    controllers = [Controller(name, version, tmp_path) for name in ("memory", "pids")]
    monkeypatch.setattr(cgroup, "controllers", lambda: controllers)
    group = Group.make(Limits(memory_mib=100, processes=7))
    (folder,) = tmp_path.iterdir()
    written = {p.name: p.read_text() for p in folder.iterdir()}
    memory = "memory.limit_in_bytes" if version == 1 else "memory.max"
    assert written[memory] == str(100 * 2**20)
    assert written["pids.max"] == "7"
    assert group.counts_memory
    assert group.entrances == (str(folder / "cgroup.procs"),)


@pytest.mark.parametrize(("version", "file"), [(1, "memory.oom_control"), (2, "memory.events")])
def test_a_kill_for_memory_is_read(version, file, tmp_path):
    group = Group({"memory": (version, tmp_path)})
    assert not group.out_of_memory()
    (tmp_path / file).write_text("under_oom 0\noom_kill 0\n")
    assert not group.out_of_memory()
    (tmp_path / file).write_text("under_oom 0\noom_kill 2\n")
    assert group.out_of_memory()


def test_groups_of_dead_graders_are_swept_and_others_stay(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"grader-{dead.pid}-0", "grader-1-0", "other"):
        (tmp_path / name).mkdir()
    cgroup._sweep(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"grader-1-0", "other"}


def test_a_machine_without_control_groups_is_no_error(monkeypatch):
    monkeypatch.setattr(cgroup, "controllers", list)
    assert Group.make(Limits(memory_mib=100)) is None


@pytest.mark.slow
def test_a_real_group_takes_a_process_and_ends_it():
    group = Group.make(Limits(memory_mib=100, processes=7))
    if group is None:
        pytest.skip("this machine lets us make no control group")
    child = subprocess.Popen(["sleep", "60"])
    for entrance in group.entrances:
        Path(entrance).write_text(str(child.pid))
    assert child.pid in group.processes()
    group.remove()
    assert child.wait(10) == -9
    assert not any(Path(entrance).exists() for entrance in group.entrances)
