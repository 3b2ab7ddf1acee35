"""``grader attempts``: several attempts of one student, and which of them counts."""

from __future__ import annotations

from typing import Annotated

import typer

from grader.cli.common import AssignmentArgument, CourseOption, WorkspaceOption, console, require_graded, settings_from


def attempts(
    assignment: AssignmentArgument,
    workspace: WorkspaceOption = None,
    choose: Annotated[str | None, typer.Option("--choose", metavar="DIGEST", help="Let this attempt count.")] = None,
    student: Annotated[str | None, typer.Option("--student", help="Whose, where several handed in one file.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the choice.")] = "",
    author: Annotated[str, typer.Option("--author", envvar="GRADER_AUTHOR", help="Who decides.")] = "staff",
    course: CourseOption = None,
) -> None:
    """List all attempts; the last one handed in counts, unless you choose another.

    Example: grader attempts b2-1 --choose sha256:1f0c --reason "handed in the wrong file"
    """
    from grader.errors import UsageError
    from grader.pipeline import open_context, publish

    settings = settings_from(workspace=workspace, course=course)
    require_graded(settings, assignment)
    context = open_context(settings, assignment)
    book, out = context.gradebook, console()
    if choose is not None:
        prefix = choose if choose.startswith("sha256:") else f"sha256:{choose}"
        found = [
            a for a in book.attempts(assignment) if a.digest.startswith(prefix) and student in (None, a.student.id)
        ]
        if len({(a.digest, a.student_key) for a in found}) != 1:
            raise UsageError(
                f"{choose!r} fits {len(found)} attempts, expected one: "
                "give more digits of its digest, or --student where several handed in the same file"
            )
        book.choose(assignment, found[-1].student_key, found[-1].digest, author, reason)
        publish(context)
    counting = {s.attempt_id for s in book.counting(assignment)}
    for attempt in book.attempts(assignment):
        mark = "counts" if attempt.id in counting else ""
        who = attempt.student.id or attempt.student.name or "?"
        out.print(f"{attempt.digest[:19]}  {who:12} {attempt.number}  {mark:6}  {attempt.source}", markup=False)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(attempts)
