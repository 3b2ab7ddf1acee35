"""Starts the training processes of a calibration."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from grader.errors import VerificationError
from grader.verification import child_environment

TRAIN = Path(__file__).with_name("train.py")

Say = Callable[[str], None]


def train_all(tasks: Sequence[dict[str, Any]], directory: Path, workers: int, say: Say) -> dict[str, str]:
    """Does all ``tasks`` in ``directory``, in up to ``workers`` processes of one thread each.

    :return: versions of the software. :raises VerificationError: a process failed.
    """
    shares = [tasks[i::workers] for i in range(min(workers, len(tasks)))]
    versions: dict[str, str] = {}
    done: list[int] = []

    def one(number: int) -> None:
        for facts in _lines(directory, number, shares[number]):
            if "reference" in facts:
                done.append(facts["seed"])
                name, seconds = facts["reference"], facts["seconds"]
                say(f"{len(done)} of {len(tasks)}: {name}, seed {facts['seed']}, {seconds:.1f} s")
            else:
                versions.update({k: str(v) for k, v in facts.items()})

    with ThreadPoolExecutor(len(shares)) as pool:
        for future in [pool.submit(one, number) for number in range(len(shares))]:
            future.result()
    return versions


def _lines(directory: Path, number: int, tasks: Sequence[dict[str, Any]]) -> Any:
    """What one process prints, line by line."""
    job, log = directory / f"job-{number}.json", directory / f"train-{number}.log"
    job.write_text(json.dumps({"tasks": list(tasks)}), "utf-8")
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(TRAIN), str(job)],
            cwd=directory,
            env=child_environment(directory, threads=1),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        for line in process.stdout or ():
            if line.startswith(b"{"):
                yield json.loads(line)
        if process.wait() != 0:
            tail = log.read_bytes()[-2_000:].decode("utf-8", "replace").strip()
            raise VerificationError(f"a reference training ended with exit status {process.returncode}: {tail}")
    finally:
        process.kill()
        process.wait()
