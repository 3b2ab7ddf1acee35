"""What several commands share: options, settings from them, and where words go."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from grader.config import Settings
    from grader.pipeline import Context, Graded

AssignmentArgument = Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="For example b2-1.")]
WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", help="Folder for gradebook, evidence and reports [./workspace].")
]
CourseOption = Annotated[
    Path | None, typer.Option("--course", envvar="GRADER_COURSE", help="Course directory [the bundled example].")
]
JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Result file; - for standard output.")]
LanguageOption = Annotated[str | None, typer.Option("--lang", help="ja, en, zh or ru [each student's own].")]


def settings_from(**options: Any) -> Settings:
    """Settings: defaults < file < environment < these options (``None``: not given)."""
    from grader.config import load_settings

    return load_settings(options)


def require_graded(settings: Settings, assignment: str) -> None:
    """:raises UsageError: the workspace holds nothing of this assignment (it may be the wrong folder)."""
    from grader.errors import UsageError
    from grader.pipeline.publish import graded_assignments
    from grader.rubric import Course

    Course(settings.course).assignment(assignment)
    if assignment not in graded_assignments(settings):
        raise UsageError(
            f"{settings.workspace} holds no attempt at {assignment}: name another folder with --workspace, "
            f"or run 'grader grade {assignment} PATH...' or 'grader import' first"
        )


def console(json_file: str | None = None) -> Console:
    """For people: standard output, or standard error where the result file goes to standard output."""
    from rich.console import Console
    from rich.text import Text as RichText

    from grader.plain import isolated

    class SafeConsole(Console):
        """Names, messages and tracebacks may come from students: no control sequence of theirs reaches the terminal,
        and no name changes places with what stands beside it.
        """

        def render_str(self, text: str, **options: Any) -> RichText:
            return super().render_str(isolated(text), **options)

    return SafeConsole(stderr=json_file == "-", highlight=False, soft_wrap=True)


def write_json(rows: Sequence[dict[str, Any]], file: str | None) -> None:
    """The result file: complete or not there."""
    if file is None:
        return
    text = json.dumps(rows, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8")
    part.replace(path)


def finish(
    context: Context,
    graded: Sequence[Graded],
    json_file: str | None,
    out: Console,
    duration_s: float | None = None,
    *,
    pdf: bool = False,
) -> None:
    """Reports, result file, a summary, PDFs if they are wanted, and the exit code of the contract.

    :raises typer.Exit: 1 where some attempt needs attention, 3 where that is a fault of ours.
    """
    from grader.cli.pdf import make_pdfs
    from grader.cli.summary import print_summary
    from grader.pipeline import publish
    from grader.pipeline.locks import locked
    from grader.pipeline.publish import LastRun, cannot_be_graded_yet

    n_executed = sum(not one.reused and one.result.execution.duration_s is not None for one in graded)
    run = LastRun(duration_s, n_executed) if duration_s is not None and n_executed else None
    published = publish(context, run)
    with locked(context.workspace, "results"):
        write_json([published.row(one.result) for one in graded], json_file)
    print_summary(context, graded, published, out)
    for fault in published.faults:
        out.print(f"a fault of the grader; staff only:\n{fault}", markup=False)
    printed = make_pdfs(context, published.paths.values(), out) if pdf else True
    if not printed or published.faults or any(one.fault is not None for one in graded):
        raise typer.Exit(3)
    if any(one.kept is not None or cannot_be_graded_yet(one.result) for one in graded):
        raise typer.Exit(1)
