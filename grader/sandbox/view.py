"""Builds the root that a confined process sees, in its own mount namespace; see ``mount_namespaces(7)``.

Nothing of the old root is reachable afterwards: it is not covered but gone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from grader.sandbox import syscalls
from grader.sandbox.spec import Mount, Spec, is_below

# Folders that exist nearly everywhere; the new root is put on the first that holds nothing of the view.
_PLACES = ("/mnt", "/media", "/srv", "/opt", "/boot", "/home", "/run", "/var")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_KEPT = {"noexec": syscalls.MS_NOEXEC, "noatime": syscalls.MS_NOATIME, "nodiratime": syscalls.MS_NODIRATIME}
_KEPT |= {"relatime": syscalls.MS_RELATIME, "nodev": syscalls.MS_NODEV, "nosuid": syscalls.MS_NOSUID}
_HARDENED = syscalls.MS_NOSUID | syscalls.MS_NODEV
_READ_ONLY = syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY
# ST_NOEXEC, ST_NOATIME and ST_NODIRATIME have the numbers of their mount flags; ST_RELATIME has not.
_STATVFS_KEPT = syscalls.MS_NOEXEC | syscalls.MS_NOATIME | syscalls.MS_NODIRATIME
_ST_RELATIME = 4096


def make_view(spec: Spec) -> None:
    """Mounts everything and changes the root; called in process 1 of a new pid and mount namespace.

    :raises OSError: the kernel or a module of it refused.
    """
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    base = _place(m.source for m in spec.mounts if m.kind in ("ro", "rw", "device"))
    syscalls.mount("tmpfs", base, "tmpfs", _HARDENED, "size=4m,mode=755")
    old_umask = os.umask(0o022)
    _system_folders(base, spec.limits.temporary_mib)
    for mount in spec.mounts:
        _make(base, mount)
    _harden(base, spec.mounts)
    os.umask(old_umask)
    syscalls.mount("none", base, None, _READ_ONLY | _HARDENED)
    os.chdir(base)
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".")
    os.chdir("/")


def _place(sources: Iterable[str]) -> str:
    used = [os.path.realpath(source) for source in sources]
    for place in _PLACES:
        real = os.path.realpath(place)
        if os.path.isdir(real) and not any(is_below(s, real) or is_below(real, s) for s in used):
            return real
    raise OSError(f"no free folder to build the view in (one of {', '.join(_PLACES)})")


def _system_folders(base: str, temporary_mib: int) -> None:
    """``/proc`` of the own processes, read-only; ``/dev`` with what is harmless; a ``/tmp`` of one's own."""
    for name in ("proc", "dev", "etc", "tmp"):
        os.mkdir(f"{base}/{name}")
    files = temporary_mib * 16
    room = f"size={temporary_mib}m,nr_inodes={files},mode=1777"
    syscalls.mount("tmpfs", f"{base}/tmp", "tmpfs", _HARDENED, room)
    # Read-only: some of its switches ask for the number of the user only, not for a right.
    strict = _HARDENED | syscalls.MS_NOEXEC
    try:
        syscalls.mount("proc", f"{base}/proc", "proc", strict, "hidepid=2")
    except OSError:
        syscalls.mount("proc", f"{base}/proc", "proc", strict)
    syscalls.mount("none", f"{base}/proc", None, _READ_ONLY | strict)
    for name in _DEVICES:
        _empty_file(f"{base}/dev/{name}")
        syscalls.mount(f"/dev/{name}", f"{base}/dev/{name}", None, syscalls.MS_BIND)
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{base}/dev/{name}")
    os.mkdir(f"{base}/dev/shm")
    syscalls.mount("tmpfs", f"{base}/dev/shm", "tmpfs", _HARDENED, room)
    os.mkdir(f"{base}/dev/pts")
    with contextlib.suppress(OSError):  # without it, "!command" in a cell works, a program that wants a terminal fails
        options = "newinstance,ptmxmode=0666,mode=620"
        syscalls.mount("devpts", f"{base}/dev/pts", "devpts", syscalls.MS_NOSUID | syscalls.MS_NOEXEC, options)


def _empty_file(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _make(base: str, mount: Mount) -> None:
    target = base + mount.target
    if mount.kind == "rw" and mount.target == "/tmp":
        raise OSError("the whole of /tmp is never part of the view")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if mount.kind == "link":
        with contextlib.suppress(FileExistsError):
            os.symlink(mount.source, target)
    elif mount.kind == "file":
        with open(target, "w", encoding="utf-8") as file:
            file.write(mount.source)
    elif mount.kind in ("empty", "tmpfs"):
        _folder(target)
        mode = "mode=555,size=4k" if mount.kind == "empty" else f"mode=1777,size={mount.size_mib}m"
        syscalls.mount("tmpfs", target, "tmpfs", _HARDENED, mode)
    else:
        source = os.path.realpath(mount.source)
        if os.path.isdir(source):
            _folder(target)
        elif not os.path.lexists(target):
            _empty_file(target)
        syscalls.mount(source, target, None, syscalls.MS_BIND | syscalls.MS_REC)
        if mount.kind == "ro":  # at once: what the next mounts need may not be made in a folder of the machine
            kept = os.statvfs(target).f_flag & _STATVFS_KEPT
            kept |= syscalls.MS_RELATIME if os.statvfs(target).f_flag & _ST_RELATIME else 0
            syscalls.mount("none", target, None, _READ_ONLY | _HARDENED | kept)


def _folder(path: str) -> None:
    """Made if it is missing; one that an outer mount shows is there already."""
    if not os.path.isdir(path):
        os.mkdir(path)


def _harden(base: str, mounts: Iterable[Mount]) -> None:
    """Everything bound gets no devices and no setuid programs, and is read-only where the view says so.

    A bind takes along what is mounted inside its source, and a flag of the outer one says nothing of the inner ones: so
    each mount that is there now is changed by itself. Flags that the namespace inherited must be kept.
    """
    writable = {base + m.target: m.kind == "rw" for m in mounts if m.kind in ("ro", "rw", "empty")}
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.split(" ") for line in file]
    for fields in lines:
        place = _unescaped(fields[4])
        owners = [target for target in writable if is_below(place, target)]
        if not owners:
            continue
        flags = sum({_KEPT[o] for o in fields[5].split(",") if o in _KEPT} - {syscalls.MS_NODEV, syscalls.MS_NOSUID})
        flags |= syscalls.MS_REMOUNT | syscalls.MS_BIND | _HARDENED
        if not writable[max(owners, key=len)] or "ro" in fields[5].split(","):
            flags |= syscalls.MS_RDONLY
        syscalls.mount("none", place, None, flags)


def _unescaped(text: str) -> str:
    """``mountinfo`` writes space, tab, newline and backslash as octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
