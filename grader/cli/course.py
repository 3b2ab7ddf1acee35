"""``grader init``: a course of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from grader.cli.common import console


def init(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")]) -> None:
    """Make a new course directory, with the bundled assignments as examples.

    Example: grader init my-course
    """
    from grader.errors import UsageError
    from grader.rubric import bundled_course_dir

    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is there and is no empty folder; name a folder that does not exist yet")
    for folder in ("assignments", "rubrics", "reports"):
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(bundled_course_dir() / folder, directory / folder, dirs_exist_ok=True, ignore=ignore)
    console().print(f"course in {directory}; use it with --course {directory} or GRADER_COURSE", markup=False)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(init)
