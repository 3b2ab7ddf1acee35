"""``grader doctor``: what this machine can do, and the command that mends what it cannot."""

from __future__ import annotations

import importlib.metadata
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from grader.cli.common import CourseOption, WorkspaceOption, console

if TYPE_CHECKING:
    from grader.config import Settings

_CUDA = ("nvidia-cudnn-cu12", "nvidia-cudnn-cu13")
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
    for part in (
        _runtimes(),
        _gpus(settings),
        _cluster(),
        _sandbox(settings.sandbox),
        _data(settings),
        _course(settings),
    ):
        yield from part
    yield _database(settings)
    yield _browser(settings)
    yield _temporary()


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


def _gpus(settings: Settings) -> Iterator[Finding]:
    from grader.scheduling import find_gpus, make_slots

    found = find_gpus()
    mend = f"{sys.executable} -m pip install 'keras-grader[gpu]'"
    if not found.gpus:
        missing = "not installed" in found.reason
        yield Finding("note", "gpu", f"{found.reason}: notebooks run on the CPU", mend if missing else "")
        return
    slots = make_slots(found.gpus, settings.gpu_slots, settings.gpu_memory_limit_mib)
    for gpu in found.gpus:
        own = [slot for slot in slots if slot.uuid == gpu.uuid]
        limit = f"{len(own)} notebooks with {own[0].memory_limit_mib} MiB each" if own else "too small for a notebook"
        used = "; not used, as the settings say cpu" if settings.device == "cpu" else ""
        yield Finding("ok" if own else "note", "gpu", f"{gpu.index}: {gpu.name}, {gpu.memory_mib} MiB: {limit}{used}")
    if found.reason:
        yield Finding("note", "gpu", found.reason)
    if not any(_installed(name) for name in _CUDA):
        yield Finding("note", "gpu", "TensorFlow finds CUDA only where its libraries are installed", mend)


def _cluster() -> Iterator[Finding]:
    missing = [name for name in ("distributed", "dask-jobqueue") if not _installed(name)]
    if missing:
        mend = f"{sys.executable} -m pip install 'keras-grader[cluster]'"
        yield Finding("note", "cluster", f"not installed: {', '.join(missing)}; needed only for --cluster", mend)
        return
    slurm = "sbatch is there" if shutil.which("sbatch") else "no sbatch, so no slurm:FILE"
    yield Finding("ok", "cluster", f"distributed {importlib.metadata.version('distributed')}; {slurm}")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


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
    from grader.errors import GraderError
    from grader.store import existing_gradebook

    path = settings.workspace.resolve() / "gradebook.sqlite"
    try:
        book = existing_gradebook(settings)
        problems = book.integrity_check() if book else []
    except GraderError as error:
        if settings.database_url:
            return Finding("missing", "gradebook", str(error), "make the server of GRADER_DATABASE_URL answer")
        return _broken(path, str(error))
    if book is None:
        return Finding("ok", "gradebook", f"SQLite {sqlite3.sqlite_version}; {path} will be made by 'grader grade'")
    return _broken(path, problems[0]) if problems else Finding("ok", "gradebook", f"{book.name} is whole")


def _broken(path: Path, problem: str) -> Finding:
    return Finding("missing", "gradebook", f"{path}: {problem}", f"cp {path} {path}.broken; restore a backup")


def _browser(settings: Settings) -> Finding:
    from grader.errors import BrowserError
    from grader.reporting.printing import find_browser

    try:
        return Finding("ok", "pdf", find_browser(settings.browser))
    except BrowserError as error:
        return Finding("note", "pdf", f"{error}; only --pdf needs it")


def _temporary() -> Finding:
    from grader.errors import UsageError
    from grader.execution.sockets import require_socket_folder

    try:
        folder = require_socket_folder()
    except UsageError as error:
        return Finding("missing", "temporary", str(error), "export TMPDIR=/tmp")
    named = Path(tempfile.gettempdir())
    detail = f"{folder}, as the path of {named} is too long for sockets" if folder != named else str(folder)
    return Finding("ok", "temporary", f"{detail}, {shutil.disk_usage(folder).free / 2**30:.1f} GiB free")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(doctor)
