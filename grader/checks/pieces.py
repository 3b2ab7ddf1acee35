"""Cuts a notebook into the pieces in which students write: markdown, comments, strings and bare sentences."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from grader.checks.facts import NotebookCell
from grader.checks.prose import is_prose

_FENCE = re.compile(r"^[ \t]*(```|~~~)[^\n]*\n.*?(?:^[ \t]*\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_INDENTED_MARK = re.compile(r"^\s*(?:>|[-*+•]|\d{1,2}[.)])\s+")
_HEADING = re.compile(r"^\s*#{1,6}\s+")
_SHELL = re.compile(r"^\s*[!%]")
_LONG_STRING = 15


class Where(StrEnum):
    """Where a text stands."""

    MARKDOWN = "markdown"
    COMMENT = "comment"
    STRING = "string"
    BARE = "bare"


@dataclass(frozen=True, slots=True)
class Piece:
    """One line or block of text. ``heading``: a markdown heading; ``cell`` and ``line`` count from 0."""

    cell: int
    line: int
    where: Where
    text: str
    heading: bool = False
    tags: tuple[str, ...] = ()


def pieces_of(cells: Iterable[NotebookCell]) -> list[Piece]:
    """All pieces in notebook order."""
    return [piece for cell in cells for piece in (_code(cell) if cell.kind == "code" else _markdown(cell))]


def fenced_code(source: str) -> list[str]:
    """Code blocks of a markdown text (hints), without their fences."""
    blocks = (m.group(0) for m in _FENCE.finditer(source))
    return ["\n".join(line for line in b.splitlines() if not line.strip().startswith(("```", "~~~"))) for b in blocks]


def _markdown(cell: NotebookCell) -> Iterator[Piece]:
    source = _FENCE.sub(lambda m: "\n" * m.group(0).count("\n"), cell.source)
    for number, line in enumerate(source.splitlines()):
        text = _INDENTED_MARK.sub("", _HEADING.sub("", line)).strip().strip("*_|")
        if text:
            yield Piece(cell.index, number, Where.MARKDOWN, text, bool(_HEADING.match(line)), cell.tags)


def _code(cell: NotebookCell) -> Iterator[Piece]:
    lines = [("" if _SHELL.match(line) else line) for line in textwrap.dedent(cell.source).splitlines()]
    bare = _bare_sentences(lines)
    for number in bare:
        yield Piece(cell.index, number, Where.BARE, lines[number].strip())
        lines[number] = ""
    found = [*_comments(lines), *_strings(lines)]
    for number, where, text in sorted(found):
        yield Piece(cell.index, number, where, text, tags=cell.tags)


def _bare_sentences(lines: list[str]) -> list[int]:
    """Numbers of the lines that Python stumbles over and that read as natural language."""
    bare: list[int] = []
    remaining = list(lines)
    for _ in range(50):
        try:
            _parse("\n".join(remaining))
            break
        except SyntaxError as error:
            number = (error.lineno or 0) - 1
        if not 0 <= number < len(remaining) or not is_prose(remaining[number]):
            break
        bare.append(number)
        remaining[number] = ""
    # A bare Japanese word is a valid Python name, so that a line of its own parses.
    names = [i for i, line in enumerate(remaining) if _is_lone_name(line)]
    return sorted({*bare, *names})


def _is_lone_name(line: str) -> bool:
    stripped = line.strip()
    return not stripped.isascii() and stripped.isidentifier() and len(stripped) >= 8


def _comments(lines: list[str]) -> Iterator[tuple[int, Where, str]]:
    """Comments on lines of their own; one beside code explains that code."""
    in_string = dict.fromkeys(('"""', "'''"), False)
    for number, line in enumerate(lines):
        stripped = line.strip()
        if stripped.startswith("#") and not any(in_string.values()):
            yield number, Where.COMMENT, stripped.lstrip("#").strip()
            continue
        for quote in in_string:
            in_string[quote] ^= line.count(quote) % 2 == 1


def _parse(source: str) -> ast.Module:
    """:raises SyntaxError: whatever keeps Python from reading it."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(source)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from error


def _strings(lines: list[str]) -> Iterator[tuple[int, Where, str]]:
    """Long string literals: a bare string, or one that is printed; docstrings of functions explain code."""
    source = "\n".join(lines)
    try:
        tree = _parse(source)
    except SyntaxError:
        yield from _tokenised_strings(source)
        return
    skipped = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield from _string_lines(node.lineno - 1, node.value)


def _has_docstring(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or not node.body:
        return False
    return isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)


def _tokenised_strings(source: str) -> Iterator[tuple[int, Where, str]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.STRING:
                yield from _string_lines(token.start[0] - 1, token.string.strip("rbufRBUF\"'"))
    except (tokenize.TokenError, SyntaxError):
        return


def _string_lines(number: int, value: str) -> Iterator[tuple[int, Where, str]]:
    for offset, line in enumerate(value.splitlines()):
        if len(line.strip()) >= _LONG_STRING:
            yield number + offset, Where.STRING, line.strip()
