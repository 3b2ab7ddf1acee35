import sys

import pytest
from scheduling.made_up_gpus import FakeNvml, NVMLError

from grader.scheduling import Gpu, find_gpus, make_slots
from grader.scheduling.gpus import CONTEXT_MIB


def found(nvml, **environ):
    return find_gpus(nvml, environ)


def test_devices_are_found_with_what_a_slot_needs():
    nvml = FakeNvml(24_000, 16_000)
    inventory = found(nvml)
    assert inventory.gpus == (
        Gpu(0, "GPU-00000000-made-up", "Made-up GPU", 24_000, 1),
        Gpu(1, "GPU-10000000-made-up", "Made-up GPU", 16_000, 2),
    )
    assert inventory.reason == ""
    assert nvml.open == 0


def test_an_old_binding_that_gives_bytes_is_understood():
    assert found(FakeNvml(8_000, old=True)).gpus == (Gpu(0, "GPU-00000000-made-up", "Made-up GPU", 8_000, 1),)


@pytest.mark.parametrize(
    "nvml",
    [
        FakeNvml(init_error=NVMLError("Driver Not Loaded")),
        FakeNvml(init_error=OSError("libnvidia-ml.so.1: cannot open shared object file")),
        FakeNvml(8_000, NVMLError("GPU is lost")),
    ],
)
def test_where_nvml_fails_there_is_no_gpu_and_a_reason(nvml):
    inventory = found(nvml)
    assert inventory.gpus == ()
    assert inventory.reason.startswith("NVML does not answer")
    assert nvml.open == 0


def test_a_machine_with_a_driver_and_no_gpu_says_so():
    assert found(FakeNvml()).reason == "the driver knows no GPU"


def test_without_the_binding_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    inventory = find_gpus()
    assert (inventory.gpus, inventory.reason) == ((), "nvidia-ml-py is not installed")


def test_a_divided_device_is_left_out_with_a_reason():
    inventory = found(FakeNvml(24_000, 80_000, divided=[1]))
    assert [gpu.index for gpu in inventory.gpus] == [0]
    assert "GPU 1 is divided by MIG" in inventory.reason


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        ("1,0", [1, 0]),
        ("GPU-1", [1]),
        ("GPU-00000000-made-up", [0]),
        ("-1", []),
        ("", []),
        ("NoDevFiles", []),
        ("1,7,0", [1]),
        ("GPU-", []),
    ],
)
def test_what_cuda_would_not_see_is_not_used(visible, indices):
    inventory = found(FakeNvml(8_000, 8_000), CUDA_VISIBLE_DEVICES=visible)
    assert [gpu.index for gpu in inventory.gpus] == indices
    assert bool(inventory.reason) == (len(indices) < 2)


def gpu(index, memory_mib):
    return Gpu(index, f"GPU-{index}", "Made-up GPU", memory_mib, index)


def test_slots_share_a_device_and_go_round_the_devices():
    slots = make_slots([gpu(0, 24_000), gpu(1, 24_000)], 2)
    assert [(s.index, s.memory_limit_mib) for s in slots] == [(0, 11_488), (1, 11_488), (0, 11_488), (1, 11_488)]


@pytest.mark.parametrize(("memory_mib", "per_gpu", "limit"), [(24_000, 3, None), (8_000, 4, 3_000), (11_000, 2, 5_000)])
def test_all_slots_of_a_device_fit_into_it(memory_mib, per_gpu, limit):
    slots = make_slots([gpu(0, memory_mib)], per_gpu, limit)
    assert 1 <= len(slots) <= per_gpu
    assert sum(s.memory_limit_mib + CONTEXT_MIB for s in slots) <= memory_mib
    assert limit is None or {s.memory_limit_mib for s in slots} == {limit}


def test_a_device_that_is_too_small_gets_no_slot():
    assert make_slots([gpu(0, 700)], 1) == ()
    assert make_slots([gpu(0, 8_000)], 2, 9_000) == ()
