"""Lets jupyter_client start a kernel by forking it from a warm process, so that nbclient stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_client.provisioning import LocalProvisioner

from grader.sandbox.box import Box
from grader.warm import WarmJob, WarmPool

_ENTRY = "grader.recorder.launch"


@dataclass(frozen=True, slots=True)
class WarmStart:
    """Where a kernel is forked from."""

    pool: WarmPool
    runtime: str


class WarmProvisioner(LocalProvisioner):  # type: ignore[misc]
    """A local process that was forked instead of started; signals and waiting are the base class' own."""

    _warm: WarmStart | None = None
    _box: Box | None = None

    def begin(self, warm: WarmStart, box: Box | None) -> None:
        """Says where to fork from, and what the kernel is confined in."""
        self._warm, self._box = warm, box

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Forks; ``cmd`` is what the recorder's launcher is told.

        :raises WarmFailure: there is no warm process.
        """
        assert self._warm is not None  # noqa: S101 - set by begin
        spec = self._box.spec if self._box else None
        job = WarmJob(cmd, kwargs["env"], kwargs["cwd"], spec, module=_ENTRY)
        self.process = self._warm.pool.start(self._warm.runtime, job)
        self.pid = self.pgid = self.process.pid
        return self.connection_info
