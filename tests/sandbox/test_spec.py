import os
import sys
from pathlib import Path

import pytest

from grader.sandbox.bubblewrap import options
from grader.sandbox.spec import Limits, Mount, Spec, in_order, is_below, python_mounts, system_mounts

linux = pytest.mark.skipif(sys.platform != "linux", reason="paths and links of Linux")


def ro(path, source=None):
    return Mount("ro", path, source or path)


def test_a_spec_is_the_same_after_the_launchers_file():
    spec = Spec(
        (ro("/usr/bin"), Mount("file", "/etc/passwd", "x:y\n"), Mount("tmpfs", "/t", size_mib=3)),
        "/t",
        Limits(memory_mib=5.5, cpu_s=3),
        groups=("/sys/fs/cgroup/a",),
        parent=7,
        user_namespace=False,
        watched_only=True,
    )
    assert Spec.from_json(spec.to_json()) == spec


def test_outer_places_are_mounted_before_inner_ones():
    ordered = in_order([ro("/a/b/c", "/elsewhere"), Mount("rw", "/a/b", "/other"), ro("/a", "/third")])
    assert [m.target for m in ordered] == ["/a", "/a/b", "/a/b/c"]


def test_what_an_outer_mount_shows_anyway_is_not_mounted_again():
    assert [m.target for m in in_order([ro("/a"), ro("/a/b"), Mount("link", "/a/c", "b")])] == ["/a"]


def test_a_writable_folder_in_a_readable_one_stays():
    ordered = in_order([ro("/a"), Mount("rw", "/a/b", "/a/b")])
    assert [m.kind for m in ordered] == ["ro", "rw"]


def test_the_last_word_on_a_place_counts():
    (mount,) = in_order([ro("/a", "/x"), ro("/a", "/y")])
    assert mount.source == "/y"


@linux
def test_a_hidden_folder_in_a_mounted_one_is_covered(tmp_path):
    (tmp_path / "lib" / "course" / "rubrics").mkdir(parents=True)
    library, course = str(tmp_path / "lib"), str(tmp_path / "lib" / "course")
    assert in_order([ro(library)], [course])[1:] == (Mount("empty", course),)
    seen = in_order([Mount("ro", "/opt/lib", library)], [course])
    assert seen[1:] == (Mount("empty", "/opt/lib/course"),)


@linux
def test_a_hidden_folder_outside_the_view_needs_no_cover(tmp_path):
    for name in ("lib", "course"):
        (tmp_path / name).mkdir()
    assert in_order([ro(str(tmp_path / "lib"))], [str(tmp_path / "course"), str(tmp_path)]) == (
        ro(str(tmp_path / "lib")),
    )


@linux
def test_only_the_parts_of_an_installation_are_shown_not_its_folder(tmp_path):
    for part in ("bin", "lib", "rubrics", "workspace"):
        (tmp_path / part).mkdir()
    (tmp_path / "bin" / "python").touch()
    targets = {m.target for m in python_mounts(str(tmp_path / "bin" / "python"), [str(tmp_path)])}
    assert targets == {str(tmp_path / "bin"), str(tmp_path / "lib")}


@linux
def test_every_link_on_the_way_to_the_interpreter_is_shown(tmp_path):
    (tmp_path / "real" / "bin").mkdir(parents=True)
    (tmp_path / "real" / "bin" / "python3").touch()
    (tmp_path / "shim").symlink_to("real/bin/python3")
    (tmp_path / "python").symlink_to(tmp_path / "shim")
    mounts = {m.target: m for m in python_mounts(str(tmp_path / "python"), [str(tmp_path / "real")])}
    assert mounts[str(tmp_path / "python")] == Mount("link", str(tmp_path / "python"), str(tmp_path / "shim"))
    assert mounts[str(tmp_path / "shim")].kind == "link"
    assert mounts[str(tmp_path / "real" / "bin")].kind == "ro"


@linux
def test_the_system_shown_has_no_home_no_etc_and_no_variable_data():
    shown = [m for m in system_mounts() if m.kind in ("ro", "rw")]
    for place in ("/", "/etc", "/root", "/home", "/var", "/proc", "/sys", "/usr", "/tmp", str(Path.home())):
        assert not any(m.target == place or is_below(place, m.target) for m in shown), place
    assert all(m.kind != "rw" for m in shown)
    assert "student" in next(m.source for m in system_mounts() if m.target == "/etc/passwd")


@linux
def test_bwrap_is_told_the_same_view():
    mounts = (ro("/usr/bin"), Mount("link", "/bin", "usr/bin"), Mount("rw", "/t/own", "/t/own"), Mount("empty", "/t/c"))
    words = " ".join(options(Spec(mounts, "/t/own"), 9, [0, 0, 0, 0]))
    real = os.path.realpath("/usr/bin")
    for part in (
        f"--ro-bind {real} /usr/bin",
        "--symlink usr/bin /bin",
        "--bind /t/own /t/own",
        "--tmpfs /t/c",
        "--remount-ro /t/c",
        "--unshare-all",
        "--cap-drop ALL",
        "--seccomp 9",
        "--die-with-parent",
        "--remount-ro /proc",
        "--chdir /t/own",
    ):
        assert part in words, part
