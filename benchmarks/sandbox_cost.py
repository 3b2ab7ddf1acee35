"""What the sandbox costs: ``python -m benchmarks.sandbox_cost [--repeats N] [--attempts N] [--jobs N]``.

A class of different notebooks (each loads the data, trains a small network, draws a figure) is graded by the command
line into a fresh workspace, in turn with each sandbox that works here and with ``--sandbox none``, which is what the
ratios are of. The order changes from round to round, so that a machine that gets slower slows them all down; a class
before the first round warms the disk's cache and is not counted. The data set has 2,400 images and is made here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat

from benchmarks._common import machine, table
from grader.sandbox.choose import MECHANISMS, trial

_TESTS = Path(__file__).resolve().parents[1] / "tests"
_CELLS = (
    "import matplotlib.pyplot as plt\nfrom tensorflow import keras\nkeras.utils.set_random_seed({seed})",
    "(x, y), (x_test, y_test) = keras.datasets.mnist.load_data()\nx, x_test = x / 255, x_test / 255",
    "model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, 'softmax')])\n"
    "model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])\n"
    "history = model.fit(x, y, epochs=3, batch_size=128, verbose=0)",
    "plt.plot(history.history['accuracy'])\nplt.show()",
    "print(model.evaluate(x_test, y_test, verbose=0))",
)


@dataclass(frozen=True)
class Run:
    """One class: wall time of the command, and of each notebook inside it, seconds."""

    whole_s: float
    notebooks_s: tuple[float, ...]


def write_class(folder: Path, n: int) -> Path:
    """``n`` notebooks that differ in their seed."""
    folder.mkdir()
    for number in range(n):
        cells = [nbformat.v4.new_code_cell(source.format(seed=number), id=f"c{i}") for i, source in enumerate(_CELLS)]
        text = nbformat.writes(nbformat.v4.new_notebook(cells=cells))
        (folder / f"21X{number:04}.ipynb").write_text(text, "utf-8")
    return folder


def grade(folder: Path, name: str, sandbox: str, jobs: int) -> Run:
    """The command, in a workspace of its own.

    :raises RuntimeError: a notebook did not run to its end.
    """
    result = folder / f"{name}.json"
    command = [sys.executable, "-m", "grader", "grade", "b2-1", str(folder / "class")]
    command += ["--course", str(folder / "course" / "course"), "--workspace", str(folder / name)]
    command += ["--json", str(result), "--jobs", str(jobs), "--sandbox", sandbox]
    environment = {**os.environ, "GRADER_DATA_DIR": str(folder / "course" / "data")}
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    whole_s = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{sandbox}: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    executions = [row["execution"] for row in json.loads(result.read_text("utf-8"))]
    ends = {execution["outcome"] for execution in executions}
    if ends != {"ok"}:
        raise RuntimeError(f"{sandbox}: notebooks ended with {sorted(ends)}, expected ok")
    return Run(whole_s, tuple(execution["duration_s"] for execution in executions))


def measure(folder: Path, sandboxes: list[str], repeats: int, jobs: int) -> dict[str, list[Run]]:
    """``repeats`` classes a sandbox, in turn."""
    runs: dict[str, list[Run]] = {name: [] for name in sandboxes}
    for number in range(repeats):
        turn = number % len(sandboxes)
        for name in (*sandboxes[turn:], *sandboxes[:turn]):
            runs[name].append(grade(folder, f"{name}-{number}", name, jobs))
            print(f"  round {number + 1}: {name} {runs[name][-1].whole_s:.1f} s", file=sys.stderr)
    return runs


def report(runs: dict[str, list[Run]], n: int) -> str:
    """Medians over the rounds; ratios and differences to ``none``."""
    whole_s = {name: statistics.median(run.whole_s for run in mine) for name, mine in runs.items()}
    base_s, rows = whole_s["none"] / n, []
    for name, mine in runs.items():
        each_s = whole_s[name] / n
        inside_s = statistics.median(second for run in mine for second in run.notebooks_s)
        rows.append((name, whole_s[name], each_s, each_s - base_s, each_s / base_s, inside_s))
    return table(rows, ("sandbox", "class, s", "attempt, s", "more, s", "ratio", "notebook alone, s"))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="classes a sandbox [5]")
    parser.add_argument("--attempts", type=int, default=12, help="notebooks in the class [12]")
    parser.add_argument("--jobs", type=int, default=1, help="at the same time [1]")
    given = parser.parse_args()
    sys.path.insert(0, str(_TESTS))
    make_small_course = importlib.import_module("small_course").make_small_course
    sandboxes = ["none", *(name for name in MECHANISMS if trial(name).works)]
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as name:
        folder = Path(name)
        make_small_course(folder / "course")
        write_class(folder / "class", given.attempts)
        grade(folder, "warm-up", "none", given.jobs)
        runs = measure(folder, sandboxes, given.repeats, given.jobs)
    print(f"{machine()}\n\n{given.attempts} attempts, {given.jobs} at a time, medians of {given.repeats} rounds\n")
    print(report(runs, given.attempts))


if __name__ == "__main__":
    main()
