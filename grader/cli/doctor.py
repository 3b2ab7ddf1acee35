"""``grader doctor``: what this machine can do, and the command that mends what it cannot."""

from __future__ import annotations

import importlib.metadata
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from grader.cli.common import CourseOption, WorkspaceOption, console

if TYPE_CHECKING:
    from grader.config import Settings

_PACKAGES = ("tensorflow", "keras", "ipykernel", "nbclient", "numpy", "matplotlib", "pytest")


class Finding(NamedTuple):
    """One line: ``state`` is ``ok``, ``note`` or ``missing``; ``mend`` the command that helps."""

    state: str
    what: str
    detail: str
    mend: str = ""


def doctor(
    workspace: WorkspaceOption = None,
    course: CourseOption = None,
    only_sandbox: Annotated[bool, typer.Option("--only-sandbox", help="Look at nothing but the sandbox.")] = False,
) -> None:
    """Say what is there and what is missing, each with the command that mends it.

    Example: grader doctor
    """
    from grader.config import load_settings

    settings = load_settings({"workspace": workspace, "course": course})
    out = console()
    signs = {"ok": ("✓", "green"), "note": ("–", "yellow"), "missing": ("✕", "red")}
    findings = list(_sandbox("auto")) if only_sandbox else list(_everything(settings))
    for finding in findings:
        sign, style = signs[finding.state]
        out.print(f"{sign} {finding.what:12} {finding.detail}", style=style, markup=False)
        if finding.mend:
            out.print(f"  {'':12} → {finding.mend}", markup=False)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _everything(settings: Settings) -> Iterator[Finding]:
    for part in (_runtimes(), _gpus(), _sandbox(settings.sandbox), _data(settings), _course(settings)):
        yield from part
    yield _database(settings)


def _runtimes() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("ok" if good else "note", "python", version, "" if good else "use Python 3.11, 3.12 or 3.13")
    missing = []
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        mend = f"{sys.executable} -m pip install {' '.join(missing)}"
        yield Finding("missing", "keras3", f"not installed: {', '.join(missing)}", mend)
    else:
        yield Finding("ok", "keras3", ", ".join(found))
    try:
        yield Finding("ok", "keras2", f"tf_keras {importlib.metadata.version('tf_keras')}")
    except importlib.metadata.PackageNotFoundError:
        mend = f"{sys.executable} -m pip install 'keras-grader[keras2]'"
        yield Finding("note", "keras2", "legacy runtime not installed; needed only for --runtime keras2", mend)


def _gpus() -> Iterator[Finding]:
    tool = shutil.which("nvidia-smi")
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=False) if tool else None
    lines = listed.stdout.splitlines() if listed and listed.returncode == 0 else []
    if not lines:
        yield Finding("note", "gpu", "none found: notebooks run on the CPU")
    for line in lines:
        yield Finding("note", "gpu", f"{line}; this version grades on the CPU only")


def _sandbox(wanted: str) -> Iterator[Finding]:
    from grader.sandbox.choose import MECHANISMS, trial

    trials = [trial(name) for name in MECHANISMS]
    for one in trials:
        mend = "sudo apt-get install bubblewrap" if one.name == "bwrap" and "PATH" in one.reason else ""
        detail = f"{one.name}: {one.reason}" if one.works else f"{one.name} does not work: {one.reason}"
        yield Finding("ok" if one.works else "note", "sandbox", detail, mend)
    if wanted == "none":
        yield Finding("note", "sandbox", "the settings name none: notebooks run with your rights")
    elif not any(one.works for one in trials):
        mend = "grade on an account or machine that holds nothing else, with --sandbox none"
        yield Finding("missing", "sandbox", "none works: notebooks would run with your rights", mend)


def _data(settings: Settings) -> Iterator[Finding]:
    from grader.datasets import DataStore, load_catalogue
    from grader.errors import CourseError
    from grader.rubric import Course

    store = DataStore(settings.data_dir)
    course = Course(settings.course)
    used = set()
    for ident in course.assignment_ids():
        with suppress(CourseError):  # _course says what is wrong with it
            assignment = course.assignment(ident)
            used |= {assignment.dataset, *assignment.datasets}
    for spec in load_catalogue(course.root).values():
        if stored := store.get(spec):
            yield Finding("ok", spec.name, str(stored.directory))
        else:
            yield Finding(
                "missing" if spec.name in used else "note",
                spec.name,
                f"not in {store.root}",
                f"grader data install {spec.name}",
            )


def _course(settings: Settings) -> Iterator[Finding]:
    from grader.datasets import find_dataset, load_catalogue
    from grader.errors import GraderError
    from grader.rubric import Course, read_calibration

    course = Course(settings.course)
    catalogue = load_catalogue(course.root)
    for ident in course.assignment_ids():
        try:
            rubric = course.rubric(ident)
            digest = find_dataset(catalogue, course.assignment(ident).dataset).digest
            calibration = read_calibration(rubric.directory / "calibration.json", digest)
        except GraderError as error:
            yield Finding("missing", ident, str(error), "correct the file that is named")
            continue
        if calibration is None and rubric.thresholds:
            yield Finding("missing", ident, "its thresholds are not calibrated", f"grader calibrate {ident}")
        else:
            runs = max((d.n for d in calibration.distributions.values()), default=0) if calibration else 0
            yield Finding("ok", ident, f"{rubric.max_points:g} points, thresholds from {runs} runs")


def _database(settings: Settings) -> Finding:
    from grader.errors import StoreError
    from grader.store import Gradebook

    path = settings.workspace.resolve() / "gradebook.sqlite"
    if not path.is_file():
        return Finding("ok", "gradebook", f"SQLite {sqlite3.sqlite_version}; {path} will be made by 'grader grade'")
    try:
        problems = Gradebook(path).integrity_check()
    except StoreError as error:
        problems = [str(error)]
    if problems:
        return Finding("missing", "gradebook", f"{path}: {problems[0]}", f"cp {path} {path}.broken; restore a backup")
    return Finding("ok", "gradebook", f"{path} is whole")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(doctor)
