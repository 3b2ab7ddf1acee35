"""``python -m benchmarks``: medians of repeated runs, as JSON lines."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks._common import REPEATS, median_s
from grader.checks import CheckRequest, run_checks
from grader.execution import ExecutionRequest, execute
from grader.model import Attempt, Student
from grader.rubric import bundled_course_dir

N_REGRADED = 50


def tell(name: str, ours_s: float, peer: str, peer_s: float) -> None:
    """One line of the result."""
    ratio = round(ours_s / peer_s, 2)
    print(
        json.dumps({"what": name, "ours_s": round(ours_s, 3), "peer": peer, "peer_s": round(peer_s, 3), "ratio": ratio})
    )


def command_line() -> None:
    """``grader --help`` against an empty Python."""
    ours = median_s(lambda: subprocess.run([sys.executable, "-m", "grader", "--help"], check=True, capture_output=True))
    peer = median_s(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    tell("grader --help", ours, "python -c pass", peer)


def one_attempt(folder: Path) -> Path:
    """A notebook that imports keras and trains a little: recorded and watched, against plain nbclient."""
    source = (
        "import numpy as np\nfrom tensorflow import keras\nx, y = np.random.rand(600, 28, 28), np.arange(600) % 10\n"
        "m = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, 'softmax')])\n"
        "m.compile('adam', 'sparse_categorical_crossentropy')\nm.fit(x, y, epochs=3, verbose=0)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    attempt = Attempt("b2-1", "sha256:" + "0" * 64, "bench.ipynb", b"{}", Student(), json.loads(json.dumps(notebook)))
    request = ExecutionRequest(time_limit_s=120, memory_limit_mib=4000, seed=1)
    ours = median_s(lambda: execute(attempt, request, folder / "evidence"))
    peer = median_s(lambda: NotebookClient(nbformat.from_dict(dict(notebook)), timeout=120).execute())
    tell("one attempt, recorded", ours, "plain nbclient", peer)
    return folder / "evidence"


def regrading(evidence: Path) -> None:
    """The rubric over many attempts in one process, against a process each."""
    request = CheckRequest(evidence, bundled_course_dir(), "b2-1")
    many = median_s(lambda: run_checks([request] * N_REGRADED), repeats=3) / N_REGRADED
    single = median_s(lambda: run_checks([request]), repeats=3)
    tell(f"checks of one attempt, {N_REGRADED} in a process", many, "a process each", single)


def main() -> None:
    """All measurements."""
    print(
        json.dumps({"machine": platform.processor() or platform.machine(), "cpus": os.cpu_count(), "repeats": REPEATS})
    )
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as folder:
        command_line()
        regrading(one_attempt(Path(folder)))


if __name__ == "__main__":
    main()
