"""The grader's side of warm processes: one for each generation of Keras, started when first needed."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import grader
from grader.sandbox.spec import Spec
from grader.scratch import scratch_prefix, undisturbed
from grader.warm.server import receive, send

READY_LIMIT_S = 180.0
_PACKAGE = Path(grader.__file__).parent
_SERVER_ARGUMENTS = ("-s", "-P", "{tools}/grader/warm/server.py")


class WarmFailure(OSError):
    """The warm process could not be started, or is gone: a fault of ours."""


def warm_works() -> bool:
    """Whether this system can fork a process that has imported TensorFlow, and tell when the new one ends."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")


class WarmProcess:
    """A process forked from a warm one, with the part of :class:`subprocess.Popen` that its users need."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self._handle: int | None = handle

    def poll(self) -> int | None:
        """``None`` while it runs, then 0: whoever forked it has its exit status."""
        if self._handle is None:
            return 0
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        if not waiting.poll(0):
            return None
        os.close(self._handle)
        self._handle = None
        return 0

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; :raises subprocess.TimeoutExpired: it still runs after ``timeout`` seconds."""
        if self._handle is not None:
            waiting = select.poll()
            waiting.register(self._handle, select.POLLIN)
            if not waiting.poll(None if timeout is None else max(0, int(timeout * 1000))):
                raise subprocess.TimeoutExpired("a warm process", timeout or 0.0)
        return self.poll() or 0

    def send_signal(self, number: int) -> None:
        """Sends a signal to it alone; nothing where it has ended."""
        if self.poll() is None and self._handle is not None:
            try:
                signal.pidfd_send_signal(self._handle, number)
            except ProcessLookupError:
                return

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class WarmJob:
    """What a new process does: it calls ``main(argv)`` of a module of the recorder's, or of a script.

    :ivar spec: the walls around it, which also say the folder; without, it has the rights of this process.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path | str
    spec: Spec | None = None
    module: str | None = None
    script: Path | None = None


@dataclass(frozen=True, slots=True)
class _Server:
    process: subprocess.Popen[bytes]
    plug: socket.socket

    def end(self) -> None:
        """Ends it, and with it all that were forked from it."""
        self.plug.close()
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


class WarmPool:
    """Warm processes of one grader; threads may share it. A context manager: afterwards they are gone.

    :param environment: generation of Keras to the environment of its warm process: what is read on import must be as
        in the kernels. :param font_cache: folder of matplotlib's font list.
    """

    def __init__(self, environment: Mapping[str, Mapping[str, str]], font_cache: Path | None = None) -> None:
        self._environment = environment
        self._font_cache = font_cache
        self._servers: dict[str, _Server] = {}
        self._locks = {runtime: threading.Lock() for runtime in environment}
        self._folder: Path | None = None
        self._making = threading.Lock()

    @property
    def library(self) -> Path:
        """Folder that holds the recorder; kernels must be shown it."""
        return self._home() / "library"

    def start(self, runtime: str, job: WarmJob, output: IO[bytes] | None = None) -> WarmProcess:
        """A new process.

        :param output: file for what it writes to its standard streams.
        :raises WarmFailure: there is no warm process.
        """
        request = {
            "environment": dict(job.environment),
            "cwd": str(job.cwd),
            "spec": json.loads(job.spec.to_json()) if job.spec else None,
            "argv": list(job.argv),
            "module": job.module,
            "script": str(job.script) if job.script else None,
        }
        with self._locks[runtime]:
            server = self._server(runtime)
            try:
                send(server.plug, request, [output.fileno()] if output else [])
                answer, handles = receive(server.plug)
            except (OSError, EOFError) as error:
                self._drop(runtime)
                raise WarmFailure(f"the warm process of {runtime} is gone: {error}") from error
        if answer is None or not handles:
            raise WarmFailure(f"the warm process of {runtime} gave no process")
        return WarmProcess(int(answer["pid"]), handles[0])

    def lives(self, runtime: str) -> bool:
        """Whether the warm process is there: with it go all that were forked from it."""
        server = self._servers.get(runtime)
        return server is not None and server.process.poll() is None

    def warm_up(self, runtime: str) -> int:
        """Starts the warm process, if it is not there; its process number."""
        with self._locks[runtime]:
            return self._server(runtime).process.pid

    def close(self) -> None:
        """Ends all of them."""
        with undisturbed():
            for runtime in list(self._servers):
                self._drop(runtime)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _home(self) -> Path:
        """Folder with what the warm processes run, as it was when the first of them started."""
        with self._making:
            if self._folder is None:
                folder = Path(tempfile.mkdtemp(prefix=scratch_prefix("warm")))
                _copy(("recorder",), folder / "library" / "grader")
                _copy(("sandbox", "warm"), folder / "tools" / "grader")
                (folder / "library" / "grader" / "__init__.py").touch()
                if self._font_cache is not None and self._font_cache.is_dir():
                    shutil.copytree(self._font_cache, folder / "home" / "matplotlib")
                (folder / "home").mkdir(exist_ok=True)
                for path in (folder / "library", *(folder / "library").rglob("*")):
                    path.chmod(0o755 if path.is_dir() else 0o644)
                self._folder = folder
            return self._folder

    def _server(self, runtime: str) -> _Server:
        server = self._servers.get(runtime)
        if server is None or server.process.poll() is not None:
            self._drop(runtime)
            server = self._servers[runtime] = self._started(runtime)
        return server

    def _started(self, runtime: str) -> _Server:
        home = self._home()
        ours, theirs = socket.socketpair()
        own = {name: str(home / "home") for name in ("HOME", "TMPDIR", "KERAS_HOME", "IPYTHONDIR")}
        own |= {
            "MPLCONFIGDIR": str(home / "home" / "matplotlib"),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }
        try:
            argv = [sys.executable, *(word.format(tools=home / "tools") for word in _SERVER_ARGUMENTS)]
            argv += [str(home / "library"), str(home / "tools"), runtime, str(theirs.fileno())]
            process = subprocess.Popen(
                argv,
                env={**self._environment[runtime], **own},
                cwd=home / "home",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise WarmFailure(f"{sys.executable} could not be started: {error}") from error
        finally:
            theirs.close()
        server = _Server(process, ours)
        try:
            self._await(process, ours)
        except BaseException:
            server.end()
            raise
        return server

    def _await(self, process: subprocess.Popen[bytes], plug: socket.socket) -> None:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        deadline = time.monotonic() + READY_LIMIT_S
        ends = [plug.fileno(), process.stderr.fileno()]
        while not select.select(ends, [], [], 1.0)[0]:
            if time.monotonic() > deadline:
                raise WarmFailure(f"the warm process was not ready after {READY_LIMIT_S:g} s")
        left_s = max(0.0, deadline - time.monotonic())
        answer = receive(plug)[0] if select.select([plug], [], [], left_s)[0] else None
        if answer is None:
            process.kill()
            lines = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
            raise WarmFailure(f"the warm process ended while it started: {lines[-1] if lines else 'no message'}")

    def _drop(self, runtime: str) -> None:
        server = self._servers.pop(runtime, None)
        if server is not None:
            server.end()


def _copy(rooms: Sequence[str], target: Path) -> None:
    for room in rooms:
        shutil.copytree(_PACKAGE / room, target / room, ignore=shutil.ignore_patterns("__pycache__"))
