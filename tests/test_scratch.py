"""Scratch folders of killed graders go, those of living ones and of other programs stay."""

import os
import subprocess
import sys
import tempfile

import pytest

from grader.scratch import remove_strays, scratch_prefix


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def ended_process():
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        return child.pid


def test_a_scratch_folder_of_a_dead_grader_is_deleted(temporary):
    stray = temporary / f"grader-{ended_process()}-abc_123x"
    (stray / "work").mkdir(parents=True)
    (stray / "work" / "a.txt").write_text("a")
    assert remove_strays() == [stray]
    assert not stray.exists()


def test_scratch_folders_in_use_and_other_programs_files_stay(temporary):
    dead = ended_process()
    kept = [
        temporary / f"{scratch_prefix()}abcdefgh",
        temporary / f"grader-{os.getppid()}-abcdefgh",
        temporary / "grader-verify-abcdefgh",
        temporary / f"other-{dead}-abcdefgh",
    ]
    for folder in kept:
        folder.mkdir()
    (temporary / f"grader-{dead}-file").write_text("no folder")
    assert remove_strays() == []
    assert all(folder.is_dir() for folder in kept)


def test_a_link_with_such_a_name_is_not_followed(temporary):
    target = temporary / "target"
    target.mkdir()
    (target / "precious").write_text("x")
    (temporary / f"grader-{ended_process()}-link").symlink_to(target)
    assert remove_strays() == []
    assert (target / "precious").read_text() == "x"
