"""What one kernel gets: a scratch folder, an environment of its own, the recorder, and the command that starts it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

import grader.recorder
from grader.sandbox.box import Box
from grader.sandbox.spec import Limits
from grader.scratch import scratch_prefix

if TYPE_CHECKING:
    from grader.execution.run import ExecutionRequest

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
    def make(cls) -> Scratch:
        """A new private folder; short, as socket paths have a limit of about 100 characters."""
        scratch = cls(Path(tempfile.mkdtemp(prefix=scratch_prefix())))
        for folder in (scratch.work, scratch.home, scratch.claims, scratch.library / "grader", scratch.temporary):
            folder.mkdir(parents=True)
        (scratch.library / "grader" / "__init__.py").touch()
        scratch.cell_file.touch()
        source = Path(grader.recorder.__file__).parent
        shutil.copytree(source, scratch.library / "grader" / "recorder", ignore=shutil.ignore_patterns("__pycache__"))
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


def kernel_environment(scratch: Scratch, runtime: str, threads: int) -> dict[str, str]:
    """Only what is needed: nothing of the grader's own environment reaches student code.

    The number of threads is fixed, as it decides the order of floating-point sums: results must not depend
    on ``--jobs``.
    """
    passed = {k: v for k, v in os.environ.items() if k.upper() in _PASSED_ON or k in _PASSED_ON_PREFIXES}
    count = str(threads)
    threads_env = dict.fromkeys(_THREAD_COUNTS, count)
    return {
        **passed,
        **threads_env,
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


def write_recorder_settings(scratch: Scratch, settings: Mapping[str, Any]) -> Path:
    """``recorder.json``; see :class:`grader.recorder.session.Settings`."""
    path = scratch.given / "recorder.json"
    places = {"claims": str(scratch.claims), "cell_file": str(scratch.cell_file)}
    path.write_text(json.dumps({**settings, **places}), "utf-8")
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
    limits = Limits(
        memory_mib=request.memory_limit_mib,
        # All that it could use in its time; a last resort, should nobody be there to look at the clock.
        cpu_s=math.ceil(request.time_limit_s + _AFTERWARDS_S) * (os.cpu_count() or 1),
        file_mib=request.scratch_limit_mib,
    )
    return Box(
        request.sandbox, readable=[*served, scratch.given], writable=[scratch.own], cwd=scratch.work, limits=limits
    )


def kernel_manager(scratch: Scratch, settings_file: Path, box: Box | None = None) -> AsyncKernelManager:
    """A manager that starts our kernel over private sockets in the scratch folder (TCP where there are none).

    :param box: what the kernel is confined in; it must be the one of ``scratch``.
    """
    launch = scratch.library / "grader" / "recorder" / "launch.py"
    argv = [
        sys.executable,
        "-s",
        "-P",
        str(launch),
        str(scratch.library),
        str(settings_file),
        "-f",
        "{connection_file}",
    ]
    argv.append("--HistoryManager.hist_file=:memory:")
    if box is not None:
        argv = box.command(argv)
    spec = KernelSpec(argv=argv, display_name="grader", language="python")
    return AsyncKernelManager(
        kernel_name="grader",
        kernel_spec_manager=_OneSpec(spec),
        transport="tcp" if os.name == "nt" else "ipc",
        connection_file=str(scratch.own / "kernel.json"),
        context=zmq.asyncio.Context(),
        shutdown_wait_time=0.5,
    )
