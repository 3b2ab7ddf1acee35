"""``grader handout`` and ``grader samples``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.common import AssignmentArgument, CourseOption, console, settings_from


def handout(
    assignment: AssignmentArgument,
    lang: Annotated[str, typer.Option("--lang", help="ja, en, zh or ru.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the notebook and the kit.")],
    colab: Annotated[str | None, typer.Option("--colab", metavar="URL", help="Adds a badge that opens this.")] = None,
    course: CourseOption = None,
) -> None:
    """Write the student's notebook, and ASSIGNMENT.kit for their own check.

    Example: grader handout b2-1 --lang ja --out handout/
    """
    from grader.handout import write_handout
    from grader.rubric import Course

    settings = settings_from(course=course)
    notebook, kit = write_handout(Course(settings.course), assignment, lang, out_dir, colab_badge=colab)
    out = console()
    out.print(f"notebook: {notebook}", markup=False)
    out.print(f"kit:      {kit}", markup=False)


def samples(
    assignment: AssignmentArgument,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the sample class.")],
    course: CourseOption = None,
) -> None:
    """Write the assignment's sample class: made-up submissions with known results.

    Example: grader samples b2-1 --out demo/class
    """
    from grader.handout.samples import build_samples
    from grader.rubric import Course

    paths = build_samples(Course(settings_from(course=course).course), assignment, out_dir)
    console().print(f"{len(paths)} sample submissions in {out_dir}", markup=False)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(handout)
    app.command()(samples)
