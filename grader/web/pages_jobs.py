"""Starting commands from a page, their logs, and the live view of a batch."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from grader.errors import UsageError
from grader.reporting.clean import clean
from grader.web.ask import Ask, NotFound
from grader.web.jobs import Job
from grader.web.live import live_view

EXPORTS: Mapping[str, str] = {
    "csv": "csv",
    "canvas": "csv",
    "moodle": "csv",
    "gradescope": "",
    "junit": "xml",
    "lti": "json",
    "github": "",
}
"""Format to the ending of the file that it makes; empty for those that make a folder."""
IMPORTS = ("roster", "moodle", "canvas", "gradescope", "nbgrader")
_NAME = re.compile(r"[^\w .()\[\]@+,-]+")


def live_page(ask: Ask) -> Response:
    """The batch that runs, or the last one."""
    return ask.page("live.html.jinja", live=live_view(ask))


def jobs(ask: Ask) -> Response:
    """What can be started, and what was."""
    return _page(ask)


def _page(ask: Ask, status: int = 200, fault: str = "") -> Response:
    return ask.page(
        "jobs.html.jinja",
        status,
        fault=fault,
        jobs=ask.room.jobs.all()[:50],
        running=ask.room.jobs.running,
        assignments=[(i, ask.room.title(i, ask.language)) for i in ask.room.course.assignment_ids()],
        graded=[(i, ask.room.title(i, ask.language)) for i in ask.room.assignments()],
        exports=list(EXPORTS),
        imports=list(IMPORTS),
    )


def start(ask: Ask) -> Response:
    """Starts what the form asks for."""
    makers: Mapping[str, Callable[[Ask, Path], Plan]] = {
        "grade": _grade,
        "regrade": _regrade,
        "report": _report,
        "import": _import,
        "export": _export,
    }
    maker = makers.get(ask.field("kind"))
    if maker is None:
        raise NotFound
    if ask.room.jobs.running is not None:
        return _page(ask, 409, ask.words.say("Another job runs: wait for it, or stop it."))
    ident = ask.room.jobs.next_id()
    folder = ask.room.jobs.folder_of(ident)
    try:
        plan = maker(ask, folder)
        job = Job(
            ident,
            ask.field("kind"),
            plan.assignment,
            tuple(plan.arguments),
            ask.person.name,
            datetime.now(UTC).isoformat(timespec="seconds"),
            file=plan.file,
        )
        ask.room.jobs.start(job)
    except UsageError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return _page(ask, 400, str(error))
    ask.note("job started", f"{job.id} {job.kind} {job.assignment}")
    return ask.go(f"/jobs/{job.id}")


def job(ask: Ask) -> Response:
    """One job and its log."""
    found = _open(ask)
    log = clean(ask.room.jobs.log(found.id))
    return ask.page("job.html.jinja", job=found, log=log, has_file=_file_of(ask, found) is not None)


def stop(ask: Ask) -> Response:
    """Asks the job to end."""
    found = _open(ask)
    ask.room.jobs.stop(found.id)
    ask.note("job stopped", str(found.id))
    return ask.go(f"/jobs/{found.id}")


def file(ask: Ask) -> Response:
    """What an export wrote."""
    found = _open(ask)
    path = _file_of(ask, found)
    if path is None:
        raise NotFound
    if path.is_dir():
        path = Path(shutil.make_archive(str(path), "zip", path))
    ask.note("export fetched", f"{found.id} {path.name}")
    return FileResponse(path, filename=path.name, media_type="application/octet-stream")


@dataclass(frozen=True)
class Plan:
    """Arguments of a command. ``file``: name of what it will write, in the job's folder."""

    assignment: str
    arguments: Sequence[str]
    file: str | None = None


def _grade(ask: Ask, folder: Path) -> Plan:
    assignment = _assignment(ask, ask.room.course.assignment_ids())
    arguments = ["grade", assignment, *_workspace(ask), "--json", str(folder / "results.json")]
    if ask.field("fresh"):
        arguments.append("--fresh")
    uploaded = ["--", str(_keep_files(ask, folder / "upload"))] if _has_files(ask) else []  # none: what was imported
    return Plan(assignment, [*arguments, *_options(ask), *uploaded], "results.json")


