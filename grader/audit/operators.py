"""Documented changes to a notebook: what makes a wrong or another right answer out of the reference.

An operator names the cell it changes by ``at``:

- ``1-8``: the code cell labelled ``[1-8]``
- ``first``, ``last``: of all cells
- ``task B2-1-2``, ``answer B2-1-2``: the first cell with this tag from that task's heading on
- anything else: the first code cell that contains this text, ``cnn.fit(`` for example

Every operator that finds nothing to change is an error: a variant must never be the reference by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from grader.errors import CourseError
from grader.handout.build import build_notebook, new_cell
from grader.handout.percent import label_of

Cells = list[dict[str, Any]]
_LABEL = re.compile(r"\d+-\d+")
_PERCENT_HEADER = re.compile(r"^# %%", re.MULTILINE)


class Operator(Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """One change; see the subclasses. ``do`` is the class' name in lower case."""


class Replace(Operator, frozen=True, tag="replace"):
    """Replaces the text ``old`` by ``new``, wherever it stands in the cell."""

    at: str
    old: str
    new: str


class Regex(Operator, frozen=True, tag="regex"):
    """Replaces what ``pattern`` (multi-line mode) matches in the cell by ``new``, in which group references count."""

    at: str
    pattern: str
    new: str


class Everywhere(Operator, frozen=True, tag="everywhere"):
    """Replaces what ``pattern`` matches in all code cells: other names, another spelling."""

    pattern: str
    new: str


class Set(Operator, frozen=True, tag="set"):
    """Puts other cells in the cell's place. ``cells``: percent text; without a header, one code cell."""

    at: str
    cells: str


class Before(Operator, frozen=True, tag="before"):
    """Puts cells before the cell."""

    at: str
    cells: str


class After(Operator, frozen=True, tag="after"):
    """Puts cells after the cell."""

    at: str
    cells: str


class Append(Operator, frozen=True, tag="append"):
    """Puts cells at the notebook's end."""

    cells: str


class Drop(Operator, frozen=True, tag="drop"):
    """Deletes the cell."""

    at: str


class Clear(Operator, frozen=True, tag="clear"):
    """Leaves the cell empty."""

    at: str


class Duplicate(Operator, frozen=True, tag="duplicate"):
    """Puts a copy of the cell after the cell ``to``."""

    at: str
    to: str


class Move(Operator, frozen=True, tag="move"):
    """Takes the cell out and puts it after the cell ``to``."""

    at: str
    to: str


class Swap(Operator, frozen=True, tag="swap"):
    """Exchanges the contents of two cells."""

    at: str
    other: str


class Split(Operator, frozen=True, tag="split"):
    """Cuts a cell in two, before the first line that contains ``line``."""

    at: str
    line: str


class Merge(Operator, frozen=True, tag="merge"):
    """Joins the cell and the next ``count`` - 1 of its kind into one."""

    at: str
    count: int = 2


class Copy(Operator, frozen=True, tag="copy"):
    """Puts the text of the cell ``source`` in place of this cell's: a pasted question."""

    at: str
    source: str


class Comment(Operator, frozen=True, tag="comment"):
    """Makes the cell a code cell of comments: its lines, each behind ``# ``."""

    at: str


class Indent(Operator, frozen=True, tag="indent"):
    """Indents every line of the cell by four spaces; IPython accepts that."""

    at: str


AnyOperator = (
    Replace
    | Regex
    | Everywhere
    | Set
    | Before
    | After
    | Append
    | Drop
    | Clear
    | Duplicate
    | Move
    | Swap
    | Split
    | Merge
    | Copy
    | Comment
    | Indent
)


def apply(cells: Cells, operators: Sequence[Operator], prefix: str) -> Cells:
    """New cells with every operator applied in order; ids of new cells begin with ``prefix``.

    :raises CourseError: an operator finds no cell, or nothing in it to change.
    """
    changed = [dict(cell) for cell in cells]
    for number, operator in enumerate(operators, 1):
        name = str(operator.__struct_config__.tag)
        try:
            _ACTIONS[type(operator)](changed, operator, f"{prefix}-{number:02d}")
        except CourseError as error:
            raise CourseError(f"operator {number} ({name}): {error}") from None
    return changed


def find(cells: Cells, at: str) -> int:
    """Index of the cell that ``at`` names; :raises CourseError: there is none."""
    if at in ("first", "last"):
        return 0 if at == "first" else len(cells) - 1
    what, _, heading = at.partition(" ")
    if heading and what in ("task", "answer"):
        tasks = (i for i, c in enumerate(cells) if _tagged(c, "task") and heading in c["source"])
        start = next(tasks, len(cells))
        found = (i for i, c in enumerate(cells) if i >= start and _tagged(c, what))
    else:
        code = [(i, c["source"]) for i, c in enumerate(cells) if c["cell_type"] == "code"]
        is_label = _LABEL.fullmatch(at)
        found = (i for i, source in code if (label_of(source) == at if is_label else at in source))
    for index in found:
        return index
    raise CourseError(f"no cell {at!r}: expected a label, first, last, task or answer HEADING, or text of a code cell")


