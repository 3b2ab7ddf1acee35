"""What one kernel gets: a scratch folder, an environment of its own, the recorder, and the command that starts it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

import grader.recorder
from grader.execution.channels import CheckedClient, CheckedManager
from grader.execution.provisioner import WarmProvisioner, WarmStart
from grader.execution.request import ExecutionRequest
from grader.execution.sockets import require_socket_folder
from grader.model import Budget, GpuSlot
from grader.sandbox.box import Box
from grader.sandbox.gpu import gpu_mounts
from grader.sandbox.spec import Limits
from grader.scratch import scratch_prefix
from grader.warm import WarmPool, warm_works

_AFTERWARDS_S = 600  # starting, and what is asked of the kernel after the last cell

_PASSED_ON = ("PATH", "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS", "LD_LIBRARY_PATH", "TZ")
_THREAD_COUNTS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
_PASSED_ON_PREFIXES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Scratch:
    """Folders of one execution; ``root`` goes when it ends.

    ``own`` belongs to the notebook, and nothing of ours is ever written there while it runs: it could be a link.
    ``given`` is ours, and read-only in a sandbox.
    """

    root: Path

    @classmethod
    def make(cls, *, ship: bool = True) -> Scratch:
        """A new private folder; short, as socket paths have a limit of about 100 bytes.

        :param ship: puts the recorder into it; kernels forked from a warm process have it already.
        """
        scratch = cls(Path(tempfile.mkdtemp(prefix=scratch_prefix(), dir=require_socket_folder())))
        for folder in (scratch.work, scratch.home, scratch.claims, scratch.given, scratch.temporary):
            folder.mkdir(parents=True)
        scratch.cell_file.touch()
        if ship:
            package = scratch.library / "grader"
            source = Path(grader.recorder.__file__).parent
            shutil.copytree(source, package / "recorder", ignore=shutil.ignore_patterns("__pycache__"))
            (package / "__init__.py").touch()
        return scratch

    @property
    def own(self) -> Path:
        """What the notebook may write to."""
        return self.root / "own"

    @property
    def given(self) -> Path:
        """What the notebook may only read."""
        return self.root / "given"

    @property
    def work(self) -> Path:
        """Current directory of the notebook."""
        return self.own / "work"

    @property
    def home(self) -> Path:
        """Home directory of the kernel."""
        return self.own / "home"

    @property
    def claims(self) -> Path:
        """Where the recorder writes."""
        return self.own / "claims"

    @property
    def replays(self) -> Path:
        """Where a notebook of the grader's own keeps its trainings."""
        return self.own / "replays"

    @property
    def library(self) -> Path:
        """The recorder, shipped."""
        return self.given / "library"

    @property
    def temporary(self) -> Path:
        """The kernel's ``TMPDIR``."""
        return self.own / "tmp"

    @property
    def cell_file(self) -> Path:
        """Index of the running cell."""
        return self.given / "cell"

    def show(self) -> None:
        """Makes what is given readable by everybody who can see it: ``root`` lets only its owner in."""
        for path in (self.given, *self.given.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def remove(self) -> None:
        """Deletes everything, also folders that the notebook locked."""
        shutil.rmtree(self.root, ignore_errors=True)
        for place, folders, _ in os.walk(self.root):
            for name in folders:
                folder = Path(place, name)
                if not folder.is_symlink():
                    with contextlib.suppress(OSError):
                        folder.chmod(0o700)
        shutil.rmtree(self.root, ignore_errors=True)


def library_environment(runtime: str, threads: int) -> dict[str, str]:
    """What libraries read when they are imported; nothing of the grader's own environment reaches student code.

    The number of threads is fixed, as it decides the order of floating-point sums: results must not depend
    on ``--jobs``.
    """
    passed = {k: v for k, v in os.environ.items() if k.upper() in _PASSED_ON or k in _PASSED_ON_PREFIXES}
    return {
        **passed,
        **dict.fromkeys(_THREAD_COUNTS, str(threads)),
        "KERAS_BACKEND": "tensorflow",
        "TF_USE_LEGACY_KERAS": "1" if runtime == "keras2" else "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }


def kernel_environment(scratch: Scratch, runtime: str, threads: int, gpu: GpuSlot | None = None) -> dict[str, str]:
    """All that a kernel gets: for its libraries, and its own folders; of the GPUs the one of its slot, or none."""
    return {
        **library_environment(runtime, threads),
        **(gpu_environment(gpu) if gpu else {}),
        "HOME": str(scratch.home),
        "USERPROFILE": str(scratch.home),
        "TMPDIR": str(scratch.temporary),
        "TEMP": str(scratch.temporary),
        "TMP": str(scratch.temporary),
        "IPYTHONDIR": str(scratch.home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(scratch.home / "jupyter"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "MPLCONFIGDIR": str(scratch.home / "matplotlib"),
        "KERAS_HOME": str(scratch.home / "keras"),
    }


def gpu_environment(gpu: GpuSlot) -> dict[str, str]:
    """One GPU, whose memory is taken bit by bit and not all at once; convolutions that sum in a fixed order."""
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": gpu.uuid,
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "TF_CUDNN_DETERMINISTIC": "1",
    }


def warm_pool(threads: int, font_cache: Path | None) -> WarmPool | None:
    """Warm processes of both generations of Keras, none of them started yet; ``None`` where this system cannot."""
    if not warm_works():
        return None
    return WarmPool({r: library_environment(r, threads) for r in ("keras3", "keras2")}, font_cache)


def write_recorder_settings(scratch: Scratch, request: ExecutionRequest, preload: bool) -> Path:
    """``recorder.json``; see :class:`grader.recorder.session.Settings`."""
    quick = request.budget is Budget.QUICK
    settings = {
        "claims": str(scratch.claims),
        "cell_file": str(scratch.cell_file),
        "seed": request.seed,
        "runtime": request.runtime,
        "datasets": dict(request.datasets),
        "fallback": request.fallback,
        "compatibility": list(request.compatibility),
        "seed_shift": request.seed_shift,
        "quick_epochs": request.quick_epochs if quick else None,
        "quick_rows": request.quick_rows if quick else None,
        "preload": preload,
        "replay_store": str(request.replay_store) if request.replay_store else None,
        "replay_record": str(scratch.replays) if request.replay_into else None,
        "gpu_memory_limit_mib": request.gpu.memory_limit_mib if request.gpu else None,
    }
    path = scratch.given / "recorder.json"
    path.write_text(json.dumps(settings), "utf-8")
    return path


def share_font_cache(scratch: Scratch, cache_dir: Path | None) -> None:
    """Copies matplotlib's font list, which takes a second to make, into the kernel's own configuration."""
    if cache_dir is not None and cache_dir.is_dir():
        shutil.copytree(cache_dir, scratch.home / "matplotlib", dirs_exist_ok=True)


class _OneSpec(KernelSpecManager):  # type: ignore[misc]
    """Knows one kernel: ours, whatever name the notebook gives."""

    def __init__(self, spec: KernelSpec) -> None:
        super().__init__()
        self._spec = spec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return self._spec


def kernel_box(scratch: Scratch, request: ExecutionRequest) -> Box:
    """The walls around one kernel: it sees the data that it is served, and the scratch folder."""
    assert request.sandbox is not None  # noqa: S101 - the caller has looked
    served = {str(entry["directory"]) for entry in request.datasets.values()}
    scratch.show()
    more = [request.warm.library] if request.warm else []
    more += [request.replay_store] if request.replay_store else []
    limits = Limits(
        memory_mib=request.memory_limit_mib,
        # All that it could use in its time; a last resort, should nobody be there to look at the clock.
        cpu_s=math.ceil(request.time_limit_s + _AFTERWARDS_S) * (os.cpu_count() or 1),
        file_mib=request.scratch_limit_mib,
    )
    return Box(
        request.sandbox,
        readable=[*served, scratch.given, *more],
        writable=[scratch.own],
        cwd=scratch.work,
        limits=limits,
        devices=gpu_mounts(request.gpu.minor) if request.gpu else (),
    )


def kernel_manager(
    scratch: Scratch, settings_file: Path, box: Box | None = None, warm: WarmStart | None = None
) -> CheckedManager:
    """A manager that starts our kernel over private sockets in the scratch folder (TCP where there are none).

    :param box: what the kernel is confined in; it must be the one of ``scratch``.
    :param warm: where the kernel is forked from; without, it is started anew.
    """
    library = warm.pool.library if warm else scratch.library
    launch = library / "grader" / "recorder" / "launch.py"
    main = [str(library), str(settings_file), "-f", "{connection_file}", "--HistoryManager.hist_file=:memory:"]
    argv = [sys.executable, "-s", "-P", str(launch), *main]
    if warm is not None:
        argv = main
    elif box is not None:
        argv = box.command(argv)
    spec = KernelSpec(argv=argv, display_name="grader", language="python")
    manager = CheckedManager(
        kernel_name="grader",
        client_factory=CheckedClient,
        kernel_spec_manager=_OneSpec(spec),
        transport="tcp" if os.name == "nt" else "ipc",
        connection_file=str(scratch.own / "kernel.json"),
        context=zmq.asyncio.Context(),
        shutdown_wait_time=0.5,
    )
    if warm is not None:
        manager.provisioner = WarmProvisioner(parent=manager, kernel_id=scratch.root.name, kernel_spec=spec)
        manager.provisioner.begin(warm, box)
    return manager
