"""GPUs of this machine as NVIDIA's management library (NVML) tells, and how many kernels each may hold.

NVML comes with the driver; ``nvidia-ml-py`` (the extra ``gpu``) is NVIDIA's own binding. It starts no context on the
device, so that asking takes no memory of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from grader.model import GpuSlot

_MIB = 2**20
CONTEXT_MIB = 512
"""What a process takes of a device beside TensorFlow's own memory: CUDA's context and the code of its libraries."""
LEAST_MIB = 256
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device. :ivar index: as NVML counts, by place on the bus. :ivar minor: of its node ``/dev/nvidia<minor>``."""

    index: int
    uuid: str
    name: str
    memory_mib: int
    minor: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """The devices that may be used. :ivar reason: why there are none, or why some are left out; else empty."""

    gpus: tuple[Gpu, ...] = ()
    reason: str = ""


def find_gpus(nvml: Any = None, environ: Mapping[str, str] = os.environ) -> Inventory:
    """GPUs of this machine, of those that ``CUDA_VISIBLE_DEVICES`` leaves; anything that fails means none.

    :param nvml: stands for the module ``pynvml``.
    """
    if nvml is None:
        nvml, reason = _binding()
        if nvml is None:
            return Inventory(reason=reason)
    try:
        nvml.nvmlInit()
    except Exception as error:  # the driver is missing, too old, or refuses
        return Inventory(reason=f"NVML does not answer: {_words(error)}")
    try:
        devices = [_device(nvml, index) for index in range(int(nvml.nvmlDeviceGetCount()))]
    except Exception as error:
        return Inventory(reason=f"NVML does not answer: {_words(error)}")
    finally:
        _shut_down(nvml)
    refused = [one for one in devices if isinstance(one, str)]
    found = [one for one in devices if isinstance(one, Gpu)]
    visible = environ.get(_VISIBLE)
    if visible is not None:
        kept = list(_named(found, visible))
        refused += [f"{_VISIBLE}={visible} leaves {len(kept)} of {len(found)}"] if len(kept) < len(found) else []
        found = kept
    return Inventory(tuple(found), "; ".join(refused) or ("" if found else "the driver knows no GPU"))


def _binding() -> tuple[ModuleType | None, str]:
    try:
        import pynvml
    except ImportError:
        return None, "nvidia-ml-py is not installed"
    return pynvml, ""


def _device(nvml: Any, index: int) -> Gpu | str:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    if _is_divided(nvml, handle):
        return f"GPU {index} is divided by MIG, which this program does not use"
    return Gpu(
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(nvml.nvmlDeviceGetName(handle)),
        memory_mib=int(nvml.nvmlDeviceGetMemoryInfo(handle).total) // _MIB,
        minor=int(nvml.nvmlDeviceGetMinorNumber(handle)),
    )


def _is_divided(nvml: Any, handle: Any) -> bool:
    try:
        return int(nvml.nvmlDeviceGetMigMode(handle)[0]) == 1
    except Exception:  # most devices do not know the question
        return False


def _shut_down(nvml: Any) -> None:
    try:
        nvml.nvmlShutdown()
    except Exception:  # nothing depends on it
        return


def _named(gpus: Iterable[Gpu], visible: str) -> Iterator[Gpu]:
    """Devices in the order of ``CUDA_VISIBLE_DEVICES``; as with CUDA the first entry that is none ends the list."""
    by_index = {str(gpu.index): gpu for gpu in gpus}
    for entry in (part.strip() for part in visible.split(",")):
        meant = [g for g in by_index.values() if entry.startswith("GPU-") and g.uuid.startswith(entry)]
        gpu = by_index.get(entry) or (meant[0] if len(meant) == 1 else None)
        if gpu is None:
            return
        yield gpu


def _text(value: str | bytes) -> str:
    """Older bindings give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def make_slots(gpus: Iterable[Gpu], per_gpu: int, memory_limit_mib: int | None = None) -> tuple[GpuSlot, ...]:
    """Slots of every device, one of each device first, so that few kernels are spread over all of them.

    :param memory_limit_mib: of one slot; ``None``: an equal part of the device. A device gets no more slots than its
        memory holds, each with :data:`CONTEXT_MIB` besides.
    """
    rows = []
    for gpu in gpus:
        limit = memory_limit_mib or gpu.memory_mib // max(per_gpu, 1) - CONTEXT_MIB
        if limit < LEAST_MIB:
            continue
        number = min(per_gpu, gpu.memory_mib // (limit + CONTEXT_MIB))
        rows.append([GpuSlot(gpu.index, gpu.uuid, limit, gpu.minor)] * number)
    return tuple(row[n] for n in range(max(map(len, rows), default=0)) for row in rows if n < len(row))


def whole(gpu: Gpu) -> GpuSlot:
    """The device for one kernel alone."""
    return GpuSlot(gpu.index, gpu.uuid, max(gpu.memory_mib - CONTEXT_MIB, LEAST_MIB), gpu.minor)
