"""Refuses a template whose handout would show some of the solution.

Three things are looked at: the cells' headers (a misspelt tag makes a solution cell a given one), markers that other
tools use and that mean nothing here, and text: no sentence or code line of a solution cell may stand in a student's
cell. Code lines that students are given anyway - in given code, or in a fenced hint of a task - are no leak.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from grader.errors import LeakError
from grader.handout.percent import TAGS, Cell

SHORTEST_LEAK = 12
_MARKER = re.compile(
    r"(?:BEGIN|END)[ _](?:SOLUTION|HIDDEN TESTS|MARK SCHEME)|#+[ ]*SOLUTION\b|tags\s*=\s*\["
    r"|模範解答|解答例|正解例|(?i:^[#*_\s]*(?:(?:model|reference|sample) (?:answer|solution)s?)\b)"
)
_FENCE = re.compile(r"^[ ]*(```+|~~~+).*?^[ ]*\1[ ]*$", re.MULTILINE | re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[。．！？!?])|(?<=[.:;])\s+|\n\s*\n")
_NOT_COMPARED = re.compile(r"[\s*_`#>|]+")
_CELL_METADATA = frozenset({"tags"})
_NOTEBOOK_METADATA = frozenset({"kernelspec", "language_info", "grader"})


def check_template(cells: Sequence[Cell]) -> None:
    """:raises LeakError: a header is not understood, a marker is left, or solution text stands in a student's cell."""
    after_task = False
    for cell in cells:
        _check_header(cell)
        after_task = after_task or "task" in cell.tags
        if after_task and not cell.tags & (TAGS - {"answer"}):
            raise LeakError(
                f"{cell.where} comes after a task and does not say who sees it: "
                'expected tags=["given"], ["task"], ["placeholder"] or ["solution"]'
            )
        if "solution" not in cell.tags:
            _check_markers(cell)
    _check_text(cells)


def check_student_notebook(notebook: dict[str, Any], cells: Sequence[Cell]) -> None:
    """The finished notebook carries nothing beside its sources: no output, attachment or metadata with solution text.

    :raises LeakError: it does.
    """
    for cell in notebook["cells"]:
        odd = set(cell) - {"cell_type", "id", "metadata", "source", "outputs", "execution_count"}
        odd |= set(cell["metadata"]) - _CELL_METADATA
        if odd or cell.get("outputs") or cell.get("execution_count") is not None:
            found = ", ".join(sorted(odd)) or "outputs"
            raise LeakError(f"cell {cell['id']} carries more than its source ({found}): clear it")
    if odd := set(notebook["metadata"]) - _NOTEBOOK_METADATA:
        raise LeakError(f"the notebook's metadata has {sorted(odd)}, expected only {sorted(_NOTEBOOK_METADATA)}")
    beside = [notebook["metadata"], *({**c, "source": ""} for c in notebook["cells"])]
    carried = [_squeeze(text) for text in _strings(beside)]
    for cell, line, unit, _ in _solution_units(cells):
        if any(unit in text for text in carried):
            raise LeakError(f"metadata of the student's notebook holds text of the solution, {_at(cell, line)}")


def _check_header(cell: Cell) -> None:
    if cell.kind not in ("code", "markdown"):
        raise LeakError(f"{cell.where} is a {cell.kind} cell: a template has code and markdown cells")
    if cell.extra:
        key, value = next(iter(cell.extra.items()))
        raise LeakError(f'{cell.where}: its header has {key}={value!r}; only tags=["..."] is understood there')
    for tag in sorted(cell.tags - TAGS):
        close = difflib.get_close_matches(tag, TAGS, 1)
        meant = f"; is {close[0]!r} meant?" if close else ""
        raise LeakError(f"{cell.where}: unknown tag {tag!r}{meant} Known tags: {', '.join(sorted(TAGS))}")
    if len(cell.tags - {"answer"}) > 1:
        raise LeakError(f"{cell.where}: tags {sorted(cell.tags)} contradict each other; a cell has one role")


def _check_markers(cell: Cell) -> None:
    for offset, line in enumerate(cell.source.splitlines(), 1):
        if match := _MARKER.search(line):
            raise LeakError(
                f"{_at(cell, offset)}: {match[0]!r} is in a cell that students get; "
                'solutions go into cells of their own, tagged "solution"'
            )


def _check_text(cells: Sequence[Cell]) -> None:
    students = [cell for cell in cells if "solution" not in cell.tags]
    given_code = [_squeeze(c.source) for c in students if c.kind == "code" and "placeholder" not in c.tags]
    hints = [_squeeze(fence) for c in students if "task" in c.tags for fence in _fences(c.source)]
    for solution, solution_line, unit, is_code in _solution_units(cells):
        if any(unit in text for text in (hints + given_code if is_code else hints)):
            continue
        for cell in students:
            source = _FENCE.sub("\n", cell.source) if "task" in cell.tags else cell.source
            if unit in _squeeze(source):
                raise LeakError(
                    f"{_at(cell, _line_in(cell.source, unit))}: students get this cell, "
                    f"and it holds a sentence or line of the solution, {_at(solution, solution_line)}"
                )


def _solution_units(cells: Iterable[Cell]) -> Iterator[tuple[Cell, int, str, bool]]:
    """Cell, line in it from 1, normalised text, and whether it is code, of each comparable piece of the solution."""
    for cell in cells:
        if "solution" in cell.tags:
            for text, is_code in _pieces(cell):
                unit = _squeeze(text)
                if len(unit) >= SHORTEST_LEAK:
                    yield cell, _line_in(cell.source, unit), unit, is_code


def _pieces(cell: Cell) -> Iterator[tuple[str, bool]]:
    if cell.kind == "code":
        for line in cell.source.splitlines():
            yield line, not line.lstrip().startswith("#")
        return
    for fence in _fences(cell.source):
        yield from ((line, True) for line in fence.splitlines())
    yield from ((sentence, False) for sentence in _SENTENCE_END.split(_FENCE.sub("\n\n", cell.source)))


def _strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from _strings(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _fences(source: str) -> list[str]:
    return [match[0] for match in _FENCE.finditer(source)]


def _squeeze(text: str) -> str:
    """``text`` as it is compared: NFKC, lower case, without white space and markdown's marks."""
    return _NOT_COMPARED.sub("", unicodedata.normalize("NFKC", text).casefold())


def _line_in(source: str, unit: str) -> int:
    """The line, from 1, in which ``unit`` begins; a unit may run over several lines."""
    lines = source.splitlines()
    starts = [n for n in range(len(lines)) if unit in _squeeze("\n".join(lines[n:]))]
    return starts[-1] + 1 if starts else 1


def _at(cell: Cell, line: int) -> str:
    return f"{cell.where}, its line {line}" if cell.line is None else f"line {cell.line + line} in {cell.where}"
