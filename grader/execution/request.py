"""How one attempt is to be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.model import Budget, GpuSlot
from grader.sandbox.box import Sandbox
from grader.warm import WarmPool


@dataclass(frozen=True)
class ExecutionRequest:
    """How to run one attempt.

    :ivar datasets: what the store serves: name to ``{"digest", "directory", "files"}``.
    :ivar inputs_file: npz of test images without labels, for models that only the kernel can run; opened after the
        notebook has ended.
    :ivar cell_time_limit_s: for one cell; half of the whole limit where it is ``None``.
    :ivar seed_shift: is added to the seeds that the notebook fixes itself; 0 in a first run.
    :ivar fallback: whether Keras may fetch data sets itself (the student's own machine).
    :ivar compatibility: idioms of older Keras that are accepted (:mod:`grader.recorder.compatibility`).
    :ivar sandbox: what the kernel is confined in; ``None``: it has the rights of the grader.
    :ivar scratch_limit_mib: what the notebook may write to the disk.
    :ivar gpu: the place on a GPU that the kernel has; ``None``: it sees no GPU.
    :ivar replay_store: trainings that the grader has made before (:mod:`grader.recorder.replay`).
    :ivar replay_into: where trainings of this notebook are kept; only for notebooks of the grader's own.
    :ivar warm: warm processes that the kernel is forked from where that is possible, with the same results.
    """

    time_limit_s: float
    memory_limit_mib: float
    runtime: str = "keras3"
    budget: Budget = Budget.FULL
    seed: int = 0
    threads: int = 1
    cell_time_limit_s: float | None = None
    output_limit_chars: int = 2**20
    startup_timeout_s: float = 60.0
    datasets: Mapping[str, Any] = field(default_factory=dict)
    inputs_file: Path | None = None
    font_cache: Path | None = None
    fallback: bool = False
    compatibility: tuple[str, ...] = ()
    quick_epochs: int = 2
    quick_rows: int = 2000
    seed_shift: int = 0
    sandbox: Sandbox | None = None
    scratch_limit_mib: int = 4096
    warm: WarmPool | None = None
    gpu: GpuSlot | None = None
    replay_store: Path | None = None
    replay_into: Path | None = None
