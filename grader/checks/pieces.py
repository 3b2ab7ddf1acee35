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
from functools import lru_cache

from grader.checks.facts import NotebookCell
from grader.checks.prose import is_cjk, is_prose, normalised, pictures_in, says_something

_FENCE = re.compile(
    r"^[ \t]*(?P<mark>```|~~~)(?P<info>[^\n]*)\n(?P<body>.*?)(?:^[ \t]*(?P=mark)[^\n]*$|\Z)", re.MULTILINE | re.DOTALL
)
_LANGUAGE = re.compile(
    r"[\s`{.]*(?:i?py\w*|jupyter|(?:ba|z|power)?sh(?:ell)?|console|cmd|r|c|c\+\+|cpp|java|js|javascript|typescript|json"
    r"|ya?ml|toml|xml|css|sql|diff)(?![\w+])",
    re.IGNORECASE,
)
_CODE_SIGNS = re.compile(r"[=\[\]{}]|\w\(|^\s*[!%@]")
_SHOWN = re.compile(r"\bImage(?:\.open)?\([^)\n]{0,200}")
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
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Piece:
    """One line or block of text. ``heading``: a markdown heading; ``cell`` and ``line`` count from 0.

    ``pictures``: the markup or the call that shows one; a piece of code that shows one has no text.
    """

    cell: int
    line: int
    where: Where
    text: str
    heading: bool = False
    tags: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


def pieces_of(cells: Iterable[NotebookCell]) -> list[Piece]:
    """All pieces in notebook order."""
    return [piece for cell in cells for piece in (_code(cell) if cell.kind == "code" else _markdown(cell))]


def fenced_code(source: str) -> list[str]:
    """Code blocks of a markdown text (hints), without their fences."""
    blocks = (m.group(0) for m in _FENCE.finditer(source))
    return ["\n".join(line for line in b.splitlines() if not line.strip().startswith(("```", "~~~"))) for b in blocks]


def _markdown(cell: NotebookCell) -> Iterator[Piece]:
    source = _FENCE.sub(_prose_of, cell.source)
    for number, line in enumerate(source.splitlines()):
        text = _INDENTED_MARK.sub("", _HEADING.sub("", line)).strip().strip("*_|")
        if text:
            heading = bool(_HEADING.match(line))
            yield Piece(cell.index, number, Where.MARKDOWN, text, heading, cell.tags, pictures_in(text))


def _prose_of(fence: re.Match[str]) -> str:
    """A fenced block without its fences where it is text (pasted from a chat, say), else nothing; as many lines."""
    if _is_text(fence["info"], fence["body"]):
        return "\n" + fence["body"]
    return "\n" * fence.group(0).count("\n")


def _is_text(info: str, body: str) -> bool:
    """Whether most of a fenced block is natural language; in one that names a language, every line must be."""
    lines = [line for line in body.splitlines() if normalised(line)]
    if not lines or _is_python(body):
        return False
    if _LANGUAGE.match(info):
        return all(is_prose(line) and not line.lstrip().startswith("#") for line in lines)
    plain = [x for x in lines if is_cjk(x) or says_something(x) or not _CODE_SIGNS.search(x)]
    return 2 * len(normalised("".join(plain))) >= len(normalised("".join(lines)))


def _is_python(source: str) -> bool:
    """Whether Python reads it and finds a statement or a call: it reads lone words and lists with hyphens, too."""
    try:
        tree = _parse(textwrap.dedent(source))
    except SyntaxError:
        return False
    statement = any(not isinstance(node, ast.Expr) for node in tree.body)
    return statement or any(isinstance(node, ast.Call | ast.Attribute) for node in ast.walk(tree))


def _code(cell: NotebookCell) -> Iterator[Piece]:
    lines = [("" if _SHELL.match(line) else line) for line in textwrap.dedent(cell.source).splitlines()]
    bare = _bare_sentences(lines)
    for number in bare:
        yield Piece(cell.index, number, Where.BARE, lines[number].strip())
        lines[number] = ""
    found = [*_comments(lines), *_strings(lines)]
    for number, where, text in sorted(found):
        yield Piece(cell.index, number, where, text, tags=cell.tags)
    if shown := (*pictures_in(cell.source), *_SHOWN.findall(cell.source)):
        yield Piece(cell.index, len(lines), Where.PICTURE, "", tags=cell.tags, pictures=shown)


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


@lru_cache(maxsize=1)  # what is found to be Python is looked through for strings next
def _parse(source: str) -> ast.Module:
    """The caller changes nothing in it. :raises SyntaxError: whatever keeps Python from reading it."""
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
    skipped: set[int] = set()
    for node in ast.walk(tree):  # from the outside inwards: a function before its docstring
        if _has_docstring(node):
            skipped.add(id(node.body[0].value))  # type: ignore[attr-defined]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
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
