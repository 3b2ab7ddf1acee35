"""The warm process: imports what every kernel imports, runs no operation of TensorFlow, and forks on request.

Run as ``python -s -P server.py LIBRARY TOOLS RUNTIME DESCRIPTOR`` by :class:`grader.warm.pool.WarmPool`. LIBRARY holds
the recorder as ``grader/recorder``, which every kernel sees; TOOLS the sandbox as ``grader/sandbox``, which none sees.
DESCRIPTOR is a stream socket. A request is a length (4 bytes, big endian) and JSON::

    {"environment": {...}, "cwd": PATH, "spec": SPEC or null, "argv": [...],
     "module": NAME or null, "script": PATH or null}

and up to one descriptor for standard output and error. ``main(argv)`` of the module (of the recorder) or of the script
is called in the new process. The answer is JSON of the same form, ``{"pid": N}``, with a pid file descriptor.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
from typing import Any

_LENGTH = struct.Struct(">I")
_REAP_S = 0.2
_COMMON = (
    "numpy",
    "pandas",
    "matplotlib.figure",
    "matplotlib.image",
    "matplotlib.font_manager",
    "matplotlib.backends.backend_agg",
    "zmq.asyncio",
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "ipykernel.zmqshell",
    "tensorflow",
    # What is otherwise imported with the first figure and the first summary of a model; not the inline backend itself,
    # which joins with the shell when it is imported.
    "IPython.core.pylabtools",
    *(f"PIL.{name}ImagePlugin" for name in ("Bmp", "Gif", "Jpeg", "Png", "Ppm")),
    "rich._emoji_codes",
    "encodings.cp437",
)
_RECORDER = ("launch", "keras_hooks", "datasets", "finish", "probes", "environment", "shell_guard", "figures", "plots")


def receive(plug: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """One message and its descriptors; ``None`` at the end."""
    head, descriptors, _, _ = socket.recv_fds(plug, _LENGTH.size, 1)
    if not head:
        return None, descriptors
    while len(head) < _LENGTH.size:
        head += _more(plug, _LENGTH.size - len(head))
    (size,) = _LENGTH.unpack(head)
    data = b""
    while len(data) < size:
        data += _more(plug, size - len(data))
    return json.loads(data), descriptors


def _more(plug: socket.socket, size: int) -> bytes:
    data = plug.recv(size)
    if not data:
        raise EOFError("the other side is gone")
    return data


def send(plug: socket.socket, message: dict[str, Any], descriptors: list[int]) -> None:
    """The inverse of :func:`receive`."""
    data = json.dumps(message).encode()
    data = _LENGTH.pack(len(data)) + data
    sent = socket.send_fds(plug, [data], descriptors) if descriptors else 0
    plug.sendall(data[sent:])


def warm_up(runtime: str) -> None:
    """Imports; a library that is not installed is left to the notebook, which may never ask for it."""
    keras = "tf_keras" if runtime == "keras2" else "keras"
    for name in (*_COMMON, keras, f"{keras}.layers", f"{keras}.datasets", f"{keras}.applications"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name in _RECORDER:
        importlib.import_module(f"grader.recorder.{name}")
    if keras in sys.modules:
        importlib.import_module("grader.recorder.keras_hooks").find_names(sys.modules[keras])


def serve(plug: socket.socket, library: str, added: dict[str, str]) -> None:
    """Answers requests until the other side is gone.

    :param added: variables that the imported libraries have set.
    """
    me = os.getpid()
    gc.collect()
    gc.freeze()  # the collector would write to every object's page, and so copy it, in each child
    while True:
        ready, _, _ = select.select([plug], [], [], _REAP_S)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not ready:
            continue
        request, descriptors = receive(plug)
        if request is None:
            return
        pid = os.fork()
        if not pid:
            request["environment"] = {**added, **request["environment"]}
            _become(plug, request, descriptors, library, me)
        handle = os.pidfd_open(pid)
        send(plug, {"pid": pid}, [handle])
        for descriptor in (handle, *descriptors):
            os.close(descriptor)


def _become(plug: socket.socket, request: dict[str, Any], descriptors: list[int], library: str, parent: int) -> None:
    """In the new process: never returns."""
    status = 1
    try:
        plug.close()
        os.setsid()
        _streams(descriptors)
        _fresh_process(request, library, parent)
        main = _entry(request)
        main(request["argv"])
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _streams(descriptors: list[int]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    for number in (1, 2):
        os.dup2(descriptors[0] if descriptors else nothing, number)
    os.closerange(3, max([nothing, *descriptors]) + 64)


def _fresh_process(request: dict[str, Any], library: str, parent: int) -> None:
    """What a process that was started anew would have: signals, environment, folder, walls."""
    import platform
    import tempfile

    from grader.sandbox import syscalls

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    if request["spec"] is None:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(1)
        os.chdir(request["cwd"])
    else:
        from grader.sandbox.enter import enter
        from grader.sandbox.spec import Spec

        enter(Spec.from_json(json.dumps({**request["spec"], "parent": parent})))
    vars(platform)["_uname_cache"] = None  # the name of the machine, which is another one inside
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _forget_tools(library)
    _move_keras(request["environment"].get("KERAS_HOME"))


def _forget_tools(library: str) -> None:
    for name in [n for n in sys.modules if n.startswith(("grader.sandbox", "grader.warm")) or n == "grader.errors"]:
        del sys.modules[name]
    package = sys.modules["grader"]
    package.__path__ = [f"{library}/grader"]
    for name in ("sandbox", "warm", "errors"):
        vars(package).pop(name, None)


def _move_keras(home: str | None) -> None:
    """Keras looks for its folder when it is imported."""
    config = sys.modules.get("keras.src.backend.config")
    if config is not None and home and hasattr(config, "_KERAS_DIR"):
        vars(config)["_KERAS_DIR"] = home


def _entry(request: dict[str, Any]) -> Any:
    if request["module"]:
        return importlib.import_module(request["module"]).main
    return runpy.run_path(request["script"], run_name="grader_warm_script")["main"]


def main(arguments: list[str]) -> None:
    """Warms up, says so with one message, and serves."""
    library, tools, runtime, descriptor = arguments
    sys.path.insert(0, library)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    plug = socket.socket(fileno=int(descriptor))
    import grader.recorder

    grader.__path__ = [f"{library}/grader", f"{tools}/grader"]
    importlib.import_module("grader.sandbox.enter")
    before = set(os.environ)
    warm_up(runtime)
    added = {name: value for name, value in os.environ.items() if name not in before}
    send(plug, {"ready": True}, [])
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)  # nobody reads it from here on
    os.close(nothing)
    with contextlib.suppress(EOFError, ConnectionError):
        serve(plug, library, added)


if __name__ == "__main__":
    main(sys.argv[1:])
