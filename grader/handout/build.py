"""Notebooks from templates: the one that students get, and the reference that gets full marks.

Cell ids are deterministic: ``b2-1-1-03`` for label ``[1-3]`` of assignment ``b2-1``, else ``b2-1-c07`` by the position
in the template, so that the student's notebook and the reference name a given cell alike.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from grader.errors import CourseError, LeakError, UsageError
from grader.handout.extension import extension_cell_source
from grader.handout.leaks import check_student_notebook, check_template
from grader.handout.percent import Cell, label_of, read_cells
from grader.rubric import Assignment

SCHEMA = 1
Notebook = dict[str, Any]
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
_URL = re.compile(r"https://[^\s()<>\"]+")
EXTENSION_TAG = "grader-extension"
_KEPT_TAGS = frozenset({"task", "answer"})


def source_digest(source: str) -> str:
    """SHA-256 of ``source`` normalised: Unicode NFC, no spaces at line ends, no empty lines.

    Comments count: students write answers into them.
    """
    lines = (line.rstrip() for line in unicodedata.normalize("NFC", source).splitlines())
    return hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()


def cell_ids(cells: Iterable[Cell], prefix: str) -> list[str]:
    """One id a cell, unique, of nbformat's alphabet."""
    ids: list[str] = []
    for cell in cells:
        major, _, minor = (cell.label or "").partition("-")
        ident = f"{prefix}-{major}-{int(minor):02d}" if minor else f"{prefix}-c{cell.position:02d}"
        ids.append(ident if ident not in ids else f"{ident}-{cell.position}")
    return ids


def build_notebook(percent_text: str, prefix: str = "cell") -> Notebook:
    """All cells of a percent text as nbformat 4.5: no outputs, kernel ``python3``, ids that begin with ``prefix``.

    :raises CourseError: it is no percent text.
    """
    return _assemble(read_cells(percent_text), prefix)


def student_notebook(
    assignment: Assignment, language: str, colab_badge: str | None = None, *, self_check: bool = False
) -> Notebook:
    """What students get: no solution, and a stamp in ``metadata.grader``.

    :param self_check: puts the cell that loads ``%grader`` below the header cell.
    :param colab_badge: https address of this notebook in Colab; puts a badge below the header cell.
    :raises LeakError: the template would give some of the solution away.
    :raises UsageError: there is no template in ``language``, or the address is none.
    """
    origin, cells = _template(assignment, language)
    try:
        check_template(cells)
    except LeakError as error:
        raise LeakError(f"{origin}: {error}") from None
    notebook = _assemble(cells, assignment.id, drop="solution")
    if self_check:
        source = extension_cell_source(assignment.id, language)
        notebook["cells"].insert(1, new_cell("code", source, f"{assignment.id}-self-check", [EXTENSION_TAG]))
    notebook["metadata"]["grader"] = {
        "schema": SCHEMA,
        "assignment": assignment.id,
        "version": assignment.version,
        "language": language,
        "given": {_label(cell) or cell["id"]: source_digest(cell["source"]) for cell in notebook["cells"]},
    }
    if colab_badge is not None:
        notebook["cells"].insert(1, _badge(colab_badge, f"{assignment.id}-colab"))
    nbformat.validate(notebook)
    check_student_notebook(notebook, cells)
    return notebook


def reference_notebook(assignment: Assignment, language: str) -> Notebook:
    """The template with its solution, without the places to fill in.

    :raises UsageError: there is no template in ``language``.
    """
    _, cells = _template(assignment, language)
    notebook = _assemble(cells, assignment.id, drop="placeholder")
    nbformat.validate(notebook)
    return notebook


def dumps(notebook: Notebook) -> str:
    """The notebook as the text of an ``.ipynb`` file."""
    return str(nbformat.writes(nbformat.from_dict(notebook))) + "\n"


def _template(assignment: Assignment, language: str) -> tuple[Path, tuple[Cell, ...]]:
    if language not in assignment.templates:
        raise UsageError(
            f"assignment {assignment.id!r} has no template in {language!r}, it has: {', '.join(assignment.languages)}"
        )
    path = assignment.directory / assignment.templates[language]
    try:
        return path, read_cells(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"the template {path} cannot be read: {error}") from error
    except CourseError as error:
        raise CourseError(f"{path}: {error}") from error


def _assemble(cells: tuple[Cell, ...], prefix: str, drop: str | None = None) -> Notebook:
    pairs = zip(cells, cell_ids(cells, prefix), strict=True)
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
        },
        "cells": [new_cell(c.kind, c.source, ident, c.tags & _KEPT_TAGS) for c, ident in pairs if drop not in c.tags],
    }


def new_cell(kind: str, source: str, ident: str, tags: Iterable[str] = ()) -> dict[str, Any]:
    """A cell of nbformat 4.5 without output."""
    metadata: dict[str, Any] = {"tags": sorted(tags)} if tags else {}
    cell: dict[str, Any] = {"cell_type": kind, "id": ident, "metadata": metadata, "source": source}
    return cell | {"execution_count": None, "outputs": []} if kind == "code" else cell


def _label(cell: dict[str, Any]) -> str | None:
    return label_of(cell["source"]) if cell["cell_type"] == "code" else None


def _badge(url: str, ident: str) -> dict[str, Any]:
    if not _URL.fullmatch(url):
        raise UsageError(f"the Colab badge needs the https address of the notebook in Colab, got {url!r}")
    return new_cell("markdown", f"[![Open In Colab]({_BADGE})]({url})", ident)
