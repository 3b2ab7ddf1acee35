"""The home's side: sends each piece of work as a task, and puts the evidence that comes back in its place."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import threading
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from grader.cluster.task import Machine, Shared, Task, sent_part, versions
from grader.cluster.worker import TOPIC, Answer, examine, run_task
from grader.datasets import DatasetSpec, load_catalogue
from grader.errors import ClusterError, DataError, EvidenceError
from grader.evidence.archive import put_in_place, unpack
from grader.evidence.reader import read_execution
from grader.execution import Progress
from grader.model import Execution
from grader.pipeline.context import Context
from grader.pipeline.work import Tell, Work, run_work
from grader.verification import FirstImages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client, Future

_POLL_S = 0.5
_TRIES = 2  # where a machine fails at what another may be able to do (a full disk); lost ones are Dask's own matter
_TASK_FOLDER = re.compile(r"\.task-[0-9a-f]{32}")
_LOST = (
    "the connection to the cluster was lost; what was graded is kept: see that the scheduler runs, and give the same "
    "command again"
)


class ClusterRunner:
    """Runs work on the workers of a Dask cluster; see :class:`grader.pipeline.work.Runner`. Threads may share it.

    :param share: whether workers that see the workspace may write evidence into it; others send it.
    :ivar lost: why the batch was broken off from here, if it was.
    """

    def __init__(self, client: Client, context: Context, *, share: bool = True) -> None:
        self._client = client
        self._context = context
        self._share = share
        self._token = secrets.token_hex(16)
        self._tells: dict[str, tuple[Tell, str]] = {}
        catalogue = load_catalogue(context.course.root).values()
        served = tuple(_bare(spec) for spec in catalogue if context.store.get(spec) is not None)
        self._machine = Machine(versions(), served, context.settings.sandbox)
        self.lost: str | None = None

    @contextmanager
    def open(self) -> Iterator[ClusterRunner]:
        """Makes what workers look for; afterwards it is gone again."""
        token_file = self._token_file
        token_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        token_file.write_text(self._token, "ascii")
        self._client.subscribe_topic(TOPIC, self._heard)
        try:
            yield self
        finally:
            token_file.unlink(missing_ok=True)
            shutil.rmtree(self._shared_folder, ignore_errors=True)
            with suppress(Exception):  # the scheduler may be gone
                self._client.unsubscribe_topic(TOPIC)

    def examine(self) -> None:
        """Asks every worker that is there whether it can do this work; :raises ClusterError: one cannot, and why."""
        probe = Task(
            ident="examine",
            machine=self._machine,
            notebook={},
            assignment=self._context.assignment.id,
            digest="",
            notes=(),
            request={},
            auto=False,
            measured=None,
            n_images=None,
            held_out_seed=None,
            measuring_limit_s=0.0,
            warm=False,
            device="cpu",
            gpu_slots=1,
            gpu_memory_limit_mib=None,
        )
        answers = self._client.run(examine, probe.encode())
        if problems := sorted({answer for answer in answers.values() if answer}):
            raise ClusterError(f"a worker cannot grade this: {'; '.join(problems)}")

    def __call__(self, work: Work, *, tell: Tell, cancelled: threading.Event | None) -> Execution:
        """See :class:`grader.pipeline.work.Runner`; what has nothing to run is done here."""
        if work.attempt.notebook is None:
            return run_work(work, tell=tell, cancelled=cancelled)
        for remaining in reversed(range(_TRIES)):
            ident = f"grader-{uuid4().hex}"
            self._tells[ident] = (tell, work.attempt.source)
            try:
                answer = self._answer(self._task(ident, work), cancelled)
            finally:
                del self._tells[ident]
            if "fault" not in answer:
                return self._settle(answer, work)
            if answer["fault"] != "ours" or not remaining:
                self._refuse(answer)
        raise AssertionError("the last try returns or raises")

    def _answer(self, task: Task, cancelled: threading.Event | None) -> Answer:
        """What the worker says; :raises asyncio.CancelledError: ``cancelled`` was set, or the cluster is gone."""
        from distributed import KilledWorker

        resources = {"GPU": 1} if task.device == "gpu" else None
        future = self._client.submit(run_task, task.encode(), key=task.ident, pure=False, resources=resources)
        ended = threading.Event()
        future.add_done_callback(lambda _: ended.set())
        try:
            while not ended.wait(_POLL_S):
                if cancelled is not None and cancelled.is_set():
                    raise asyncio.CancelledError
            answer: Answer = future.result(timeout=60)
            return answer
        except KilledWorker as error:
            return {"fault": "lost", "message": f"its workers died one after the other: {error}"}
        except (CancelledError, OSError, TimeoutError) as error:
            self.lost = self.lost or _LOST
            raise asyncio.CancelledError from error
        finally:
            _forget(future)

    def _task(self, ident: str, work: Work) -> Task:
        settings, measuring = self._context.settings, work.measuring
        whole = self._context.dataset
        n_images = measuring.dataset.n if measuring and isinstance(measuring.dataset, FirstImages) else None
        return Task(
            ident=ident,
            machine=self._machine,
            notebook=work.attempt.notebook or {},
            assignment=work.attempt.assignment,
            digest=work.attempt.digest,
            notes=work.attempt.notes,
            request=sent_part(work.request),
            auto=work.auto,
            measured=whole.name if measuring and whole else None,
            n_images=n_images,
            held_out_seed=measuring.held_out_seed if measuring else None,
            measuring_limit_s=measuring.timeout_s if measuring else 0.0,
            warm=work.request.warm is not None,
            device=self._context.device,
            gpu_slots=settings.gpu_slots,
            gpu_memory_limit_mib=settings.gpu_memory_limit_mib,
            shared=self._shared() if self._share else None,
        )

    @property
    def _token_file(self) -> Path:
        return self._context.workspace / "cache" / f"cluster-{self._token[:8]}"

    @property
    def _shared_folder(self) -> Path:
        return self._context.workspace / "cache" / f"tasks-{self._token[:8]}"

    def _shared(self) -> Shared:
        self._shared_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        workspace, folder = str(self._context.workspace), str(self._shared_folder)
        return Shared(workspace, str(self._token_file), self._token, folder)

    def _settle(self, answer: Answer, work: Work) -> Execution:
        """Puts the evidence in place. :raises EvidenceError: it is not what evidence consists of."""
        finished = work.directory.with_name(f".{work.directory.name}.partial")
        shutil.rmtree(finished, ignore_errors=True)
        finished.parent.mkdir(parents=True, exist_ok=True)
        if "folder" in answer:
            name = str(answer["folder"])
            place = self._shared_folder / name
            if not _TASK_FOLDER.fullmatch(name) or place.is_symlink() or not place.is_dir():
                raise EvidenceError(f"the worker names the folder {name[:60]!r}, which is not there")
            place.rename(finished)
        else:
            unpack(answer["evidence"], finished)
        (finished / "submission.ipynb").write_bytes(work.attempt.content)
        execution = read_execution(finished)
        put_in_place(finished, work.directory)
        return execution

    def _refuse(self, answer: Answer) -> None:
        """:raises DataError: a data set is missing there. :raises ClusterError: anything else."""
        if answer["fault"] == "cancelled":
            self.lost = self.lost or _LOST
            raise asyncio.CancelledError
        kind = DataError if answer["fault"] == "data" else ClusterError
        raise kind(f"a worker could not grade this attempt: {answer['message']}")

    def _heard(self, event: tuple[float, Any]) -> None:
        """A worker said where a notebook is. Other graders of the same cluster say so under the same topic."""
        try:
            word = event[1]
            tell, source = self._tells[word["task"]]
            cell, n_cells, epoch, epochs = word["at"]
            tell(Progress(source, cell, n_cells, epoch, epochs))
        except (LookupError, TypeError, ValueError):
            return


def _bare(spec: DatasetSpec) -> DatasetSpec:
    """What tells the data set from others; where it comes from is nothing to a worker."""
    return msgspec.structs.replace(spec, urls=(), wheels=(), folders=(), files=())


def _forget(future: Future) -> None:
    """A task that runs is broken off by its worker; one that waits is not started."""
    with suppress(Exception):  # the scheduler may be gone
        if not future.done():
            future.cancel()
        future.release()
