"""Runs notebooks on the GPUs of this machine; one that runs out of GPU memory beside others gets a device alone."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace

from grader.model import CellOutcome, Execution, GpuSlot, Text
from grader.pipeline.runtime import rewrite_execution
from grader.pipeline.work import Tell, Work, measure, run_notebook, run_work
from grader.scheduling import GpuSlots

FIRST_TRY = "first-try"
# What TensorFlow, CUDA and its libraries say when a device's memory is full; on the CPU it is another matter.
_NO_MEMORY = re.compile(
    r"OOM when allocating|CUDA_ERROR_OUT_OF_MEMORY|CUDA out of memory|CU(?:DNN|BLAS)_STATUS_ALLOC_FAILED"
    r"|Dst tensor is not initialized"
)
_ON_CPU = re.compile(r"device:CPU:\d+|by allocator cpu")


def ran_out_of_gpu_memory(execution: Execution) -> bool:
    """Whether a cell failed for lack of a device's memory; only asked of a run on a GPU."""
    failed = [c for c in execution.cells if c.outcome is CellOutcome.ERROR]
    return any(
        (c.error_name == "ResourceExhaustedError" or _NO_MEMORY.search(c.error_value or ""))
        and not _ON_CPU.search(c.error_value or "")
        for c in failed
    )


@dataclass(frozen=True)
class DeviceRunner:
    """Runs work on a GPU slot, or on the CPU; models are always re-measured on the CPU.

    :ivar device: ``cpu``; ``gpu``: a slot is waited for; ``both``: the CPU where no slot is free.
    """

    device: str
    slots: GpuSlots

    def __call__(self, work: Work, *, tell: Tell, cancelled: threading.Event | None) -> Execution:
        """See :class:`grader.pipeline.work.Runner`."""
        if self.device == "cpu" or work.attempt.notebook is None:
            return run_work(work, tell=tell, cancelled=cancelled)
        if self.device == "both":
            with self.slots.one_if_free() as slot:
                execution = run_notebook(_on(work, slot), tell=tell, cancelled=cancelled)
        else:
            with self.slots.one(cancelled) as slot:
                execution = run_notebook(_on(work, slot), tell=tell, cancelled=cancelled)
        if slot is not None and ran_out_of_gpu_memory(execution):
            execution = self._alone(work, tell, cancelled)
        measure(work)
        return execution

    def _alone(self, work: Work, tell: Tell, cancelled: threading.Event | None) -> Execution:
        """The same once more with a device of its own; the first try is kept in the folder ``first-try``."""
        aside = work.directory.with_name(f"{work.directory.name}.alone")
        with self.slots.alone(cancelled) as slot:
            again = replace(_on(work, slot), directory=aside)
            execution = run_notebook(again, tell=tell, cancelled=cancelled)
        note = Text("The notebook ran out of GPU memory, so it was run again alone on the GPU. The first run is kept.")
        if ran_out_of_gpu_memory(execution):
            note = Text(
                "The notebook ran out of GPU memory, also when it was alone on the GPU ({limit} MiB).",
                {"limit": slot.memory_limit_mib},
            )
        execution = replace(execution, notes=(note, *execution.notes))
        rewrite_execution(aside, execution)
        work.directory.rename(aside / FIRST_TRY)
        aside.rename(work.directory)
        return execution


def _on(work: Work, slot: GpuSlot | None) -> Work:
    """On a GPU without replay: what was trained on the CPU differs in the last digits."""
    request = replace(work.request, gpu=slot, replay_store=None) if slot else replace(work.request, gpu=None)
    return replace(work, request=request)
