"""``grader points``: a person's points for a written answer, or instead of a check's."""

from __future__ import annotations

from typing import Annotated

import typer

from grader.cli.common import AssignmentArgument, CourseOption, WorkspaceOption, console, require_graded, settings_from


def points(
    assignment: AssignmentArgument,
    student: Annotated[str, typer.Argument(metavar="STUDENT", help="Student number, or the attempt's digest.")],
    criterion: Annotated[str, typer.Argument(metavar="CRITERION", help="For example filters-discussion.")],
    given: Annotated[str, typer.Argument(metavar="POINTS", help="A number, or - to take earlier edits back.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the points.")],
    author: Annotated[str, typer.Option("--author", envvar="GRADER_AUTHOR", help="Who decides.")] = "staff",
    workspace: WorkspaceOption = None,
    course: CourseOption = None,
) -> None:
    """Give points that only a person can give; every edit is kept with its author, reason and time.

    Example: grader points b2-1 21X4001 filters-discussion 3.5 --reason "no example named" --author tanaka
    """
    from grader.errors import UsageError
    from grader.pipeline import open_context, publish
    from grader.scoring import typed_points

    settings = settings_from(workspace=workspace, course=course)
    require_graded(settings, assignment)
    context = open_context(settings, assignment)
    if criterion not in context.rubric.ids:
        raise UsageError(f"{assignment} has no criterion {criterion!r}, it has {', '.join(context.rubric.ids)}")
    book = context.gradebook
    wanted = student.removeprefix("sha256:")
    found = [
        stored
        for stored in book.counting(assignment)
        if stored.result.student.id == student or stored.result.digest.removeprefix("sha256:").startswith(wanted)
    ]
    if len(found) != 1:
        raise UsageError(f"{student!r} fits {len(found)} attempts that count, expected one; see 'grader attempts'")
    try:
        value = None if given == "-" else typed_points(given)
    except ValueError as error:
        raise UsageError(f"{error}, or - to take earlier edits back") from None
    edit = book.add_edit(found[0].attempt_id, criterion, value, author, reason)
    publish(context)
    shown = "taken back" if edit.points is None else f"{edit.points:g} points"
    console().print(f"{student} {criterion}: {shown}, by {edit.author}", markup=False)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(points)
