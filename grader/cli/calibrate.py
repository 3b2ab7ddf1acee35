"""``grader calibrate``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import AssignmentArgument, CourseOption, console, settings_from

if TYPE_CHECKING:
    from grader.calibration.runs import Say
    from grader.datasets import StoredDataset
    from grader.rubric import Course


def calibrate(
    assignment: AssignmentArgument,
    runs: Annotated[int, typer.Option("--runs", help="How many seeds to train the reference under.")] = 30,
    first_seed: Annotated[
        int | None,
        typer.Option("--first-seed", help="The first of consecutive seeds [1; with --check the first new one]."),
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", help="Trainings at the same time [number of CPUs].")] = None,
    dataset_name: Annotated[
        str | None, typer.Option("--dataset", help="The data set to measure on [the assignment's].")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: count how many right answers miss the thresholds there are.")
    ] = False,
    course: CourseOption = None,
) -> None:
    """Measure what right answers reach, and derive the thresholds from it.

    Example: grader calibrate b2-1 --runs 30
    """
    from grader.datasets import DataStore, find_dataset, load_catalogue
    from grader.errors import DataError
    from grader.rubric import Course

    settings = settings_from(course=course, jobs=jobs)
    opened = Course(settings.course)
    name = dataset_name or opened.assignment(assignment).dataset
    dataset = DataStore(settings.data_dir).get(find_dataset(load_catalogue(opened.root), name))
    if dataset is None:
        raise DataError(f"data set {name!r} is not installed: run 'grader data install {name}'")
    say = partial(console().print, markup=False, soft_wrap=True)
    if check:
        _check(opened, assignment, dataset, runs=runs, first_seed=first_seed, workers=settings.jobs, say=say)
    else:
        _calibrate(opened, assignment, dataset, runs=runs, first_seed=first_seed or 1, workers=settings.jobs, say=say)


def _calibrate(opened: Course, assignment: str, dataset: StoredDataset, *, say: Say, **how: int) -> None:
    from grader.calibration import calibrate, write_calibration

    result = calibrate(opened, assignment, dataset, say=say, **how)
    path = write_calibration(opened.rubric(assignment).directory, result)
    for key, seen in result.distributions.items():
        span = f"{min(seen.values):.4f} to {max(seen.values):.4f}"
        say(f"{key}: n {seen.n}, mean {seen.mean:.4f}, sd {seen.sd:.4f}, {span}")
    say(f"written to {path}")


def _check(
    opened: Course,
    assignment: str,
    dataset: StoredDataset,
    *,
    runs: int,
    first_seed: int | None,
    workers: int,
    say: Say,
) -> None:
    from grader.calibration import check_thresholds

    found = check_thresholds(opened, assignment, dataset, runs=runs, first_seed=first_seed, workers=workers, say=say)
    width = max(len(one.name) for one in found)
    say(f"{'threshold':{width}}  {'seeds':>9}    line  doubt to   worst  missed  beyond doubt  expected to miss")
    for one in found:
        seeds = f"{one.seeds[0]}-{one.seeds[-1]}"
        say(
            f"{one.name:{width}}  {seeds:>9}  {one.line:6.4f}    {one.doubt:6.4f}  {one.worst:6.4f}  "
            f"{one.n_missed:6}  {one.n_beyond_doubt:12}  {one.expected:16.2g}"
        )


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(calibrate)
