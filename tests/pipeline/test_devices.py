"""Which attempt runs on which GPU, on devices that the tests make up."""

from types import SimpleNamespace

import msgspec
import pytest

from grader.errors import UsageError
from grader.execution import ExecutionRequest
from grader.model import Attempt, Budget, CellOutcome, CellRun, Execution, ExecutionOutcome, Student
from grader.pipeline import devices
from grader.pipeline.context import Context
from grader.pipeline.devices import FIRST_TRY, DeviceRunner, ran_out_of_gpu_memory
from grader.pipeline.work import Work
from grader.scheduling import Gpu, GpuSlots

OOM = "{{node sequential/conv2d/Conv2D}} OOM when allocating tensor with shape[512,32,24,24] and type float on {}"
ON_GPU = OOM.format("/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc")
ON_CPU = OOM.format("/job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu")
GPU = Gpu(0, "GPU-0", "Made-up GPU", 8_000, 0)


def execution(name=None, value=None):
    if name is None:
        return Execution(ExecutionOutcome.OK, cells=(CellRun(0, CellOutcome.OK),))
    cell = CellRun(0, CellOutcome.ERROR, error_name=name, error_value=value)
    return Execution(ExecutionOutcome.CELL_ERROR, cells=(cell,))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ResourceExhaustedError", ON_GPU, True),
        ("ResourceExhaustedError", "Graph execution error", True),
        ("InternalError", "Failed to allocate 2 GiB: CUDA_ERROR_OUT_OF_MEMORY: out of memory", True),
        ("InternalError", "Dst tensor is not initialized.", True),
        ("UnknownError", "could not create cudnn handle: CUDNN_STATUS_ALLOC_FAILED", True),
        ("ResourceExhaustedError", ON_CPU, False),
        ("MemoryError", "Unable to allocate 40 GiB for an array", False),
        ("NameError", "name 'model' is not defined", False),
        (None, None, False),
    ],
)
def test_a_full_gpu_is_told_from_other_errors(name, value, expected):
    assert ran_out_of_gpu_memory(execution(name, value)) is expected


class Kernel:
    """Stands for running a notebook: gives the next result, and notes where it was."""

    def __init__(self, *results):
        self.results, self.slots, self.replays, self.measured = list(results), [], [], []

    def run(self, work, **_):
        self.slots.append(work.request.gpu)
        self.replays.append(work.request.replay_store)
        found = self.results[min(len(self.slots), len(self.results)) - 1]
        work.directory.mkdir(parents=True)
        (work.directory / "execution.json").write_bytes(msgspec.json.encode(found))
        (work.directory / "number").write_text(str(len(self.slots)))
        return found


@pytest.fixture
def kernel(monkeypatch):
    def make(*results):
        stand_in = Kernel(*results)
        monkeypatch.setattr(devices, "run_notebook", stand_in.run)
        monkeypatch.setattr(devices, "measure", lambda work: stand_in.measured.append(work.request.gpu))
        monkeypatch.setattr(devices, "run_work", lambda work, **_: stand_in.run(work))
        return stand_in

    return make


def work_in(folder, notebook=True):
    attempt = Attempt("a", "sha256:0", "s.ipynb", b"", Student(), {"cells": []} if notebook else None)
    request = ExecutionRequest(time_limit_s=1, memory_limit_mib=1, replay_store=folder)
    return Work(attempt, request, folder / "e")


def run(device, slots, work):
    return DeviceRunner(device, slots)(work, tell=lambda _: None, cancelled=None)


def test_a_notebook_runs_on_a_slot_and_is_measured_without(kernel, tmp_path):
    stand_in, slots = kernel(execution()), GpuSlots([GPU], 2)
    assert run("gpu", slots, work_in(tmp_path)).notes == ()
    assert [(s.uuid, s.memory_limit_mib) for s in stand_in.slots] == [("GPU-0", 3_488)]
    assert stand_in.measured == [None]