def _regrade(ask: Ask, folder: Path) -> Plan:
    assignment = _assignment(ask, ask.room.assignments())
    arguments = ["regrade", assignment, *_workspace(ask), "--json", str(folder / "results.json")]
    return Plan(assignment, arguments, "results.json")


def _report(ask: Ask, _folder: Path) -> Plan:
    return Plan("", ["report", *_workspace(ask)])


def _import(ask: Ask, folder: Path) -> Plan:
    kind = ask.field("format")
    if kind not in IMPORTS:
        raise NotFound
    kept = _one_file(ask, folder)
    assignment = "" if kind == "roster" else _assignment(ask, ask.room.course.assignment_ids())
    where = ["--assignment", assignment] if assignment else []
    return Plan(assignment, ["import", kind, *where, *_workspace(ask), "--", str(kept)])


def _export(ask: Ask, folder: Path) -> Plan:
    kind = ask.field("format")
    if kind not in EXPORTS:
        raise NotFound
    assignment = _assignment(ask, ask.room.assignments())
    name = f"{assignment}-{kind}" + (f".{EXPORTS[kind]}" if EXPORTS[kind] else "")
    arguments = ["export", kind, "--assignment", assignment, *_workspace(ask), "--out", str(folder / name)]
    if _has_files(ask):
        arguments += ["--worksheet", str(_one_file(ask, folder))]
    if ask.field("with_open"):
        arguments.append("--with-open")
    return Plan(assignment, arguments, name)


def _workspace(ask: Ask) -> list[str]:
    return ["--workspace", str(ask.room.workspace)]


def _options(ask: Ask) -> list[str]:
    """How this server was told to run notebooks."""
    settings = ask.room.settings
    return ["--jobs", str(settings.jobs), "--sandbox", settings.sandbox]


def _assignment(ask: Ask, known: Sequence[str]) -> str:
    chosen = ask.field("assignment")
    if chosen not in known:
        raise UsageError(ask.words.say("Choose an assignment."))
    return chosen


def _keep_files(ask: Ask, folder: Path) -> Path:
    """Writes what was uploaded into a new folder, under names that can do no harm.

    :raises UsageError: no file came.
    """
    folder.mkdir(mode=0o700)
    files = [f for f in ask.files if f.filename]
    if not files:
        raise UsageError(ask.words.say("Choose one file or several."))
    for upload in files:
        _keep(upload, folder)
    return folder


def _has_files(ask: Ask) -> bool:
    return any(f.filename for f in ask.files)


def _one_file(ask: Ask, folder: Path) -> Path:
    """:raises UsageError: none came, or several."""
    kept = list(_keep_files(ask, folder / "upload").iterdir())
    if len(kept) != 1:
        raise UsageError(ask.words.say("Choose one file."))
    return kept[0]


def _keep(upload: UploadFile, folder: Path) -> None:
    name = safe_name(upload.filename or "")
    path = folder / name
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{number}-{name}"
    with path.open("xb") as out:
        shutil.copyfileobj(upload.file, out)


def safe_name(name: str) -> str:
    """The last part of a file name, without what a system or a command line takes for something else."""
    last = _NAME.sub("_", re.split(r"[/\\]", clean(name))[-1]).lstrip(".-_ ").strip()
    stem, dot, ending = last.rpartition(".")
    return f"{stem[:100]}{dot}{ending[:12]}" if dot and stem else last[:100] or "file"


def _open(ask: Ask) -> Job:
    found = ask.room.jobs.one(ask.number("job"))
    if found is None:
        raise NotFound
    return found


def _file_of(ask: Ask, found: Job) -> Path | None:
    if found.file is None or found.code is None:
        return None
    path = ask.room.jobs.folder_of(found.id) / found.file
    return path if path.exists() else None
