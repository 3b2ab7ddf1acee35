"""Sample submissions, built from small files that say how each differs from the template or the reference.

``assignments/<id>/samples/<name>.toml``::

    about = "what is odd about it"
    language = "ja"
    base = "template"                 # or "reference", or a percent file beside this one
    header = "学生証番号 : ..."          # source of the header cell; left out: the base's
    [[edit]]
    at = "code B2-1-2"                # "1-8", "header", "task|code|answer HEADING" (from that task on), "end"
    do = "replace"                    # replace, before, after, drop, swap (old -> new inside the cell)
    cells = "..."                     # jupytext percent; without a header, one code cell
    [file]                            # what happened to the file itself
    [expected]                        # the result it should get
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import nbformat
from msgspec import Meta, Struct

from grader.errors import CourseError
from grader.handout.build import Notebook, build_notebook, dumps, new_cell, reference_notebook, student_notebook
from grader.handout.percent import label_of
from grader.model import ExecutionOutcome, FlagKind, Outcome, Status
from grader.rubric import Assignment, Course

_CONFLICT = "<<<<<<< HEAD\n{line}=======\n{line}>>>>>>> origin/main\n"
_PERCENT_HEADER = re.compile(r"^# %%", re.MULTILINE)


class Edit(Struct, frozen=True, forbid_unknown_fields=True):
    """One change to the base. ``cells``: percent text. ``old``, ``new``: for ``swap``."""

    at: str
    do: Literal["replace", "before", "after", "drop", "swap"]
    cells: str = ""
    old: str = ""
    new: str = ""


class FileOddity(Struct, frozen=True, forbid_unknown_fields=True):
    """What tools did to the file.

    :ivar nbformat_minor: 4 takes the cell ids off. :ivar kernelspec: name of a kernel from elsewhere.
    :ivar stamped: whether the handout's stamp survived. :ivar conflict: merge-conflict markers in the middle.
    :ivar keep: share of the file's characters that is left; the rest was lost.
    """

    nbformat_minor: Literal[4, 5] = 5
    kernelspec: str = "python3"
    stamped: bool = True
    conflict: bool = False
    keep: Annotated[float, Meta(gt=0, le=1)] = 1.0


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """The result a sample should get. ``student``: what intake finds; a field that is left out is not known."""

    status: Status
    execution: ExecutionOutcome
    criteria: dict[str, Outcome] = {}
    flags: tuple[FlagKind, ...] = ()
    student: dict[Literal["id", "name", "email"], str] = {}


class Sample(Struct, frozen=True, forbid_unknown_fields=True):
    """One sample submission as its file describes it."""

    about: str
    language: str
    expected: Expected
    base: str = "template"
    header: str | None = None
    edits: tuple[Edit, ...] = msgspec.field(default=(), name="edit")
    file: FileOddity = FileOddity()


def read_samples(course: Course, assignment_id: str) -> dict[str, Sample]:
    """All samples of an assignment by name (``s01``), sorted.

    :raises CourseError: a file is malformed.
    """
    samples: dict[str, Sample] = {}
    for path in sorted(_directory(course.assignment(assignment_id)).glob("*.toml")):
        try:
            samples[path.stem] = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Sample)
        except (msgspec.ValidationError, ValueError) as error:
            raise CourseError(f"{path}: {error}") from error
    return samples


def build_samples(course: Course, assignment_id: str, out_dir: Path) -> list[Path]:
    """Writes every sample as ``<name>.ipynb`` into ``out_dir``; the paths, sorted.

    :raises CourseError: a sample's file is malformed, or an edit finds no cell.
    """
    assignment = course.assignment(assignment_id)
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, sample in read_samples(course, assignment_id).items():
        try:
            text = _file_text(sample_notebook(assignment, sample), sample.file)
        except CourseError as error:
            raise CourseError(f"sample {name}: {error}") from error
        path = out_dir / f"{name}.ipynb"
        path.write_text(text, "utf-8", newline="\n")
        paths.append(path)
    return paths


def sample_notebook(assignment: Assignment, sample: Sample) -> Notebook:
    """The sample as nbformat 4.5, before anything happened to its file.

    :raises CourseError: an edit finds no cell, or not the text that it replaces.
    """
    handed_out = student_notebook(assignment, sample.language)
    if sample.base == "template":
        notebook = handed_out
    elif sample.base == "reference":
        notebook = reference_notebook(assignment, sample.language)
    else:
        notebook = build_notebook((_directory(assignment) / sample.base).read_text("utf-8"), assignment.id)
    notebook["metadata"] = dict(handed_out["metadata"])
    cells = notebook["cells"]
    if sample.header is not None:
        cells[0]["source"] = sample.header.strip()
    for number, edit in enumerate(sample.edits, 1):
        _apply(cells, edit, f"{assignment.id}-e{number:02d}")
    nbformat.validate(notebook)
    return notebook


def _directory(assignment: Assignment) -> Path:
    return assignment.directory / "samples"


def _apply(cells: list[dict[str, Any]], edit: Edit, prefix: str) -> None:
    """Changes ``cells`` in place; new cells get ids that begin with ``prefix``."""
    index = _find(cells, edit.at)
    if edit.do == "swap":
        if not edit.old or edit.old not in cells[index]["source"]:
            raise CourseError(f"cell {edit.at!r} does not hold {edit.old!r}, which is to be replaced")
        cells[index]["source"] = cells[index]["source"].replace(edit.old, edit.new)
        return
    first = index + (edit.do == "after")
    last = index + (edit.do in ("replace", "drop", "after"))
    cells[first:last] = [] if edit.do == "drop" else _new_cells(edit.cells, prefix)


def _new_cells(text: str, prefix: str) -> list[dict[str, Any]]:
    if not _PERCENT_HEADER.search(text):
        return [new_cell("code", text.strip("\n"), prefix)]
    cells: list[dict[str, Any]] = build_notebook(text.lstrip("\n"), prefix)["cells"]
    return [cell | {"id": f"{prefix}-{number}"} for number, cell in enumerate(cells, 1)]


def _find(cells: list[dict[str, Any]], at: str) -> int:
    """Index of the cell that ``at`` names; :raises CourseError: there is none."""
    what, _, heading = at.partition(" ")
    if at in ("header", "end"):
        return 0 if at == "header" else len(cells) - 1
    start = 0
    if heading:
        tasks = (i for i, c in enumerate(cells) if _has_tag(c, "task") and heading in c["source"])
        start = next(tasks, len(cells))
    for index, cell in enumerate(cells[start:], start):
        is_code = cell["cell_type"] == "code"
        if (heading and (_has_tag(cell, what) or (what == "code" and is_code))) or (
            is_code and label_of(cell["source"]) == at
        ):
            return index
    raise CourseError(f"there is no cell {at!r}; expected a label as '1-8', 'header', 'end', or 'answer HEADING'")


def _has_tag(cell: dict[str, Any], tag: str) -> bool:
    return tag in cell["metadata"].get("tags", ())


def _file_text(notebook: Notebook, oddity: FileOddity) -> str:
    notebook["nbformat_minor"] = oddity.nbformat_minor
    if oddity.nbformat_minor < 5:
        for cell in notebook["cells"]:
            del cell["id"]
    if not oddity.stamped:
        del notebook["metadata"]["grader"]
    if oddity.kernelspec != "python3":
        notebook["metadata"]["kernelspec"] |= {"name": oddity.kernelspec, "display_name": oddity.kernelspec}
    text = dumps(notebook)
    if oddity.conflict:
        lines = text.splitlines(keepends=True)
        middle = len(lines) // 2
        lines[middle] = _CONFLICT.format(line=lines[middle])
        text = "".join(lines)
    return text[: round(len(text) * oddity.keep)]
