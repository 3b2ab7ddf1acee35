"""The worker's side, in a process that imports no framework and runs no student code itself: one task a thread.

Everything that a worker makes for itself (inputs without labels, fonts, warm processes) lies in a private temporary
folder and goes with the process.
"""

from __future__ import annotations

import asyncio
import atexit
import shutil
import socket
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from grader.cluster.task import Machine, Shared, Task, versions
from grader.config import load_settings
from grader.datasets import DataStore, StoredDataset, serving_map
from grader.errors import DataError, UsageError
from grader.evidence.archive import pack
from grader.execution import Progress, warm_pool
from grader.pipeline.devices import DeviceRunner
from grader.pipeline.given import make_font_cache, write_inputs
from grader.pipeline.work import Measuring, Work
from grader.sandbox.choose import choose
from grader.scheduling import GpuSlots, find_gpus
from grader.scratch import remove_strays, scratch_prefix
from grader.verification import DatasetView, FirstImages
from grader.warm import WarmPool

TOPIC = "grader-progress"
_LOOK_S = 1.0
_TELL_S = 1.0
Answer = dict[str, Any]


class _Here:
    """What this process keeps between tasks."""

    def __init__(self) -> None:
        remove_strays()
        self.folder = Path(tempfile.mkdtemp(prefix=scratch_prefix("worker")))
        self.store = DataStore(load_settings().data_dir)
        self._lock = threading.Lock()
        self._made: dict[object, Any] = {}
        atexit.register(self.close)

    def once(self, key: object, make: Callable[[], Any]) -> Any:
        """What ``make`` gave the first time."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def close(self) -> None:
        """Leaves nothing behind."""
        for made in self._made.values():
            if isinstance(made, WarmPool):
                made.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_making = threading.Lock()
_made: list[_Here] = []


def _here() -> _Here:
    """One for all threads: a cache would let two of them make one each."""
    with _making:
        if not _made:
            _made.append(_Here())
        return _made[0]


def run_task(message: bytes) -> Answer:
    """Runs and re-measures one notebook; called by Dask with what :meth:`Task.encode` wrote.

    :returns: ``evidence`` (an archive) or ``folder`` (its name in the shared folder); else ``fault`` (``data``,
        ``machine``, ``cancelled`` or ``ours``) with a ``message``.
    """
    try:
        task = Task.decode(message)
        with _cancelled_from_afar() as cancelled:
            return _run(task, cancelled)
    except asyncio.CancelledError:
        return {"fault": "cancelled", "message": ""}
    except DataError as error:
        return {"fault": "data", "message": f"{_name()}: {error}"}
    except UsageError as error:
        return {"fault": "machine", "message": f"{_name()}: {error}"}
    except Exception as error:
        words = "".join(traceback.format_exception(error))
        return {"fault": "ours", "message": f"on {_name()}: {words}"[:20_000]}


def examine(message: bytes) -> str | None:
    """What keeps this machine from such tasks; called by Dask on every worker before the first."""
    try:
        _require(Task.decode(message).machine)
    except (DataError, UsageError) as error:
        return f"{_name()}: {error}"
    return None


def _require(machine: Machine) -> None:
    """:raises UsageError: other versions, or no sandbox. :raises DataError: a data set is missing."""
    mine = versions()
    other = [f"{n} {mine.get(n)} instead of {v}" for n, v in machine.versions.items() if mine.get(n) != v]
    if other:
        raise UsageError(f"this worker has {', '.join(other)}: install the same on every machine")
    store = _here().store
    for spec in machine.datasets:
        if store.get(spec) is None:
            raise DataError(
                f"data set {spec.name!r} is not in {store.root}: run 'grader data install {spec.name}' on this machine"
            )
    choose(machine.sandbox)


def _run(task: Task, cancelled: threading.Event) -> Answer:
    _require(task.machine)
    here = _here()
    shared = task.shared if task.shared and _sees(task.shared) else None
    place = Path(shared.folder) if shared else here.folder
    directory = place / f".task-{uuid4().hex}"  # its own, should a task that was thought lost still run somewhere
    try:
        work = _work(task, here, directory, hidden=[Path(shared.workspace)] if shared else [])
        runner = _runner(task, here)
        runner(work, tell=_teller(task.ident), cancelled=cancelled)
        if shared:
            return {"folder": directory.name, "worker": _name()}
        return {"evidence": pack(directory), "worker": _name()}
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    finally:
        if shared is None:
            shutil.rmtree(directory, ignore_errors=True)


def _work(task: Task, here: _Here, directory: Path, hidden: list[Path]) -> Work:
    specs = task.machine.datasets
    stored = {spec.name: here.store.get(spec) for spec in specs}
    dataset = _measured(task, stored)
    fonts = here.once("fonts", lambda: make_font_cache(here.folder / "matplotlib"))
    request = task.execution_request(
        datasets=serving_map(here.store, specs),
        inputs_file=_inputs(task, here, dataset),
        font_cache=fonts,
        sandbox=choose(task.machine.sandbox, (here.folder, here.store.root, *hidden)),
        warm=_warm(task, here, fonts),
    )
    measuring = Measuring(dataset, task.held_out_seed, task.measuring_limit_s) if dataset else None
    return Work(task.attempt(), request, directory, task.auto, measuring)


def _measured(task: Task, stored: dict[str, StoredDataset | None]) -> DatasetView | None:
    dataset = stored.get(task.measured) if task.measured else None
    return FirstImages(dataset, task.n_images) if dataset and task.n_images else dataset


def _inputs(task: Task, here: _Here, dataset: DatasetView | None) -> Path | None:
    if dataset is None:
        return None
    key = ("inputs", dataset.digest, task.held_out_seed)
    path = here.folder / f"inputs-{uuid4().hex}.npz"
    found: Path = here.once(key, lambda: write_inputs(path, dataset, task.held_out_seed))
    return found


def _warm(task: Task, here: _Here, fonts: Path) -> WarmPool | None:
    if not task.warm:
        return None
    threads = task.request["threads"]
    pool: WarmPool | None = here.once(("warm", threads), lambda: warm_pool(threads, fonts))
    return pool


def _runner(task: Task, here: _Here) -> DeviceRunner:
    """:raises UsageError: the task needs a GPU, and this machine has none."""
    if task.device == "cpu":
        return DeviceRunner("cpu", GpuSlots())
    per_gpu, limit = task.gpu_slots, task.gpu_memory_limit_mib
    slots: GpuSlots = here.once(("gpus", per_gpu, limit), lambda: GpuSlots(find_gpus().gpus, per_gpu, limit))
    if not len(slots) and task.device == "gpu":
        raise UsageError(f"this worker was started with the resource GPU, but has none: {find_gpus().reason}")
    return DeviceRunner(task.device if len(slots) else "cpu", slots)


def _sees(shared: Shared) -> bool:
    """Whether the grader's own folder is here as well, and may be written to."""
    try:
        if Path(shared.token_file).read_text("ascii") != shared.token:
            return False
        with tempfile.TemporaryFile(dir=shared.folder):
            return True
    except OSError:
        return False


def _name() -> str:
    return socket.gethostname()


def _teller(ident: str) -> Callable[[Progress], None]:
    """Says at home where the notebook is, at most once a second."""
    from distributed import get_worker

    worker = get_worker()
    last = [0.0]

    def tell(progress: Progress) -> None:
        if time.monotonic() - last[0] < _TELL_S:
            return
        last[0] = time.monotonic()
        word = {"task": ident, "at": [progress.cell, progress.n_cells, progress.epoch, progress.epochs]}
        with suppress(Exception):  # nothing depends on it
            worker.log_event(TOPIC, word)

    return tell


@contextmanager
def _cancelled_from_afar() -> Iterator[threading.Event]:
    """An event that is set when nobody waits for this task any more: it was cancelled, or its client is gone.

    Dask lets a task that is cancelled run on; its worker only forgets what it was for
    (https://distributed.dask.org/en/stable/worker-state.html).
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    cancelled, ended = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_S):
            state = worker.state.tasks.get(key)
            if state is None or state.state == "cancelled" or worker.status.name not in ("running", "paused"):
                cancelled.set()
                return

    watcher = threading.Thread(target=watch, name="grader-cancelled", daemon=True)
    watcher.start()
    try:
        yield cancelled
    finally:
        ended.set()
