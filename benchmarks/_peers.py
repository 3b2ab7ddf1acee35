"""What an instructor could use instead: ``nbgrader autograde`` and plain nbclient, on the same notebooks and data."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient

INSTALL = """nbgrader is not there and is left out. It is no dependency of this project; to install it beside it:
  python3 -m venv nbgrader-venv
  ls -d $PWD/.venv/lib/python3*/site-packages > $(ls -d nbgrader-venv/lib/python3*/site-packages)/grader.pth
  nbgrader-venv/bin/python -m pip install nbgrader
  nbgrader-venv/bin/python -m pip install --ignore-installed --no-deps alembic
  .venv/bin/python -m benchmarks.class_b2_1 --nbgrader nbgrader-venv/bin/nbgrader"""
_CELL_LIMIT_S = 3600
_CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "benchmark"
c.Execute.timeout = {limit}
c.ExecutePreprocessor.timeout = {limit}
"""
# Keras checks the files of its data sets by their SHA-256 and fetches them again where it differs, which a copy rebuilt
# from the same arrays does: both peers read what the grader's store holds, so that no network is needed.
_STARTUP = """
import importlib
for _name, _folder in {folders!r}.items():
    vars(importlib.import_module("keras.src.datasets." + _name))["get_file"] = (
        lambda fname, *_, _folder=_folder, **__: _folder + "/" + fname
    )
"""


@dataclass(frozen=True)
class PeerTimes:
    """Wall times of a peer. :ivar each_s: name of a notebook to seconds. :ivar around_s: its start, once a class."""

    each_s: dict[str, float]
    around_s: float = 0.0


def peer_environment(folder: Path, served: Mapping[str, str]) -> dict[str, str]:
    """Environment in which kernels have the data sets. :param served: data set to the folder of its files."""
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-data.py").write_text(_STARTUP.format(folders=dict(served)), "utf-8")
    return {**os.environ, "IPYTHONDIR": str(folder / "ipython")}


def run_nbclient(notebooks: Mapping[str, Path], folder: Path, environment: Mapping[str, str]) -> PeerTimes:
    """One after another, each in a kernel of its own; errors do not stop a notebook."""
    each_s = {}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for name, path in notebooks.items():
        began = time.perf_counter()
        client = NotebookClient(
            nbformat.read(path, as_version=4),
            timeout=_CELL_LIMIT_S,
            allow_errors=True,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute(env=dict(environment), **quiet)
        each_s[name] = time.perf_counter() - began
    return PeerTimes(each_s)


def find_nbgrader(named: Path | None) -> Path | None:
    """The command: as named, else where the shell finds it.

    :raises SystemExit: the named one is not there, or not the alembic beside it that it calls.
    """
    found = str(named.absolute()) if named else shutil.which("nbgrader")
    if found is None:
        return None
    for needed in (Path(found), Path(found).with_name("alembic")):
        if not needed.is_file():
            raise SystemExit(f"{needed} is not there; docs/benchmarks.md says how to install nbgrader")
    return Path(found)


def run_nbgrader(
    command: Path, handout: str, notebooks: Mapping[str, Path], folder: Path, environment: Mapping[str, str]
) -> PeerTimes:
    """``nbgrader autograde`` over a course of these notebooks; a notebook's time is that between two lines of its log.

    :param handout: text of the notebook that students were given.
    :raises RuntimeError: it failed, or graded others.
    """
    course = _course(folder / "nbgrader", handout, notebooks)
    environment = {**environment, "PATH": os.pathsep.join((str(command.parent), os.environ.get("PATH", "")))}
    _generate(command, course, environment)
    began = time.perf_counter()
    with subprocess.Popen(
        [str(command), "autograde", "lab", "--log-level=INFO"],
        cwd=course,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        told = ((line, time.perf_counter()) for line in process.stderr)
        marks = [(Path(line.rstrip()).parts[-3], moment) for line, moment in told if "Sanitizing" in line]
    ended = time.perf_counter()
    if process.returncode or sorted(name for name, _ in marks) != sorted(notebooks):
        raise RuntimeError(f"nbgrader autograde ended with {process.returncode} after {[name for name, _ in marks]}")
    ends = [*(moment for _, moment in marks[1:]), ended]
    each_s = {name: end - moment for (name, moment), end in zip(marks, ends, strict=True)}
    return PeerTimes(each_s, marks[0][1] - began)


def _course(course: Path, handout: str, notebooks: Mapping[str, Path]) -> Path:
    source = course / "source" / "lab"
    source.mkdir(parents=True)
    (source / "lab.ipynb").write_text(handout, "utf-8")
    (course / "nbgrader_config.py").write_text(_CONFIG.format(limit=_CELL_LIMIT_S), "utf-8")
    for name, path in notebooks.items():
        target = course / "submitted" / name / "lab"
        target.mkdir(parents=True)
        shutil.copy(path, target / "lab.ipynb")
    return course


def _generate(command: Path, course: Path, environment: Mapping[str, str]) -> None:
    argv: Sequence[str] = [str(command), "generate_assignment", "lab"]
    done = subprocess.run(argv, cwd=course, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"nbgrader generate_assignment failed: {done.stderr[-2000:]}")
