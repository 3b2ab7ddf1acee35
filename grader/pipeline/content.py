"""What of a notebook can change its run or its checks, as one key.

Cells in order, their sources and their tags. Not: saved outputs, execution counts, ids of cells, other metadata, and
white space at the ends of lines where it means nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tokenize
from collections.abc import Mapping
from typing import Any

from grader.model import Attempt

_SHELL_OR_MAGIC = re.compile(r"^\s*[!%]|^\s*[\w, ]+=\s*[!%]|\?\s*$")
_BLANK = " \t\r"
_TOKENIZED_LIMIT_CHARS = 200_000


def content_key(attempt: Attempt) -> str:
    """64 hexadecimal digits, the same for notebooks that run and are checked alike; of an unreadable file, its own."""
    known: Any = attempt.digest if attempt.notebook is None else [_cell(c) for c in attempt.notebook.get("cells") or ()]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _cell(cell: Mapping[str, Any]) -> list[Any]:
    source = cell.get("source") or ""
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    tags = (cell.get("metadata") or {}).get("tags") or ()
    kind = str(cell.get("cell_type"))
    return [kind, _code(text) if kind == "code" else _stripped(text), list(map(str, tags))]


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip(_BLANK) for line in text.split("\n")).rstrip("\n")


def _code(source: str) -> str:
    """``source`` without white space at line ends; left as it is where that could be another program."""
    if _stripped(source) == source:
        return source
    if source.lstrip().startswith("%%"):
        return source
    inside = _lines_that_end_in_a_string(source)
    if inside is None:
        return source
    lines = [line if i in inside else _line(line) for i, line in enumerate(source.split("\n"), 1)]
    return "\n".join(lines).rstrip("\n")


def _line(line: str) -> str:
    """One line outside of strings. A backslash with a blank behind it is an error, and without one a continuation."""
    bare = line.rstrip(_BLANK)
    return line if _SHELL_OR_MAGIC.search(line) or (bare.endswith("\\") and bare != line.rstrip("\r")) else bare


def _lines_that_end_in_a_string(source: str) -> set[int] | None:
    """Numbers, from 1, of the lines whose end is inside of a string; ``None`` where it cannot be told."""
    if '"""' not in source and "'''" not in source:
        return {i for i, line in enumerate(source.split("\n"), 1) if line.rstrip("\r").endswith("\\")}
    if len(source) > _TOKENIZED_LIMIT_CHARS:
        return None
    begins, ends = (getattr(tokenize, name, None) for name in ("FSTRING_START", "FSTRING_END"))
    found: set[int] = set()
    opened: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.STRING:
                found |= set(range(token.start[0], token.end[0]))
            elif token.type == begins:
                opened.append(token.start[0])
            elif token.type == ends and opened:
                found |= set(range(opened.pop(), token.end[0]))
    except (tokenize.TokenError, SyntaxError, RecursionError):
        return None
    return found
