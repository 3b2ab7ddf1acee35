"""Which sandboxes work on this machine: found out by starting a process in each and letting it look around."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.errors import SandboxError
from grader.sandbox import bpf, landlock, syscalls
from grader.sandbox.box import Box, Sandbox
from grader.sandbox.cgroup import controllers
from grader.sandbox.spec import Limits
from grader.scratch import scratch_prefix

MECHANISMS = ("namespaces", "bwrap")  # the strongest first
_SELFTEST = Path(__file__).with_name("selftest.py")
_LIMIT_S = 60
_SWITCHES = {
    "/proc/sys/user/max_user_namespaces": ("0", "user namespaces are switched off (user.max_user_namespaces = 0)"),
    "/proc/sys/kernel/unprivileged_userns_clone": (
        "0",
        "ordinary users may not make user namespaces (kernel.unprivileged_userns_clone = 0)",
    ),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns = 1)",
    ),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether one mechanism works here; ``reason`` why not, or what it is made of."""

    name: str
    works: bool
    reason: str


def choose(wanted: str, hidden: Iterable[Path] = ()) -> Sandbox | None:
    """The sandbox of setting ``wanted``; ``None`` for ``none``.

    :param hidden: see :class:`grader.sandbox.box.Sandbox`.
    :raises SandboxError: ``auto``, and none works; or the one that was named does not.
    """
    if wanted == "none":
        return None
    names = MECHANISMS if wanted == "auto" else (wanted,)
    trials = []
    for name in names:
        trials.append(trial(name))
        if trials[-1].works:
            return Sandbox(name, tuple(str(path) for path in hidden))
    reasons = "; ".join(f"{t.name}: {t.reason}" for t in trials)
    what = "no sandbox works" if wanted == "auto" else f"the sandbox {wanted} does not work"
    raise SandboxError(
        f"{what} on this machine ({reasons}). A notebook would run with your rights: grade on an account or machine "
        "that holds nothing else, and say so with --sandbox none; 'grader doctor' tells what helps"
    )


@functools.cache
def trial(name: str) -> Trial:
    """Tries one mechanism, once in this process."""
    if sys.platform != "linux":
        return Trial(name, False, "it needs Linux")
    if syscalls.machine() not in ("x86_64", "aarch64"):
        return Trial(name, False, f"there is no table of system calls for {syscalls.machine()}")
    if name == "bwrap" and shutil.which("bwrap") is None:
        return Trial(name, False, "bwrap is not on the PATH")
    problem = examine(Sandbox(name))
    if problem is not None:
        return Trial(name, False, problem + _hint())
    return Trial(name, True, ", ".join(_layers()))


def examine(sandbox: Sandbox) -> str | None:
    """Starts a process in the sandbox that looks around; what is wrong, or ``None``."""
    with contextlib.ExitStack() as stack:
        outside = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=scratch_prefix("try"))))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=scratch_prefix("try"))))
        facts = _facts(stack, outside, scratch)
        (scratch / "facts.json").write_text(json.dumps(facts), "utf-8")
        limits = Limits(memory_mib=512, processes=64, temporary_mib=16)
        try:
            box = stack.enter_context(
                Box(sandbox, readable=[_SELFTEST], writable=[scratch], cwd=scratch, limits=limits)
            )
            argv = [sys.executable, "-I", "-S", str(_SELFTEST), str(scratch / "facts.json")]
            done = subprocess.run(
                box.command(argv),
                env={"PATH": os.environ.get("PATH", "")},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LIMIT_S,
                start_new_session=True,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        if (outside / "new").exists():
            return "a file outside could be written"
    return _judge(done)


def _facts(stack: contextlib.ExitStack, outside: Path, scratch: Path) -> dict[str, Any]:
    """Things that must be out of reach, made for this purpose."""
    (outside / "canary").write_text("x", "ascii")
    port = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    name = f"grader-try-{secrets.token_hex(8)}"
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    abstract.bind("\0" + name)
    abstract.listen(1)
    variable = f"GRADER_TRY_{secrets.token_hex(4).upper()}"
    os.environ[variable] = "x"
    stack.callback(os.environ.pop, variable, None)
    return {
        "canary": str(outside / "canary"),
        "outside": str(outside),
        "scratch": str(scratch),
        "port": port.getsockname()[1],
        "abstract": name,
        "pid": os.getpid(),
        "variable": variable,
    }


def _judge(done: subprocess.CompletedProcess[bytes]) -> str | None:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode != 0:
        return (lines[-1] if lines else f"it ended with status {done.returncode}")[:300]
    try:
        broken = [promise for promise, holds in json.loads(done.stdout).items() if not holds]
    except (ValueError, AttributeError):
        return "its process gave no answer"
    return f"it does not hold that {'; '.join(broken)}" if broken else None


def _hint() -> str:
    """The system's switch that forbids it, where one is set."""
    for path, (value, words) in _SWITCHES.items():
        with contextlib.suppress(OSError):
            if Path(path).read_text("ascii").strip() == value:
                return f"; {words}"
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "; this is a container, which must be allowed to make namespaces"
    return ""


def _layers() -> list[str]:
    version = landlock.abi()
    found = [f"{len(bpf.REFUSED)} system calls refused", f"Landlock {version}" if version > 1 else "no Landlock"]
    counted = [f"{c.name} (v{c.version})" for c in controllers()]
    return [
        *found,
        f"control groups for {' and '.join(counted)}" if counted else "no control groups: memory is watched",
    ]