def _tagged(cell: dict[str, Any], tag: str) -> bool:
    return tag in cell["metadata"].get("tags", ())


def _put(cells: Cells, index: int, source: str) -> None:
    """Gives the cell another text; :raises CourseError: it is the text that it has."""
    if source == cells[index]["source"]:
        raise CourseError(f"nothing to change in the cell that begins {source[:40]!r}")
    cells[index] = {**cells[index], "source": source}


def _new(text: str, prefix: str) -> Cells:
    if not _PERCENT_HEADER.search(text):
        return [new_cell("code", text.strip("\n"), prefix)]
    made: Cells = build_notebook(text.lstrip("\n"), prefix)["cells"]
    return [cell | {"id": f"{prefix}-{number}"} for number, cell in enumerate(made, 1)]


def _replace(cells: Cells, op: Replace, prefix: str) -> None:
    index = find(cells, op.at)
    _put(cells, index, cells[index]["source"].replace(op.old, op.new))


def _regex(cells: Cells, op: Regex, prefix: str) -> None:
    index = find(cells, op.at)
    _put(cells, index, re.sub(op.pattern, op.new, cells[index]["source"], flags=re.MULTILINE))


def _everywhere(cells: Cells, op: Everywhere, prefix: str) -> None:
    count = 0
    for index, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            source, n = re.subn(op.pattern, op.new, cell["source"], flags=re.MULTILINE)
            cells[index], count = {**cell, "source": source}, count + n
    if not count:
        raise CourseError(f"no code cell matches {op.pattern!r}")


def _insert(cells: Cells, op: Set | Before | After, prefix: str) -> None:
    index = find(cells, op.at)
    first = index + isinstance(op, After)
    last = index + (not isinstance(op, Before))
    cells[first:last] = _new(op.cells, prefix)


def _append(cells: Cells, op: Append, prefix: str) -> None:
    cells += _new(op.cells, prefix)


def _drop(cells: Cells, op: Drop, prefix: str) -> None:
    del cells[find(cells, op.at)]


def _clear(cells: Cells, op: Clear, prefix: str) -> None:
    _put(cells, find(cells, op.at), "")


def _duplicate(cells: Cells, op: Duplicate, prefix: str) -> None:
    copy = {**cells[find(cells, op.at)], "id": prefix}
    cells.insert(find(cells, op.to) + 1, copy)


def _move(cells: Cells, op: Move, prefix: str) -> None:
    moved = cells[find(cells, op.at)]
    target = cells[find(cells, op.to)]
    if moved is target:
        raise CourseError(f"{op.at!r} and {op.to!r} are the same cell")
    cells.remove(moved)
    cells.insert(cells.index(target) + 1, moved)


def _swap(cells: Cells, op: Swap, prefix: str) -> None:
    one, other = find(cells, op.at), find(cells, op.other)
    mine = cells[one]["source"]
    _put(cells, one, cells[other]["source"])
    _put(cells, other, mine)


def _split(cells: Cells, op: Split, prefix: str) -> None:
    index = find(cells, op.at)
    lines = cells[index]["source"].splitlines()
    cut = next((n for n, text in enumerate(lines) if n and op.line in text), None)
    if cut is None:
        raise CourseError(f"no line but the first contains {op.line!r}")
    rest = {**cells[index], "id": prefix, "source": "\n".join(lines[cut:])}
    cells[index : index + 1] = [{**cells[index], "source": "\n".join(lines[:cut])}, rest]


def _merge(cells: Cells, op: Merge, prefix: str) -> None:
    index = find(cells, op.at)
    kind = cells[index]["cell_type"]
    joined = [i for i in range(index, len(cells)) if cells[i]["cell_type"] == kind][: op.count]
    if len(joined) < max(2, op.count):
        raise CourseError(f"only {len(joined)} {kind} cells from {op.at!r} on, {op.count} to be joined")
    _put(cells, index, "\n\n".join(cells[i]["source"] for i in joined))
    for i in reversed(joined[1:]):
        del cells[i]


def _copy(cells: Cells, op: Copy, prefix: str) -> None:
    _put(cells, find(cells, op.at), cells[find(cells, op.source)]["source"])


def _comment(cells: Cells, op: Comment, prefix: str) -> None:
    index = find(cells, op.at)
    text = "\n".join(f"# {line}".rstrip() for line in cells[index]["source"].splitlines())
    cells[index] = new_cell("code", text, cells[index]["id"])


def _indent(cells: Cells, op: Indent, prefix: str) -> None:
    index = find(cells, op.at)
    _put(cells, index, "\n".join(f"    {line}".rstrip() for line in cells[index]["source"].splitlines()))


_ACTIONS: dict[type[Operator], Callable[[Cells, Any, str], None]] = {
    Replace: _replace,
    Regex: _regex,
    Everywhere: _everywhere,
    Set: _insert,
    Before: _insert,
    After: _insert,
    Append: _append,
    Drop: _drop,
    Clear: _clear,
    Duplicate: _duplicate,
    Move: _move,
    Swap: _swap,
    Split: _split,
    Merge: _merge,
    Copy: _copy,
    Comment: _comment,
    Indent: _indent,
}
