"""Runs in a sandbox that is being tried: ``python -I -S selftest.py FACTS.json`` prints what it found, as JSON.

It aims at nothing but what :mod:`grader.sandbox.choose` made for it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _fails(action: Callable[[], Any]) -> bool:
    try:
        action()
    except OSError:
        return True
    return False


def _connect(family: int, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as plug:
        plug.settimeout(2)
        plug.connect(address)


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def look(facts: dict[str, Any]) -> dict[str, bool]:
    """Each promise and whether it holds.

    :param facts: ``canary`` (a file outside), ``outside`` (its folder), ``scratch``, ``port``, ``abstract``, ``pid``
        (of the grader), ``variable`` (a name in the grader's environment).
    """
    status = _status()
    scratch = Path(facts["scratch"], "written")
    return {
        "the scratch folder can be written": not _fails(lambda: scratch.write_text("x", "ascii")),
        "a file outside cannot be read": _fails(lambda: Path(facts["canary"]).read_bytes()),
        "nothing outside can be written": _fails(lambda: Path(facts["outside"], "new").write_text("x", "ascii")),
        "no port of this machine can be reached": _fails(
            lambda: _connect(socket.AF_INET, ("127.0.0.1", facts["port"]))
        ),
        "no abstract socket can be reached": _fails(lambda: _connect(socket.AF_UNIX, "\0" + facts["abstract"])),
        "other processes cannot be seen": not any(
            name.isdigit() and int(name) not in (1, os.getpid(), os.getppid()) for name in os.listdir("/proc")
        ),
        "the user is not root": 0 not in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()),
        "there are no capabilities": all(int(status[n], 16) == 0 for n in ("CapInh", "CapPrm", "CapEff", "CapAmb")),
        "there are no new privileges": status["NoNewPrivs"].strip() == "1",
        "system calls are filtered": status["Seccomp"].strip() == "2",
        "the environment is not inherited": facts["variable"] not in os.environ,
    }


if __name__ == "__main__":
    print(json.dumps(look(json.loads(Path(sys.argv[1]).read_text("utf-8")))))  # noqa: T201
