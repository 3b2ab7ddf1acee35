"""Finds the cluster that ``--cluster`` names: a Dask scheduler that runs, or one whose workers Slurm starts for us."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from grader.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

_File = TypeVar("_File", bound=Struct)
_SLURM = "slurm:"
_SCHEMES = ("tcp://", "tls://")
_CONNECT_LIMIT_S = 15
_WORKERS_LIMIT_S = 60.0
TASKS_LIMIT = 256
"""Most tasks that are with the scheduler at a time; each is the text of one notebook."""


class SecurityFile(Struct, frozen=True, forbid_unknown_fields=True):
    """TLS as :class:`distributed.security.Security` takes it; a relative path is relative to the file.

    :ivar ca_file: PEM of the authority that signed all certificates. :ivar client_cert, client_key: this program's.
    :ivar worker_cert, worker_key, scheduler_cert, scheduler_key: where workers are started from here (Slurm).
    """

    ca_file: str
    client_cert: str
    client_key: str
    worker_cert: str = ""
    worker_key: str = ""
    scheduler_cert: str = ""
    scheduler_key: str = ""


class SlurmFile(Struct, frozen=True, forbid_unknown_fields=True):
    """What ``slurm:FILE`` holds.

    :ivar jobs: how many jobs are submitted. :ivar wait_s: how long the first of them may stand in the queue.
    :ivar cluster: options of :class:`dask_jobqueue.SLURMCluster` (``queue``, ``cores``, ``memory``, ``walltime`` …).
    """

    jobs: Annotated[int, Meta(ge=1, le=10_000)]
    cluster: dict[str, Any]
    wait_s: Annotated[float, Meta(gt=0)] = field(default=3_600.0)


@dataclass(frozen=True)
class Cluster:
    """Other machines that are ready.

    :ivar has_gpu: whether a worker offers the resource ``GPU``. :ivar n_threads: tasks that can run at a time, so far.
    :ivar workers: their addresses.
    """

    client: Client
    has_gpu: bool
    n_threads: int
    workers: tuple[str, ...]


@contextmanager
def connect(address: str, security_file: Path | None = None) -> Iterator[Cluster]:
    """The cluster, with one worker at least; jobs that were started for it end with the block.

    :param address: ``tcp://HOST:PORT``, ``tls://HOST:PORT`` or ``slurm:FILE``.
    :raises ClusterError: nobody answers, no worker comes, a file is wrong, or the extra ``cluster`` is not installed.
    """
    if not address.startswith((_SLURM, *_SCHEMES)):
        raise ClusterError(f"--cluster is {address!r}: expected tcp://HOST:PORT, tls://HOST:PORT or slurm:FILE")
    try:
        import distributed
    except ImportError as error:
        raise ClusterError("--cluster needs Dask: pip install 'keras-grader[cluster]'") from error
    if address.startswith("tls://") and security_file is None:
        raise ClusterError("a tls:// cluster needs certificates: set cluster_security to a file that names them")
    with ExitStack() as stack:
        security = _security(security_file) if security_file else None
        limit_s = _WORKERS_LIMIT_S
        scheduler: Any = address
        if address.startswith(_SLURM):
            file = _read(Path(address.removeprefix(_SLURM)), SlurmFile)
            scheduler, limit_s = stack.enter_context(_slurm(file, security)), file.wait_s
        try:
            options = {"timeout": _CONNECT_LIMIT_S, "set_as_default": False}
            client = stack.enter_context(distributed.Client(scheduler, security=security, **options))
            client.wait_for_workers(1, timeout=limit_s)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"no workers at {address}: {error}") from error
        yield _described(client)


def _described(client: Client) -> Cluster:
    workers: Mapping[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return Cluster(
        client=client,
        has_gpu=any(worker.get("resources", {}).get("GPU", 0) >= 1 for worker in workers.values()),
        n_threads=sum(worker["nthreads"] for worker in workers.values()),
        workers=tuple(workers),
    )


def _read(path: Path, kind: type[_File]) -> _File:
    """:raises ClusterError: it cannot be read, or is not of this kind."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), kind)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ClusterError(f"{path} cannot be used: {error}; see docs/instructor.md for what it holds") from error


def _security(path: Path) -> Security:
    from distributed.security import Security

    names = msgspec.structs.asdict(_read(path, SecurityFile))
    files = {f"tls_{name}": str(path.parent / value) for name, value in names.items() if value}
    for name, file in files.items():
        if not Path(file).is_file():
            raise ClusterError(f"{name} of {path} is {file}, which is no file")
    return Security(require_encryption=True, **files)


@contextmanager
def _slurm(file: SlurmFile, security: Security | None) -> Iterator[Any]:
    """A scheduler in this process, and jobs with workers; :raises ClusterError: options or Slurm are not right."""
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise ClusterError("slurm: needs dask-jobqueue: pip install 'keras-grader[cluster]'") from error
    # Dask's page of what runs where is open to everybody who reaches it: only for those who ask for it.
    options = {"scheduler_options": {"dashboard": False}, **file.cluster}
    try:
        cluster = SLURMCluster(**options, **({"security": security} if security else {}))
    except (TypeError, ValueError, OSError) as error:
        raise ClusterError(f"dask-jobqueue does not take these options: {error}") from error
    with cluster:
        cluster.scale(jobs=file.jobs)
        yield cluster
