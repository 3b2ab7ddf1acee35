"""Other machines for a batch: what ``--cluster`` names, with a word to the person on what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from grader.pipeline import Context
    from grader.pipeline.batch import Elsewhere


@contextmanager
def other_machines(address: str | None, context: Context, out: Console) -> Iterator[Elsewhere | None]:
    """Where notebooks run; ``None``, for no address: here.

    :raises ClusterError: nobody answers, a worker cannot do this work, or the connection was lost in the middle.
    """
    if address is None:
        yield None
        return
    from grader.cluster import ClusterRunner, connect
    from grader.cluster.connect import TASKS_LIMIT
    from grader.errors import ClusterError
    from grader.pipeline.batch import Elsewhere

    with connect(address, context.settings.cluster_security) as cluster:
        context.has_gpu = cluster.has_gpu
        kind = {"cpu": "CPU", "gpu": "GPU", "both": "GPU and CPU"}[context.device]
        out.print(
            f"{len(cluster.workers)} workers, {cluster.n_threads} notebooks at a time, on the {kind}", markup=False
        )
        with ClusterRunner(cluster.client, context).open() as runner:
            runner.examine()
            try:
                yield Elsewhere(runner, TASKS_LIMIT)
            except asyncio.CancelledError:
                if runner.lost is None:
                    raise
                raise ClusterError(runner.lost) from None
