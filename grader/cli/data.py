"""``grader data``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.common import CourseOption, console, settings_from

data_app = typer.Typer(help="Data sets: what is there, and getting what is missing.", no_args_is_help=True)


@data_app.command()
def install(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="mnist fashion_mnist cifar10 vgg16")],
    source: Annotated[Path | None, typer.Option("--from", help="A file or folder already downloaded.")] = None,
    course: CourseOption = None,
) -> None:
    """Fetch data sets into this user's store, checked against their known digests.

    Example: grader data install mnist fashion_mnist
    """
    from grader.datasets import DataStore, find_dataset, load_catalogue
    from grader.datasets import install as run
    from grader.rubric import Course

    settings = settings_from(course=course)
    out = console()
    catalogue = load_catalogue(Course(settings.course).root)
    store = DataStore(settings.data_dir)
    for name in names:
        stored = run(find_dataset(catalogue, name), store, source, lambda line: out.print(line, markup=False))
        out.print(f"{name}: installed in {stored.directory}", markup=False)


@data_app.command(name="list")
def list_(course: CourseOption = None) -> None:
    """List the data sets, where they come from, and whether they are installed.

    Example: grader data list
    """
    from grader.datasets import DataStore, load_catalogue
    from grader.rubric import Course

    settings = settings_from(course=course)
    store = DataStore(settings.data_dir)
    out = console()
    for spec in load_catalogue(Course(settings.course).root).values():
        state = "installed" if store.get(spec) else f"missing: grader data install {spec.name}"
        out.print(f"{spec.name:15} {state}", markup=False)
        out.print(f"{'':15} {spec.licence}", markup=False, style="dim")


def register(app: typer.Typer) -> None:
    """Adds the group."""
    app.add_typer(data_app, name="data")
