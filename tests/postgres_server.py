"""A PostgreSQL server of the tests' own: a cluster in a temporary folder, reached over a socket in it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

_numbers = count(1)


def program(name: str) -> str | None:
    """Path of a program of PostgreSQL, if it is installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, folders)))


def why_not() -> str | None:
    """Why no server can be started here; ``None``: one can."""
    if program("initdb") is None or program("pg_ctl") is None:
        return "PostgreSQL is not installed (initdb, pg_ctl)"
    return None


class Server:
    """A running server; ``user`` is its superuser and the account that it runs under."""

    def __init__(self, folder: Path, user: str) -> None:
        self._folder, self._user = folder, user

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        name = f"test{next(_numbers)}"
        with psycopg.connect(self.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql://{self._user}@/{name}?host={self._folder}"


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Starts a server, and ends it; the server refuses to run as root, so then it runs as somebody else."""
    account = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    user = account.pw_name if account else pwd.getpwuid(os.getuid()).pw_name
    data = folder / "data"
    try:
        _run(account, [program("initdb"), "-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync"])
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=40"
        _run(account, [program("pg_ctl"), "-D", data, "-w", "-l", folder / "log", "-o", options, "start"])
        try:
            yield Server(folder, user)
        finally:
            _run(account, [program("pg_ctl"), "-D", data, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> Any:
    """Somebody to run the server as, where we are root."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _run(account: Any, command: list[Any]) -> None:
    who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"}
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env=environment,
        timeout=120,
        **who,
    )
    assert done.returncode == 0, done.stderr
