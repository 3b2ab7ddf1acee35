"""What one confined run sees and may use, as data: made by the grader, carried out by :mod:`grader.sandbox.enter`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

INSIDE_ID = 65534  # user and group inside, whatever they are outside
HOSTNAME = "grader"
# What a Python installation consists of. Its folder may hold anything else: a home, a project, a course.
_PARTS = ("bin", "lib", "lib32", "lib64", "libexec", "include", "share", "etc/fonts", "pyvenv.cfg")
_SYSTEM = tuple(f"{top}/{part}" for top in ("/usr", "/usr/local") for part in ("sbin", *_PARTS))
_TOP = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "fonts", "localtime", "alternatives")
_STUBS = {
    "/etc/passwd": f"student:x:{INSIDE_ID}:{INSIDE_ID}::/tmp:/bin/sh\n",
    "/etc/group": f"student:x:{INSIDE_ID}:\n",
    "/etc/hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


@dataclass(frozen=True, slots=True)
class Mount:
    """One place of the view.

    :ivar kind: ``ro`` or ``rw`` (``source`` as it is outside), ``link`` (``source`` is what it points to), ``file``
        (``source`` is its text), ``empty`` (a folder with nothing in it), ``tmpfs`` (``size_mib``), ``device`` (a
        device node, which can be used).
    """

    kind: str
    target: str
    source: str = ""
    size_mib: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of all processes together, except where said. ``None``: as the system has it.

    :ivar memory_mib: enforced by a control group where there is one.
    :ivar file_mib: size of any one file. :ivar cpu_s: of any one process.
    :ivar temporary_mib: of ``/tmp``, and of ``/dev/shm``.
    """

    memory_mib: float | None = None
    processes: int = 512
    open_files: int = 4096
    file_mib: int = 2048
    cpu_s: int | None = None
    temporary_mib: int = 256


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything that :func:`grader.sandbox.enter.enter` needs.

    :ivar writable: the ``rw`` targets; as root they are given to the user inside.
    :ivar groups: ``cgroup.procs`` files to join. :ivar parent: process that this one must not outlive.
    :ivar user_namespace: ``False`` never takes one (root only); ``None`` where it is possible.
    :ivar watched_only: no memory that belongs to no process (there is no control group to count it).
    """

    mounts: tuple[Mount, ...]
    cwd: str
    limits: Limits = field(default_factory=Limits)
    groups: tuple[str, ...] = ()
    parent: int | None = None
    user_namespace: bool | None = None
    watched_only: bool = False

    @property
    def writable(self) -> tuple[str, ...]:
        """Folders that may be changed."""
        return tuple(mount.target for mount in self.mounts if mount.kind == "rw")

    @property
    def readable(self) -> tuple[str, ...]:
        """What may be read and not changed."""
        return tuple(mount.target for mount in self.mounts if mount.kind in ("ro", "file", "empty"))

    def to_json(self) -> str:
        """For the launcher's file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """The inverse."""
        data = json.loads(text)
        mounts = tuple(Mount(**mount) for mount in data.pop("mounts"))
        limits = Limits(**data.pop("limits"))
        return cls(mounts, limits=limits, groups=tuple(data.pop("groups")), **data)


def system_mounts(root: str = "/") -> list[Mount]:
    """Programs and libraries of the system, and as little of ``/etc`` as they need."""
    found = [_as_it_is(path) for path in (*_TOP, *_SYSTEM) if os.path.lexists(path)]
    found += [Mount("ro", f"/etc/{n}", os.path.realpath(f"/etc/{n}")) for n in _ETC if os.path.exists(f"/etc/{n}")]
    return found + [Mount("file", path, text) for path, text in _STUBS.items()]


def _as_it_is(path: str) -> Mount:
    return Mount("link", path, os.readlink(path)) if os.path.islink(path) else Mount("ro", path, path)


def python_mounts(executable: str, prefixes: Iterable[str]) -> list[Mount]:
    """A Python installation and its virtual environment, by their parts.

    :param prefixes: its ``sys.prefix``, ``sys.base_prefix`` and the like.
    """
    found: dict[str, Mount] = {}
    for prefix in prefixes:
        for place in dict.fromkeys((prefix, os.path.realpath(prefix))):
            for part in _PARTS:
                path = os.path.join(place, part)
                if os.path.lexists(path):
                    found[path] = _as_it_is(path)
    for hop in _hops(executable):
        if not any(is_below(hop, known) for known in found):
            found[hop] = _as_it_is(hop)
    return list(found.values())


def _hops(path: str) -> list[str]:
    """A path, and what it points to, link by link."""
    hops = [path]
    while os.path.islink(hops[-1]) and len(hops) < 20:
        hops.append(os.path.normpath(os.path.join(os.path.dirname(hops[-1]), os.readlink(hops[-1]))))
    return hops


def is_below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def in_order(mounts: Iterable[Mount], hidden: Iterable[str] = ()) -> tuple[Mount, ...]:
    """The mounts in the order in which they are made: outer before inner ones, each place once, the last one counts.

    :param hidden: folders that nobody inside may see. Where one lies in a mounted folder, an empty one covers it.
    """
    by_target = {os.path.normpath(m.target): m for m in mounts}
    shown = [m for m in by_target.values() if m.kind in ("ro", "rw")]
    for folder in hidden:
        real = os.path.realpath(folder)
        for mount in shown:
            inside = os.path.normpath(mount.target + real[len(os.path.realpath(mount.source)) :])
            if is_below(real, os.path.realpath(mount.source)) and inside not in by_target and os.path.isdir(real):
                by_target[inside] = Mount("empty", inside)
    ordered = sorted(by_target, key=lambda target: (target.count("/"), target))
    return tuple(by_target[t] for t in ordered if not _shown_already(t, by_target))


def _shown_already(target: str, mounts: dict[str, Mount]) -> bool:
    """Whether an outer mount shows the very same thing in the same way, so that this one is not needed."""
    mount = mounts[target]
    if mount.kind not in ("ro", "link"):
        return False
    above = [t for t in mounts if t != target and is_below(target, t)]
    if not above:
        return False
    outer = mounts[max(above, key=len)]
    if outer.kind != "ro" or outer.source != outer.target:
        return False
    return mount.kind == "link" or mount.source == mount.target
