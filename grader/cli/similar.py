"""``grader similar``: which submissions share what only few have."""

from __future__ import annotations

import typer

from grader.cli.common import (
    AssignmentArgument,
    CourseOption,
    LanguageOption,
    WorkspaceOption,
    console,
    require_graded,
    settings_from,
)


def similar(
    assignment: AssignmentArgument,
    workspace: WorkspaceOption = None,
    lang: LanguageOption = None,
    course: CourseOption = None,
) -> None:
    """Find submissions that are alike beyond what was handed out, and write a page that shows them side by side.

    Both get the flag 'similar': a pointer for a person. No points are taken.

    Example: grader similar b2-1 --workspace workspace
    """
    from rich.progress import Progress

    from grader.pipeline import open_context, publish
    from grader.pipeline.similar import similar_page
    from grader.similarity import compare_class

    settings, out = settings_from(workspace=workspace, course=course, language=lang), console()
    require_graded(settings, assignment)
    context = open_context(settings, assignment)
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        bar = progress.add_task("reading", total=None)
        compared = compare_class(context, lambda done, every: progress.update(bar, completed=done, total=every))
    for match in compared.matches[:50]:
        one, other = compared.side(match.one), compared.side(match.other)
        out.print(f"{one.who} | {other.who}: {', '.join(match.kinds)} ({match.weight:.2f})", markup=False)
    out.print(f"{len(compared.works)} submissions, {len(compared.matches)} pairs to look at", markup=False)
    publish(context)
    out.print(f"Page: {similar_page(context.workspace, assignment)}", markup=False)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(similar)
