"""One execution, from an attempt to an evidence folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import nbformat
from nbclient.exceptions import DeadKernelError

from grader.evidence.archive import put_in_place
from grader.evidence.submitted import saved_cells, write_saved
from grader.execution.client import CappedClient
from grader.execution.collect import claimed_facts, collect_claims, collect_replays
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
from grader.execution.request import ExecutionRequest
from grader.execution.terminal import fold
from grader.execution.watch import (
    FILES_LIMIT,
    MemoryWatch,
    Progress,
    ProgressWatch,
    ScratchWatch,
    has_custom_models,
    kill_all,
    tree,
)
from grader.model import Attempt, CellOutcome, CellRun, Execution, ExecutionOutcome, Text
from grader.scratch import require_room
from grader.warm import WarmFailure

GRACE_S = 10.0
FINISH_LIMIT_S = 240.0
_ALIVE_EVERY_S = 0.25
_INTERRUPTS = 2  # one can get lost: Python drops what is raised while an object is being deleted
_CUT = Text("Some output of cells {cells} was left out: there was too much of it.")
_ODD = Text("Some output of cells {cells} was left out: it is of no kind that a notebook can hold.")
_LABEL = re.compile(r"^\s*#\s*\[\s*(\d+-\d+)\s*\]")


def execute(
    attempt: Attempt,
    request: ExecutionRequest,
    directory: Path,
    *,
    tell: Callable[[Progress], None] = lambda _: None,
    cancelled: threading.Event | None = None,
) -> Execution:
    """Runs the attempt's notebook; afterwards ``directory`` is its complete evidence folder.

    :raises asyncio.CancelledError: ``cancelled`` was set; nothing is left behind.
    :raises OSError: the disk is full or a folder cannot be written (a fault of ours).
    """
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / "submission.ipynb").write_bytes(attempt.content)
    if attempt.notebook is None:
        execution = Execution(ExecutionOutcome.UNREADABLE, budget=request.budget, seed=request.seed)
    else:
        execution = _run(attempt, request, partial, tell, cancelled)
    (partial / "execution.json").write_bytes(msgspec.json.encode(execution))
    put_in_place(partial, directory)
    return execution


def _run(
    attempt: Attempt,
    request: ExecutionRequest,
    folder: Path,
    tell: Callable[[Progress], None],
    cancelled: threading.Event | None,
) -> Execution:
    notebook = nbformat.from_dict(json.loads(json.dumps(attempt.notebook)))
    write_saved(folder, saved_cells(notebook, fold))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    needs = framework_needs(cell.source for cell in notebook.cells if cell.cell_type == "code")
    if needs.own_start or request.gpu or (request.sandbox and request.sandbox.name != "namespaces"):
        request = replace(request, warm=None)
    scratch = Scratch.make(ship=request.warm is None)
    try:
        share_font_cache(scratch, request.font_cache)
        run = _Run(notebook, request, scratch, attempt.source, tell, cancelled, needs.preload)
        execution = asyncio.run(run.all())
        if run.disk is None or not run.disk.exceeded:
            require_room(scratch.root)  # what the notebook could not write is no fault of its own
        notes = collect_claims(scratch.claims, folder / "claims", 2 * request.scratch_limit_mib * 2**20)
        if request.replay_into is not None:
            collect_replays(scratch.replays, request.replay_into)
        (folder / "executed.ipynb").write_text(nbformat.writes(notebook), "utf-8")
        return replace(execution, notes=(*attempt.notes, *execution.notes, *notes))
    finally:
        scratch.remove()


class _Run:
    """State of one running notebook."""

    def __init__(
        self,
        notebook: Any,
        request: ExecutionRequest,
        scratch: Scratch,
        source: str,
        tell: Callable[[Progress], None],
        cancelled: threading.Event | None,
        preload: bool,
    ) -> None:
        self.notebook = notebook
        self.request = request
        self.scratch = scratch
        self.source = source
        self.tell = tell
        self.cancelled = cancelled
        settings_file = write_recorder_settings(scratch, request, preload)
        self.box = kernel_box(scratch, request) if request.sandbox else None
        warm = WarmStart(request.warm, request.runtime) if request.warm else None
        self.manager = kernel_manager(scratch, settings_file, self.box, warm)
        self.client = CappedClient(notebook, self.manager, request.output_limit_chars, request.startup_timeout_s)
        self.outcome: ExecutionOutcome | None = None
        self.dead = False
        self.cells: list[CellRun] = []
        self.memory: MemoryWatch | None = None
        self.disk: ScratchWatch | None = None
        self.started = time.monotonic()
        self.current = 0

    async def all(self) -> Execution:
        """Starts the kernel, runs every cell, asks for the final facts, and ends every process."""
        helpers: list[asyncio.Task[None]] = []
        try:
            await self._start()
            self.started = time.monotonic()
            helpers = [asyncio.create_task(job) for job in (self._watch(), self._progress().run())]
            for index, cell in enumerate(self.notebook.cells):
                self.cells.append(await self._cell(index, cell))
            if not self.dead:
                await self._finish()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self._stop()
        if self.dead and self.request.warm is not None and not self.request.warm.lives(self.request.runtime):
            raise WarmFailure("the warm process ended, and this kernel with it: grade again")
        return self._execution()

    async def _start(self) -> None:
        environment = kernel_environment(self.scratch, self.request.runtime, self.request.threads, self.request.gpu)

        await self.client.async_start_new_kernel(
            cwd=str(self.scratch.work), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await self.client.async_start_new_kernel_client()
        supervisors = self.box.sandbox.supervisors if self.box else 0
        # A control group counts exactly; samples count what processes share once for each of them.
        counted = self.box is not None and not self.box.spec.watched_only
        self.memory = MemoryWatch(self._pid(), None if counted else self.request.memory_limit_mib, supervisors)
        self.disk = ScratchWatch(self._pid(), self.scratch.own, self.request.scratch_limit_mib)

    def _pid(self) -> int:
        return int(self.manager.provisioner.pid)

    async def _watch(self) -> None:
        assert self.memory and self.disk  # noqa: S101, PT018 - set by _start
        await asyncio.gather(self.memory.run(), self.disk.run())

    def _progress(self) -> ProgressWatch:
        count = len(self.notebook.cells)

        def told(epoch: int | None, epochs: int | None) -> None:
            self.tell(Progress(self.source, self.current, count, epoch, epochs))

        return ProgressWatch(self.scratch.claims / "events.jsonl", told)

    async def _cell(self, index: int, cell: Any) -> CellRun:
        label = _LABEL.match(cell.source)
        run = CellRun(index, CellOutcome.EMPTY, label.group(1) if label else None)
        if cell.cell_type != "code" or not cell.source.strip():
            return run
        if self.dead or self._left_s() <= 0:
            self.outcome = self.outcome or ExecutionOutcome.TIMEOUT
            return replace(run, outcome=CellOutcome.NOT_RUN)
        self.current = index
        self.scratch.cell_file.write_text(str(index), "ascii")
        self.tell(Progress(self.source, index, len(self.notebook.cells)))
        began = time.monotonic()
        in_time = await self._bounded(self.client.async_execute_cell(cell, index), self._cell_limit_s())
        self.client.settle(index)
        run = replace(run, duration_s=round(time.monotonic() - began, 3))
        return self._judged(run, cell, in_time)

    def _judged(self, run: CellRun, cell: Any, in_time: bool) -> CellRun:
        error = next((o for o in cell.outputs if o.get("output_type") == "error"), None)
        if not in_time:
            self.outcome = self.outcome or ExecutionOutcome.TIMEOUT
            return replace(run, outcome=CellOutcome.TIMEOUT)
        if self.dead:
            return replace(run, outcome=CellOutcome.ERROR, error_name="MemoryError" if self._exceeded else "DeadKernel")
        if error is None:
            return replace(run, outcome=CellOutcome.OK)
        name, value = str(error.get("ename", ""))[:200], str(error.get("evalue", ""))[:2000]
        return replace(run, outcome=CellOutcome.ERROR, error_name=name, error_value=value)

    @property
    def _exceeded(self) -> bool:
        killed_by_system = self.box is not None and self.box.out_of_memory
        return killed_by_system or (self.memory is not None and self.memory.exceeded)

    def _peak_mib(self) -> float | None:
        """The highest sample; at least the limit where the system ended it there, between two samples."""
        if self.memory is None:
            return None
        reached = self.request.memory_limit_mib if self.outcome is ExecutionOutcome.MEMORY else 0.0
        return round(max(self.memory.peak_mib, reached), 1)

    def _left_s(self) -> float:
        return self.request.time_limit_s - (time.monotonic() - self.started)

    def _cell_limit_s(self) -> float:
        return min(self._left_s(), self.request.cell_time_limit_s or self.request.time_limit_s / 2)

    async def _bounded(self, work: Any, limit_s: float) -> bool:
        """Waits for ``work``; over the limit the kernel is interrupted, and killed where it does not listen.

        :returns: whether it ended in time.
        """
        task = asyncio.ensure_future(work)
        waited_s, step_s = 0.0, 0.25
        while waited_s < limit_s and not task.done():
            await asyncio.wait({task}, timeout=min(step_s, limit_s - waited_s))
            waited_s += step_s
            if self.cancelled is not None and self.cancelled.is_set():
                task.cancel()
                raise asyncio.CancelledError
        in_time: bool = task.done()
        for _ in range(_INTERRUPTS):
            if not task.done():
                await self.manager.interrupt_kernel()
                await asyncio.wait({task}, timeout=GRACE_S / _INTERRUPTS)
        if not task.done():
            self.dead = True  # whatever comes of the task: nbclient looks once a second whether the kernel lives
            kill_all(tree(self._pid()))
            await asyncio.wait({task}, timeout=GRACE_S)
        self._settle(task, in_time)
        return in_time

    def _settle(self, task: asyncio.Future[Any], in_time: bool) -> None:
        if not task.done():
            task.cancel()
        elif error := task.exception():
            if not isinstance(error, DeadKernelError | RuntimeError):
                raise error
            self.dead = True
        if not self.dead:
            return
        if self._exceeded:
            self.outcome = ExecutionOutcome.MEMORY
        elif in_time:
            self.outcome = ExecutionOutcome.KERNEL_DIED

    async def _finish(self) -> None:
        """Final names, and predictions of custom models, by the recorder."""
        file = repr(self._inputs())
        code = f"__import__('grader.recorder').recorder.active.finish(get_ipython().user_ns, {file})"
        request = self.client.kc.execute(code, silent=True, store_history=False, allow_stdin=False)
        tasks = [asyncio.ensure_future(job) for job in (self._reply(request), self._death(), self._read_on())]
        await asyncio.wait(tasks[:2], timeout=FINISH_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _inputs(self) -> str | None:
        """Test images without labels, put into the scratch folder once the notebook is over, if a model needs them."""
        if self.request.inputs_file is None or not has_custom_models(self.scratch.claims / "events.jsonl"):
            return None
        target = self.scratch.given / "inputs.npz"
        shutil.copyfile(self.request.inputs_file, target)
        target.chmod(0o644)
        return str(target)

    async def _reply(self, ident: str) -> None:
        while True:
            message = await self.client.kc.get_shell_msg()
            if message["parent_header"].get("msg_id") == ident:
                return

    async def _death(self) -> None:
        """Returns when the kernel has ended: a callback that is tried may do that."""
        while await self.manager.is_alive():
            await asyncio.sleep(_ALIVE_EVERY_S)

    async def _read_on(self) -> None:
        """What threads of the notebook still print: kept nowhere, but unread it would fill this process' memory."""
        while True:
            await self.client.kc.get_iopub_msg()

    async def _stop(self) -> None:
        """Ends every process that this execution started or that was seen below it."""
        processes = list(self.memory.seen.values()) if self.memory is not None else []
        if self.manager.has_kernel and self.manager.provisioner is not None and self.manager.provisioner.pid:
            processes = [*tree(self._pid()), *processes]
        kill_all(processes)
        with contextlib.suppress(Exception):
            if self.client.kc is not None:
                self.client.kc.stop_channels()
            await self.manager.shutdown_kernel(now=True)
        if self.box is not None:
            self.box.close()
        with contextlib.suppress(Exception):
            self.manager.context.destroy(linger=0)

    def _execution(self) -> Execution:
        outcome = self.outcome
        if outcome is None:
            failed = any(c.outcome is CellOutcome.ERROR for c in self.cells)
            outcome = ExecutionOutcome.CELL_ERROR if failed else ExecutionOutcome.OK
        notes = [
            replace(sentence, params={"cells": ", ".join(f"#{i + 1}" for i in sorted(cells)[:10])})
            for sentence, cells in ((_CUT, self.client.cut_cells), (_ODD, self.client.odd_cells))
            if cells
        ]
        if outcome is ExecutionOutcome.MEMORY:
            notes.append(
                Text("The memory limit of {limit} MiB was exceeded.", {"limit": self.request.memory_limit_mib})
            )
        if self.disk is not None and self.disk.exceeded:
            notes.append(
                Text(
                    "The notebook wrote more than {limit} MiB, or more than {files} files, and was ended.",
                    {"limit": self.request.scratch_limit_mib, "files": FILES_LIMIT},
                )
            )
        facts = claimed_facts(self.scratch.claims / "events.jsonl")
        return Execution(
            outcome=outcome,
            runtime=self.request.runtime,
            budget=self.request.budget,
            seed=self.request.seed,
            duration_s=round(time.monotonic() - self.started, 3),
            peak_memory_mib=self._peak_mib(),
            cells=tuple(self.cells),
            trained_fits=facts.fits,
            replayed_fits=facts.replayed,
            notes=(*notes, *facts.notes),
            versions=facts.versions,
            sandbox=self.box.sandbox.name if self.box else "none",
        )
