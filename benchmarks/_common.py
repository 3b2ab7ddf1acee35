"""What every benchmark needs: the machine in words, medians, and a table."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

_PACKAGES = ("tensorflow", "keras", "numpy", "nbclient", "pytest", "SQLAlchemy")
REPEATS = 5


def machine() -> str:
    """Processor, usable cores, memory, system and versions, one line each."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory_gib = psutil.virtual_memory().total / 2**30
    return "\n".join(
        (
            f"processor  {_processor()}",
            f"cores      {usable} usable of {os.cpu_count()}, load {_load()}",
            f"memory     {memory_gib:.1f} GiB",
            f"system     {platform.platform()}",
            f"versions   Python {platform.python_version()}, {', '.join(_versions(_PACKAGES))}",
        )
    )


def median_s(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of ``action`` over ``repeats`` runs, seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def table(rows: Iterable[Sequence[object]], headers: Sequence[str]) -> str:
    """Columns as wide as they must be: the first one to the left, the others to the right; numbers to 4 digits."""
    lines = [list(headers), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
    ruled = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return "\n".join(
        "  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in ruled
    )


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _versions(names: Iterable[str]) -> list[str]:
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
