"""One confined run, from its limits to the last process gone."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from grader.sandbox.cgroup import Group
from grader.sandbox.spec import Limits, Mount, Spec, in_order, python_mounts, system_mounts

_LAUNCHER = Path(__file__).with_name("launcher.py")
_PREFIXES = ("prefix", "base_prefix", "exec_prefix", "base_exec_prefix")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How to confine.

    :ivar name: ``namespaces`` or ``bwrap``.
    :ivar hidden: folders that are never seen inside, even where they lie in a folder that is (a course in a Python
        installation): this program, the workspace, the course.
    :ivar user_namespace: see :class:`grader.sandbox.spec.Spec`.
    """

    name: str
    hidden: tuple[str, ...] = ()
    user_namespace: bool | None = None

    @property
    def supervisors(self) -> int:
        """How many processes of ours stand between the grader and the program; their memory is not the student's."""
        return 2


class Box:
    """One confined run; a context manager, after which none of its processes is left.

    :param readable: folders and files shown read-only; :param writable: folders, as root given to the user inside.
    :param python: interpreter whose installation is shown.
    :param devices: what is shown besides, see :func:`grader.sandbox.gpu.gpu_mounts`.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        readable: Iterable[Path | str],
        writable: Iterable[Path | str],
        cwd: Path | str,
        limits: Limits | None = None,
        python: str = sys.executable,
        devices: Iterable[Mount] = (),
    ) -> None:
        self.sandbox = sandbox
        limits = limits or Limits()
        self.group = Group.make(limits)
        mounts = [*system_mounts(), *python_mounts(python, prefixes_of(python)), *_libraries()]
        mounts += python_mounts(sys.executable, prefixes_of(sys.executable)) if sandbox.name == "bwrap" else []
        mounts += devices
        mounts += [Mount("rw", str(path), str(path)) for path in writable]
        mounts += [Mount("ro", str(path), str(path)) for path in readable]
        self.spec = Spec(
            mounts=in_order(mounts, (str(Path(__file__).parents[1]), *sandbox.hidden)),
            cwd=str(cwd),
            limits=limits,
            groups=self.group.entrances if self.group else (),
            parent=os.getpid(),
            user_namespace=sandbox.user_namespace,
            watched_only=self.group is None or not self.group.counts_memory,
        )
        self._file: Path | None = None

    def command(self, argv: Sequence[str]) -> list[str]:
        """What to start instead of ``argv``: once, directly by this process, without changing its environment."""
        descriptor, name = tempfile.mkstemp(prefix="grader-box-", suffix=".json")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.spec.to_json())
        self._file = Path(name)
        return [sys.executable, "-I", "-S", str(_LAUNCHER), self.sandbox.name, name, "--", *argv]

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel ended one of its processes for memory."""
        return self.group is not None and self.group.out_of_memory()

    def close(self) -> None:
        """Ends what is left of it."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink()
        if self.group is not None:
            self.group.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _libraries() -> list[Mount]:
    """Folders of ``LD_LIBRARY_PATH``, which the environment inside names as well."""
    named = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return [Mount("ro", p.rstrip("/"), p) for p in named if p.count("/") > 1 and os.path.isabs(p) and os.path.isdir(p)]


@functools.cache
def prefixes_of(python: str) -> tuple[str, ...]:
    """Folders that an interpreter is installed in; empty where it cannot be asked."""
    if python == sys.executable:
        return tuple(dict.fromkeys(getattr(sys, name) for name in _PREFIXES))
    code = f"import json, sys; print(json.dumps([getattr(sys, n) for n in {_PREFIXES}]))"
    try:
        answer = subprocess.run([python, "-I", "-S", "-c", code], capture_output=True, timeout=30, check=True).stdout
        return tuple(dict.fromkeys(json.loads(answer)))
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()
