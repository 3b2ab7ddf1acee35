"""``grader audit``."""

from __future__ import annotations

import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import AssignmentArgument, CourseOption, JsonOption, console, settings_from, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from grader.audit import Finding


def audit(
    assignment: AssignmentArgument,
    jobs: Annotated[int | None, typer.Option("--jobs", help="Variants at the same time [number of CPUs].")] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help="This variant; repeatable.")] = None,
    json_file: JsonOption = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep notebooks and evidence here, for the next audit.")
    ] = None,
    course: CourseOption = None,
) -> None:
    """Test the rubric: grade right and wrong variants of the reference answer on small data.

    Ends with 1 when a wrong variant slips through or a right one is refused.

    Example: grader audit b2-1 --only six-thousand-images
    """
    from grader.audit import Verdict, prepare
    from grader.cli.progress import BatchDisplay
    from grader.sandbox.choose import MECHANISMS, trial
    from grader.scratch import scratch_prefix

    out = console(json_file)
    settings = settings_from(course=course, jobs=jobs)
    if settings.sandbox == "auto" and not any(trial(name).works for name in MECHANISMS):
        out.print("no sandbox works on this machine: the course's own notebooks run without one", style="yellow")
        settings = replace(settings, sandbox="none")
    started = time.monotonic()
    with nullcontext(str(keep)) if keep else tempfile.TemporaryDirectory(prefix=scratch_prefix("audit")) as folder:
        words = partial(out.print, markup=False)
        ready = prepare(settings, assignment, Path(folder).resolve(), only=only or (), say=words)
        with BatchDisplay(out, len(ready.variants), settings.jobs).shown() as batch:
            findings = ready.run(batch)
    write_json([finding.row() for finding in findings], json_file)
    _print(findings, out, time.monotonic() - started)
    if any(finding.verdict is Verdict.FAULT for finding in findings):
        raise typer.Exit(3)
    if not all(finding.verdict.is_good for finding in findings):
        raise typer.Exit(1)


def _print(findings: Sequence[Finding], out: Console, duration_s: float) -> None:
    """One line a variant, the numbers, and everything that is not as it should be once more."""
    width = max(len(finding.variant.name) for finding in findings)
    for finding in findings:
        out.print(f"{finding.variant.kind:6} {finding.variant.name:{width}}  {_line(finding)}", markup=False)
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.verdict] = counts.get(finding.verdict, 0) + 1
    numbers = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    out.print(f"{len(findings)} variants in {duration_s:.0f} s: {numbers}", markup=False)
    for finding in findings:
        if not finding.verdict.is_good:
            meant = finding.variant.criterion or finding.variant.flag or "nothing to lose"
            out.print(f"{finding.verdict}: {finding.variant.name} ({meant}) {finding.fault or ''}", markup=False)


def _line(finding: Finding) -> str:
    lost = [f"{ident} -{points:g} ({finding.said[ident]})" for ident, points in finding.lost.items()]
    left = [f"{ident} for a person ({finding.said[ident]})" for ident in finding.open]
    flags = [f"flag {flag}" for flag in finding.flags]
    return f"{finding.verdict}: {'; '.join([*lost, *left, *flags]) or 'full points'}"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(audit)
