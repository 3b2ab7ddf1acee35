"""Grading on other machines: a real scheduler, real workers, and the same scores as here."""

import asyncio
import io
import json
import signal
import threading
from pathlib import Path

import nbformat
import psutil
import pytest
from cluster.conftest import children_of, comparable, wait_for, write_class
from rich.console import Console

from grader.cli.machines import other_machines
from grader.cluster import ClusterRunner, connect
from grader.cluster import runner as runner_module
from grader.errors import ClusterError
from grader.intake import collect
from grader.pipeline import Batch, grade_batch, open_context, publish
from grader.pipeline.batch import Elsewhere

pytestmark = pytest.mark.slow


def rows_of(context, graded):
    published = publish(context)
    return comparable([published.row(one.result) for one in graded])


def graded_at_home(small_course, workspace, attempts):
    context = open_context(small_course.settings(workspace, replay=False, warm_kernels=False, language="en"), "b2-1")
    return rows_of(context, grade_batch(context, attempts))


def graded_elsewhere(context, attempts, address, *, share=True, batch=None, on_start=None):
    with connect(address) as found:
        context.has_gpu = found.has_gpu
        with ClusterRunner(found.client, context, share=share).open() as runner:
            runner.examine()
            if on_start:
                on_start()
            return grade_batch(context, attempts, batch=batch, elsewhere=Elsewhere(runner, 64)), runner


def wait_for_workers(cluster, n):
    with connect(cluster.address) as found:
        wait_for(lambda: len(found.client.nthreads()) == n)


@pytest.mark.parametrize("share", [True, False], ids=["shared-folder", "evidence-with-the-task"])
def test_scores_are_those_of_one_machine(small_course, cluster, tmp_path, monkeypatch, share):
    attempts = write_class(tmp_path / "class")
    expected = graded_at_home(small_course, tmp_path / "home", attempts)
    for name in ("one", "two"):
        cluster.worker(name, threads=2)
    unpacked, unpack = [], runner_module.unpack
    monkeypatch.setattr(runner_module, "unpack", lambda *args: unpacked.append(args) or unpack(*args))
    context = open_context(
        small_course.settings(tmp_path / "w", replay=False, warm_kernels=False, language="en"), "b2-1"
    )
    graded, _ = graded_elsewhere(context, attempts, cluster.address, share=share)
    assert len(unpacked) == (0 if share else 5)
    assert [one.fault for one in graded] == [None] * 6
    assert rows_of(context, graded) == expected
    assert [row["execution"]["outcome"] for row in expected] == ["ok", "ok", "ok", "cell_error", "unreadable", "ok"]
    left = [p.name for p in (tmp_path / "w").rglob("*") if p.name.startswith((".task-", "tasks-", "cluster-"))]
    assert left == []
    assert not list((tmp_path / "w").rglob("*.partial"))


def test_a_worker_that_is_killed_midway_changes_nothing(small_course, cluster, tmp_path):
    attempts = write_class(tmp_path / "class", n=8, pause_s=1.0)
    expected = graded_at_home(small_course, tmp_path / "home", attempts)
    victim, _other = cluster.worker("victim"), cluster.worker("other")
    context = open_context(
        small_course.settings(tmp_path / "w", replay=False, warm_kernels=False, language="en"), "b2-1"
    )
    killed = []

    def kill_while_it_runs_a_notebook():
        """Once it has something below it that runs, which is the kernel."""
        kernels = wait_for(lambda: [p for p in children_of(victim) if p.is_running()])
        victim.send_signal(signal.SIGKILL)
        killed.append((victim.wait(10), kernels))

    killer = threading.Thread(target=kill_while_it_runs_a_notebook)
    wait_for_workers(cluster, 2)
    graded, _ = graded_elsewhere(context, attempts, cluster.address, on_start=killer.start)
    killer.join(30)
    assert killed[0][0] == -signal.SIGKILL
    assert [one.fault for one in graded] == [None] * 8
    assert rows_of(context, graded) == expected
    wait_for(lambda: not any(p.is_running() and p.status() != "zombie" for p in killed[0][1]), 15)


def one_notebook(folder, *sources):
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
    (folder / "21X9999.ipynb").write_text(json.dumps(nbformat.v4.new_notebook(cells=cells)), "utf-8")
    return collect([folder], "b2-1")


def test_a_batch_that_is_broken_off_ends_the_kernels_on_the_workers(small_course, cluster, tmp_path):
    worker = cluster.worker("one")
    attempts = one_notebook(tmp_path / "class", "while True:\n    pass")
    context = open_context(small_course.settings(tmp_path / "w", replay=False, warm_kernels=False), "b2-1")
    batch, kernels = Batch(1), []

    def break_off():
        """As soon as a worker says that the first cell runs."""
        wait_for(lambda: any(batch.running.values()))
        kernels.extend(children_of(worker))
        batch.cancelled.set()

    breaker = threading.Thread(target=break_off)
    with pytest.raises(asyncio.CancelledError):
        graded_elsewhere(context, attempts, cluster.address, batch=batch, on_start=breaker.start)
    breaker.join(10)
    assert kernels
    wait_for(lambda: not any(is_busy(p) for p in kernels), 30)
    assert batch.done == []
    assert worker.poll() is None


