"""The second way to the same view: ``bwrap(1)``, which some systems allow where they allow no namespaces of our own.

As root its processes are root's outside (``--uid`` only changes how that looks inside), without any capability; that is
why ``/proc`` is read-only there as well, and why ``namespaces`` comes first.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile

from grader.sandbox import bpf, syscalls
from grader.sandbox.spec import HOSTNAME, INSIDE_ID, Mount, Spec

_LAUNCHER = "/run/box"  # where this package lies inside


def replace_process(spec: Spec, argv: list[str]) -> None:
    """Becomes ``bwrap``; :raises OSError: it is not there, or a control group cannot be joined."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("bwrap is not on the PATH")
    for group in spec.groups:
        with open(group, "w", encoding="ascii") as file:
            file.write("0")
    descriptor = _as_descriptor(bpf.program(watched_only=spec.watched_only))
    texts = [_as_descriptor(m.source.encode()) if m.kind == "file" else 0 for m in spec.mounts]
    # As a file, not on the command line: process 1 is bwrap itself, and its command line can be read inside.
    settings = _as_descriptor("\0".join(options(spec, descriptor, texts)).encode(errors="surrogateescape"))
    for number in (descriptor, settings, *filter(None, texts)):
        os.set_inheritable(number, True)
    # An interrupt goes to the whole process group, and would end bwrap itself; the second half undoes this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if spec.parent is not None and os.getppid() != spec.parent:
        sys.exit(1)
    inner = [sys.executable, "-I", "-S", f"{_LAUNCHER}/grader/sandbox/launcher.py", "inside", _part(spec), "--", *argv]
    os.execv(bwrap, [bwrap, "--args", str(settings), "--", *inner])


def _part(spec: Spec) -> str:
    """The spec without what must not be known inside."""
    shown = tuple(Mount(m.kind, m.target) for m in spec.mounts if m.kind in ("ro", "rw", "file"))
    return Spec(shown, spec.cwd, spec.limits).to_json()


def _as_descriptor(data: bytes) -> int:
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        file.seek(0)
        return os.dup(file.fileno())


def options(spec: Spec, seccomp: int, texts: list[int]) -> list[str]:
    """Command line of ``bwrap`` up to the program.

    :param seccomp: descriptor of the filter. :param texts: descriptor of the text of each ``file`` of ``spec.mounts``.
    """
    size = str(spec.limits.temporary_mib * 2**20)
    found = ["--unshare-all", "--unshare-user", "--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID)]
    found += ["--hostname", HOSTNAME, "--die-with-parent", "--cap-drop", "ALL", "--seccomp", str(seccomp)]
    found += ["--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm"]
    found += ["--size", size, "--perms", "1777", "--tmpfs", "/tmp"]
    for mount, text in zip(spec.mounts, texts, strict=True):
        found += _mount(mount, text)
    package = os.path.dirname(os.path.abspath(__file__))
    found += ["--ro-bind", package, f"{_LAUNCHER}/grader/sandbox"]
    found += ["--ro-bind", os.path.join(os.path.dirname(package), "__init__.py"), f"{_LAUNCHER}/grader/__init__.py"]
    for mount in spec.mounts:
        found += ["--remount-ro", mount.target] if mount.kind == "empty" else []
    return [*found, "--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", spec.cwd]


def _mount(mount: Mount, text: int) -> list[str]:
    source = os.path.realpath(mount.source)
    return {
        "ro": ["--ro-bind", source, mount.target],
        "rw": ["--bind", source, mount.target],
        "device": ["--dev-bind", source, mount.target],
        "link": ["--symlink", mount.source, mount.target],
        "file": ["--ro-bind-data", str(text), mount.target],
        "empty": ["--perms", "0555", "--size", "65536", "--tmpfs", mount.target],
        "tmpfs": ["--perms", "1777", "--size", str(mount.size_mib * 2**20), "--tmpfs", mount.target],
    }[mount.kind]
