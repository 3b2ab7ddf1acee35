"""A control group for one confined run, where this machine lets us make one (version 2 or 1).

See ``cgroups(7)``. Nothing here is needed: without it memory and processes are watched from outside.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.sandbox.spec import Limits

_NAME = re.compile(r"^grader-(\d+)-\d+$")
_counter = itertools.count()
_lock = threading.Lock()


@dataclass(frozen=True)
class Controller:
    """Where new groups with one controller may be made."""

    name: str
    version: int
    folder: Path


def controllers() -> list[Controller]:
    """Those of ``memory`` and ``pids`` that this process may make groups for."""
    found = []
    try:
        places = list(_places())
    except OSError:
        return []
    for name in ("memory", "pids"):
        for version, folder, known in places:
            if name in known and os.access(folder, os.W_OK) and (version == 1 or _delegated(folder, name)):
                found.append(Controller(name, version, folder))
                break
    return found


def _places() -> Iterator[tuple[int, Path, list[str]]]:
    """Version, own folder and controllers of every mounted hierarchy."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
        _, names, path = line.split(":", 2)
        own.update(dict.fromkeys(names.split(","), path))
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        before, after = line.split(" - ", 1)
        root, place = before.split(" ")[3:5]
        kind, _, options = after.split(" ")[:3]
        if kind == "cgroup2" and "" in own:
            folder = _within(place, root, own[""])
            with contextlib.suppress(OSError):
                yield 2, folder, (folder / "cgroup.controllers").read_text("ascii").split()
        elif kind == "cgroup":
            for name in set(options.split(",")) & set(own):
                yield 1, _within(place, root, own[name]), [name]


def _within(place: str, root: str, path: str) -> Path:
    """Folder of group ``path`` in a hierarchy of which ``root`` is mounted at ``place``."""
    inside = path[len(root.rstrip("/")) :] if path == root or path.startswith(root.rstrip("/") + "/") else ""
    return Path(place + inside)


def _delegated(folder: Path, name: str) -> bool:
    """Whether groups below a version 2 group have the controller; it is switched on if the system lets us."""
    control = folder / "cgroup.subtree_control"
    try:
        if name not in control.read_text("ascii").split():
            control.write_text(f"+{name}", "ascii")
        return True
    except OSError:
        return False


class Group:
    """One control group, in one or two hierarchies."""

    def __init__(self, folders: dict[str, tuple[int, Path]]) -> None:
        self._folders = folders

    @classmethod
    def make(cls, limits: Limits) -> Group | None:
        """A new empty group with the limits that this machine can enforce; ``None``: it can enforce none."""
        folders: dict[str, tuple[int, Path]] = {}
        with _lock:
            name = f"grader-{os.getpid()}-{next(_counter)}"
            for controller in controllers():
                folder = controller.folder / name
                _sweep(controller.folder)
                with contextlib.suppress(OSError):
                    folder.mkdir(exist_ok=True)
                    try:
                        _limit(controller, folder, limits)
                        folders[controller.name] = (controller.version, folder)
                    except OSError:
                        folder.rmdir()
        return cls(folders) if folders else None

    @property
    def entrances(self) -> tuple[str, ...]:
        """Files that a process joins by writing 0."""
        return tuple(sorted({str(folder / "cgroup.procs") for _, folder in self._folders.values()}))

    @property
    def counts_memory(self) -> bool:
        """Whether the memory of its processes is limited by the kernel."""
        return "memory" in self._folders

    def out_of_memory(self) -> bool:
        """Whether the kernel ended one of its processes for memory."""
        if "memory" not in self._folders:
            return False
        version, folder = self._folders["memory"]
        try:
            text = (folder / ("memory.events" if version == 2 else "memory.oom_control")).read_text("ascii")
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in text.splitlines())

    def processes(self) -> set[int]:
        """Numbers of its processes, zombies included."""
        found: set[int] = set()
        for _, folder in self._folders.values():
            with contextlib.suppress(OSError):
                found |= {int(n) for n in (folder / "cgroup.procs").read_text("ascii").split()}
        return found - {0}

    def remove(self) -> None:
        """Ends every process in it and deletes it."""
        deadline = time.monotonic() + 5
        while (left := self.processes()) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        for folder in {folder for _, folder in self._folders.values()}:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _limit(controller: Controller, folder: Path, limits: Limits) -> None:
    if controller.name == "pids":
        (folder / "pids.max").write_text(str(limits.processes), "ascii")
    elif limits.memory_mib is not None:
        size = str(int(limits.memory_mib * 2**20))
        old = controller.version == 1
        (folder / ("memory.limit_in_bytes" if old else "memory.max")).write_text(size, "ascii")
        with contextlib.suppress(OSError):  # swap is not counted on every machine
            swap = "memory.memsw.limit_in_bytes" if old else "memory.swap.max"
            (folder / swap).write_text(size if old else "0", "ascii")


def _sweep(parent: Path) -> None:
    """Deletes empty groups of graders that were killed."""
    for folder in parent.glob("grader-*-*"):
        match = _NAME.match(folder.name)
        if match and int(match[1]) != os.getpid() and not Path(f"/proc/{match[1]}").exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
