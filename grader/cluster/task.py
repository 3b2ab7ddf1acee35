"""What a worker is told, as JSON: one notebook and how to run it; neither its student, nor the rubric, nor a path here.

The held-out seed goes with it, since the worker measures: a worker is a machine of the grader's own.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from grader import __version__
from grader.datasets import DatasetSpec
from grader.execution import ExecutionRequest
from grader.model import Attempt, Budget, Student, Text

# Fields of a request that are the same on every machine; what a worker is not told it has for itself, or does without.
SENT = (
    "time_limit_s",
    "memory_limit_mib",
    "runtime",
    "budget",
    "seed",
    "threads",
    "cell_time_limit_s",
    "output_limit_chars",
    "startup_timeout_s",
    "fallback",
    "compatibility",
    "quick_epochs",
    "quick_rows",
    "seed_shift",
    "scratch_limit_mib",
)
_PACKAGES = ("tensorflow", "keras", "tf_keras", "numpy")


def versions() -> dict[str, str]:
    """What decides a training's last digits besides the processor; all machines must have the same."""
    found = {"grader": __version__, "python": ".".join(map(str, sys.version_info[:2]))}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    return found


@dataclass(frozen=True)
class Shared:
    """A folder that the worker may see as well; it does if it reads ``token`` in ``token_file``.

    :ivar workspace: nothing in it may be seen by student code. :ivar folder: where evidence is to be put.
    """

    workspace: str
    token_file: str
    token: str
    folder: str


@dataclass(frozen=True)
class Machine:
    """What every machine of the cluster must have for these attempts.

    :ivar versions: of the program and its libraries. :ivar datasets: all that kernels at home are served.
    :ivar sandbox: the setting; the mechanism that it stands for may differ from machine to machine.
    """

    versions: dict[str, str]
    datasets: tuple[DatasetSpec, ...]
    sandbox: str


@dataclass(frozen=True)
class Task:
    """One piece of work.

    :ivar ident: of this task; it says nothing about the attempt.
    :ivar request: fields of :class:`grader.execution.ExecutionRequest` that are the same everywhere.
    :ivar measured: name of the data set that models are measured on; :ivar n_images: only so many of them.
    :ivar warm: whether kernels may be forked from a warm process.
    :ivar device: ``cpu``, ``gpu`` or ``both``.
    """

    ident: str
    machine: Machine
    notebook: Mapping[str, Any] = field(repr=False)
    assignment: str
    digest: str
    notes: tuple[Text, ...]
    request: dict[str, Any]
    auto: bool
    measured: str | None
    n_images: int | None
    held_out_seed: int | None = field(repr=False)
    measuring_limit_s: float
    warm: bool
    device: str
    gpu_slots: int
    gpu_memory_limit_mib: int | None
    shared: Shared | None = None

    def encode(self) -> bytes:
        """ASCII; a notebook may hold lone surrogates, which no UTF-8 can carry."""
        plain = msgspec.to_builtins(self, builtin_types=())
        return json.dumps(plain).encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> Task:
        """:raises ValueError: not what :meth:`encode` wrote."""
        return msgspec.convert(json.loads(data), cls)

    def attempt(self) -> Attempt:
        """The attempt as far as a worker needs to know it."""
        return Attempt(self.assignment, self.digest, self.ident, b"", Student(), self.notebook, notes=self.notes)

    def execution_request(self, **local: Any) -> ExecutionRequest:
        """The request, with what the worker puts in for itself."""
        sent = {**self.request, "budget": Budget(self.request["budget"])}
        sent["compatibility"] = tuple(sent["compatibility"])
        return ExecutionRequest(**sent, **local)


def sent_part(request: ExecutionRequest) -> dict[str, Any]:
    """What of ``request`` a worker is told, as JSON has it."""
    part: dict[str, Any] = json.loads(json.dumps({name: getattr(request, name) for name in SENT}))
    return part
