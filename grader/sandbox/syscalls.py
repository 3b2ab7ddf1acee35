"""The system calls that Python has no function for, through ``ctypes``; Linux on x86-64 and aarch64.

Numbers are those of ``asm/unistd_64.h`` and ``asm-generic/unistd.h``; constants of ``linux/sched.h``,
``linux/mount.h``, ``linux/prctl.h``, ``linux/securebits.h`` and ``linux/capability.h``.
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000
ANY_NAMESPACE = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME = 1024, 2048, 4096, 16384, 1 << 18, 1 << 21
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 28, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
# NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE, and the locks of all four bits.
SECUREBITS_LOCKED = 0b1110_1111
_CAPABILITY_VERSION_3 = 0x2008_0522
_LAST_CAPABILITY = 63

_NUMBERS = {
    "x86_64": {"pivot_root": 155, "capset": 126},
    "aarch64": {"pivot_root": 41, "capset": 91},
}
# The same on every architecture that has them.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446


def machine() -> str:
    """``x86_64``, ``aarch64``, or another name for which there is no table."""
    return platform.machine().replace("arm64", "aarch64").replace("AMD64", "x86_64")


def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: Any, what: str) -> int:
    """The call of ``number``; :raises OSError: it was refused, with ``what`` in the message."""
    longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_library().syscall(ctypes.c_long(number), *longs), what)


def unshare(flags: int) -> None:
    """Moves this process into new namespaces; :raises OSError: refused."""
    _checked(_library().unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """``mount(2)``; :raises OSError: refused."""
    names = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    result = _library().mount(*names, ctypes.c_ulong(flags), os.fsencode(data) if data else None)
    _checked(result, f"mount {kind or source} on {target}")


def unmount(target: str) -> None:
    """Takes away what is mounted at ``target`` and below, now or when it is no longer used."""
    _checked(_library().umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Makes ``new`` the root; the old root lies at ``old`` then."""
    number = _NUMBERS[machine()]["pivot_root"]
    syscall(number, ctypes.c_char_p(os.fsencode(new)), ctypes.c_char_p(os.fsencode(old)), what="pivot_root")


def prctl(option: int, *values: Any) -> int:
    """``prctl(2)``; :raises OSError: refused."""
    longs = [ctypes.c_ulong(v) if isinstance(v, int) else v for v in values]
    padding = [ctypes.c_ulong(0)] * (4 - len(longs))
    return _checked(_library().prctl(option, *longs, *padding), f"prctl {option}")


def set_hostname(name: str) -> None:
    """``sethostname(2)``."""
    data = name.encode("ascii")
    _checked(_library().sethostname(data, ctypes.c_size_t(len(data))), "sethostname")


def no_new_privileges() -> None:
    """From here on no program, setuid or not, gives this process or its children more rights."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def bound_capabilities() -> None:
    """Takes every capability out of reach of this process and its children, for good; those it has now stay."""
    for number in range(_LAST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:
            break  # past the last one that this kernel knows, or never had the right to drop any
    for option, value in ((PR_SET_SECUREBITS, SECUREBITS_LOCKED), (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)):
        try:
            prctl(option, value)
        except OSError:
            continue  # needs a capability that an ordinary process does not have, and then changes nothing


def drop_capabilities() -> None:
    """Gives up every capability: effective, permitted and inheritable."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    syscall(_NUMBERS[machine()]["capset"], ctypes.byref(header), ctypes.byref(nothing), what="capset")
