"""``grader import`` and ``grader export``: from and to the systems around us; ``grader extend``: more time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import (
    AssignmentArgument,
    CourseOption,
    LanguageOption,
    WorkspaceOption,
    console,
    settings_from,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from grader.config import Settings
    from grader.model import Text


def import_(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="roster, moodle, canvas, gradescope or nbgrader.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Class list, archive, or folder.")],
    workspace: WorkspaceOption = None,
    assignment: Annotated[
        str | None, typer.Option("--assignment", help="What the archive is for [what its notebooks say].")
    ] = None,
    worksheet: Annotated[
        Path | None, typer.Option("--worksheet", help="Moodle's grading worksheet: numbers, addresses and times.")
    ] = None,
    lang: LanguageOption = None,
    course: CourseOption = None,
) -> None:
    """Bring a class list or a learning management system's archive into the workspace, to be graded from there.

    Example: grader import moodle submissions.zip --worksheet grades.csv
    """
    from grader.errors import UsageError
    from grader.pipeline.importing import SYSTEMS
    from grader.pipeline.languages import store_roster

    settings, out = settings_from(workspace=workspace, course=course, language=lang), console()
    if form == "roster":
        roster = store_roster(settings.workspace.resolve(), file)
        out.print(f"{len(roster)} students, kept in {settings.workspace}", markup=False)
    elif form in SYSTEMS:
        if worksheet is not None and form != "moodle":
            raise UsageError(f"--worksheet is for moodle, not for {form}: leave it out")
        _import_archive(settings, form, file, assignment, worksheet, out)
    else:
        raise UsageError(f"cannot import {form!r}; expected roster, {', '.join(SYSTEMS)}")


def _import_archive(
    settings: Settings, form: str, file: Path, assignment: str | None, worksheet: Path | None, out: Console
) -> None:
    from grader.pipeline.importing import import_archive

    words = partial(out.print, markup=False, style="dim")
    told = partial(_say, settings, words)
    done = import_archive(settings, file, assignment, worksheet=worksheet, tell=told)
    ident = done.context.assignment.id
    unreadable = sum(a.unreadable is not None for a in done.attempts)
    nobody = sum(a.student.id is None and a.student.name is None for a in done.attempts)
    late = sum(a.marked_late is not None for a in done.attempts)
    out.print(
        f"{ident}: {len(done.attempts)} attempts from {form}, {done.n_new} of them new; {unreadable} cannot be read, "
        f"of {nobody} nobody knows whose they are; {done.times - late} with a time, {late} marked late",
        markup=False,
    )
    out.print(f"next: grader grade {ident} --workspace {settings.workspace}", markup=False)


def _say(settings: Settings, words: Callable[[str], None], text: Text) -> None:
    from grader.messages import Catalogue
    from grader.rubric import Course

    words(Catalogue(settings.language or "en", Course(settings.course).locale_dir).render(text))


def export(
    form: Annotated[
        str, typer.Argument(metavar="FORMAT", help="csv, canvas, moodle, gradescope, junit, lti or github.")
    ],
    workspace: WorkspaceOption = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="File; for several results of gradescope or github, a folder [output].")
    ] = None,
    assignment: Annotated[str | None, typer.Option("--assignment", help="Only this one.")] = None,
    worksheet: Annotated[
        Path | None,
        typer.Option("--worksheet", help="What the system gave: Moodle's worksheet, Canvas' gradebook, LTI members."),
    ] = None,
    lms_id: Annotated[int | None, typer.Option("--lms-id", help="Canvas' number of the assignment.")] = None,
    column: Annotated[str | None, typer.Option("--column", help="Header of the worksheet's grade column.")] = None,
    with_open: Annotated[
        bool, typer.Option("--with-open", help="Also grades of which points are open, as far as they are certain.")
    ] = False,
    scale: Annotated[bool, typer.Option("--scale", help="Convert to the maximum of the other system.")] = False,
    student: Annotated[str | None, typer.Option("--student", help="Only this one: number or address.")] = None,
    autograder: Annotated[
        Path | None,
        typer.Option("--autograder", metavar="WHEEL", help="Gradescope: the zip to upload, with this program in it."),
    ] = None,
    lang: LanguageOption = None,
    course: CourseOption = None,
) -> None:
    """Export grades for another system: of each student the attempt that counts, after edits and lateness.

    Example: grader export moodle --worksheet grades.csv --out grades-filled.csv
    """
    from grader.cli.exports import Wanted, run_export

    settings = settings_from(workspace=workspace, course=course, language=lang)
    wanted = Wanted(form, out_file, assignment, worksheet, lms_id, column, with_open, scale, student, autograder)
    run_export(settings, wanted, console("-" if out_file is None else None))


def extend(
    assignment: AssignmentArgument,
    student: Annotated[str, typer.Argument(metavar="STUDENT", help="Number or mail address.")],
    days: Annotated[float, typer.Argument(metavar="DAYS", help="Added to the deadline; 0 takes it back.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with it.")],
    author: Annotated[str, typer.Option("--author", envvar="GRADER_AUTHOR", help="Who decides.")] = "staff",
    workspace: WorkspaceOption = None,
    course: CourseOption = None,
) -> None:
    """Give one student more time; what lateness takes is worked out again for all pages and exports.

    Example: grader extend b2-1 21X4001 3 --reason "was ill"
    """
    from grader.pipeline import open_context, publish
    from grader.pipeline.lateness import LateBook, extend
    from grader.pipeline.publish import graded_assignments

    settings = settings_from(workspace=workspace, course=course)
    context = open_context(settings, assignment)
    extend(context, student, days, author=author, reason=reason)
    out = console()
    out.print(f"{student}: {days:g} days more for {assignment}, by {author}", markup=False)
    if LateBook(context).terms is None:
        out.print(f"{assignment} has no deadline yet; set one in late.toml", markup=False, style="yellow")
    elif assignment in graded_assignments(settings):
        publish(context)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("import")(import_)
    app.command()(export)
    app.command()(extend)