def test_one_that_fills_its_slot_runs_once_more_alone_and_both_are_kept(kernel, tmp_path):
    stand_in = kernel(execution("ResourceExhaustedError", ON_GPU), execution())
    result = run("gpu", GpuSlots([GPU], 2), work_in(tmp_path))
    assert [s.memory_limit_mib for s in stand_in.slots] == [3_488, 7_488]
    assert result.outcome is ExecutionOutcome.OK
    assert "run again alone" in result.notes[0].id
    assert (tmp_path / "e" / "number").read_text() == "2"
    assert (tmp_path / "e" / FIRST_TRY / "number").read_text() == "1"
    kept = msgspec.json.decode((tmp_path / "e" / "execution.json").read_bytes(), type=Execution)
    assert kept == result
    assert len(stand_in.measured) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["e"]


def test_it_is_not_run_a_third_time(kernel, tmp_path):
    stand_in = kernel(execution("ResourceExhaustedError", ON_GPU))
    result = run("gpu", GpuSlots([GPU], 2), work_in(tmp_path))
    assert len(stand_in.slots) == 2
    assert result.notes[0].params == {"limit": 7_488}
    assert "also when it was alone" in result.notes[0].id


def test_an_ordinary_error_on_a_gpu_causes_no_second_run(kernel, tmp_path):
    stand_in = kernel(execution("NameError", "name 'model' is not defined"))
    run("gpu", GpuSlots([GPU], 2), work_in(tmp_path))
    assert len(stand_in.slots) == 1


def test_where_all_slots_are_taken_both_goes_on_with_the_cpu(kernel, tmp_path):
    stand_in, slots = kernel(execution("ResourceExhaustedError", ON_GPU)), GpuSlots([GPU], 1)
    with slots.one():
        run("both", slots, work_in(tmp_path / "a"))
    assert stand_in.slots == [None]
    run("both", slots, work_in(tmp_path / "b"))
    assert [s is not None for s in stand_in.slots] == [False, True, True]
    assert stand_in.replays == [tmp_path / "a", None, None]  # trained on the CPU: no answer for a GPU


@pytest.mark.parametrize(("device", "notebook"), [("cpu", True), ("gpu", False)])
def test_what_needs_no_gpu_takes_no_slot(kernel, tmp_path, device, notebook):
    stand_in, slots = kernel(execution()), GpuSlots([GPU], 1)
    with slots.one():
        run(device, slots, work_in(tmp_path, notebook))
    assert stand_in.slots == [None]


def context(device, slots, *, public_only=False, has_gpu=None):
    settings = SimpleNamespace(device=device, budget=Budget.FULL)
    made = Context(settings, None, None, None, None, public_only=public_only, has_gpu=has_gpu)
    made.__dict__["gpus"] = slots
    return made


@pytest.mark.parametrize(
    ("wanted", "slots", "has_gpu", "expected"),
    [
        ("auto", GpuSlots(), None, "cpu"),
        ("auto", GpuSlots([GPU]), None, "gpu"),
        ("auto", GpuSlots([GPU]), False, "cpu"),
        ("auto", GpuSlots(), True, "gpu"),
        ("cpu", GpuSlots([GPU]), None, "cpu"),
        ("both", GpuSlots([GPU]), None, "both"),
    ],
)
def test_the_device_follows_the_setting_and_what_is_there(wanted, slots, has_gpu, expected):
    assert context(wanted, slots, has_gpu=has_gpu).device == expected


@pytest.mark.parametrize("wanted", ["gpu", "both"])
def test_a_gpu_that_is_asked_for_by_name_and_not_there_is_refused(wanted):
    with pytest.raises(UsageError, match="grader doctor"):
        _ = context(wanted, GpuSlots()).device


def test_the_students_own_check_stays_on_the_cpu():
    assert context("auto", GpuSlots([GPU]), public_only=True).device == "cpu"
