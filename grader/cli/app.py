"""All commands, each in a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from grader import __version__
from grader.cli import (
    attempts,
    audit,
    calibrate,
    check,
    course,
    data,
    doctor,
    exchange,
    gc,
    grade,
    gradebook,
    handout,
    points,
    serve,
    similar,
)

app = typer.Typer(
    name="grader",
    help="Grades TensorFlow/Keras notebook assignments: runs them isolated, re-measures models, explains the result.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(f"grader {__version__}")
        raise typer.Exit


doctor.register(app)
data.register(app)
handout.register(app)
grade.register(app)
exchange.register(app)
similar.register(app)
check.register(app)
attempts.register(app)
points.register(app)
calibrate.register(app)
audit.register(app)
gradebook.register(app)
gc.register(app)
serve.register(app)
course.register(app)
