"""Takes the calling process into its own small world: namespaces, a root of its own, no rights, filters, limits.

:func:`enter` is called after a fork and before any student code, by the launcher or by a process that was forked from a
warm one. Three processes come of it::

    outside        keeps the exit status; dies with the grader (PR_SET_PDEATHSIG)
    └── init       process 1 of the new pid namespace: made the view, waits for the next; dies with the outside one,
        │          and every process of the namespace with it
        └── inside returns from enter()
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable

from grader.sandbox import bpf, landlock, syscalls
from grader.sandbox.spec import HOSTNAME, INSIDE_ID, Limits, Spec
from grader.sandbox.view import make_view

_SPACES = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWPID
_SPACES |= syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
# Users that belong to nobody: systemd's range for services that get one while they run.
_FIRST_FREE_ID, _FREE_IDS = 61_184, 4_300
FAILED = 125  # exit status where the sandbox could not be made


def enter(spec: Spec) -> None:
    """Returns inside the sandbox; the processes around it never return.

    The process may have one thread only, and whoever calls closes the descriptors that must not be seen inside.

    :raises OSError: in the calling process, while nothing has been changed but its control group and signals; what
        goes wrong later ends the process with status :data:`FAILED` and a line on standard error.
    """
    _die_with_parent(spec.parent)
    for group in spec.groups:
        with open(group, "w", encoding="ascii") as file:
            file.write("0")
    with contextlib.suppress(ValueError):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    as_user = _new_namespaces(spec)
    child = os.fork()
    if child:
        _guarded(_be_powerless)
        _die_with_parent(spec.parent)
        os._exit(_wait_for(child))
    _guarded(lambda: _be_init(spec, as_user))


def confine(limits: Limits, readable: tuple[str, ...], writable: tuple[str, ...]) -> None:
    """What is left to do inside a finished view, whoever made it: resource limits and Landlock; signals as usual."""
    _set_limits(limits)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    syscalls.no_new_privileges()
    landlock.restrict((*readable, "/proc", "/dev", "/etc", "/sys"), (*writable, "/tmp", "/dev"))


def _be_init(spec: Spec, as_user: tuple[int, int]) -> None:
    """In process 1: makes the view, starts the process inside (which returns), and waits for it."""
    _die_with_parent(None)
    make_view(spec)
    _loopback_up()
    syscalls.set_hostname(HOSTNAME)
    child = os.fork()
    if child:
        _close_all()
        _be_powerless()
        _die_with_parent(None)
        os._exit(_wait_for(child))
    syscalls.bound_capabilities()
    _become(as_user)
    os.chdir(spec.cwd)
    syscalls.no_new_privileges()
    syscalls.drop_capabilities()
    confine(spec.limits, spec.readable, spec.writable)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    _die_with_parent(None)
    bpf.install(bpf.program(watched_only=spec.watched_only))


def _guarded(action: Callable[[], None]) -> None:
    try:
        action()
    except BaseException as error:
        sys.stderr.write(f"sandbox: {error}\n")
        sys.stderr.flush()
        os._exit(FAILED)


def _die_with_parent(parent: int | None) -> None:
    """The kernel forgets this wish at every change of rights, so it is said again after each."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if parent is not None and os.getppid() != parent:
        os._exit(FAILED)


def _be_powerless() -> None:
    """For the two processes that only wait: no rights, and nobody of the same user may look into them."""
    syscalls.no_new_privileges()
    syscalls.bound_capabilities()
    syscalls.drop_capabilities()
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)


def _close_all() -> None:
    os.closerange(3, 1 << 16)
    with contextlib.suppress(OSError):
        nothing = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.close(nothing)


def _wait_for(child: int) -> int:
    """Waits for ``child`` and everything that is orphaned meanwhile; its exit status, 128 + n for a signal."""
    while True:
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _new_namespaces(spec: Spec) -> tuple[int, int]:
    """Unshares; user and group (as this process sees them) that the process inside shall be.

    As root the user inside is one that owns nothing outside, and gets the writable folders. An ordinary user stays
    who it is, seen as :data:`INSIDE_ID`.
    """
    user, group = os.geteuid(), os.getegid()
    if user != 0:
        syscalls.unshare(_SPACES | syscalls.CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{INSIDE_ID} {user} 1")
        _write("/proc/self/gid_map", f"{INSIDE_ID} {group} 1")
        return INSIDE_ID, INSIDE_ID
    free = _FIRST_FREE_ID + os.getpid() % _FREE_IDS
    for folder in spec.writable:
        give_away(folder, free)
    os.setgroups([])
    if spec.user_namespace is not False and _root_user_namespace(free):
        return INSIDE_ID, INSIDE_ID
    syscalls.unshare(_SPACES)
    return free, free


def _root_user_namespace(free: int) -> bool:
    """A user namespace that knows root (to make the view) and ``free``; ``False`` where there are none.

    The map is written by a process that stays outside: only there root has the right to map a user that it is not.
    """
    ready, done = os.pipe(), os.pipe()
    pid = os.getpid()
    helper = os.fork()
    if not helper:
        os.close(ready[1])
        with contextlib.suppress(OSError):
            if os.read(ready[0], 1):
                for name in ("uid_map", "gid_map"):
                    _write(f"/proc/{pid}/{name}", f"0 0 1\n{INSIDE_ID} {free} 1")
                os.write(done[1], b"1")
        os._exit(0)
    os.close(ready[0])
    os.close(done[1])
    try:
        syscalls.unshare(_SPACES | syscalls.CLONE_NEWUSER)
    except OSError:
        os.close(ready[1])
        os.waitpid(helper, 0)
        return False
    os.write(ready[1], b"1")
    mapped = os.read(done[0], 1) == b"1"
    os.waitpid(helper, 0)
    os.close(ready[1])
    os.close(done[0])
    if not mapped:
        raise OSError("the user namespace got no map of users")
    return True


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)


def give_away(folder: str, user: int) -> None:
    """Makes ``user`` the owner of ``folder`` and all in it; links are changed, not followed."""
    os.chown(folder, user, user, follow_symlinks=False)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(place, name), user, user, follow_symlinks=False)


def _become(who: tuple[int, int]) -> None:
    """The user inside; an ordinary user is it already."""
    user, group = who
    if os.getegid() != group:
        os.setresgid(group, group, group)
    if os.geteuid() != user:
        os.setresuid(user, user, user)


def _loopback_up() -> None:
    """Some libraries talk to themselves over 127.0.0.1; ``SIOCGIFFLAGS`` and ``SIOCSIFFLAGS`` of ``netdevice(7)``."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        flags = struct.unpack("16sh", fcntl.ioctl(plug, 0x8913, struct.pack("16sh", b"lo", 0)))[1]
        fcntl.ioctl(plug, 0x8914, struct.pack("16sh", b"lo", flags | 1))


def _set_limits(limits: Limits) -> None:
    wanted: dict[int, int | None] = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.file_mib * 2**20,
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_NPROC: limits.processes if _counts_per_namespace() else None,
    }
    for number, value in wanted.items():
        if value is not None:
            hard = resource.getrlimit(number)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (value, value))


def _counts_per_namespace() -> bool:
    """Since Linux 5.14 a limit on processes counts those of the own user namespace, not all of the person's."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(c for c in minor if c.isdigit()) or 0)) >= (5, 14)
