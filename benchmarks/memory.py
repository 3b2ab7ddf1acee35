"""``python -m benchmarks.memory [--kernels N] [--sandbox NAME]``: memory of 1 to N idle kernels, ours and ordinary.

Each kernel has imported TensorFlow and waits. Ours are forked from the warm process into their sandboxes, as in
``grader grade``, and the warm process is counted with them; ordinary ones are started by jupyter_client. Memory is PSS
(``/proc/PID/smaps_rollup``: a page that several processes share counts a share for each), summed over all processes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

from benchmarks._common import machine, table
from benchmarks._synthetic import make_course, opened, settings_of
from grader.execution import ExecutionRequest
from grader.execution.kernel import (
    Scratch,
    kernel_box,
    kernel_environment,
    kernel_manager,
    share_font_cache,
    write_recorder_settings,
)
from grader.execution.needs import framework_needs
from grader.execution.provisioner import WarmStart
from grader.execution.watch import kill_all, tree

SOURCE = "import tensorflow as tf"
TARGET_MIB = 80.0
SETTLED_S = 1.0
_QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def pss_mib(pids: Iterable[int]) -> float:
    """PSS of these processes and all below them, MiB.

    :raises PermissionError: a sandboxed kernel may be read by the administrator only; see ``--sandbox none``.
    """
    kib = 0
    for process in {p.pid for pid in pids for p in tree(pid)}:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines()
            kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024


async def _imported(manager: Any) -> Any:
    """A client of a started kernel which has run :data:`SOURCE`."""
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=120)
    reply = await client.execute(SOURCE, reply=True, timeout=120)
    assert reply["content"]["status"] == "ok", reply["content"]
    return client


@asynccontextmanager
async def forked_kernel(request: ExecutionRequest) -> AsyncIterator[int]:
    """A kernel as :func:`grader.execution.execute` starts it; its process number."""
    assert request.warm is not None
    scratch = Scratch.make(ship=False)
    share_font_cache(scratch, request.font_cache)
    settings = write_recorder_settings(scratch, request, framework_needs([SOURCE]).preload)
    box = kernel_box(scratch, request) if request.sandbox else None
    manager = kernel_manager(scratch, settings, box, WarmStart(request.warm, request.runtime))
    environment = kernel_environment(scratch, request.runtime, request.threads)
    await manager.start_kernel(cwd=str(scratch.work), env=environment, **_QUIET)
    pid = int(manager.provisioner.pid)
    client = await _imported(manager)
    try:
        yield pid
    finally:
        client.stop_channels()
        kill_all(tree(pid))
        await manager.shutdown_kernel(now=True)
        if box is not None:
            box.close()
        scratch.remove()


@asynccontextmanager
async def ordinary_kernel() -> AsyncIterator[int]:
    """A kernel as Jupyter starts it; its process number."""
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel(**_QUIET)
    pid = int(manager.provisioner.pid)
    client = await _imported(manager)
    try:
        yield pid
    finally:
        client.stop_channels()
        kill_all(tree(pid))
        await manager.shutdown_kernel(now=True)


async def series_mib(
    kernel: Callable[[], AbstractAsyncContextManager[int]], n: int, base: tuple[int, ...] = ()
) -> list[float]:
    """PSS with 0 to ``n`` kernels, MiB. :param base: processes that are there without any kernel."""
    found, pids = [pss_mib(base)], list(base)
    async with AsyncExitStack() as stack:
        for _ in range(n):
            pids.append(await stack.enter_async_context(kernel()))
            await asyncio.sleep(SETTLED_S)
            found.append(pss_mib(pids))
    return found


def report(ours: list[float], theirs: list[float]) -> str:
    """One line a number of kernels, and what one more adds."""
    rows: list[tuple[object, ...]] = [
        (n, mine, mine - ours[n - 1] if n else None, peer, peer - theirs[n - 1] if n else None)
        for n, (mine, peer) in enumerate(zip(ours, theirs, strict=True))
    ]
    n = len(ours) - 1
    added, peer_added = (ours[n] - ours[0]) / n, (theirs[n] - theirs[0]) / n
    lines = table(rows, ("kernels", "warm, MiB", "one more", "ordinary, MiB", "one more"))
    return (
        f"{lines}\none more idle kernel, mean of {n}: {added:.1f} MiB forked, {peer_added:.1f} MiB ordinary, "
        f"{peer_added / added:.1f} times less (target {TARGET_MIB:g} MiB)"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kernels", type=int, default=8, help="how many at most [8]")
    parser.add_argument("--sandbox", default="auto", help="auto, namespaces or none [auto]")
    given = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("PSS is told by Linux alone.")
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as name:
        make_course(Path(name))
        context = opened(settings_of(Path(name), sandbox=given.sandbox))
        assert context.warm is not None
        request = replace(context.execution_request(), runtime="keras3")
        print(machine())
        try:
            server = context.warm.warm_up("keras3")
            ours = asyncio.run(series_mib(lambda: forked_kernel(request), given.kernels, (server,)))
        finally:
            context.warm.close()
        theirs = asyncio.run(series_mib(ordinary_kernel, given.kernels))
        walls = context.sandbox.name if context.sandbox else "none"
    print(f"\n{SOURCE!r}, sandbox {walls}\n{report(ours, theirs)}")


if __name__ == "__main__":
    main()
