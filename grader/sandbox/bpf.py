"""The seccomp filter: a classic BPF program that refuses what no notebook needs.

One program serves both mechanisms: :func:`install` for our own, :func:`program` as bytes for ``bwrap --seccomp``.
Encoding: ``linux/filter.h`` (``struct sock_filter``: u16 code, u8 jt, u8 jf, u32 k) and ``linux/seccomp.h``.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterable

from grader.sandbox import syscalls

ALLOW, KILL_PROCESS, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in struct seccomp_data: nr, arch, and the low halves of the first two arguments (little-endian).
_NUMBER, _ARCH, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24
_ARCHES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_X32 = 0x4000_0000
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: all of them belong to a network namespace
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX

# name: number on x86-64, number on aarch64 (None: it is not there)
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # the view of the file system, and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # parts of the kernel with a history of weaknesses
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "memfd_secret": (447, 447),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "lookup_dcookie": (212, 18),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "nfsservctl": (180, 42),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "iopl": (172, None),
    "ioperm": (173, None),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
}
# Memory that belongs to no process: refused where only the resident memory of processes is watched.
UNWATCHED: dict[str, tuple[int | None, int | None]] = {"memfd_create": (319, 279), "shmget": (29, 194)}
_SPECIAL = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "ioctl": (16, 29),
}


def _code(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, k)


def _error(number: int) -> bytes:
    return _code(_RETURN, _ERRNO | number)


def _when(number: int, body: bytes) -> bytes:
    """``body`` if the system call is ``number``; the body ends in a return."""
    return _code(_JUMP_EQUAL, number, 0, len(body) // 8) + body


def program(machine: str | None = None, *, watched_only: bool = False) -> bytes:
    """The filter for ``machine`` (this one): 8 bytes an instruction.

    :param watched_only: also refuse :data:`UNWATCHED`.
    :raises KeyError: there is no table for the machine.
    """
    machine = machine or syscalls.machine()
    column = list(_ARCHES).index(machine) if machine in _ARCHES else -1
    if column < 0:
        raise KeyError(f"no table of system calls for {machine}; there is one for {', '.join(_ARCHES)}")
    special = {name: numbers[column] for name, numbers in _SPECIAL.items()}
    parts = [
        _code(_LOAD, _ARCH),
        _code(_JUMP_EQUAL, _ARCHES[machine], 1, 0),
        _code(_RETURN, KILL_PROCESS),
        _code(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        parts += [_code(_JUMP_AT_LEAST, _X32, 0, 1), _error(errno.ENOSYS)]
    refused = {**REFUSED, **(UNWATCHED if watched_only else {})}
    for numbers in refused.values():
        number = numbers[column]
        if number is not None:
            parts.append(_when(number, _error(errno.EPERM)))
    # Its flags lie in memory, where a filter cannot look; libraries go on with clone when told that it is missing.
    parts.append(_when(special["clone3"], _error(errno.ENOSYS)))
    parts.append(_when(special["clone"], _flags(syscalls.ANY_NAMESPACE)))
    for name in ("socket", "socketpair"):
        parts.append(_when(special[name], _one_of(_FAMILIES)))
    parts.append(_when(special["ioctl"], _none_of(_TERMINAL_INJECTION)))
    parts.append(_code(_RETURN, ALLOW))
    return b"".join(parts)


def _flags(refused: int) -> bytes:
    return _code(_LOAD, _ARGUMENT_0) + _code(_JUMP_SET, refused, 0, 1) + _error(errno.EPERM) + _code(_RETURN, ALLOW)


def _one_of(families: Iterable[int]) -> bytes:
    allowed = b"".join(_code(_JUMP_EQUAL, family, 0, 1) + _code(_RETURN, ALLOW) for family in families)
    return _code(_LOAD, _ARGUMENT_0) + allowed + _error(errno.EAFNOSUPPORT)


def _none_of(requests: Iterable[int]) -> bytes:
    refused = b"".join(_code(_JUMP_EQUAL, request, 0, 1) + _error(errno.EPERM) for request in requests)
    return _code(_LOAD, _ARGUMENT_1) + refused + _code(_RETURN, ALLOW)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(code: bytes) -> None:
    """Puts the filter on this thread and all that it starts; needs ``no_new_privs``. :raises OSError: refused."""
    fprog = _Program(len(code) // 8, code)
    syscalls.prctl(syscalls.PR_SET_SECCOMP, 2, ctypes.byref(fprog))
