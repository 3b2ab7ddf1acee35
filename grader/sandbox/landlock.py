"""Landlock on top of the view: a second, independent list of what may be read and written.

See https://docs.kernel.org/userspace-api/landlock.html; constants of ``linux/landlock.h``.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from grader.sandbox import syscalls

_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_OLDEST = 2  # version 1 forbids every rename from one folder to another
_RIGHTS_BY_ABI = {2: 14, 3: 15, 4: 15}  # number of rights to handle; 16 from ABI 5
_SCOPES = 0b11  # abstract Unix sockets and signals of processes outside, from ABI 6
_SCOPES_SINCE = 6
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE


def abi() -> int:
    """Version of Landlock in this kernel; 0 where it is missing or switched off."""
    try:
        return syscalls.syscall(syscalls.LANDLOCK_CREATE_RULESET, 0, 0, _VERSION, what="landlock")
    except OSError:
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Confines this thread and all that it starts to ``readable`` and ``writable`` folders and files.

    Paths that are not there are left out. Network ports are not restricted: the network namespace has none but its own.

    :returns: whether this kernel has Landlock (of version 2 or later). :raises OSError: it refused.
    """
    version = abi()
    if version < _OLDEST:
        return False
    handled = (1 << _RIGHTS_BY_ABI.get(version, 16)) - 1
    attributes = struct.pack("<QQQ", handled, 0, _SCOPES)[: 24 if version >= _SCOPES_SINCE else 8]
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = syscalls.syscall(
        syscalls.LANDLOCK_CREATE_RULESET, ctypes.byref(buffer), len(attributes), 0, what="landlock_create_ruleset"
    )
    try:
        for path in readable:
            _allow(ruleset, path, handled & (_EXECUTE | _READ_FILE | _READ_DIR))
        for path in writable:
            _allow(ruleset, path, handled)
        syscalls.syscall(syscalls.LANDLOCK_RESTRICT_SELF, ruleset, 0, what="landlock_restrict_self")
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _FILE_RIGHTS
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, place), 12)
        syscalls.syscall(
            syscalls.LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0, what="landlock_add_rule"
        )
    finally:
        os.close(place)
