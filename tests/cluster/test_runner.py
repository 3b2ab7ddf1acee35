"""What the home's side makes of a worker's answers; the cluster is one that the tests make up."""

import io
import json
import zipfile
from concurrent.futures import CancelledError
from types import SimpleNamespace

import msgspec
import pytest
from distributed import KilledWorker

from grader.cluster import ClusterRunner
from grader.cluster.task import Task
from grader.errors import ClusterError, DataError, EvidenceError
from grader.evidence.archive import pack
from grader.execution import ExecutionRequest, Progress
from grader.model import Attempt, Execution, ExecutionOutcome, Student
from grader.pipeline import open_context
from grader.pipeline.work import Work

OURS = {"fault": "ours", "message": "OSError: No space left on device"}


class Future:
    """A task that has ended."""

    def __init__(self, outcome):
        self.outcome, self.released = outcome, False

    def add_done_callback(self, call):
        call(self)

    def result(self, timeout):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def done(self):
        return True

    def release(self):
        self.released = True


class Client:
    """Gives the next outcome for each task."""

    def __init__(self, *outcomes):
        self.outcomes, self.futures, self.tasks, self.resources = list(outcomes), [], [], []

    def submit(self, function, message, *, key, pure, resources):
        self.tasks.append(Task.decode(message))
        self.resources.append(resources)
        outcome = self.outcomes.pop(0)
        self.futures.append(Future(outcome(self.tasks[-1]) if callable(outcome) else outcome))
        return self.futures[-1]


def finished(folder):
    """An evidence folder as a worker leaves it."""
    (folder / "claims").mkdir(parents=True)
    (folder / "submission.ipynb").write_bytes(b"")
    (folder / "execution.json").write_bytes(msgspec.json.encode(Execution(ExecutionOutcome.OK, seed=5)))
    return folder


@pytest.fixture
def good(tmp_path):
    return {"evidence": pack(finished(tmp_path / "remote")), "worker": "w"}


@pytest.fixture
def context(small_course, tmp_path):
    return open_context(small_course.settings(tmp_path / "w", replay=False, warm_kernels=False), "b2-1")


@pytest.fixture
def run(context):
    def run_with(client, **changes):
        attempt = Attempt("b2-1", "sha256:0", "Yamada.ipynb", b"as received", Student("1", "Yamada"), {"cells": []})
        request = ExecutionRequest(time_limit_s=1, memory_limit_mib=1)
        work = Work(attempt, request, context.workspace / "evidence" / "b2-1" / "e")
        runner = ClusterRunner(client, context, **changes)
        return work.directory, lambda: runner(work, tell=lambda _: None, cancelled=None)

    return run_with


def test_evidence_is_put_in_its_place_with_the_file_as_it_was_received(run, good):
    client = Client(good)
    directory, execute = run(client)
    assert execute() == Execution(ExecutionOutcome.OK, seed=5)
    assert (directory / "submission.ipynb").read_bytes() == b"as received"
    assert client.futures[0].released
    assert client.resources == [None]
    assert b"Yamada" not in client.tasks[0].encode()


def test_what_one_machine_fails_at_is_tried_once_more(run, good):
    client = Client(OURS, good)
    assert run(client)[1]().outcome is ExecutionOutcome.OK
    assert len({task.ident for task in client.tasks}) == 2
    client = Client(OURS, OURS)
    with pytest.raises(ClusterError, match="No space left"):
        run(client)[1]()
    assert client.outcomes == []


@pytest.mark.parametrize(
    ("outcome", "kind", "said"),
    [
        ({"fault": "data", "message": "no mnist"}, DataError, "no mnist"),
        ({"fault": "machine", "message": "no sandbox"}, ClusterError, "no sandbox"),
        (KilledWorker("grader-1", SimpleNamespace(address="tcp://w"), 3), ClusterError, "died one after the other"),
    ],
)
def test_what_no_further_try_would_mend_is_a_fault_of_ours_at_once(run, outcome, kind, said):
    with pytest.raises(kind, match=said):
        run(Client(outcome))[1]()


@pytest.mark.parametrize("outcome", [CancelledError(), OSError("gone"), {"fault": "cancelled", "message": ""}])
def test_a_lost_scheduler_is_nobodys_fault_and_ends_the_batch(context, run, outcome):
    import asyncio

    directory, execute = run(Client(outcome))
    with pytest.raises(asyncio.CancelledError):
        execute()
    assert not directory.exists()


def malicious():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("execution.json", msgspec.json.encode(Execution(ExecutionOutcome.OK)))
        archive.writestr("../../../gradebook.sqlite", b"mine")
    return {"evidence": buffer.getvalue()}


def test_an_archive_that_leaves_its_folder_is_refused(run):
    directory, execute = run(Client(malicious()))
    with pytest.raises(EvidenceError, match="no evidence"):
        execute()
    assert list(directory.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["../../submissions", "/etc", ".task-" + "0" * 32, "", ".", ".task-" + "1" * 32])
def test_a_folder_that_no_task_made_is_refused(run, tmp_path, name):
    def answer(task):
        (tmp_path / "elsewhere").mkdir()
        link = tmp_path / "w" / "cache" / task.shared.folder.rsplit("/", 1)[1] / (".task-" + "1" * 32)
        link.symlink_to(tmp_path / "elsewhere")
        return {"folder": name}

    with pytest.raises(EvidenceError, match="is not there"):
        run(Client(answer))[1]()
    assert (tmp_path / "elsewhere").is_dir()


def test_without_sharing_no_path_of_this_machine_is_told(run, good, tmp_path):
    client = Client(good)
    run(client, share=False)[1]()
    assert client.tasks[0].shared is None
    assert str(tmp_path) not in json.dumps(json.loads(client.tasks[0].encode()))


def test_progress_reaches_the_attempt_that_it_is_of_and_other_words_are_ignored(context):
    told, runner = [], ClusterRunner(None, context)
    runner._tells["grader-1"] = (told.append, "s.ipynb")
    for word in (
        {"task": "grader-1", "at": [3, 9, 2, 10]},
        {"task": "of-another-grader", "at": [1, 2, 3, 4]},
        {"task": "grader-1"},
        {"task": "grader-1", "at": [1]},
        "nonsense",
    ):
        runner._heard((0.0, word))
    assert told == [Progress("s.ipynb", 3, 9, 2, 10)]
