"""``grader calibrate``."""

from __future__ import annotations

from typing import Annotated

import typer

from grader.cli.common import AssignmentArgument, CourseOption, console, settings_from


def calibrate(
    assignment: AssignmentArgument,
    runs: Annotated[int, typer.Option("--runs", help="How many seeds to train the reference under.")] = 30,
    first_seed: Annotated[int, typer.Option("--first-seed", help="The first of consecutive seeds.")] = 1,
    jobs: Annotated[int | None, typer.Option("--jobs", help="Trainings at the same time [number of CPUs].")] = None,
    dataset_name: Annotated[
        str | None, typer.Option("--dataset", help="The data set to measure on [the assignment's].")
    ] = None,
    course: CourseOption = None,
) -> None:
    """Measure what right answers reach, and derive the thresholds from it.

    Example: grader calibrate b2-1 --runs 30
    """
    from grader.calibration import calibrate as run
    from grader.calibration import write_calibration
    from grader.datasets import DataStore, find_dataset, load_catalogue
    from grader.errors import DataError
    from grader.rubric import Course

    settings = settings_from(course=course, jobs=jobs)
    opened = Course(settings.course)
    name = dataset_name or opened.assignment(assignment).dataset
    dataset = DataStore(settings.data_dir).get(find_dataset(load_catalogue(opened.root), name))
    if dataset is None:
        raise DataError(f"data set {name!r} is not installed: run 'grader data install {name}'")
    out = console()
    result = run(
        opened,
        assignment,
        dataset,
        runs=runs,
        first_seed=first_seed,
        workers=settings.jobs,
        say=lambda line: out.print(line, markup=False),
    )
    path = write_calibration(opened.rubric(assignment).directory, result)
    for key, seen in result.distributions.items():
        span = f"{min(seen.values):.4f} to {max(seen.values):.4f}"
        out.print(f"{key}: n {seen.n}, mean {seen.mean:.4f}, sd {seen.sd:.4f}, {span}", markup=False)
    out.print(f"written to {path}", markup=False)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(calibrate)
