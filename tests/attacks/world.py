"""What an attack may aim at: canaries of the test's own making, and nothing else.

Files, a process, listeners on loopback, shared memory: all made here, all gone afterwards. Each holds :data:`CANARY`,
so that a leak shows wherever it ends up.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CANARY = "canary-7f3a91"


@dataclass
class World:
    """Places of the canaries, as texts that attacks are written with."""

    root: Path
    home: Path
    workspace: Path
    course: Path
    neighbour: Path
    pid: int
    tcp: int
    tcp6: int
    udp: int
    abstract: str
    unix: Path
    shm: int
    heard: list[str] = field(default_factory=list)

    def places(self) -> dict[str, str]:
        """For ``str.format``-like filling of attacks: ``<name>`` stands for each."""
        values = {name: str(getattr(self, name)) for name in self.__dataclass_fields__ if name != "heard"}
        return {**values, "canary": CANARY, "parent": str(os.getpid()), "python": sys.executable}

    def files(self) -> dict[Path, bytes]:
        """Every canary file and what is in it."""
        return {p: p.read_bytes() for p in sorted(self.root.rglob("*")) if p.is_file() and not p.is_symlink()}


@contextlib.contextmanager
def made_world(root: Path) -> Iterator[World]:
    """Makes the canaries, and takes them away."""
    home, workspace, course, neighbour = (root / n for n in ("home", "workspace", "course", "neighbour"))
    write(home / "diary.txt", CANARY)
    write(course / "rubrics" / "b2-1" / "test_staff.py", f"# {CANARY}\n")
    write(course / "held_out.seed", CANARY)
    write(workspace / "evidence" / "b2-1" / "other" / "events.jsonl", f'{{"canary": "{CANARY}"}}\n')
    write(workspace / "submissions" / "other", CANARY)
    write(neighbour / "kernel.json", f'{{"key": "{CANARY}"}}')
    book = sqlite3.connect(workspace / "gradebook.sqlite")
    with book:
        book.execute("CREATE TABLE grades (student TEXT, points REAL)")
        book.execute("INSERT INTO grades VALUES (?, 1.0)", (CANARY,))
    book.close()
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", CANARY], env={**os.environ, "GRADER_CANARY": CANARY}
    )
    with contextlib.ExitStack() as stack:
        stack.callback(process.wait)
        stack.callback(process.kill)
        short = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="canary-")))  # a socket's path has a limit
        world = World(root, home, workspace, course, neighbour, process.pid, 0, 0, 0, "", short / "s", 0)
        _listen(world, stack)
        world.shm = _shared_memory(stack)
        yield world


def write(path: Path, text: str) -> None:
    """A canary file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _listen(world: World, stack: contextlib.ExitStack) -> None:
    world.abstract = f"grader-{CANARY}-{secrets.token_hex(6)}"
    kinds = [
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0), "tcp"),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0), "udp"),
        (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + world.abstract, ""),
        (socket.AF_UNIX, socket.SOCK_STREAM, str(world.unix), ""),
        (socket.AF_UNIX, socket.SOCK_STREAM, str(world.unix.parent / "kernel-ipc-1"), ""),
    ]
    if socket.has_ipv6 and Path("/proc/net/if_inet6").exists():
        kinds.append((socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0), "tcp6"))
    for family, kind, address, name in kinds:
        listener = socket.socket(family, kind)
        stack.callback(listener.close)
        try:
            listener.bind(address)
        except OSError:
            continue
        if name:
            setattr(world, name, listener.getsockname()[1])
        if kind == socket.SOCK_STREAM:
            listener.listen(8)
        threading.Thread(target=_hear, args=(listener, kind, world.heard), daemon=True).start()


def _hear(listener: socket.socket, kind: int, heard: list[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            if kind == socket.SOCK_DGRAM:
                said, sender = listener.recvfrom(100)
                heard.append(repr(said))
                listener.sendto(CANARY.encode(), sender)
            else:
                connection, _ = listener.accept()
                heard.append(f"connection to {listener.getsockname()!r}")
                connection.sendall(CANARY.encode())
                connection.close()


def _shared_memory(stack: contextlib.ExitStack) -> int:
    """Key of a System V segment that begins with the canary; 0 where there is no such thing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "shmget"):
        return 0
    libc.shmat.restype = ctypes.c_void_p
    key = 0x47000000 | (os.getpid() & 0xFFFFFF)
    ident = libc.shmget(key, 4096, 0o1600)
    if ident < 0:
        return 0
    stack.callback(libc.shmctl, ident, 0, None)
    address = libc.shmat(ident, None, 0)
    ctypes.memmove(address, CANARY.encode(), len(CANARY))
    libc.shmdt(ctypes.c_void_p(address))
    return key
