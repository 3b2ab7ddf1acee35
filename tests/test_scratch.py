"""Scratch folders of killed graders go, those of living ones and of other programs stay."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import grader.scratch
from grader.errors import UsageError
from grader.execution.sockets import require_socket_folder
from grader.scratch import remove_strays, scratch_prefix, socket_folder, undisturbed


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(grader.scratch, "_SHORT", ())
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
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


@pytest.mark.skipif(sys.platform != "linux", reason="proc_pid_stat(5)")
def test_a_living_process_with_the_number_of_a_dead_grader_keeps_nothing(temporary):
    number, begun = scratch_prefix().removeprefix("grader-").rstrip("-").split(".")
    stray, used = (temporary / f"grader-{number}.{ticks}-abcdefgh" for ticks in (int(begun) - 1, begun))
    stray.mkdir()
    used.mkdir()
    assert remove_strays() == [stray]
    assert used.is_dir()


@pytest.fixture
def interrupts():
    """Also where a shell that runs this in the background has them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_until_tidying_up_is_done(interrupts):
    done = []
    with pytest.raises(KeyboardInterrupt), undisturbed():  # noqa: PT012 - the end of the block raises
        signal.raise_signal(signal.SIGINT)
        done.append("tidied up")
    assert done == ["tidied up"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


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


def long_folder(parent, n_bytes=150):
    folder = parent / ("x" * (n_bytes - len(str(parent)) - 1))
    folder.mkdir()
    return folder


@pytest.mark.skipif(os.name == "nt", reason="kernels are reached over TCP there")
class TestSockets:
    """Where a kernel's sockets lie."""

    def test_a_temporary_folder_with_a_short_path_is_used(self, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", "/tmp")
        assert str(require_socket_folder()) == "/tmp"

    def test_a_temporary_folder_with_a_long_path_is_passed_over(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(long_folder(tmp_path)))
        monkeypatch.setattr(grader.scratch, "_SHORT", (str(tmp_path / "not there"), "/var/tmp"))
        assert str(socket_folder()) == "/var/tmp"

    def test_a_socket_of_a_kernel_fits_into_the_folder_that_is_chosen(self, monkeypatch):
        for n in range(40, 100):
            monkeypatch.setattr(tempfile, "tempdir", "/" + "x" * (n - 1))
            monkeypatch.setattr(os, "access", lambda *_: True)
            if str(socket_folder()) == tempfile.gettempdir():
                longest = n
        with tempfile.TemporaryDirectory(dir="/tmp", prefix="y" * (longest - 13)) as folder:
            place = Path(folder, f"{scratch_prefix()}12345678", "own")
            place.mkdir(parents=True)
            with socket.socket(socket.AF_UNIX) as end:
                end.bind(str(place / "kernel-ipc-5"))
            assert len(folder) == longest

    def test_where_every_folder_is_too_long_a_sentence_says_what_to_do(self, temporary, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(long_folder(temporary)))
        assert socket_folder() is None
        with pytest.raises(UsageError, match="set TMPDIR to a folder with a short path"):
            require_socket_folder()

    def test_strays_in_the_shorter_folder_go_as_well(self, temporary, monkeypatch):
        with tempfile.TemporaryDirectory(dir="/tmp") as short:
            monkeypatch.setattr(tempfile, "tempdir", str(long_folder(temporary)))
            monkeypatch.setattr(grader.scratch, "_SHORT", (short,))
            stray = Path(short) / f"grader-{ended_process()}-abc_123x"
            stray.mkdir()
            assert remove_strays() == [stray]
