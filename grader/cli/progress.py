"""A live display of a batch: what runs, which epoch, what is done, how long it may still take."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text as RichText

from grader.pipeline import Batch
from grader.plain import isolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


class BatchDisplay:
    """Redraws at most five times a second on a terminal; prints one plain line a finished attempt elsewhere."""

    def __init__(self, out: Console, total: int, jobs: int, also: Callable[[Batch], None] = lambda _: None) -> None:
        self._out = out
        self._jobs = jobs
        self._also = also
        self._started = time.monotonic()
        self._printed = 0
        self._lock = threading.Lock()
        self.batch = Batch(total, self._tell)
        self._live = Live(get_renderable=self._draw, console=out, refresh_per_second=5, transient=True)

    @contextmanager
    def shown(self) -> Iterator[Batch]:
        """The batch to pass on, displayed until the block ends."""
        if not self._out.is_terminal:
            yield self.batch
            return
        with self._live:
            yield self.batch

    def _tell(self, batch: Batch) -> None:
        self._also(batch)
        if self._out.is_terminal:
            return
        with self._lock:
            while self._printed < len(batch.done):
                one = batch.done[self._printed].result
                self._printed += 1
                spent = time.monotonic() - self._started
                line = f"[{self._printed}/{batch.total}] {one.source}: {one.score.status}, {one.execution.outcome}"
                self._out.print(RichText(f"{isolated(line)}, {spent:.0f} s since the start{self._left(batch)}"))

    def _left(self, batch: Batch) -> str:
        done = len(batch.done)
        if not done or done == batch.total:
            return ""
        spent = time.monotonic() - self._started
        return f", about {spent / done * (batch.total - done):.0f} s left"

    def _draw(self) -> RichText:
        batch = self.batch
        spent = time.monotonic() - self._started
        lines = [f"{len(batch.done)} of {batch.total} graded, {spent:.0f} s{self._left(batch)}"]
        for source, progress in sorted(batch.running.items(), key=lambda item: item[1] is None)[: self._jobs]:
            where = "starting"
            if progress is not None:
                epoch = f", epoch {progress.epoch} of {progress.epochs}" if progress.epoch else ""
                where = f"cell {progress.cell + 1} of {progress.n_cells}{epoch}"
            lines.append(f"  {source.rsplit('/', 1)[-1]}: {where}")
        return RichText("\n".join(map(isolated, lines)))
