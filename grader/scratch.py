"""Names of temporary folders, and the removal of those that a killed grader left behind."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

SCRATCH_PREFIX = "grader-"
_NAMED = re.compile(rf"{SCRATCH_PREFIX}(\d+)-[\w-]+")


def scratch_prefix(purpose: str = "") -> str:
    """How temporary folders of this process begin: its number tells later whether anybody still uses them."""
    return f"{SCRATCH_PREFIX}{os.getpid()}-{purpose}{'-' if purpose else ''}"


def remove_strays() -> list[Path]:
    """Deletes this user's temporary folders whose grader is gone; what was deleted. Never an error."""
    import psutil  # not needed for names, which the sandboxes' own small programs make as well

    removed = []
    for path in Path(tempfile.gettempdir()).glob(f"{SCRATCH_PREFIX}*"):
        named = _NAMED.fullmatch(path.name)
        if named and _is_ours(path) and not psutil.pid_exists(int(named[1])):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def _is_ours(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return path.is_dir() and not path.is_symlink() and (os.name == "nt" or status.st_uid == os.getuid())
