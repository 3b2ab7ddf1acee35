"""Names of temporary folders, and the removal of those that a killed grader left behind."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRATCH_PREFIX = "grader-"
SOCKET_PATH_LIMIT_BYTES = 107 if sys.platform == "linux" else 103  # sun_path of unix(7) without its last zero
_ROOM_BYTES = 2**20
_NAMED = re.compile(rf"{SCRATCH_PREFIX}(\d+)(?:\.(\d+))?-[\w-]+")
_SHORT = ("/tmp", "/var/tmp")  # noqa: S108 - folders in them are made by mkdtemp, for their owner only
_SOCKET_BELOW = "12345678/own/kernel-ipc-5"  # from the end of scratch_prefix() on: the longest path of a socket of ours


def scratch_prefix(purpose: str = "") -> str:
    """How temporary folders of this process begin: its number, and when it began, tell later whether anybody still uses
    them.
    """
    begun = _begun("self")
    return f"{SCRATCH_PREFIX}{os.getpid()}{'.' if begun else ''}{begun}-{purpose}{'-' if purpose else ''}"


def _begun(process: int | str) -> str:
    """When a process began, in clock ticks since the machine did (field 22 of proc_pid_stat(5)): numbers of processes
    are used again within minutes on a busy machine. Empty where this is not known.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return str(int(fields[19]))
    except (OSError, ValueError, IndexError):
        return ""


def socket_folder() -> Path | None:
    """Where scratch folders with sockets are made: the system's temporary folder (``TMPDIR``), or a shorter one where
    its path is too long for a Unix socket; ``None`` where there is none that can be written.
    """
    named = tempfile.gettempdir()
    if os.name == "nt":  # no Unix sockets are used there
        return Path(named)
    found = (f for f in (named, *_SHORT, os.environ.get("XDG_RUNTIME_DIR", "")) if f and _holds_sockets(f))
    return next(map(Path, found), None)


def _holds_sockets(folder: str) -> bool:
    path = Path(folder).absolute() / f"{scratch_prefix()}{_SOCKET_BELOW}"
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES and os.access(folder, os.W_OK | os.X_OK)


def require_room(folder: Path) -> None:
    """:raises OSError: the disk of ``folder`` is full, so that what was written there last may be missing."""
    if shutil.disk_usage(folder).free < _ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def remove_strays() -> list[Path]:
    """Deletes this user's temporary folders whose grader is gone; what was deleted. Never an error."""
    removed = []
    folders = {Path(tempfile.gettempdir()), socket_folder() or Path(tempfile.gettempdir())}
    for path in (p for folder in folders for p in folder.glob(f"{SCRATCH_PREFIX}*")):
        named = _NAMED.fullmatch(path.name)
        if named and _is_ours(path) and not _lives(int(named[1]), named[2]):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def _lives(process: int, begun: str | None) -> bool:
    import psutil  # not needed for names, which the sandboxes' own small programs make as well

    return psutil.pid_exists(process) and (not begun or _begun(process) in ("", begun))


def _is_ours(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return path.is_dir() and not path.is_symlink() and (os.name == "nt" or status.st_uid == os.getuid())


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within it Ctrl-C and SIGTERM wait until its end: for tidying up when an object goes, where an interrupt would be
    swallowed, and processes and folders left. Elsewhere than in the main thread, where none arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    known = {number: handler for number, handler in before.items() if handler is not None}
    try:
        for number in known:
            signal.signal(number, lambda number, _frame: held.append(number))
        yield
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])
