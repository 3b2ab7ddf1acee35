"""A small cluster of real processes on this machine, and a class of notebooks that need no framework."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from small_course import make_small_course

from grader.intake import collect

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def small_course(tmp_path_factory):
    return make_small_course(tmp_path_factory.mktemp("small"))


def wait_for(condition, limit_s=60.0):
    """The first value of ``condition`` that counts as true."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to this in time")


class LocalCluster:
    """``dask scheduler`` and ``dask worker`` as they are started by hand; everything is ended by :meth:`stop`."""

    def __init__(self, folder, data_dir, *options):
        self.options = options
        self.folder, self.file = folder, folder / "scheduler.json"
        self.environment = {
            **os.environ,
            "GRADER_DATA_DIR": str(data_dir),
            "PYTHONPATH": str(REPOSITORY),
            "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__GIL__ENABLED": "False",
        }
        self.processes = [self._start("scheduler", "--port", "0", "--no-dashboard")]
        wait_for(self.file.is_file)
        self.address = wait_for(lambda: json.loads(self.file.read_text()).get("address"))

    def _start(self, kind, *arguments, **environment):
        with (self.folder / f"{kind}.log").open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    f"distributed.cli.dask_{kind}",
                    "--scheduler-file",
                    str(self.file),
                    *self.options,
                    *arguments,
                ],
                env={**self.environment, **environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def worker(self, name, *arguments, threads=1, **environment):
        """One worker process, without a nanny that would start it again."""
        options = ["--name", name, "--no-nanny", "--no-dashboard", "--nworkers", "1", "--nthreads", str(threads)]
        self.processes.append(self._start("worker", *options, *arguments, **environment))
        return self.processes[-1]

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)


@pytest.fixture
def cluster(small_course, tmp_path):
    """A scheduler without workers."""
    folder = tmp_path / "dask"
    folder.mkdir()
    made = LocalCluster(folder, small_course.data)
    yield made
    made.stop()


def write_class(folder, n=6, pause_s=0.0):
    """``n`` notebooks of a few lines: the fourth has an error, the fifth no end in its JSON, the last two are alike."""
    folder.mkdir()
    for number in range(n):
        sources = [
            f"import time\ntime.sleep({pause_s})\na = {min(number, n - 2)}",
            "print('é\\ud800' * a)",
            "1 / 0" if number == 3 else "b = a + 1",
        ]
        cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
        text = json.dumps(nbformat.v4.new_notebook(cells=cells))
        (folder / f"21X{number:04}.ipynb").write_text(text if number != 4 else text[: len(text) // 2], "utf-8")
    return collect([folder], "b2-1")


CHANGING = ("duration_s", "peak_memory_mib")


def comparable(rows):
    """Rows of the result file without what the clock and the memory meter say."""
    return [{**row, "execution": {k: v for k, v in row["execution"].items() if k not in CHANGING}} for row in rows]


def children_of(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []
