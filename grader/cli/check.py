"""``grader check``: the student's own check of a notebook."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import CourseOption, JsonOption, LanguageOption, console, settings_from, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from grader.model import Attempt
    from grader.pipeline import Context, Graded
    from grader.rubric import Course


def check(
    notebook: Annotated[Path, typer.Argument(metavar="NOTEBOOK", help="Your notebook.")],
    assignment: Annotated[str | None, typer.Option("--assignment", help="Its id [found in notebook or kit].")] = None,
    kit: Annotated[Path | None, typer.Option("--kit", help="ASSIGNMENT.kit [beside the notebook].")] = None,
    budget: Annotated[str | None, typer.Option("--budget", help="quick or full [quick].")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page.")] = None,
    json_file: JsonOption = None,
    lang: LanguageOption = None,
    course: CourseOption = None,
) -> None:
    """Check your own notebook before you hand it in: public criteria only, nothing is sent anywhere.

    Example: grader check b2-1.ja.ipynb --html check.html
    """
    from grader.errors import UsageError
    from grader.pipeline import grade_attempt, open_context
    from grader.pipeline.publish import cannot_be_graded_yet
    from grader.scratch import scratch_prefix

    if not notebook.is_file():
        raise UsageError(f"{notebook} is no file; name your notebook")
    with tempfile.TemporaryDirectory(prefix=scratch_prefix("check"), ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        # The student's own code on the student's own machine: nothing is kept from it.
        settings = settings_from(
            workspace=place / "workspace", budget=budget or "quick", language=lang, course=course, sandbox="none"
        )
        opened, ident = _course(notebook, assignment, kit, settings.course, place)
        context = open_context(settings, ident, course=opened, public_only=True)
        attempt = _attempt(notebook, ident)
        out = console(json_file)
        _fetch_data(context, out)
        graded = grade_attempt(context, attempt)
        _show(context, graded, out)
        if html is not None:
            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(_page(context, graded), "utf-8")
            out.print(f"{html}", markup=False)
        write_json([_row(context, graded)], json_file)
    if graded.fault is not None:
        raise typer.Exit(3)
    raise typer.Exit(1 if cannot_be_graded_yet(graded.result) else 0)


def _attempt(notebook: Path, ident: str) -> Attempt:
    from grader.intake import collect

    return collect([notebook], ident)[0]


def _course(
    notebook: Path, assignment: str | None, kit: Path | None, own: Path | None, place: Path
) -> tuple[Course, str]:
    """The kit named, else one beside the notebook, else the course at hand; and the assignment's id."""
    from grader.errors import KitError, UsageError
    from grader.handout import read_kit
    from grader.rubric import Course

    stamped = _stamped(notebook)
    wanted = assignment or stamped
    if kit is None and own is None:
        beside = [notebook.parent / f"{wanted}.kit"] if wanted else sorted(notebook.parent.glob("*.kit"))
        kit = next((path for path in beside if path.is_file()), None)
    if kit is not None:
        opened = read_kit(kit)
        if wanted is not None and wanted != opened.assignment:
            raise KitError(f"{kit} is for {opened.assignment}, the notebook is {wanted}: use the kit of {wanted}")
        return Course(opened.unpack(place / "kit")), opened.assignment
    course = Course(own)
    if wanted is None:
        known = ", ".join(course.assignment_ids())
        raise UsageError(f"which assignment is this? name it: --assignment {known}, or put its kit beside the notebook")
    return course, wanted


def _stamped(notebook: Path) -> str | None:
    """Assignment that the handout stamped on the notebook, if it still says so."""
    from grader.intake import collect

    parsed = collect([notebook], "unknown")[0].notebook
    stamp = (parsed or {}).get("metadata", {}).get("grader")
    ident = stamp.get("assignment") if isinstance(stamp, dict) else None
    return ident if isinstance(ident, str) else None


def _fetch_data(context: Context, out: Console) -> None:
    """Gets the test images that models are measured on; without them the check says what it could not measure."""
    from grader.datasets import find_dataset, install, load_catalogue
    from grader.errors import DataError

    if context.dataset is not None:
        return
    spec = find_dataset(load_catalogue(context.course.root), context.assignment.dataset)
    try:
        install(spec, context.store, None, lambda line: out.print(line, markup=False, style="dim"))
        context.__dict__.pop("dataset", None)
    except DataError as error:
        out.print(f"{error}", markup=False, style="yellow")


def _show(context: Context, graded: Graded, out: Console) -> None:
    from grader.cli.summary import LINE_STYLES
    from grader.reporting import Audience, result_lines

    view = context.report_context(context.language_of(graded.result.language))
    for line in result_lines(graded.result, view, Audience.CHECK):
        out.print(line.text, style=LINE_STYLES.get(line.style, ""), markup=False)


def _page(context: Context, graded: Graded) -> str:
    from grader.evidence import read_evidence
    from grader.reporting import Audience, student_report

    view = context.report_context(context.language_of(graded.result.language))
    evidence = read_evidence(graded.evidence) if graded.evidence else None
    return student_report(
        graded.result,
        evidence,
        view,
        audience=Audience.CHECK,
        thresholds=context.threshold_views,
        images=context.test_set,
    )


def _row(context: Context, graded: Graded) -> dict[str, object]:
    from grader.scoring import result_row

    catalogue = context.catalogue(context.language_of(graded.result.language))
    return result_row(graded.result, context.rubric, catalogue)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(check)
