"""What a kernel on a GPU slot is given, without any GPU."""

import json

from grader.execution import ExecutionRequest
from grader.execution.kernel import Scratch, kernel_environment, write_recorder_settings
from grader.model import GpuSlot

SLOT = GpuSlot(index=1, uuid="GPU-made-up", memory_limit_mib=3_000, minor=1)


def settings_of(scratch, gpu):
    request = ExecutionRequest(time_limit_s=1, memory_limit_mib=1, gpu=gpu)
    return json.loads(write_recorder_settings(scratch, request, preload=False).read_text("utf-8"))


def test_a_kernel_on_a_slot_sees_that_device_alone_and_takes_memory_as_it_needs_it():
    scratch = Scratch.make()
    try:
        with_gpu = kernel_environment(scratch, "keras3", 1, SLOT)
        without = kernel_environment(scratch, "keras3", 1)
        limits = [settings_of(scratch, gpu)["gpu_memory_limit_mib"] for gpu in (SLOT, None)]
    finally:
        scratch.remove()
    assert with_gpu["CUDA_VISIBLE_DEVICES"] == "GPU-made-up"
    assert with_gpu["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert without["CUDA_VISIBLE_DEVICES"] == "-1"
    assert "TF_FORCE_GPU_ALLOW_GROWTH" not in without
    assert limits == [3_000, None]


def test_the_number_of_threads_does_not_depend_on_a_gpu():
    scratch = Scratch.make()
    try:
        environments = [kernel_environment(scratch, "keras3", 2, gpu) for gpu in (SLOT, None)]
    finally:
        scratch.remove()
    names = [name for name in environments[0] if name.endswith("_THREADS")]
    assert len(names) == 5
    assert {e[name] for e in environments for name in names} == {"2"}
