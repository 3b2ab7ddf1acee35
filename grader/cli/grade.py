"""``grader grade``, ``grader regrade``, ``grader report``."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from grader.cli.common import (
    AssignmentArgument,
    CourseOption,
    JsonOption,
    LanguageOption,
    WorkspaceOption,
    console,
    finish,
    require_graded,
    settings_from,
)
from grader.cli.pdf import PdfOption, make_pdfs, try_browser


def grade(
    assignment: AssignmentArgument,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH...", help="Notebook, folder, or zip from an LMS [all that the workspace keeps]."),
    ] = None,
    workspace: WorkspaceOption = None,
    jobs: Annotated[int | None, typer.Option("--jobs", help="Attempts at the same time [number of CPUs].")] = None,
    budget: Annotated[str | None, typer.Option("--budget", help="full or quick [full].")] = None,
    runtime: Annotated[str | None, typer.Option("--runtime", help="auto, keras3 or keras2 [auto].")] = None,
    compatibility: Annotated[
        list[str] | None,
        typer.Option(
            "--compatibility", metavar="NAME", help="Accept acc-log-names, sequential-input, or none of them."
        ),
    ] = None,
    time_limit_s: Annotated[float | None, typer.Option("--time-limit-s", help="For a whole notebook.")] = None,
    memory_limit_mib: Annotated[int | None, typer.Option("--memory-limit-mib", help="For a notebook.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of every random draw.")] = None,
    json_file: JsonOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every notebook again.")] = False,
    no_replay: Annotated[
        bool, typer.Option("--no-replay", help="Train everything for real; the results are the same.")
    ] = False,
    audit_replay: Annotated[
        float,
        typer.Option(
            "--audit-replay", metavar="P", min=0, max=1, help="Run this share of replayed attempts again without it."
        ),
    ] = 0.0,
    sandbox: Annotated[str | None, typer.Option("--sandbox", help="auto, namespaces, bwrap or none [auto].")] = None,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="ADDRESS|slurm:FILE", help="Run notebooks on other machines [this one]."),
    ] = None,
    roster: Annotated[Path | None, typer.Option("--roster", help="CSV of the class: id, name, e-mail.")] = None,
    pdf: PdfOption = False,
    lang: LanguageOption = None,
    course: CourseOption = None,
) -> None:
    """Grade notebooks, folders or zips.

    Example: grader grade b2-1 submissions.zip --jobs 4 --json results.json
    """
    from grader.cli.machines import other_machines
    from grader.cli.progress import BatchDisplay
    from grader.cli.summary import say_replay_audit
    from grader.intake import collect
    from grader.pipeline import grade_batch, open_context
    from grader.pipeline.importing import kept_attempts
    from grader.pipeline.languages import kept_roster, store_roster
    from grader.pipeline.lateness import keep_handins
    from grader.pipeline.progress import ProgressFile

    settings = settings_from(
        workspace=workspace,
        course=course,
        jobs=jobs,
        budget=budget,
        runtime=runtime,
        compatibility=",".join(compatibility) if compatibility else None,
        time_limit_s=time_limit_s,
        memory_limit_mib=memory_limit_mib,
        seed=seed,
        sandbox=sandbox,
        language=lang,
        replay=False if no_replay else None,
    )
    if not paths:
        require_graded(settings, assignment)
    if pdf:
        try_browser(settings)
    context = open_context(settings, assignment)
    walls = f"sandbox: {context.sandbox.name}" if context.sandbox else "no sandbox: notebooks run with your rights"
    out = console(json_file)
    catalogue = context.catalogue(context.language_of(None))
    known = store_roster(context.workspace, roster) if roster else None
    words = partial(out.print, markup=False, style="dim")
    if paths:
        attempts = collect(
            paths, assignment, known or kept_roster(context.workspace), lambda t: words(catalogue.render(t))
        )
        keep_handins(context, attempts)
    else:
        attempts = kept_attempts(context)
    started = time.monotonic()
    many = f", {settings.jobs} at a time" if cluster is None else ""
    out.print(f"{len(attempts)} attempts at {assignment}{many}; {walls}")
    with (
        other_machines(cluster, context, out) as elsewhere,
        ProgressFile(context.workspace, assignment) as progress,
        BatchDisplay(out, len(attempts), settings.jobs, progress.tell).shown() as batch,
    ):
        graded = grade_batch(context, attempts, fresh=fresh, batch=batch, elsewhere=elsewhere)
    try:
        finish(context, graded, json_file, out, time.monotonic() - started, pdf=pdf)
    finally:
        if audit_replay:
            say_replay_audit(context, attempts, graded, audit_replay, out)


def regrade(
    assignment: AssignmentArgument,
    workspace: WorkspaceOption = None,
    json_file: JsonOption = None,
    pdf: PdfOption = False,
    lang: LanguageOption = None,
    course: CourseOption = None,
) -> None:
    """Score again from evidence after the rubric has changed; no notebook is run.

    Example: grader regrade b2-1 --workspace workspace
    """
    from grader.pipeline import open_context
    from grader.pipeline import regrade as run

    settings = settings_from(workspace=workspace, course=course, language=lang)
    require_graded(settings, assignment)
    if pdf:
        try_browser(settings)
    context = open_context(settings, assignment)
    finish(context, run(context), json_file, console(json_file), pdf=pdf)


def report(
    workspace: WorkspaceOption = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only reports that say something else by now.")] = False,
    pdf: PdfOption = False,
    lang: LanguageOption = None,
    course: CourseOption = None,
) -> None:
    """Write all reports and the static dashboard again.

    Example: grader report --workspace workspace --lang ja
    """
    from grader.errors import UsageError
    from grader.pipeline import clock, open_context, publish
    from grader.pipeline.publish import graded_assignments

    settings = settings_from(workspace=workspace, course=course, language=lang)
    out = console()
    graded = graded_assignments(settings)
    if not graded:
        raise UsageError(f"{settings.workspace} holds no attempts: name another folder with --workspace")
    if pdf:
        try_browser(settings)
    at, printed = clock.now(), True
    for assignment in graded:
        context = open_context(settings, assignment)
        published = publish(context, again=not changed, at=at)
        out.print(f"{assignment}: {len(published.paths)} reports, dashboard {published.dashboard}", markup=False)
        if pdf:
            printed = make_pdfs(context, published.paths.values(), out) and printed
    if not printed:
        raise typer.Exit(3)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (grade, regrade, report):
        app.command()(command)
