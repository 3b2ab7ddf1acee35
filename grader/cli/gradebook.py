"""``grader gradebook`` and ``grader forget``: care of a workspace."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import CourseOption, WorkspaceOption, console, settings_from

if TYPE_CHECKING:
    from grader.config import Settings
    from grader.store import Gradebook

gradebook = typer.Typer(help="Copy the gradebook, or check that it is sound.", no_args_is_help=True)


@gradebook.command("backup")
def backup_command(
    workspace: WorkspaceOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The new file [backups/gradebook-TIME.sqlite in the workspace].")
    ] = None,
) -> None:
    """Write a complete, checked copy of the gradebook; a batch may be running.

    Example: grader gradebook backup --out /safe/place/gradebook.sqlite
    """
    from grader.pipeline.forgetting import BACKUPS_FOLDER
    from grader.store import backup

    settings = settings_from(workspace=workspace)
    name = f"gradebook-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.sqlite"
    path = backup(_opened(settings), out or settings.workspace.resolve() / BACKUPS_FOLDER / name)
    console().print(f"copied and checked: {path} ({path.stat().st_size / 1024:.0f} KiB)", markup=False)


@gradebook.command("verify")
def verify_command(workspace: WorkspaceOption = None) -> None:
    """Check the file, its references, and that every record in it can be read. Exit code 3: it is damaged.

    Example: grader gradebook verify
    """
    settings = settings_from(workspace=workspace)
    book, out = _opened(settings), console()
    faults = book.integrity_check()
    for fault in faults:
        out.print(fault, markup=False)
    if faults:
        out.print("restore it from a backup: copy that over gradebook.sqlite, while no grader runs", markup=False)
        raise typer.Exit(3)
    for assignment in book.assignments():
        n_attempts, n_results = len(book.attempts(assignment)), len(book.latest_results(assignment))
        out.print(f"{assignment}: {n_attempts} attempts, {n_results} with a result", markup=False)
    out.print(f"{book.name} is sound", markup=False)


def forget(
    student: Annotated[str, typer.Argument(metavar="STUDENT", help="Number, e-mail address, name, or a digest.")],
    workspace: WorkspaceOption = None,
    course: CourseOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove one person's submissions, evidence, reports and grades for good, and say what was kept.

    Example: grader forget 21X4001
    """
    from grader.pipeline.forgetting import forget_student
    from grader.store import find_student

    settings, out = settings_from(workspace=workspace, course=course), console()
    found = find_student(_opened(settings), student)
    who = ", ".join(word for word in (found.id, found.name, found.email) if word) or student
    if not yes:
        typer.confirm(f"Remove all of {who} from {settings.workspace}? This cannot be undone", abort=True)
    done = forget_student(settings, student)
    rows = done.rows
    out.print(
        f"removed: {len(rows.files)} attempts, {rows.n_results} results, {rows.n_edits} edits, "
        f"{rows.n_choices} choices, {len(done.removed)} files and folders",
        markup=False,
    )
    for digest in sorted(rows.shared):
        out.print(f"kept: file and evidence of {digest[:19]}, another student handed in the same file", markup=False)
    for digest in rows.namesakes:
        out.print(
            f"kept: attempt {digest[:19]} of somebody with the same name; if that is the same person: "
            f"grader forget {digest}",
            markup=False,
        )
    for path in done.backups:
        out.print(f"kept: {path}, a backup from before: delete it if it must go as well", markup=False)
    for assignment in done.unpublished:
        out.print(f"the dashboard of {assignment} could not be written again and was taken away", markup=False)
    out.print("not looked at: result files, exports and files handed in that lie outside the workspace", markup=False)


def _opened(settings: Settings) -> Gradebook:
    """:raises UsageError: the workspace has none."""
    from grader.errors import UsageError
    from grader.store import existing_gradebook

    book = existing_gradebook(settings)
    if book is None:
        raise UsageError(f"{settings.workspace} holds no gradebook: name the workspace with --workspace")
    return book


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(gradebook, name="gradebook")
    app.command()(forget)