def is_busy(process):
    """Whether it runs a notebook: a warm process may stay."""
    try:
        return "launch.py" in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_a_scheduler_that_goes_away_breaks_the_batch_off_and_blames_nobody(small_course, cluster, tmp_path):
    cluster.worker("one")
    attempts = one_notebook(tmp_path / "class", "while True:\n    pass")
    context = open_context(small_course.settings(tmp_path / "w", replay=False, warm_kernels=False), "b2-1")
    batch = Batch(1)

    def end_it():
        wait_for(lambda: any(batch.running.values()))
        cluster.processes[0].send_signal(signal.SIGKILL)

    breaker = threading.Thread(target=end_it)
    out = Console(file=io.StringIO())

    def grade():
        with other_machines(cluster.address, context, out) as elsewhere:
            breaker.start()
            grade_batch(context, attempts, batch=batch, elsewhere=elsewhere)

    with pytest.raises(ClusterError, match="connection to the cluster was lost"):
        grade()
    breaker.join(10)
    assert "1 workers" in out.file.getvalue()
    assert context.gradebook.latest_results("b2-1") == []


def test_a_worker_without_the_data_set_is_named_before_anything_runs(small_course, cluster, tmp_path):
    cluster.worker("one", GRADER_DATA_DIR=str(tmp_path / "nothing"))
    context = open_context(small_course.settings(tmp_path / "w", replay=False, warm_kernels=False), "b2-1")
    with pytest.raises(ClusterError, match="grader data install mnist"):
        graded_elsewhere(context, [], cluster.address)


def test_a_worker_that_comes_later_without_the_data_set_costs_no_points(small_course, cluster, tmp_path, monkeypatch):
    cluster.worker("one", GRADER_DATA_DIR=str(tmp_path / "nothing"))
    monkeypatch.setattr(ClusterRunner, "examine", lambda self: None)
    context = open_context(small_course.settings(tmp_path / "w", replay=False, warm_kernels=False), "b2-1")
    attempts = one_notebook(tmp_path / "class", "a = 1")
    (graded,), _ = graded_elsewhere(context, attempts, cluster.address)
    assert graded.result.score.pending == 25.0
    assert "data set is missing" in graded.result.score.reason.id
    assert "grader data install mnist" in graded.fault


def test_a_worker_with_other_versions_is_refused(small_course, cluster, tmp_path, monkeypatch):
    cluster.worker("one")
    monkeypatch.setattr(runner_module, "versions", lambda: {"grader": "0", "tensorflow": "1.15"})
    context = open_context(small_course.settings(tmp_path / "w", replay=False, warm_kernels=False), "b2-1")
    with pytest.raises(ClusterError, match="install the same on every machine"):
        graded_elsewhere(context, [], cluster.address)


SEES = "import os\nprint(os.environ['CUDA_VISIBLE_DEVICES'], os.environ.get('TF_FORCE_GPU_ALLOW_GROWTH'))"


def test_gpu_slots_are_resources_of_workers(small_course, cluster, tmp_path):
    """On a worker whose NVML tells of a GPU that nobody has; a worker beside it has none and gets nothing to do."""
    library = tmp_path / "library"
    library.mkdir()
    made_up = (Path(__file__).parents[1] / "scheduling" / "made_up_gpus.py").read_text("utf-8")
    answers = "_nvml = FakeNvml(8_000)\nfor _name in dir(_nvml):\n    globals()[_name] = getattr(_nvml, _name)\n"
    (library / "pynvml.py").write_text(f"{made_up}\n\n{answers}", "utf-8")
    path = f"{library}:{cluster.environment['PYTHONPATH']}"
    cluster.worker("with", "--resources", "GPU=1", PYTHONPATH=path, DASK_DISTRIBUTED__DIAGNOSTICS__NVML="False")
    cluster.worker("without")
    wait_for_workers(cluster, 2)
    context = open_context(small_course.settings(tmp_path / "w", replay=False, warm_kernels=False), "b2-1")
    attempts = one_notebook(tmp_path / "class", SEES, "raise MemoryError('OOM when allocating tensor')")
    (graded,), _ = graded_elsewhere(context, attempts, cluster.address)
    assert graded.fault is None
    assert context.device == "gpu"
    assert "also when it was alone on the GPU" in graded.result.execution.notes[0].id
    for folder in (graded.evidence, graded.evidence / "first-try"):
        printed = json.loads((folder / "executed.ipynb").read_text("utf-8"))["cells"][0]["outputs"][0]["text"]
        assert "".join(printed).split() == ["GPU-00000000-made-up", "true"]
